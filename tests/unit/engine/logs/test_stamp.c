/*
 * Time stamps: their form, and what local time is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "engine/logs/format/stamp.h"
#include "tests/unit/zone.h"

#define MOMENT UINT64_C(1795415813123456) /* 2026-11-23T06:36:53.123456Z */

static void assert_stamp(enum spec_timestamps kind, usec_t realtime, int offset, const char *text)
{
	struct stamp s;

	stamp_make(&s, kind, realtime, offset);
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.text, text, s.n);
}

static void stamps_are_rfc_3339_and_a_blank(void **state _unused_)
{
	assert_stamp(SPEC_TIMESTAMPS_NONE, MOMENT, 0, "");
	assert_stamp(SPEC_TIMESTAMPS_ISO, MOMENT, 3600, "2026-11-23T06:36:53.123456Z ");
	assert_stamp(SPEC_TIMESTAMPS_LOCAL, MOMENT, 0, "2026-11-23T06:36:53.123456+00:00 ");
	assert_stamp(SPEC_TIMESTAMPS_LOCAL, MOMENT, 3600, "2026-11-23T07:36:53.123456+01:00 ");
	assert_stamp(SPEC_TIMESTAMPS_LOCAL, MOMENT, -12600, "2026-11-23T03:06:53.123456-03:30 ");
	assert_stamp(SPEC_TIMESTAMPS_LOCAL, 0, -3600, "1970-01-01T00:00:00.000000-01:00 ");
	assert_stamp(SPEC_TIMESTAMPS_ISO, UINT64_MAX, 0, "9999-12-31T23:59:59.999999Z ");
	assert_stamp(SPEC_TIMESTAMPS_LOCAL, UINT64_MAX, 93600, "9999-12-31T23:59:59.999999+26:00 ");
}

static void local_time_is_that_of_the_moment(void **state _unused_)
{
	zone_set("XST-1:30XDT,M3.5.0,M10.5.0"); /* summer: 2:30 ahead */
	assert_int_equal(stamp_utc_offset(MOMENT), 5400);
	assert_int_equal(stamp_utc_offset(MOMENT - 150 * USEC_PER_DAY), 9000);
	zone_set("LMT-0:53:28"); /* to the minute: more can't be written */
	assert_int_equal(stamp_utc_offset(MOMENT), 53 * 60);
	zone_set(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamps_are_rfc_3339_and_a_blank),
		cmocka_unit_test(local_time_is_that_of_the_moment),
	};

	return cmocka_run_group_tests_name("stamp", tests, NULL, NULL);
}
