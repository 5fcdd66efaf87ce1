/*
 * Time stamps: their form, where they go, and how to tell them from what they stand before.
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
	setenv("TZ", "XST-1:30XDT,M3.5.0,M10.5.0", 1); /* summer: 2:30 ahead */
	tzset();
	assert_int_equal(stamp_utc_offset(MOMENT), 5400);
	assert_int_equal(stamp_utc_offset(MOMENT - 150 * USEC_PER_DAY), 9000);
	setenv("TZ", "LMT-0:53:28", 1); /* to the minute: more can't be written */
	tzset();
	assert_int_equal(stamp_utc_offset(MOMENT), 53 * 60);
	unsetenv("TZ");
	tzset();
}

static struct stamp short_stamp(void)
{
	return (struct stamp){.n = 3, .text = "<> "};
}

static void each_line_that_begins_gets_one(void **state _unused_)
{
	const struct {
		bool at_start;
		const char *in, *out;
	} cases[] = {
		{true, "a\nb\n", "<> a\n<> b\n"},
		{true, "a", "<> a"},
		{false, "a\nb", "a\n<> b"},
		{false, "\n", "\n"},
		{true, "\n\n", "<> \n<> \n"},
		{false, "end\n\nx\n", "end\n<> \n<> x\n"},
	};
	struct stamp s = short_stamp();

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		char out[64];
		size_t taken, torn, n = strlen(cases[i].in);
		size_t used = stamp_lines(
			&s, cases[i].at_start, cases[i].in, n, out, sizeof(out), &taken);

		assert_int_equal(taken, n);
		assert_int_equal(used, strlen(cases[i].out));
		assert_memory_equal(out, cases[i].out, used);
		assert_int_equal(stamp_measure(&s, cases[i].at_start, out, used, &torn), n);
		assert_int_equal(torn, 0);
	}
}

/* For each size of the output, and each way to tear it. */
static void what_fits_goes_on_where_it_ended(void **state _unused_)
{
	static const char in[] = "one\n\nthree and more\nfour";
	const size_t n = sizeof(in) - 1;
	struct stamp s = short_stamp();
	char whole[128], out[128];
	size_t taken, torn, n_whole = stamp_lines(&s, true, in, n, whole, sizeof(whole), &taken);

	for (size_t size = s.n + 1; size < n_whole; size++) {
		size_t done = 0, used = 0;
		bool at_start = true;

		while (done < n) {
			size_t k =
				stamp_lines(&s, at_start, in + done, n - done, out, size, &taken);

			assert_true(taken > 0 && k <= size);
			assert_memory_equal(out, whole + used, k);
			assert_int_equal(stamp_measure(&s, at_start, out, k, &torn), taken);
			assert_int_equal(torn, 0);
			used += k;
			done += taken;
			at_start = in[done - 1] == '\n';
		}
		assert_int_equal(used, n_whole);
	}
	for (size_t cut = 0; cut <= n_whole; cut++) {
		size_t k = stamp_measure(&s, true, whole, cut, &torn);
		size_t again = stamp_lines(&s, true, in, k, out, sizeof(out), &taken);

		assert_int_equal(again + torn, cut);
		assert_true(torn <= s.n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamps_are_rfc_3339_and_a_blank),
		cmocka_unit_test(local_time_is_that_of_the_moment),
		cmocka_unit_test(each_line_that_begins_gets_one),
		cmocka_unit_test(what_fits_goes_on_where_it_ended),
	};

	return cmocka_run_group_tests_name("stamp", tests, NULL, NULL);
}
