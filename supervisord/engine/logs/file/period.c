/*
 * An hour ends when the local clock shows a full hour again; where the clock is set back by a
 * whole one, that is the same hour of the clock twice, and two periods. A day ends when the
 * local date becomes a later one, whatever the clock shows then: midnight can be missing, come
 * twice, or be hours away from where adding 24 of them would put it. So it is searched for by
 * what the zone says, instead of being reckoned.
 */
#include "engine/logs/file/period.h"

#include <stdbool.h>
#include <time.h>

#define LONGEST_DAY_SEC (52 * 3600) /* a zone that changes sides of the date line skips one */

static struct tm local(time_t t)
{
	struct tm tm = {0};

	localtime_r(&t, &tm);
	return tm;
}

static time_t hour_end(time_t t)
{
	long into = (t + local(t).tm_gmtoff) % 3600;

	return t - (into < 0 ? into + 3600 : into) + 3600;
}

static bool is_later_date(time_t t, const struct tm *day)
{
	struct tm tm = local(t);

	return tm.tm_year != day->tm_year ? tm.tm_year > day->tm_year : tm.tm_yday > day->tm_yday;
}

static time_t day_end(time_t t)
{
	const struct tm day = local(t);
	time_t before = t, after = t + LONGEST_DAY_SEC;

	while (after - before > 1) {
		time_t middle = before + (after - before) / 2;

		if (is_later_date(middle, &day))
			after = middle;
		else
			before = middle;
	}
	return after;
}

usec_t period_end(enum spec_every every, usec_t realtime)
{
	time_t t = (time_t)(realtime / USEC_PER_SEC);

	tzset();
	switch (every) {
	case SPEC_EVERY_HOUR:
		return (usec_t)hour_end(t) * USEC_PER_SEC;
	case SPEC_EVERY_DAY:
		return (usec_t)day_end(t) * USEC_PER_SEC;
	case SPEC_EVERY_NEVER:
	case SPEC_EVERY_MAX:
		break;
	}
	return USEC_INFINITY;
}
