/*
 * The status of an HTTP answer, however it comes in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#include "base/macro.h"
#include "engine/ready/http.h"

static enum http_outcome take(const char *text, struct http_answer *ret)
{
	*ret = (struct http_answer){0};
	return http_take(ret, text, strlen(text));
}

static void a_status_line_is_enough(void **state _unused_)
{
	static const struct {
		const char *text;
		int status;
		const char *reason;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n", 200, "OK"},
		{"HTTP/1.0 204 No Content\r\nServer: x\r\n\r\n", 204, "No Content"},
		{"HTTP/1.1 503 Service Unavailable\n", 503, "Service Unavailable"},
		{"HTTP/1.1 302\r\n", 302, ""},
		{"HTTP/1.1 200 \r\n", 200, ""},
		{"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, "Switching Protocols"},
		{"HTTP/1.1 599 a\033[2Jb\xff\r\n", 599, "a[2Jb"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct http_answer a;

		assert_int_equal(take(cases[i].text, &a), HTTP_ANSWERED);
		assert_int_equal(a.status, cases[i].status);
		assert_string_equal(a.reason, cases[i].reason);
	}
}

static void cuts_in_between_change_nothing(void **state _unused_)
{
	const char *text =
		"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"
		"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 404 Not Found\r\n";
	size_t n = strlen(text);

	for (size_t first = 0; first <= n; first++) {
		struct http_answer a = {0};

		assert_int_equal(
			http_take(&a, text, first), first == n ? HTTP_ANSWERED : HTTP_MORE);
		assert_int_equal(http_take(&a, text + first, n - first), HTTP_ANSWERED);
		assert_int_equal(a.status, 404);
	}
	for (size_t step = 1; step < 5; step++) {
		struct http_answer a = {0};

		for (size_t i = 0; i < n; i += step)
			http_take(&a, text + i, MIN_OF(step, n - i));
		assert_int_equal(a.outcome, HTTP_ANSWERED);
		assert_int_equal(a.status, 404);
	}
}

static void something_else_is_told_at_its_first_bytes(void **state _unused_)
{
	static const char *const cases[] = {"SSH-2.0-OpenSSH_9.2\r\n", "x", "HTTQ", "\r\n",
		"HTTP/2 200\r\n", "HTTP/1.x 200 OK\r\n", "HTTP/1.1 2000 OK\r\n",
		"HTTP/1.1 20 OK\r\n", "HTTP/1.1  200 OK\r\n", "HTTP/1.1\r\n", "HTTP/1.1 \r\n",
		"HTTP/1.1 600 x\r\n", "HTTP/1.1 099 x\r\n", "HTTP/1.1 200OK\r\n"};
	struct http_answer a;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		assert_int_equal(take(cases[i], &a), HTTP_MALFORMED);
	assert_int_equal(take("HTTP", &a), HTTP_MORE);
	assert_int_equal(take("HTTP/1.1 200 OK", &a), HTTP_MORE);
}

static void lines_may_be_long_and_have_no_effect(void **state _unused_)
{
	struct http_answer a = {0};
	char x[1000];

	memset(x, 'x', sizeof(x));
	http_take(&a, "HTTP/1.1 200 ", 13);
	for (int i = 0; i < 100; i++)
		assert_int_equal(http_take(&a, x, sizeof(x)), HTTP_MORE);
	assert_int_equal(http_take(&a, "\r\n", 2), HTTP_ANSWERED);
	assert_int_equal(a.status, 200);
	assert_int_equal(strlen(a.reason), HTTP_REASON_SIZE - 1);

	/* A header of just that length isn't the end of headers. */
	a = (struct http_answer){0};
	http_take(&a, "HTTP/1.1 100 x\r\n", 16);
	for (size_t n = HTTP_LINE_SIZE - 3; n < HTTP_LINE_SIZE + 3; n++) {
		assert_int_equal(http_take(&a, x, n), HTTP_MORE);
		assert_int_equal(http_take(&a, "\r\n", 2), HTTP_MORE);
	}
	assert_int_equal(http_take(&a, "\r\nHTTP/1.1 200 OK\r\n", 19), HTTP_ANSWERED);
}

static void interim_answers_have_a_limit(void **state _unused_)
{
	struct http_answer a = {0};

	for (int i = 0; i < HTTP_MAX_INTERIM; i++)
		assert_int_equal(http_take(&a, "HTTP/1.1 102 x\r\n\r\n", 18), HTTP_MORE);
	assert_int_equal(http_take(&a, "HTTP/1.1 102 x\r\n\r\n", 18), HTTP_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_status_line_is_enough),
		cmocka_unit_test(cuts_in_between_change_nothing),
		cmocka_unit_test(something_else_is_told_at_its_first_bytes),
		cmocka_unit_test(lines_may_be_long_and_have_no_effect),
		cmocka_unit_test(interim_answers_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
