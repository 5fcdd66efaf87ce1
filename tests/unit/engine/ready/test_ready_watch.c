/*
 * A line is found however it is cut, on whichever stream, and once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "engine/ready/watch.h"

struct fixture {
	struct matcher *matcher;
	struct watch *watch;
};

static struct fixture begin(const char *regex)
{
	char what[REGEX_WHAT_SIZE];
	struct fixture f = {0};

	assert_int_equal(matcher_new(regex, &f.matcher, what), 0);
	f.watch = watch_new(2, f.matcher);
	assert_non_null(f.watch);
	return f;
}

static void end(struct fixture *f)
{
	watch_free(f->watch);
	matcher_free(f->matcher);
}

static int take(struct fixture *f, unsigned stream, const char *text)
{
	return watch_take(f->watch, stream, text, strlen(text));
}

static void a_line_counts_when_it_is_complete(void **state _unused_)
{
	struct fixture f = begin("^ready$");

	assert_int_equal(take(&f, 0, "starting\nnot ready\nrea"), 0);
	assert_int_equal(take(&f, 0, "dy"), 0);
	assert_int_equal(take(&f, 0, "\n"), 1);
	assert_true(watch_is_over(f.watch));
	end(&f);
}

static void it_may_end_as_lines_of_a_terminal_do(void **state _unused_)
{
	struct fixture f = begin("^ready$");

	assert_int_equal(take(&f, 0, "ready\r\n"), 1);
	end(&f);
	f = begin("^ready$");
	assert_int_equal(take(&f, 0, "ready\r"), 0);
	assert_int_equal(take(&f, 0, "\n"), 1);
	end(&f);
}

static void streams_are_not_mixed(void **state _unused_)
{
	struct fixture f = begin("^ready$");

	assert_int_equal(take(&f, 0, "rea"), 0);
	assert_int_equal(take(&f, 1, "dy\n"), 0);
	assert_int_equal(take(&f, 1, "ready"), 0);
	assert_int_equal(take(&f, 0, "\n"), 0);
	assert_int_equal(take(&f, 1, "\n"), 1);
	end(&f);
}

static void it_is_found_once(void **state _unused_)
{
	struct fixture f = begin("ready");

	assert_int_equal(take(&f, 0, "ready\nready\n"), 1);
	assert_int_equal(take(&f, 0, "ready\n"), 0);
	assert_int_equal(take(&f, 1, "ready\n"), 0);
	end(&f);
}

static void an_empty_line_is_one(void **state _unused_)
{
	struct fixture f = begin("^$");

	assert_int_equal(take(&f, 0, "x\n"), 0);
	assert_int_equal(take(&f, 0, "\n"), 1);
	end(&f);
}

static void of_a_long_line_the_beginning_counts(void **state _unused_)
{
	static char text[3 * WATCH_LINE_MAX];

	for (size_t whole = 0; whole < 2; whole++) {
		/* The last byte that counts, and the first that doesn't; at once, and in pieces. */
		for (size_t at = WATCH_LINE_MAX - 1; at <= WATCH_LINE_MAX; at++) {
			struct fixture f = begin("Z");
			size_t step = whole ? sizeof(text) : 100;
			int r = 0;

			memset(text, 'x', sizeof(text));
			text[at] = 'Z';
			text[sizeof(text) - 1] = '\n';
			for (size_t i = 0; i < sizeof(text); i += step)
				r |= watch_take(
					f.watch, 0, text + i, MIN_OF(step, sizeof(text) - i));
			assert_int_equal(r, at < WATCH_LINE_MAX);
			assert_int_equal(take(&f, 0, "Z\n"), at >= WATCH_LINE_MAX);
			end(&f);
		}
	}
}

static void an_expression_that_takes_too_long_is_dropped_after_a_while(void **state _unused_)
{
	struct fixture f = begin("^(a+)+$");

	for (int i = 0; i < WATCH_MAX_GIVE_UP - 1; i++)
		assert_int_equal(
			take(&f, 0, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n"), 0);
	assert_false(watch_is_over(f.watch));
	assert_int_equal(take(&f, 0, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n"), -E2BIG);
	assert_int_equal(take(&f, 0, "a\n"), 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_counts_when_it_is_complete),
		cmocka_unit_test(it_may_end_as_lines_of_a_terminal_do),
		cmocka_unit_test(streams_are_not_mixed),
		cmocka_unit_test(it_is_found_once),
		cmocka_unit_test(an_empty_line_is_one),
		cmocka_unit_test(of_a_long_line_the_beginning_counts),
		cmocka_unit_test(an_expression_that_takes_too_long_is_dropped_after_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
