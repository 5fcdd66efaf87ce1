/*
 * The next time of a schedule. What matches is looked for on the clock on the wall, which is plain
 * arithmetic on days and minutes; each find is then turned into real time. The zone is only asked
 * what the wall showed at some real time (localtime_r), so that every kind of change is covered:
 * daylight saving, half hours, a country that changes its zone, or jumps a day.
 *
 * A wall time happens once, twice (clocks were set back) or never (they were set forward).
 * Schedules with fixed hours take the first time of two, and where there is none, the moment of
 * the change. Those of every hour, or every so many, go with the wall: both times, or none.
 * One walk along the wall looks at first times, and a second one at last times; in each, real time
 * only grows.
 */
#include "conf/values/cron.h"

#include <time.h>

#define MINUTE	       INT64_C(60)
#define DAY	       INT64_C(86400)
#define MINUTES_OF_DAY INT64_C(1440)

/* February 29 on a given day of the week comes at least every 40 years: see 2096. */
#define HORIZON_DAYS (41 * INT64_C(366))
#define LAST_TIME    INT64_C(253402300799) /* the end of 9999 */

struct date {
	int64_t year;
	unsigned month, day; /* from 1 */
};

/* --- the calendar; days count from 1970-01-01 --- */

static int64_t floor_of(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Years begin with March here, so that a leap day is the last one. */
static int64_t day_of(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2);
	int64_t era = floor_of(y, 400);
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static struct date date_of(int64_t day)
{
	int64_t z = day + 719468;
	int64_t era = floor_of(z, 146097);
	int64_t e = z - era * 146097;
	int64_t year_of_era = (e - e / 1460 + e / 36524 - e / 146096) / 365;
	int64_t day_of_year = e - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t m = (5 * day_of_year + 2) / 153;
	unsigned month = (unsigned)(m < 10 ? m + 3 : m - 9);

	return (struct date){.year = year_of_era + era * 400 + (month <= 2),
		.month = month,
		.day = (unsigned)(day_of_year - (153 * m + 2) / 5 + 1)};
}

/* --- what matches on the wall; minutes count from 1970-01-01 00:00 there --- */

static bool day_matches(const struct cron *c, const struct date *date, int64_t day)
{
	int64_t weekday = day + 4 - floor_of(day + 4, 7) * 7;
	bool by_day = c->days >> date->day & 1;
	bool by_weekday = c->weekdays >> weekday & 1;

	if (c->any_day || c->any_weekday)
		return by_day && by_weekday;
	return by_day || by_weekday;
}

/* The first day from this one on that matches, before limit; else limit. */
static int64_t next_day(const struct cron *c, int64_t day, int64_t limit)
{
	while (day < limit) {
		struct date date = date_of(day);

		if (!(c->months >> date.month & 1)) {
			bool is_december = date.month == 12;

			day = day_of(date.year + is_december, is_december ? 1 : date.month + 1, 1);
			continue;
		}
		if (day_matches(c, &date, day))
			return day;
		day++;
	}
	return limit;
}

/* The first minute of a day from this one on, or -1. */
static int next_in_day(const struct cron *c, unsigned minute)
{
	unsigned hour = minute / 60;
	uint64_t minutes = c->minutes >> minute % 60 << minute % 60;
	uint32_t later = c->hours >> hour >> 1 << hour << 1;

	if ((c->hours >> hour & 1) && minutes)
		return (int)(hour * 60) + __builtin_ctzll(minutes);
	if (later && c->minutes)
		return __builtin_ctz(later) * 60 + __builtin_ctzll(c->minutes);
	return -1;
}

/* The first minute from this one on that matches, before the day limit. */
static bool next_match(const struct cron *c, int64_t *minute, int64_t limit)
{
	int64_t from = *minute, day = floor_of(from, MINUTES_OF_DAY);

	for (;;) {
		int64_t next = next_day(c, day, limit);
		int found;

		if (next == limit)
			return false;
		found = next_in_day(c, next > day ? 0 : (unsigned)(from - day * MINUTES_OF_DAY));
		if (found >= 0) {
			*minute = next * MINUTES_OF_DAY + found;
			return true;
		}
		day = next + 1;
		from = day * MINUTES_OF_DAY;
	}
}

/* --- between wall and real time, in seconds --- */

static int64_t wall_of(int64_t real)
{
	time_t t = (time_t)real;
	struct tm tm;

	if (!localtime_r(&t, &tm))
		return real;
	return day_of(tm.tm_year + INT64_C(1900), (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday) *
		       DAY +
	       tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
}

static int64_t offset_at(int64_t real)
{
	return wall_of(real) - real;
}

/* The first moment after `before`, up to `after`, with an offset other than there. */
static int64_t change_between(int64_t before, int64_t after)
{
	int64_t offset = offset_at(before);

	while (after - before > 1) {
		int64_t middle = before + (after - before) / 2;

		if (offset_at(middle) == offset)
			before = middle;
		else
			after = middle;
	}
	return after;
}

struct moments {
	bool exists;
	int64_t first, last; /* the moment of the change where it doesn't exist */
};

/* No offset reaches a day, and there is at most one change within two days. */
static struct moments real_of(int64_t wall)
{
	int64_t a = wall - offset_at(wall - DAY), b = wall - offset_at(wall + DAY);
	bool is_a = wall_of(a) == wall, is_b = b == a ? is_a : wall_of(b) == wall;
	int64_t change;

	if (is_a && is_b)
		return (struct moments){true, a < b ? a : b, a < b ? b : a};
	if (is_a || is_b)
		return (struct moments){true, is_a ? a : b, is_a ? a : b};
	change = change_between(wall - DAY, wall + DAY);
	return (struct moments){false, change, change};
}

/* --- the walks --- */

/* The first match from this minute on whose first, or last, time is later than t; or -1. */
static int64_t walk(const struct cron *c, int64_t minute, int64_t t, bool last)
{
	int64_t limit = floor_of(minute, MINUTES_OF_DAY) + HORIZON_DAYS;

	for (; next_match(c, &minute, limit); minute++) {
		struct moments m = real_of(minute * MINUTE);
		int64_t found = last ? m.last : m.first;

		if (found > t && (m.exists || !c->any_hour))
			return found;
	}
	return -1;
}

usec_t cron_next(const struct cron *c, usec_t after_usec)
{
	int64_t t, wall, minute, found, again;
	struct moments now;

	if (after_usec / USEC_PER_SEC > (usec_t)LAST_TIME)
		return USEC_INFINITY;
	t = (int64_t)(after_usec / USEC_PER_SEC);
	wall = wall_of(t);
	minute = floor_of(wall, MINUTE) + 1;
	found = walk(c, minute, t, false);
	now = real_of(wall);
	if (c->any_hour && now.first < now.last) {
		/* Now is within an hour that comes twice. What comes first of it the second time?
		 */
		if (t < now.last)
			minute = floor_of(wall_of(change_between(t, now.last)) - 1, MINUTE) + 1;
		again = walk(c, minute, t, true);
		if (again >= 0 && (found < 0 || again < found))
			found = again;
	}
	return found < 0 ? USEC_INFINITY : (usec_t)found * USEC_PER_SEC;
}
