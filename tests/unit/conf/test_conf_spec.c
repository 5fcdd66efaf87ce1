/* The data itself: expansion, names, places, words of a command. */
#include "fixture.h"

#include <stdalign.h>

#include "conf/share.h"
#include "conf/text/text.h"
#include "conf/values/map.h"
#include "conf/values/split.h"
#include "conf/values/strv.h"

static void assert_expands(const struct spec_service *s, const char *text, const char *expected)
{
	char *expanded = spec_expand(text, s, 3);

	assert_string_equal(expanded, expected);
	free(expanded);
}

static void name_and_instance_are_replaced_and_nothing_else(void **state)
{
	struct spec_service s = {.name = (char *)"web", .has_instances = true};

	(void)state;
	assert_expands(&s, "%{name}.log", "web@3.log");
	assert_expands(&s, "a%{instance}%{instance}b", "a33b");
	assert_expands(&s, "%", "%");
	assert_expands(&s, "%%{name}", "%web@3");
	assert_expands(&s, "%{nam}${name} %{name", "%{nam}${name} %{name");
	assert_expands(&s, "", "");
}

static void without_instances_the_instance_is_empty(void **state)
{
	struct spec_service s = {.name = (char *)"web"};

	(void)state;
	assert_expands(&s, "%{name}-%{instance}.", "web-.");
}

static void the_longest_instance_name_fits(void **state)
{
	char name[SPEC_NAME_MAX + 1], result[SPEC_INSTANCE_NAME_MAX];
	struct spec_service s = {.name = name, .has_instances = true};

	(void)state;
	memset(name, 'x', SPEC_NAME_MAX);
	name[SPEC_NAME_MAX] = '\0';
	spec_instance_name(&s, SPEC_MAX_INSTANCES, result);
	assert_int_equal(strlen(result), SPEC_NAME_MAX + 6);
	assert_string_equal(result + SPEC_NAME_MAX, "@10000");
}

static void equal_bytes_are_kept_once_and_stay_where_they_are(void **state)
{
	enum { N = 3000 };
	struct share *share = share_new();
	static void *kept[N];
	static char large[20000];
	const uint64_t *aligned;

	(void)state;
	assert_non_null(share);
	for (unsigned i = 0; i < N; i++) {
		kept[i] = share_bytes(share, &i, sizeof(i), alignof(unsigned));
		assert_non_null(kept[i]);
	}
	memset(large, 'x', sizeof(large));
	for (size_t n = sizeof(large); n > 1; n /= 2) {
		void *p = share_bytes(share, large, n, 1);

		assert_non_null(p);
		assert_memory_equal(p, large, n);
		assert_ptr_equal(share_bytes(share, large, n, 1), p);
	}
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(*(unsigned *)kept[i], i);
		assert_ptr_equal(share_bytes(share, &i, sizeof(i), alignof(unsigned)), kept[i]);
	}
	/* One of them lies at an odd place. */
	share_bytes(share, "a", 1, 1);
	share_bytes(share, "bcdefgh", 8, 1);
	share_bytes(share, "i", 1, 1);
	share_bytes(share, "jklmnop", 8, 1);
	aligned = share_bytes(share, "bcdefgh", 8, 8);
	assert_int_equal((uintptr_t)aligned % 8, 0);
	assert_memory_equal(aligned, "bcdefgh", 8);
	aligned = share_bytes(share, "jklmnop", 8, 8);
	assert_int_equal((uintptr_t)aligned % 8, 0);
	assert_memory_equal(aligned, "jklmnop", 8);
	share_seal(share);
	assert_memory_equal(aligned, "jklmnop", 8);
	share_free(share);
	share_free(NULL);
}

static void success_is_what_the_codes_say(void **state)
{
	struct spec_policy p = {.success_codes = {1, 1, 0, UINT64_C(1) << 63}};

	(void)state;
	assert_true(spec_is_success(&p, 0));
	assert_false(spec_is_success(&p, 1));
	assert_true(spec_is_success(&p, 64));
	assert_true(spec_is_success(&p, 255));
	assert_false(spec_is_success(&p, 256));
	assert_false(spec_is_success(&p, -1));
}

/* words: separated by | */
static void assert_splits(const char *text, const char *words)
{
	char joined[256] = "", **list = NULL;
	const char *what;
	size_t n = 0;

	assert_int_equal(split_words(text, &list, &n, &what), 0);
	for (size_t i = 0; i < n; i++) {
		strcat(joined, "[");
		strcat(joined, list[i]);
		strcat(joined, "]");
	}
	assert_string_equal(joined, words);
	strv_free(list);
}

static void a_command_is_split_as_a_shell_does(void **state)
{
	(void)state;
	assert_splits("a b  c", "[a][b][c]");
	assert_splits(" \t a\n", "[a]");
	assert_splits("", "");
	assert_splits("a 'b c' d", "[a][b c][d]");
	assert_splits("a \"b 'c' $d\"", "[a][b 'c' $d]");
	assert_splits("a\\ b \\\\", "[a b][\\]");
	assert_splits("\"a\\\"b\\$c\\d\"", "[a\"b$c\\d]");
	assert_splits("'a\\'", "[a\\]");
	assert_splits("a'b'\"c\"d", "[abcd]");
	assert_splits("a '' \"\"", "[a][][]");
	assert_splits("a | b > c; d & # e", "[a][|][b][>][c;][d][&][#][e]");
}

static void an_open_quote_is_no_command(void **state)
{
	const char *const texts[] = {"a 'b", "a \"b", "a \"b\\\"", "a\\"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const char *what = NULL;
		char **list = NULL;
		size_t n = 0;

		assert_int_equal(split_words(texts[i], &list, &n, &what), -EINVAL);
		assert_non_null(what);
		strv_free(list);
	}
}

static void only_names_are_names(void **state)
{
	char longest[SPEC_NAME_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[SPEC_NAME_MAX + 1] = '\0';
	assert_false(text_is_name(longest));
	longest[SPEC_NAME_MAX] = '\0';
	assert_true(text_is_name(longest));
	assert_true(text_is_name("0a._-Z"));
	assert_false(text_is_name(""));
	assert_false(text_is_name("-a"));
	assert_false(text_is_name("a@1"));
	assert_false(text_is_name("a/b"));
	assert_false(text_is_name("\xc3\xa4"));
}

static void utf8_is_checked_strictly(void **state)
{
	static const struct {
		const char *text;
		bool is_good;
	} cases[] = {
		{"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true},
		{"\xc0\x80", false}, /* overlong */
		{"\xe0\x80\x80", false}, /* overlong */
		{"\xed\xa0\x80", false}, /* surrogate */
		{"\xf4\x90\x80\x80", false}, /* past U+10FFFF */
		{"\xff", false},
		{"\xe2\x82", false}, /* cut */
		{"\x80", false},
	};
	unsigned line;
	const char *what;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(text_check(cases[i].text, strlen(cases[i].text), &line, &what),
			cases[i].is_good);
	assert_false(text_check("a\n\nb\0c", 6, &line, &what));
	assert_int_equal(line, 3);
}

static void the_map_finds_all_and_only_what_was_put(void **state)
{
	struct map m = {0};
	char keys[1000][8];
	size_t value;

	(void)state;
	assert_false(map_get(&m, "0", &value));
	for (size_t i = 0; i < 1000; i++) {
		snprintf(keys[i], sizeof(keys[i]), "%zu", i);
		assert_int_equal(map_put(&m, keys[i], i), 0);
	}
	assert_int_equal(map_put(&m, "17", 1), -EEXIST);
	for (size_t i = 0; i < 1000; i++) {
		assert_true(map_get(&m, keys[i], &value));
		assert_int_equal(value, i);
	}
	assert_false(map_get(&m, "1000", &value));
	map_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_and_instance_are_replaced_and_nothing_else),
		cmocka_unit_test(without_instances_the_instance_is_empty),
		cmocka_unit_test(the_longest_instance_name_fits),
		cmocka_unit_test(equal_bytes_are_kept_once_and_stay_where_they_are),
		cmocka_unit_test(success_is_what_the_codes_say),
		cmocka_unit_test(a_command_is_split_as_a_shell_does),
		cmocka_unit_test(an_open_quote_is_no_command),
		cmocka_unit_test(only_names_are_names),
		cmocka_unit_test(utf8_is_checked_strictly),
		cmocka_unit_test(the_map_finds_all_and_only_what_was_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
