/*
 * When an hour or a day of the local time ends: zones with rules of all kinds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "base/macro.h"
#include "engine/logs/file/period.h"
#include "tests/unit/zone.h"

/* Rules written out, so that no zone files are needed. */
#define BERLIN	  "CET-1CEST,M3.5.0,M10.5.0/3"
#define KOLKATA	  "IST-5:30"
#define LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"
#define SAO_PAULO "<-03>3<-02>,M10.3.0/0,M2.3.0/0" /* as it was: at midnight */

/* "2026-11-23 06:36:53" in UTC. */
static usec_t at(const char *text)
{
	struct tm tm = {0};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return (usec_t)timegm(&tm) * USEC_PER_SEC;
}

static void assert_end(enum spec_every every, const char *moment, const char *end)
{
	assert_int_equal(period_end(every, at(moment)), at(end));
}

static void an_hour_ends_at_the_full_hour_and_a_day_at_midnight(void **state _unused_)
{
	zone_set("UTC");
	assert_end(SPEC_EVERY_HOUR, "2026-11-23 06:36:53", "2026-11-23 07:00:00");
	assert_end(SPEC_EVERY_DAY, "2026-11-23 06:36:53", "2026-11-24 00:00:00");
	assert_end(SPEC_EVERY_DAY, "2026-12-31 23:59:59", "2027-01-01 00:00:00");
	assert_int_equal(period_end(SPEC_EVERY_HOUR, at("2026-11-23 06:59:59") + 999999),
		at("2026-11-23 07:00:00"));
	assert_int_equal(period_end(SPEC_EVERY_NEVER, at("2026-11-23 06:36:53")), USEC_INFINITY);
}

static void the_boundary_itself_belongs_to_what_it_begins(void **state _unused_)
{
	zone_set("UTC");
	assert_end(SPEC_EVERY_HOUR, "2026-11-23 07:00:00", "2026-11-23 08:00:00");
	assert_end(SPEC_EVERY_DAY, "2026-11-24 00:00:00", "2026-11-25 00:00:00");
}

static void hours_of_a_zone_with_half_hours_end_there(void **state _unused_)
{
	zone_set(KOLKATA);
	assert_end(SPEC_EVERY_HOUR, "2026-11-23 06:10:00", "2026-11-23 06:30:00");
	assert_end(SPEC_EVERY_HOUR, "2026-11-23 06:30:00", "2026-11-23 07:30:00");
	assert_end(SPEC_EVERY_DAY, "2026-11-23 06:10:00", "2026-11-23 18:30:00");
}

static void days_with_23_and_25_hours_end_at_midnight(void **state _unused_)
{
	zone_set(BERLIN);
	assert_end(SPEC_EVERY_DAY, "2026-03-28 23:00:00", "2026-03-29 22:00:00");
	assert_end(SPEC_EVERY_DAY, "2026-10-24 22:00:00", "2026-10-25 23:00:00");
}

/* 02:00 to 03:00 comes twice in October, and not at all in March. */
static void an_hour_that_comes_twice_is_two_periods(void **state _unused_)
{
	zone_set(BERLIN);
	assert_end(SPEC_EVERY_HOUR, "2026-10-25 00:30:00", "2026-10-25 01:00:00");
	assert_end(SPEC_EVERY_HOUR, "2026-10-25 01:00:00", "2026-10-25 02:00:00");
	assert_end(SPEC_EVERY_HOUR, "2026-03-29 00:59:59", "2026-03-29 01:00:00");
	assert_end(SPEC_EVERY_HOUR, "2026-03-29 01:00:00", "2026-03-29 02:00:00");
}

static void a_day_without_midnight_and_one_with_two_have_one_end(void **state _unused_)
{
	zone_set(SAO_PAULO);
	/* 2026-10-18 begins at 01:00, which is 03:00 UTC. */
	assert_end(SPEC_EVERY_DAY, "2026-10-18 02:59:59", "2026-10-18 03:00:00");
	assert_end(SPEC_EVERY_DAY, "2026-10-18 03:00:00", "2026-10-19 02:00:00");
	/* At the end of 2026-02-14 it is 23:00 once more, up to 03:00 UTC. */
	assert_end(SPEC_EVERY_DAY, "2026-02-15 01:30:00", "2026-02-15 03:00:00");
	assert_end(SPEC_EVERY_DAY, "2026-02-15 02:30:00", "2026-02-15 03:00:00");
}

/* Whatever the zone, periods follow each other, and none is longer than it can be. */
static void periods_follow_each_other_without_end(void **state _unused_)
{
	static const char *const zones[] = {"UTC", BERLIN, KOLKATA, LORD_HOWE, SAO_PAULO};

	for (size_t i = 0; i < ELEMENTSOF(zones); i++) {
		usec_t t = at("2026-01-01 00:00:00");

		zone_set(zones[i]);
		for (int k = 0; k < 366 * 24; k++) {
			usec_t end = period_end(SPEC_EVERY_HOUR, t);

			assert_true(end > t && end - t <= USEC_PER_HOUR);
			assert_int_equal(period_end(SPEC_EVERY_HOUR, end - 1), end);
			t = end;
		}
		t = at("2026-01-01 00:00:00");
		for (int k = 0; k < 366; k++) {
			usec_t end = period_end(SPEC_EVERY_DAY, t);

			assert_true(end > t && end - t <= 25 * USEC_PER_HOUR);
			assert_int_equal(period_end(SPEC_EVERY_DAY, end - 1), end);
			t = end;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_hour_ends_at_the_full_hour_and_a_day_at_midnight),
		cmocka_unit_test(the_boundary_itself_belongs_to_what_it_begins),
		cmocka_unit_test(hours_of_a_zone_with_half_hours_end_there),
		cmocka_unit_test(days_with_23_and_25_hours_end_at_midnight),
		cmocka_unit_test(an_hour_that_comes_twice_is_two_periods),
		cmocka_unit_test(a_day_without_midnight_and_one_with_two_have_one_end),
		cmocka_unit_test(periods_follow_each_other_without_end),
	};

	return cmocka_run_group_tests_name("period", tests, NULL, NULL);
}
