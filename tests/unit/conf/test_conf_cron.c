/*
 * Schedules in cron's notation: what is taken and what is refused, and when they come round, in
 * zones with all kinds of changes. The last tests compare the walk with one that goes minute by
 * minute, for random schedules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "conf/values/cron.h"
#include "tests/unit/sparse.h"
#include "tests/unit/zone.h"

#define BERLIN	  "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEW_YORK  "EST5EDT,M3.2.0,M11.1.0"
#define LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"

static bool has_zone(const char *zone)
{
	char path[128];

	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone);
	return access(path, R_OK) == 0;
}

static struct cron parsed(const char *text)
{
	struct cron c;
	char what[CRON_WHAT_SIZE];

	if (cron_parse(text, &c, what) < 0)
		fail_msg("%s: %s", text, what);
	return c;
}

static bool is_same(const struct cron *a, const struct cron *b)
{
	return a->minutes == b->minutes && a->hours == b->hours && a->days == b->days &&
	       a->months == b->months && a->weekdays == b->weekdays && a->any_hour == b->any_hour &&
	       a->any_day == b->any_day && a->any_weekday == b->any_weekday;
}

/* --- the notation --- */

static void each_field_becomes_a_set(void **state _unused_)
{
	static const struct {
		const char *text;
		struct cron cron;
	} cases[] = {
		{"0 0 1 1 0", {1, 1, 1 << 1, 1 << 1, 1, false, false, false}},
		{"59 23 31 12 6", {UINT64_C(1) << 59, 1 << 23, 1U << 31, 1 << 12, 1 << 6}},
		{"0 0 1 1 7", {1, 1, 1 << 1, 1 << 1, 1}},
		{"0 0 1 1 5-7", {1, 1, 1 << 1, 1 << 1, 0x61}},
		{"0 0 1 1 0-7", {1, 1, 1 << 1, 1 << 1, 0x7f}},
		{"0 0 1 1 fri-sun", {1, 1, 1 << 1, 1 << 1, 0x61}},
		{"0 0 1 1 sun-tue", {1, 1, 1 << 1, 1 << 1, 7}},
		{"0 0 1 1 Mon,wED,FRI", {1, 1, 1 << 1, 1 << 1, 0x2a}},
		{"0 0 1 jan 0", {1, 1, 1 << 1, 1 << 1, 1}},
		{"0 0 1 Dec,feb-APR 0", {1, 1, 1 << 1, 0x101c, 1}},
		{"1,2,4 0 1 1 0", {0x16, 1, 1 << 1, 1 << 1, 1}},
		{"1-3,10-20/5 0 1 1 0", {0x10840e, 1, 1 << 1, 1 << 1, 1}},
		{"001 0 1 1 0", {2, 1, 1 << 1, 1 << 1, 1}},
		{"*/20 0 1 1 0", {UINT64_C(1) | 1 << 20 | UINT64_C(1) << 40, 1, 1 << 1, 1 << 1, 1}},
		{"*/60 0 1 1 0", {1, 1, 1 << 1, 1 << 1, 1}},
		{"0 * 1 1 0", {1, 0xffffff, 1 << 1, 1 << 1, 1, .any_hour = true}},
		{"0 */8 1 1 0", {1, 0x10101, 1 << 1, 1 << 1, 1, .any_hour = true}},
		{"0 0-23 1 1 0", {1, 0xffffff, 1 << 1, 1 << 1, 1}},
		{"0 0 * 1 0", {1, 1, 0xfffffffe, 1 << 1, 1, .any_day = true}},
		{"0 0 */10 1 0", {1, 1, 0x80200802, 1 << 1, 1, .any_day = true}},
		{"0 0 1 * 0", {1, 1, 1 << 1, 0x1ffe, 1}},
		{"0 0 1 1 *", {1, 1, 1 << 1, 1 << 1, 0x7f, .any_weekday = true}},
		{"0 0 1 1 */7", {1, 1, 1 << 1, 1 << 1, 1, .any_weekday = true}},
		{"0 0 1 1 */3", {1, 1, 1 << 1, 1 << 1, 0x49, .any_weekday = true}},
		{"\t 0  0\t1 1 0 \t", {1, 1, 1 << 1, 1 << 1, 1}},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct cron c = parsed(cases[i].text);

		if (!is_same(&c, &cases[i].cron))
			fail_msg("%s", cases[i].text);
	}
}

static void a_shorthand_stands_for_five_fields(void **state _unused_)
{
	static const char *const pairs[][2] = {
		{"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"},
		{"@monthly", "0 0 1 * *"},
		{"@weekly", "0 0 * * sun"},
		{"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"},
		{" @hourly ", "0 * * * *"},
	};

	for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
		struct cron a = parsed(pairs[i][0]), b = parsed(pairs[i][1]);

		assert_true(is_same(&a, &b));
	}
}

static void what_is_wrong_is_told_with_its_field(void **state _unused_)
{
	static const char *const cases[][2] = {
		{"", "too few fields; allowed: five: minute, hour, "},
		{" \t", "too few fields"},
		{"* * * *", "too few fields"},
		{"* * * * * ", NULL},
		{"* * * * * *", "too many fields; allowed: five: minute"},
		{"* * * * * /bin/true", "too many fields"},
		{"60 * * * *", "field 1 (minute): 60 is not in 0-59"},
		{"0-60 * * * *", "field 1 (minute): 60 is not in 0-59"},
		{"1,2,99,3 * * * *", "field 1 (minute): 99 is not in 0-59"},
		{"4294967296 * * * *", "field 1 (minute): 4294967296 is not in 0-59"},
		{"18446744073709551616777 * * * *",
			"field 1 (minute): 18446744073709551616777 is not in 0-59"},
		{"0 25 * * *", "field 2 (hour): 25 is not in 0-23"},
		{"0 24 * * *", "field 2 (hour): 24 is not in 0-23"},
		{"0 0 0 * *", "field 3 (day of month): 0 is not in 1-31"},
		{"0 0 32 * *", "field 3 (day of month): 32 is not in 1-31"},
		{"0 0 1 0 *", "field 4 (month): 0 is not in 1-12"},
		{"0 0 1 13 *", "field 4 (month): 13 is not in 1-12"},
		{"0 0 1 1 8", "field 5 (day of week): 8 is not in 0-7"},
		{"0 0 1 mon *",
			"field 4 (month): 'mon' is none of *, a number, a name (jan to dec), a"},
		{"0 0 1 january *", "field 4 (month): 'january' is none of"},
		{"0 0 1 ja *", "field 4 (month): 'ja' is none of"},
		{"0 jan 1 1 *", "field 2 (hour): 'jan' is none of *, a number, a range of them"},
		{"0 0 1 1 jan",
			"field 5 (day of week): 'jan' is none of *, a number, a name (sun to"},
		{"0 0 1 1 sun-xyz,mon", "field 5 (day of week): 'sun-xyz' is none of"},
		{"-1 * * * *", "field 1 (minute): '-1' is none of"},
		{"+1 * * * *", "field 1 (minute): '+1' is none of"},
		{"1- * * * *", "field 1 (minute): '1-' is none of"},
		{"1, * * * *", "field 1 (minute): '' is none of"},
		{",1 * * * *", "field 1 (minute): '' is none of"},
		{"1,,2 * * * *", "field 1 (minute): '' is none of"},
		{"1-2-3 * * * *", "field 1 (minute): '1-2-3' is none of"},
		{"** * * * *", "field 1 (minute): '**' is none of"},
		{"*-5 * * * *", "field 1 (minute): '*-5' is none of"},
		{"? * * * *", "field 1 (minute): '?' is none of"},
		{"1.5 * * * *", "field 1 (minute): '1.5' is none of"},
		{"30-10 * * * *", "field 1 (minute): range '30-10' ends before it begins"},
		{"0 22-6/2 * * *", "field 2 (hour): range '22-6/2' ends before it begins"},
		{"0 0 * * sat-mon", "field 5 (day of week): range 'sat-mon' ends before it begins"},
		{"*/0 * * * *", "field 1 (minute): step 0 is not in 1-60"},
		{"*/61 * * * *", "field 1 (minute): step 61 is not in 1-60"},
		{"*/ * * * *", "field 1 (minute): '*/' is none of"},
		{"*/a * * * *", "field 1 (minute): '*/a' is none of"},
		{"*/-5 * * * *", "field 1 (minute): '*/-5' is none of"},
		{"*/4294967297 * * * *", "field 1 (minute): step 4294967297 is not in 1-60"},
		{"0 */25 * * *", "field 2 (hour): step 25 is not in 1-24"},
		{"0 0 1 */13 *", "field 4 (month): step 13 is not in 1-12"},
		{"0 0 * * */8", "field 5 (day of week): step 8 is not in 1-7"},
		{"5/10 * * * *",
			"field 1 (minute): '5/10': a step goes with * or a range, as in */5"},
		{"5/1 * * * *", "field 1 (minute): '5/1': a step goes with"},
		{"*/5/5 * * * *", "field 1 (minute): '*/5/5' is none of"},
		{"12345678901234567890123456789 * * * *",
			"field 1 (minute): 123456789012345678901234 is not in"},
		{"0 0 1 1 x\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		 "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
			"field 5 (day of week): 'x\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
			"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4' is none of"},
		{"@reboot", "with @ there are only @yearly"},
		{"@", "with @ there are only @yearly"},
		{"@dailyx", "with @ there are only @yearly"},
		{"@dail", "with @ there are only @yearly"},
		{"@daily *", "with @ there are only @yearly"},
		{"@Daily", "with @ there are only @yearly"},
		{"* * * * *\n", "field 5 (day of week): '*\n' is none of"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		char what[CRON_WHAT_SIZE] = "";
		struct cron c, before;
		int r;

		memset(&c, 0x55, sizeof(c));
		before = c;
		r = cron_parse(cases[i][0], &c, what);
		if (!cases[i][1]) {
			assert_int_equal(r, 0);
			continue;
		}
		if (r != -EINVAL || strncmp(what, cases[i][1], strlen(cases[i][1])) != 0)
			fail_msg("'%s': %d, %s", cases[i][0], r, what);
		assert_memory_equal(&c, &before, sizeof(c));
	}
}

/* --- the next time --- */

#define FORMAT "%Y-%m-%d %H:%M %z"

static usec_t moment(const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, FORMAT, &tm);
	long offset = tm.tm_gmtoff;

	if (!end || *end != '\0')
		fail_msg("not a time: %s", text);
	return (usec_t)(timegm(&tm) - offset) * USEC_PER_SEC;
}

static void written(usec_t t, char ret_text[static 64])
{
	time_t seconds = (time_t)(t / USEC_PER_SEC);
	struct tm tm;

	if (t == USEC_INFINITY) {
		strcpy(ret_text, "never");
		return;
	}
	assert_int_equal(t % USEC_PER_MINUTE, 0);
	localtime_r(&seconds, &tm);
	assert_true(strftime(ret_text, 64, FORMAT, &tm) > 0);
}

/* expected: the times that follow one another, up to NULL. */
static void assert_times(const char *text, const char *after, const char *const *expected)
{
	struct cron c = parsed(text);
	usec_t t = moment(after);

	for (; *expected; expected++) {
		char got[64];

		t = cron_next(&c, t);
		written(t, got);
		if (strcmp(got, *expected) != 0)
			fail_msg("'%s' after %s: %s instead of %s", text, after, got, *expected);
	}
}

#define TIMES(text, after, ...) assert_times(text, after, (const char *const[]){__VA_ARGS__, NULL})

static void the_next_time_is_later_than_now(void **state _unused_)
{
	struct cron c = parsed("30 12 * * *");
	usec_t noon = moment("2026-05-05 12:30 +0000");

	zone_set("UTC");
	assert_int_equal(cron_next(&c, noon - 1), noon);
	assert_int_equal(cron_next(&c, noon - USEC_PER_SEC), noon);
	assert_int_equal(cron_next(&c, noon), noon + USEC_PER_DAY);
	assert_int_equal(cron_next(&c, noon + 1), noon + USEC_PER_DAY);
	assert_int_equal(cron_next(&c, noon + USEC_PER_MINUTE), noon + USEC_PER_DAY);
}

static void hours_days_months_and_years_are_crossed(void **state _unused_)
{
	zone_set("UTC");
	TIMES("* * * * *", "2025-12-31 23:58 +0000", "2025-12-31 23:59 +0000",
		"2026-01-01 00:00 +0000", "2026-01-01 00:01 +0000");
	TIMES("*/25 * * * *", "2026-01-01 00:00 +0000", "2026-01-01 00:25 +0000",
		"2026-01-01 00:50 +0000", "2026-01-01 01:00 +0000");
	TIMES("5 4 * * *", "2026-02-28 04:05 +0000", "2026-03-01 04:05 +0000");
	TIMES("59 23 31 * *", "2026-01-31 23:59 +0000", "2026-03-31 23:59 +0000",
		"2026-05-31 23:59 +0000");
	TIMES("@yearly", "2026-01-01 00:00 +0000", "2027-01-01 00:00 +0000");
	TIMES("@monthly", "2026-01-01 00:00 +0000", "2026-02-01 00:00 +0000");
	TIMES("@weekly", "2026-11-25 00:00 +0000", "2026-11-29 00:00 +0000",
		"2026-12-06 00:00 +0000");
	TIMES("0 0 * dec mon-fri", "1970-01-01 00:00 +0000", "1970-12-01 00:00 +0000");
}

static void a_day_matches_by_either_field_where_both_are_given(void **state _unused_)
{
	zone_set("UTC");
	/* 13 November 2026 is a Friday. */
	TIMES("0 0 13 * fri", "2026-11-01 00:00 +0000", "2026-11-06 00:00 +0000",
		"2026-11-13 00:00 +0000", "2026-11-20 00:00 +0000", "2026-11-27 00:00 +0000",
		"2026-12-04 00:00 +0000", "2026-12-11 00:00 +0000", "2026-12-13 00:00 +0000");
	TIMES("0 0 */2 * fri", "2026-11-01 00:00 +0000", "2026-11-13 00:00 +0000",
		"2026-11-27 00:00 +0000");
	TIMES("0 0 13 * */5", "2026-11-01 00:00 +0000", "2026-11-13 00:00 +0000",
		"2026-12-13 00:00 +0000");
}

static void a_leap_day_comes_in_leap_years(void **state _unused_)
{
	zone_set("UTC");
	TIMES("0 0 29 2 *", "2026-01-01 00:00 +0000", "2028-02-29 00:00 +0000",
		"2032-02-29 00:00 +0000");
	TIMES("0 0 29 2 *", "2096-02-29 00:00 +0000", "2104-02-29 00:00 +0000");
	TIMES("0 0 29 2 *", "1999-01-01 00:00 +0000", "2000-02-29 00:00 +0000");
	TIMES("0 0 29 2 */7", "2060-02-29 00:00 +0000", "2088-02-29 00:00 +0000",
		"2128-02-29 00:00 +0000");
	TIMES("0 0 29 2 mon", "2028-02-29 00:00 +0000", "2029-02-05 00:00 +0000");
}

/* The rarest there is: a leap day on one day of the week, over all of the calendar's 400 years. */
static void what_comes_at_all_is_within_the_horizon(void **state _unused_)
{
	usec_t start = moment("2000-01-01 00:00 +0000"), end = moment("2400-01-01 00:00 +0000");

	zone_set("UTC");
	for (unsigned weekday = 0; weekday < 7; weekday++) {
		struct cron c = parsed("0 0 29 2 */7");
		unsigned n = 0;

		c.weekdays = (uint8_t)(1 << weekday);
		for (usec_t t = cron_next(&c, start); t < end; t = cron_next(&c, t))
			n++;
		assert_in_range(n, 13, 15);
	}
}

static void what_never_comes_is_never(void **state _unused_)
{
	struct cron nothing = {.days = 2, .months = 2, .weekdays = 1};

	zone_set(BERLIN);
	TIMES("0 0 30 2 *", "2026-01-01 00:00 +0000", "never");
	TIMES("* * 31 feb,apr,jun,sep,nov *", "2026-01-01 00:00 +0000", "never");
	TIMES("* * 30-31 2 *", "9990-01-01 00:00 +0000", "never");
	assert_int_equal(cron_next(&nothing, 0), USEC_INFINITY);
}

static void the_ends_of_time_are_bounded(void **state _unused_)
{
	struct cron c = parsed("* * * * *");

	zone_set(BERLIN);
	assert_int_equal(cron_next(&c, 0), USEC_PER_MINUTE);
	assert_int_equal(cron_next(&c, USEC_INFINITY), USEC_INFINITY);
	assert_int_equal(cron_next(&c, USEC_INFINITY - 1), USEC_INFINITY);
	assert_int_equal(cron_next(&c, UINT64_C(253402300800) * USEC_PER_SEC), USEC_INFINITY);
	assert_int_equal(cron_next(&c, UINT64_C(253402300740) * USEC_PER_SEC),
		UINT64_C(253402300800) * USEC_PER_SEC);
	zone_set("<-14>14");
	assert_int_equal(cron_next(&c, 0), USEC_PER_MINUTE);
}

static void a_skipped_hour_runs_once_when_it_ends(void **state _unused_)
{
	zone_set(BERLIN);
	TIMES("30 2 * * *", "2026-03-28 00:00 +0100", "2026-03-28 02:30 +0100",
		"2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200");
	TIMES("*/10 2 * * *", "2026-03-29 00:00 +0100", "2026-03-29 03:00 +0200",
		"2026-03-30 02:00 +0200");
	TIMES("0 2,3 * * *", "2026-03-29 00:00 +0100", "2026-03-29 03:00 +0200",
		"2026-03-30 02:00 +0200");
	TIMES("30 1-3 * * *", "2026-03-29 00:00 +0100", "2026-03-29 01:30 +0100",
		"2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200", "2026-03-30 01:30 +0200");
	TIMES("30 2 28 3 *", "2026-03-29 00:00 +0100", "2027-03-28 03:00 +0200");
	TIMES("30 2 29 3 *", "2026-03-29 03:00 +0200", "2027-03-29 02:30 +0200");
	zone_set(NEW_YORK);
	TIMES("15 2 * * *", "2026-03-08 00:00 -0500", "2026-03-08 03:00 -0400",
		"2026-03-09 02:15 -0400");
	zone_set(LORD_HOWE);
	TIMES("15 2 * * *", "2026-10-04 00:00 +1030", "2026-10-04 02:30 +1100",
		"2026-10-05 02:15 +1100");
	TIMES("30 2 * * *", "2026-10-04 00:00 +1030", "2026-10-04 02:30 +1100",
		"2026-10-05 02:30 +1100");
}

static void a_repeated_hour_runs_fixed_times_once(void **state _unused_)
{
	zone_set(BERLIN);
	TIMES("30 2 * * *", "2026-10-25 00:00 +0200", "2026-10-25 02:30 +0200",
		"2026-10-26 02:30 +0100");
	TIMES("30 2 * * *", "2026-10-25 02:15 +0100", "2026-10-26 02:30 +0100");
	TIMES("*/20 2-3 * * *", "2026-10-25 02:35 +0200", "2026-10-25 02:40 +0200",
		"2026-10-25 03:00 +0100");
	TIMES("0 3 * * *", "2026-10-25 02:30 +0200", "2026-10-25 03:00 +0100");
	zone_set(NEW_YORK);
	TIMES("30 1 * * *", "2026-11-01 00:00 -0400", "2026-11-01 01:30 -0400",
		"2026-11-02 01:30 -0500");
	zone_set(LORD_HOWE);
	TIMES("45 1 * * *", "2026-04-05 00:00 +1100", "2026-04-05 01:45 +1100",
		"2026-04-06 01:45 +1030");
}

static void what_has_no_fixed_hour_goes_with_the_wall(void **state _unused_)
{
	zone_set(BERLIN);
	TIMES("30 * * * *", "2026-10-25 01:00 +0200", "2026-10-25 01:30 +0200",
		"2026-10-25 02:30 +0200", "2026-10-25 02:30 +0100", "2026-10-25 03:30 +0100");
	TIMES("15,45 */2 * * *", "2026-10-25 02:44 +0200", "2026-10-25 02:45 +0200",
		"2026-10-25 02:15 +0100", "2026-10-25 02:45 +0100", "2026-10-25 04:15 +0100");
	TIMES("*/30 * * * *", "2026-03-29 01:00 +0100", "2026-03-29 01:30 +0100",
		"2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200");
	TIMES("15 * * * *", "2026-03-29 01:00 +0100", "2026-03-29 01:15 +0100",
		"2026-03-29 03:15 +0200");
	zone_set(LORD_HOWE);
	TIMES("45 * * * *", "2026-04-05 01:00 +1100", "2026-04-05 01:45 +1100",
		"2026-04-05 01:45 +1030", "2026-04-05 02:45 +1030");
	TIMES("15 * * * *", "2026-04-05 01:00 +1100", "2026-04-05 01:15 +1100",
		"2026-04-05 02:15 +1030");
}

/* St John's once set clocks back at one past midnight: the new day comes twice, and the old one. */
static void an_hour_may_come_twice_across_midnight(void **state _unused_)
{
	zone_set("NST3:30NDT,M3.2.0/0:01,M11.1.0/0:01");
	TIMES("0 0 * * *", "2026-10-31 12:00 -0230", "2026-11-01 00:00 -0230",
		"2026-11-02 00:00 -0330");
	TIMES("30 23 * * *", "2026-10-31 12:00 -0230", "2026-10-31 23:30 -0230",
		"2026-11-01 23:30 -0330");
	TIMES("*/30 * 31 10 *", "2026-10-31 23:00 -0230", "2026-10-31 23:30 -0230",
		"2026-10-31 23:30 -0330", "2027-10-31 00:00 -0230");
	TIMES("0 * * * *", "2026-10-31 23:30 -0230", "2026-11-01 00:00 -0230",
		"2026-11-01 00:00 -0330", "2026-11-01 01:00 -0330");
}

static void a_day_that_a_country_leaves_out_runs_when_it_ends(void **state _unused_)
{
	if (!has_zone("Pacific/Apia"))
		skip();
	zone_set("Pacific/Apia"); /* went from 29 to 31 December 2011 */
	TIMES("30 12 * * *", "2011-12-29 00:00 -1000", "2011-12-29 12:30 -1000",
		"2011-12-31 00:00 +1400", "2011-12-31 12:30 +1400");
	TIMES("0 0 30 12 *", "2011-12-01 00:00 -1000", "2011-12-31 00:00 +1400",
		"2012-12-30 00:00 +1400");
	TIMES("* * 30 12 *", "2011-12-01 00:00 -1000", "2012-12-30 00:00 +1400");
}

/* --- against a walk that goes minute by minute --- */

#define YEARS_MINUTES (3 * 366 * 24 * 60)

struct minute {
	uint8_t minute, hour, day, month, weekday;
	bool repeated; /* the wall has shown it before */
	uint16_t skipped; /* so many minutes were skipped just before it */
};

struct walk {
	struct minute *minutes; /* YEARS_MINUTES */
	int64_t start; /* real, seconds */
	uint32_t changes[64]; /* indexes of minutes where the clock was changed */
	unsigned n_changes;
};

static struct minute minute_of(const struct tm *tm)
{
	return (struct minute){.minute = (uint8_t)tm->tm_min,
		.hour = (uint8_t)tm->tm_hour,
		.day = (uint8_t)tm->tm_mday,
		.month = (uint8_t)(tm->tm_mon + 1),
		.weekday = (uint8_t)tm->tm_wday};
}

static void walk_init(struct walk *w, const char *zone, int64_t start)
{
	int64_t latest = INT64_MIN, previous = INT64_MIN;

	zone_set(zone);
	*w = (struct walk){.start = start};
	w->minutes = calloc(YEARS_MINUTES, sizeof(w->minutes[0]));
	assert_non_null(w->minutes);
	for (uint32_t i = 0; i < YEARS_MINUTES; i++) {
		time_t real = start + (time_t)i * 60;
		struct tm tm;
		int64_t wall;

		localtime_r(&real, &tm);
		wall = (real + tm.tm_gmtoff) / 60;
		w->minutes[i] = minute_of(&tm);
		w->minutes[i].repeated = wall <= latest;
		if (i > 0 && wall != previous + 1) {
			assert_true(w->n_changes < ELEMENTSOF(w->changes));
			w->changes[w->n_changes++] = i;
			if (wall > latest + 1)
				w->minutes[i].skipped = (uint16_t)(wall - latest - 1);
		}
		previous = wall;
		latest = MAX_OF(latest, wall);
	}
}

static bool is_match(const struct cron *c, const struct minute *m)
{
	bool day = c->days >> m->day & 1, weekday = c->weekdays >> m->weekday & 1;

	return (c->minutes >> m->minute & 1) && (c->hours >> m->hour & 1) &&
	       (c->months >> m->month & 1) &&
	       (c->any_day || c->any_weekday ? day && weekday : day || weekday);
}

static bool runs_at(const struct walk *w, const struct cron *c, uint32_t i)
{
	const struct minute *m = &w->minutes[i];

	if (is_match(c, m) && (c->any_hour || !m->repeated))
		return true;
	for (unsigned k = 1; !c->any_hour && k <= m->skipped; k++) {
		time_t real = w->start + (time_t)i * 60, wall;
		struct tm tm;
		struct minute there;

		localtime_r(&real, &tm);
		wall = real + tm.tm_gmtoff - (time_t)k * 60;
		gmtime_r(&wall, &tm);
		there = minute_of(&tm);
		if (is_match(c, &there))
			return true;
	}
	return false;
}

/* Follows both from minute i on, for so many runs and minutes. */
static void compare(
	const struct walk *w, const char *text, uint32_t i, unsigned n_runs, uint32_t n_minutes)
{
	struct cron c = parsed(text);
	usec_t t = (usec_t)(w->start + (int64_t)i * 60) * USEC_PER_SEC;
	uint32_t end = MIN_OF(i + n_minutes, (uint32_t)YEARS_MINUTES);
	usec_t next = cron_next(&c, t);

	while (n_runs > 0 && ++i < end) {
		usec_t now = (usec_t)(w->start + (int64_t)i * 60) * USEC_PER_SEC;

		if (!runs_at(w, &c, i)) {
			if (next != now)
				continue;
		} else if (next == now) {
			next = cron_next(&c, now);
			n_runs--;
			continue;
		}
		fail_msg("%s '%s' at %lld: %s", getenv("TZ"), text, (long long)(now / USEC_PER_SEC),
			next == now ? "too early" : "missed");
	}
}

static uint64_t seed = 1;

static unsigned any_below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static void add_field(char *text, unsigned min, unsigned max)
{
	unsigned size = max - min + 1, low = min + any_below(size);
	unsigned high = low + any_below(max - low + 1), step = 1 + any_below(size / 2);
	unsigned last = min + any_below(size);
	char part[64];

	switch (any_below(8)) {
	case 0:
	case 1:
		snprintf(part, sizeof(part), "* ");
		break;
	case 2:
		snprintf(part, sizeof(part), "*/%u ", step);
		break;
	case 3:
		snprintf(part, sizeof(part), "%u-%u ", low, high);
		break;
	case 4:
		snprintf(part, sizeof(part), "%u-%u/%u,%u ", low, high, step, last);
		break;
	default:
		snprintf(part, sizeof(part), "%u,%u ", low, last);
		break;
	}
	strcat(text, part);
}

/* Often of the first hours, where clocks are changed. */
static void make_schedule(char ret_text[static 256])
{
	ret_text[0] = '\0';
	add_field(ret_text, 0, 59);
	if (any_below(2))
		add_field(ret_text, 0, 3);
	else
		add_field(ret_text, 0, 23);
	for (unsigned often = any_below(3), k = 0; k < 3; k++) {
		static const unsigned bounds[][2] = {{1, 31}, {1, 12}, {0, 7}};

		if (often)
			strcat(ret_text, "* ");
		else
			add_field(ret_text, bounds[k][0], bounds[k][1]);
	}
}

static void random_schedules_agree_with_a_walk_by_minutes(void **state _unused_)
{
	static const struct {
		const char *zone, *start;
	} cases[] = {
		{"UTC", "2023-06-01 00:00 +0000"},
		{BERLIN, "2023-06-01 00:00 +0000"},
		{NEW_YORK, "2027-01-01 00:00 +0000"},
		{LORD_HOWE, "2098-11-01 00:00 +0000"},
		{"NST3:30NDT,M3.2.0/0:01,M11.1.0/0:01", "2026-01-01 00:00 +0000"},
		{":Europe/Berlin", "2024-01-01 00:00 +0000"},
		{":America/New_York", "2024-01-01 00:00 +0000"},
		{":Australia/Lord_Howe", "2024-01-01 00:00 +0000"},
		{":Pacific/Apia", "2010-06-01 00:00 +0000"},
		{":Africa/Casablanca", "2017-06-01 00:00 +0000"},
		{":America/Caracas", "2015-01-01 00:00 +0000"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		bool is_named = cases[i].zone[0] == ':';
		struct walk w;

		if (is_named && !has_zone(cases[i].zone + 1))
			continue;
		walk_init(&w, cases[i].zone, (int64_t)(moment(cases[i].start) / USEC_PER_SEC));
		assert_true(i == 0 || w.n_changes > 0);
		for (unsigned n = 0; n < 40; n += sparse()) {
			char text[256];

			make_schedule(text);
			compare(&w, text, any_below(YEARS_MINUTES / 2), 50, YEARS_MINUTES);
			for (unsigned k = 0; k < w.n_changes; k++)
				compare(&w, text, w.changes[k] - any_below(1500) - 1, 400, 4000);
		}
		free(w.minutes);
	}
}

/* --- any text --- */

/* Half of them arbitrary, half of them a good one with a few bytes changed. */
static void make_text(char ret_text[static 256])
{
	static const char alphabet[] = "0123456789012345 \t***//--,,@monjfxsuJD\n.\x80\xff";
	bool is_arbitrary = any_below(2) == 0;
	size_t n;

	make_schedule(ret_text);
	n = is_arbitrary ? any_below(40) : strlen(ret_text);
	for (size_t k = 0; k < n; k++) {
		if (is_arbitrary || any_below(20) == 0)
			ret_text[k] = alphabet[any_below(sizeof(alphabet) - 1)];
	}
	ret_text[n] = '\0';
}

static void any_text_is_parsed_or_refused(void **state _unused_)
{
	unsigned n_good = 0, n_texts = 100000;

	zone_set(BERLIN);
	for (unsigned i = 0; i < n_texts; i++) {
		char what[CRON_WHAT_SIZE] = "", text[256];
		struct cron c;
		int r;

		make_text(text);
		r = cron_parse(text, &c, what);
		if (r < 0) {
			assert_int_equal(r, -EINVAL);
			assert_in_range(strnlen(what, sizeof(what)), 1, sizeof(what) - 2);
			continue;
		}
		n_good++;
		assert_true(c.minutes > 0 && c.minutes >> 60 == 0);
		assert_true(c.hours > 0 && c.hours >> 24 == 0);
		assert_true(c.days > 1 && !(c.days & 1));
		assert_true(c.months > 1 && !(c.months & 1) && c.months >> 13 == 0);
		assert_true(c.weekdays > 0 && c.weekdays >> 7 == 0);
		assert_true(cron_next(&c, i * USEC_PER_HOUR) > i * USEC_PER_HOUR);
	}
	assert_in_range(n_good, n_texts / 100, n_texts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_becomes_a_set),
		cmocka_unit_test(a_shorthand_stands_for_five_fields),
		cmocka_unit_test(what_is_wrong_is_told_with_its_field),
		cmocka_unit_test(the_next_time_is_later_than_now),
		cmocka_unit_test(hours_days_months_and_years_are_crossed),
		cmocka_unit_test(a_day_matches_by_either_field_where_both_are_given),
		cmocka_unit_test(a_leap_day_comes_in_leap_years),
		cmocka_unit_test(what_comes_at_all_is_within_the_horizon),
		cmocka_unit_test(what_never_comes_is_never),
		cmocka_unit_test(the_ends_of_time_are_bounded),
		cmocka_unit_test(a_skipped_hour_runs_once_when_it_ends),
		cmocka_unit_test(a_repeated_hour_runs_fixed_times_once),
		cmocka_unit_test(what_has_no_fixed_hour_goes_with_the_wall),
		cmocka_unit_test(an_hour_may_come_twice_across_midnight),
		cmocka_unit_test(a_day_that_a_country_leaves_out_runs_when_it_ends),
		cmocka_unit_test(random_schedules_agree_with_a_walk_by_minutes),
		cmocka_unit_test(any_text_is_parsed_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
