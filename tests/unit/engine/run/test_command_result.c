/*
 * How the end of a command is put into words, and what is kept of its output.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "engine/run/result.h"

static void add(struct output *o, const char *text)
{
	output_add(o, text, strlen(text));
}

static void expect_line(const char *written, const char *expected)
{
	struct output o = {0};
	char line[OUTPUT_LINE_SIZE];

	add(&o, written);
	assert_string_equal(output_last_line(&o, line), expected);
}

static void the_last_line_is_the_last_that_says_something(void **state _unused_)
{
	expect_line("", "");
	expect_line("\n\n", "");
	expect_line("one", "one");
	expect_line("one\ntwo", "two");
	expect_line("one\ntwo\n", "two");
	expect_line("one\ntwo\r\n\n\n", "two");
	expect_line("\none\n", "one");
}

static void a_long_line_is_cut_at_its_end(void **state _unused_)
{
	char text[OUTPUT_LINE_SIZE + 40];

	memset(text, 'x', sizeof(text));
	text[0] = 'a';
	text[sizeof(text) - 1] = '\0';
	for (size_t n = OUTPUT_LINE_SIZE - 2; n <= OUTPUT_LINE_SIZE + 1; n++) {
		struct output o = {0};
		char line[OUTPUT_LINE_SIZE];

		output_add(&o, text, n);
		output_last_line(&o, line);
		assert_int_equal(strlen(line), MIN_OF(n, (size_t)OUTPUT_LINE_SIZE - 1));
		assert_int_equal(line[0], 'a');
	}
}

/* In pieces of every size, against the whole. */
static void the_end_of_what_was_written_is_kept(void **state _unused_)
{
	char text[5000];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	for (size_t piece = 1; piece < sizeof(text); piece += 1 + piece / 3) {
		struct output o = {0};
		size_t sent = 0;

		while (sent < sizeof(text)) {
			size_t n = MIN_OF(piece, sizeof(text) - sent);
			size_t kept;

			output_add(&o, text + sent, n);
			sent += n;
			kept = MIN_OF(sent, (size_t)OUTPUT_SIZE);
			assert_int_equal(o.n, kept);
			assert_memory_equal(o.data, text + sent - kept, kept);
		}
	}
}

static struct command_result describe(
	struct command_result r, struct link_exit end, const char *written)
{
	struct output o = {0};

	add(&o, written);
	result_describe(&r, &end, &o);
	return r;
}

static void an_exit_is_good_with_code_0_only(void **state _unused_)
{
	struct command_result r =
		describe((struct command_result){0}, (struct link_exit){.code = CLD_EXITED}, "");

	assert_true(r.ok);
	assert_int_equal(r.code, 0);
	assert_string_equal(r.text, "exited with code 0");
	r = describe((struct command_result){0},
		(struct link_exit){.code = CLD_EXITED, .status = 3}, "a\nb\n");
	assert_false(r.ok);
	assert_int_equal(r.code, 3);
	assert_int_equal(r.signo, 0);
	assert_string_equal(r.text, "exited with code 3: b");
	assert_int_equal(r.n_how, strlen("exited with code 3"));
	assert_int_equal(r.n_output, 4);
	assert_memory_equal(r.output, "a\nb\n", 4);
}

static void a_signal_is_told_by_name_and_by_who_sent_it(void **state _unused_)
{
	const struct link_exit term = {.code = CLD_KILLED, .status = SIGTERM};
	const struct link_exit kill = {.code = CLD_KILLED, .status = SIGKILL};
	struct command_result r = describe((struct command_result){0}, term, "");

	assert_false(r.ok);
	assert_int_equal(r.code, -1);
	assert_int_equal(r.signo, SIGTERM);
	assert_string_equal(r.text, "was ended by signal TERM");
	r = describe((struct command_result){.timed_out = true, .ran_usec = 2 * USEC_PER_SEC}, kill,
		"waiting");
	assert_true(r.timed_out);
	assert_string_equal(r.text, "took too long and was killed after 2s: waiting");
	r = describe((struct command_result){.cancelled = true, .ran_usec = 300 * USEC_PER_MSEC},
		kill, "");
	assert_true(r.cancelled);
	assert_string_equal(r.text, "was killed after 300ms");
}

static void who_ends_by_itself_in_time_was_not_killed(void **state _unused_)
{
	struct command_result r = describe((struct command_result){.timed_out = true},
		(struct link_exit){.code = CLD_EXITED}, "");

	assert_true(r.ok);
	assert_false(r.timed_out);
	assert_string_equal(r.text, "exited with code 0");
	r = describe((struct command_result){.cancelled = true},
		(struct link_exit){.code = CLD_DUMPED, .status = SIGSEGV}, "");
	assert_false(r.cancelled);
	assert_string_equal(r.text, "was ended by signal SEGV");
}

static void a_start_that_failed_says_where_and_why(void **state _unused_)
{
	struct command_result r = describe((struct command_result){0},
		(struct link_exit){.error = ENOENT, .stage = LINK_STAGE_EXEC}, "");

	assert_false(r.ok);
	assert_int_equal(r.error, ENOENT);
	assert_int_equal(r.code, -1);
	assert_int_equal(r.signo, 0);
	assert_string_equal(r.text, "cannot execute: No such file or directory");
	r = describe((struct command_result){.cancelled = true},
		(struct link_exit){.error = ECANCELED, .stage = LINK_STAGE_RESOURCES}, "");
	assert_true(r.cancelled);
	assert_string_equal(r.text, "was not begun");
}

static void what_nobody_saw_is_no_success_and_no_signal(void **state _unused_)
{
	struct command_result r =
		describe((struct command_result){.cancelled = true, .timed_out = true},
			(struct link_exit){.code = LINK_EXIT_UNKNOWN}, "so far\n");

	assert_true(r.unknown);
	assert_false(r.ok || r.cancelled || r.timed_out);
	assert_int_equal(r.code, -1);
	assert_int_equal(r.signo, 0);
	assert_string_equal(r.text, "ended while nobody could see how: so far");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_line_is_the_last_that_says_something),
		cmocka_unit_test(a_long_line_is_cut_at_its_end),
		cmocka_unit_test(the_end_of_what_was_written_is_kept),
		cmocka_unit_test(an_exit_is_good_with_code_0_only),
		cmocka_unit_test(a_signal_is_told_by_name_and_by_who_sent_it),
		cmocka_unit_test(who_ends_by_itself_in_time_was_not_killed),
		cmocka_unit_test(a_start_that_failed_says_where_and_why),
		cmocka_unit_test(what_nobody_saw_is_no_success_and_no_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
