/*
 * The body of a queue message: the fields of the contract, JSON whatever the reason holds,
 * and never longer than the limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/macro.h"
#include "wire/queue.h"

static struct queue_message message(const char *reason)
{
	return (struct queue_message){.seq = 7,
		.realtime_usec = UINT64_C(1795500000123456),
		.service = "web@1",
		.state = "running",
		.previous = "starting",
		.pid = 123,
		.restarts = 2,
		.reason = reason};
}

static json_t *parse(const struct queue_message *m)
{
	char body[QUEUE_MAX_BODY];
	int n = queue_encode(m, body);
	json_t *j;

	assert_in_range(n, 1, QUEUE_MAX_BODY);
	assert_null(memchr(body, '\0', (size_t)n));
	j = json_loadb(body, (size_t)n, 0, NULL);
	assert_non_null(j);
	assert_null(json_object_get(j, "cut"));
	return j;
}

static void the_body_has_the_fields_of_the_contract(void **state _unused_)
{
	struct queue_message m = message("by request");
	char body[QUEUE_MAX_BODY];
	int n = queue_encode(&m, body);
	const char *want = "{\"v\":1,\"seq\":7,\"time\":\"2026-11-24T06:00:00.123456Z\","
			   "\"service\":\"web@1\",\"state\":\"running\",\"previous\":\"starting\","
			   "\"pid\":123,\"restarts\":2,\"reason\":\"by request\"}";

	assert_int_equal(n, strlen(want));
	assert_memory_equal(body, want, (size_t)n);
}

static void what_is_missing_is_null(void **state _unused_)
{
	struct queue_message m = message("");
	json_t *j;

	m.previous = NULL;
	m.pid = 0;
	j = parse(&m);
	assert_true(json_is_null(json_object_get(j, "previous")));
	assert_true(json_is_null(json_object_get(j, "pid")));
	json_decref(j);
}

static void a_long_reason_is_cut_at_a_character(void **state _unused_)
{
	char reason[3000] = "";
	struct queue_message m = message(reason);
	json_t *j;

	for (size_t i = 0; i + 2 < sizeof(reason); i += 2)
		memcpy(reason + i, "\xc3\xa4", 3);
	j = parse(&m);
	assert_true(json_string_length(json_object_get(j, "reason")) > 100);
	json_decref(j);
}

static void a_reason_that_needs_quoting_fits_as_well(void **state _unused_)
{
	char reason[1200] = "";
	struct queue_message m = message(reason);

	memset(reason, '\x01', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	json_decref(parse(&m));
}

static void what_is_no_text_in_a_reason_is_marked(void **state _unused_)
{
	struct queue_message m = message("a \xff\xfe b");
	json_t *j = parse(&m);

	assert_string_equal(json_string_value(json_object_get(j, "reason")), "a ?? b");
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_body_has_the_fields_of_the_contract),
		cmocka_unit_test(what_is_missing_is_null),
		cmocka_unit_test(a_long_reason_is_cut_at_a_character),
		cmocka_unit_test(a_reason_that_needs_quoting_fits_as_well),
		cmocka_unit_test(what_is_no_text_in_a_reason_is_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
