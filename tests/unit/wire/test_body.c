/* Bodies of events: whatever goes in, a JSON object of valid UTF-8 comes out that fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "wire/body.h"

static json_t *end(struct body *b)
{
	size_t n = body_end(b);
	json_error_t error;
	json_t *object;

	assert_true(n <= b->size);
	object = json_loadb(b->data, n, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		fail_msg("%s: %.*s", error.text, (int)n, b->data);
	return object;
}

static void values_are_what_was_written(void **state)
{
	char data[512];
	struct body b;
	json_t *object, *expected;

	(void)state;
	body_begin(&b, data, sizeof(data));
	body_string(&b, "s", "a \"quoted\" \\ \n\x7f\x01 \xc3\xa4");
	body_string(&b, "none", NULL);
	body_integer(&b, "n", INT64_MIN);
	body_integer(&b, "m", INT64_MAX);
	body_integer(&b, "zero", 0);
	body_boolean(&b, "yes", true);
	body_open(&b, "list", '[');
	body_string(&b, NULL, "x");
	body_integer(&b, NULL, -7);
	body_open(&b, NULL, '{');
	body_close(&b);
	body_close(&b);
	body_open(&b, "o", '{');
	body_null(&b, "x");
	object = end(&b);
	expected = json_pack("{s:s,s:n,s:I,s:I,s:i,s:b,s:[s,i,{}],s:{s:n}}", "s",
		"a \"quoted\" \\ \n\x7f\x01 \xc3\xa4", "none", "n", (json_int_t)INT64_MIN, "m",
		(json_int_t)INT64_MAX, "zero", 0, "yes", 1, "list", "x", -7, "o", "x");
	assert_true(json_equal(object, expected));
	json_decref(object);
	json_decref(expected);
}

static void what_is_no_utf8_is_replaced(void **state)
{
	char data[256];
	struct body b;
	json_t *object;

	(void)state;
	body_begin(&b, data, sizeof(data));
	body_string(&b, "s", "a\xff\xc0\x80\xed\xa0\x80z\xe2\x82");
	object = end(&b);
	assert_string_equal(json_string_value(json_object_get(object, "s")), "a??????z??");
	json_decref(object);
}

static void a_long_string_is_cut_at_a_character_with_a_mark(void **state)
{
	char data[4096], text[3000];
	struct body b;

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		json_t *object;
		const char *s;

		for (size_t i = 0; i + 2 < sizeof(text); i += 2)
			memcpy(text + i, "\xc3\xa4", 2);
		memset(text, 'a', shift);
		text[2998] = '\0';
		/* odd shifts break a character in two */
		body_begin(&b, data, sizeof(data));
		body_string(&b, "s", text);
		assert_false(b.cut);
		object = end(&b);
		s = json_string_value(json_object_get(object, "s"));
		assert_true(strlen(s) <= BODY_MAX_STRING && strlen(s) >= BODY_MAX_STRING - 8);
		assert_string_equal(s + strlen(s) - 3, "\xe2\x80\xa6");
		json_decref(object);
	}
	/* at the bound nothing is cut, one past it is */
	memset(text, 'a', sizeof(text));
	text[BODY_MAX_STRING] = '\0';
	for (unsigned i = 0; i < 2; i++) {
		json_t *object;

		body_begin(&b, data, sizeof(data));
		body_string(&b, "s", text);
		object = end(&b);
		assert_int_equal(
			strcmp(json_string_value(json_object_get(object, "s")), text) != 0, i);
		json_decref(object);
		memcpy(text + BODY_MAX_STRING, "a", 2);
	}
}

/* Every size and every order: it always ends well, and says when something is missing. */
static void what_does_not_fit_is_left_out(void **state)
{
	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		size_t size = BODY_MIN_SIZE + (size_t)rand() % 200;
		char *data = malloc(size), key[16];
		struct body b;
		json_t *object;

		body_begin(&b, data, size);
		for (unsigned i = 0; i < 40; i++) {
			bool array = b.depth > 0 && b.closing[b.depth - 1] == ']';
			const char *k = array && b.skipped == 0 ? NULL : key;

			snprintf(key, sizeof(key), "k%u", i);
			switch (rand() % 6) {
			case 0:
				body_string(&b, k, "some \"text\"\n");
				break;
			case 1:
				body_integer(&b, k, rand());
				break;
			case 2:
				body_open(&b, k, rand() % 2 ? '[' : '{');
				break;
			case 3:
				if (b.depth > 0 || b.skipped > 0)
					body_close(&b);
				break;
			case 4:
				body_null(&b, k);
				break;
			default:
				body_boolean(&b, k, true);
			}
		}
		object = end(&b);
		assert_int_equal(b.cut, json_is_true(json_object_get(object, "cut")));
		json_decref(object);
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_what_was_written),
		cmocka_unit_test(what_is_no_utf8_is_replaced),
		cmocka_unit_test(a_long_string_is_cut_at_a_character_with_a_mark),
		cmocka_unit_test(what_does_not_fit_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
