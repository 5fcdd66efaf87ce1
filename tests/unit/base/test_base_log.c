/*
 * What goes out together, what doesn't wait, and what is told of lines that are lost. stderr is a
 * pipe here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macro.h"

static int old_stderr = -1, log_end = -1;

static int set_up(void **state _unused_)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	old_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	log_end = fds[0];
	log_init("test");
	return 0;
}

static int tear_down(void **state _unused_)
{
	dup2(old_stderr, STDERR_FILENO);
	close(old_stderr);
	close(log_end);
	log_init("test");
	return 0;
}

/* What has been written since; "" for nothing. */
static const char *written(void)
{
	static char text[4 * PIPE_BUF];
	ssize_t n = read(log_end, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void held_lines_go_out_together_and_in_order(void **state _unused_)
{
	const char *text, *one, *two;

	log_hold();
	log_info("one");
	log_info("two");
	assert_string_equal(written(), "");
	log_release();
	text = written();
	one = strstr(text, "info: one\n");
	two = strstr(text, "info: two\n");
	assert_true(one && two && one < two);
	log_info("three");
	assert_non_null(strstr(written(), "info: three\n"));
}

static void a_warning_does_not_wait_nor_does_what_came_before(void **state _unused_)
{
	const char *text, *one, *two;

	log_hold();
	log_info("one");
	log_warning("two");
	text = written();
	one = strstr(text, "info: one\n");
	two = strstr(text, "warning: two\n");
	assert_true(one && two && one < two);
	log_release();
	assert_string_equal(written(), "");
}

static void what_does_not_fit_goes_out_before(void **state _unused_)
{
	char text[16 * PIPE_BUF] = "";
	size_t n = 0;

	log_hold();
	for (int i = 0; i < 200; i++) {
		log_info("a line that is long enough to fill what there is, number %d.", i);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", written());
	}
	assert_true(n > PIPE_BUF);
	log_release();
	snprintf(text + n, sizeof(text) - n, "%s", written());
	for (int i = 0; i < 200; i++) {
		char number[24];

		snprintf(number, sizeof(number), " number %d.\n", i);
		assert_non_null(strstr(text, number));
	}
}

static void all_held_lines_that_are_lost_are_counted(void **state _unused_)
{
	char junk[PIPE_BUF];

	memset(junk, 'x', sizeof(junk));
	while (write(STDERR_FILENO, junk, sizeof(junk)) > 0)
		;
	log_hold();
	log_info("one");
	log_info("two");
	log_release();
	while (*written())
		;
	log_info("three");
	assert_non_null(strstr(written(), "(2 lines of this log lost) three\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			held_lines_go_out_together_and_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_warning_does_not_wait_nor_does_what_came_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_does_not_fit_goes_out_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			all_held_lines_that_are_lost_are_counted, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
