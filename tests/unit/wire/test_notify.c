/*
 * Datagrams of services: what each key means, what is left out, and what a hostile one can't
 * bring in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "wire/notify.h"

static struct notify_message parse(const char *text)
{
	struct notify_message m;

	assert_int_equal(notify_parse(text, strlen(text), &m), 0);
	return m;
}

static void each_key_has_its_meaning(void **state _unused_)
{
	static const struct {
		const char *text;
		unsigned said;
	} cases[] = {
		{"READY=1", NOTIFY_READY},
		{"RELOADING=1", NOTIFY_RELOADING},
		{"STOPPING=1", NOTIFY_STOPPING},
		{"WATCHDOG=1", NOTIFY_ALIVE},
		{"WATCHDOG=trigger", NOTIFY_TRIGGER},
		{"BARRIER=1", NOTIFY_BARRIER},
		{"STATUS=", NOTIFY_STATUS},
		{"MAINPID=1", NOTIFY_MAINPID},
		{"EXTEND_TIMEOUT_USEC=0", NOTIFY_EXTEND},
		{"READY=1\nSTATUS=up\n", NOTIFY_READY | NOTIFY_STATUS},
		{"\n\nREADY=1", NOTIFY_READY},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		assert_int_equal(parse(cases[i].text).said, cases[i].said);
}

static void values_come_with_their_keys(void **state _unused_)
{
	struct notify_message m = parse("STATUS=loading 3 of 7\nMAINPID=4711\n"
					"EXTEND_TIMEOUT_USEC=2500000");

	assert_string_equal(m.status, "loading 3 of 7");
	assert_int_equal(m.main_pid, 4711);
	assert_int_equal(m.extend_usec, 2500000);
}

static void other_keys_and_values_say_nothing(void **state _unused_)
{
	static const char *const cases[] = {"READY=0", "READY=10", "READY=", "READY", "ready=1",
		" READY=1", "READY=1 ", "xREADY=1", "WATCHDOG=2", "WATCHDOG=triggers", "ERRNO=2",
		"FDSTORE=1", "FDNAME=x", "BUSERROR=x", "WATCHDOG_USEC=1", "MONOTONIC_USEC=5",
		"MAINPID=", "MAINPID=0", "MAINPID=-1", "MAINPID=1x", "MAINPID=2147483648",
		"MAINPID=99999999999999999999999", "EXTEND_TIMEOUT_USEC=", "EXTEND_TIMEOUT_USEC=1s",
		"EXTEND_TIMEOUT_USEC=18446744073709551616", "\n", "="};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		assert_int_equal(parse(cases[i]).said, 0);
}

static void the_first_of_two_counts(void **state _unused_)
{
	struct notify_message m = parse("MAINPID=7\nMAINPID=8\nSTATUS=a\nSTATUS=b");

	assert_int_equal(m.main_pid, 7);
	assert_string_equal(m.status, "a");
	/* One that is malformed is none. */
	assert_int_equal(parse("MAINPID=x\nMAINPID=8").main_pid, 8);
}

static void nobody_gets_more_than_a_day_at_a_time(void **state _unused_)
{
	assert_int_equal(parse("EXTEND_TIMEOUT_USEC=86400000000").extend_usec, USEC_PER_DAY);
	assert_int_equal(parse("EXTEND_TIMEOUT_USEC=86400000001").extend_usec, USEC_PER_DAY);
	assert_int_equal(
		parse("EXTEND_TIMEOUT_USEC=18446744073709551615").extend_usec, USEC_PER_DAY);
}

static void a_status_is_text_for_a_terminal(void **state _unused_)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"STATUS=a\033[2Jb\tc\r\x7f", "a[2Jbc"},
		{"STATUS=gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"STATUS=\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
		{"STATUS=a\xc2\x9b"
		 "b",
			"ab"}, /* CSI as one character */
		{"STATUS=a\xe2\x80\xae"
		 "b",
			"ab"}, /* from right to left */
		{"STATUS=a\xff\xc3", "a??"}, /* no character, and half of one */
		{"STATUS=\xc0\xaf", "??"}, /* too long a form */
		{"STATUS=\xed\xa0\x80", "???"}, /* half of a surrogate pair */
		{"STATUS=\xf4\x90\x80\x80", "????"}, /* above all */
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		assert_string_equal(parse(cases[i].text).status, cases[i].want);
}

static void a_status_is_cut_at_a_character(void **state _unused_)
{
	char text[512] = "STATUS=";
	struct notify_message m;

	memset(text + 7, 'x', 300);
	m = parse(text);
	assert_int_equal(strlen(m.status), NOTIFY_STATUS_SIZE - 1);
	for (size_t i = 8; i < 300; i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	m = parse(text);
	assert_int_equal(strlen(m.status), NOTIFY_STATUS_SIZE - 2);
	assert_int_equal((unsigned char)m.status[strlen(m.status) - 1], 0xbc);
}

static void what_is_no_text_is_refused(void **state _unused_)
{
	struct notify_message m;

	assert_int_equal(notify_parse("", 0, &m), -EBADMSG);
	assert_int_equal(notify_parse("\0", 1, &m), -EBADMSG);
	assert_int_equal(notify_parse("READY=1\0", 8, &m), 0);
	assert_int_equal(notify_parse("READY=1\0\0", 9, &m), -EBADMSG);
	assert_int_equal(notify_parse("READY=1\0STATUS=x", 16, &m), -EBADMSG);
}

static void size_has_a_limit(void **state _unused_)
{
	static char text[NOTIFY_MAX_BYTES + 1];
	struct notify_message m;

	memset(text, '\n', sizeof(text));
	memcpy(text + NOTIFY_MAX_BYTES - 7, "READY=1", 7);
	assert_int_equal(notify_parse(text, NOTIFY_MAX_BYTES, &m), 0);
	assert_int_equal(m.said, NOTIFY_READY);
	assert_int_equal(notify_parse(text, NOTIFY_MAX_BYTES + 1, &m), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_has_its_meaning),
		cmocka_unit_test(values_come_with_their_keys),
		cmocka_unit_test(other_keys_and_values_say_nothing),
		cmocka_unit_test(the_first_of_two_counts),
		cmocka_unit_test(nobody_gets_more_than_a_day_at_a_time),
		cmocka_unit_test(a_status_is_text_for_a_terminal),
		cmocka_unit_test(a_status_is_cut_at_a_character),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(size_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
