/*
 * Expressions over what services write: what matches, and what one line may cost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/usec.h"
#include "conf/values/matcher.h"

static struct matcher *compile(const char *pattern)
{
	char problem[REGEX_WHAT_SIZE];
	struct matcher *x = NULL;

	assert_int_equal(matcher_new(pattern, &x, problem), 0);
	return x;
}

static int match(const char *pattern, const char *text)
{
	struct matcher *x = compile(pattern);
	int r = matcher_match(x, text, strlen(text));

	matcher_free(x);
	return r;
}

static void a_pattern_matches_anywhere_in_a_line(void **state _unused_)
{
	assert_int_equal(match("listening on port \\d+", "[12] listening on port 80."), 1);
	assert_int_equal(match("^listening", "now listening"), 0);
	assert_int_equal(match("(?i)READY$", "all ready"), 1);
	assert_int_equal(match("", ""), 1);
	assert_int_equal(match("x", ""), 0);
	assert_int_equal(match("(a)(b)(c)(d)\\4", "abcdd"), 1);
}

static void text_need_not_be_utf8(void **state _unused_)
{
	assert_int_equal(match("gr[\xc3\xbc\xc3\x9f]n", "gr\xc3\xbcn"), 1);
	assert_int_equal(match("ready", "\xff\xfe ready \xc3"), 1);
	assert_int_equal(match("a.b", "a\xff"
				      "b"),
		0);
}

static void what_is_wrong_with_an_expression_is_told(void **state _unused_)
{
	static const char *const cases[] = {"(", "a{2,1}", "[", "\\", "\\C", "\xff", "*"};
	char what[REGEX_WHAT_SIZE];
	struct matcher *x;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		what[0] = '\0';
		assert_int_equal(matcher_new(cases[i], &x, what), -EINVAL);
		assert_true(what[0] != '\0');
	}
}

static void a_match_that_would_take_forever_is_given_up(void **state _unused_)
{
	static const char *const cases[] = {"^(a+)+$", "^(a|aa)+$", "(x+x+)+[yz]",
		"^(.*?,){11}[PQ]", "(?:a?){40}a{40}", "^(a(?1)?b)*[cd]", "((a*)*)*[bc]",
		"(.*)(.*)(.*)(.*)[bc]"};
	char text[4096];
	usec_t before = usec_now(CLOCK_PROCESS_CPUTIME_ID), took;
	unsigned given_up = 0;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct matcher *x = compile(cases[i]);
		int r;

		memset(text, i == 2 ? 'x' : 'a', sizeof(text));
		if (i == 3)
			memset(text, ',', sizeof(text));
		text[sizeof(text) - 1] = '!';
		r = matcher_match(x, text, sizeof(text));
		assert_true(r == 0 || r == 1 || r == -E2BIG);
		given_up += r == -E2BIG;
		matcher_free(x);
	}
	took = usec_now(CLOCK_PROCESS_CPUTIME_ID) - before;
	assert_true(given_up == ELEMENTSOF(cases) - 1);
	/* Of processor time, and a thousandfold what it takes: without limits it is for ever. */
	assert_true(took < 10 * USEC_PER_SEC);
}

static void an_honest_pattern_reaches_no_limit_on_the_longest_line(void **state _unused_)
{
	char text[4096];

	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 9, "port 8080", 9);
	for (int i = 0; i < 2; i++) {
		struct matcher *x = compile(i ? "[Ll]istening.*port \\d+|port \\d+$" : "port \\d+");

		assert_int_equal(matcher_match(x, text, sizeof(text)), 1);
		matcher_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pattern_matches_anywhere_in_a_line),
		cmocka_unit_test(text_need_not_be_utf8),
		cmocka_unit_test(what_is_wrong_with_an_expression_is_told),
		cmocka_unit_test(a_match_that_would_take_forever_is_given_up),
		cmocka_unit_test(an_honest_pattern_reaches_no_limit_on_the_longest_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
