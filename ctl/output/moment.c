/*
 * What comes from a server may be anything: it is taken digit by digit, and what has no local
 * time (years with too many digits) is told as it is not known.
 */
#include "ctl/output/moment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

#define MAX_FRACTION 6

/* n digits, which it passes over. */
static bool take_number(const char **text, int n, int *ret)
{
	int value = 0;

	for (int i = 0; i < n; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		value = value * 10 + (**text - '0');
	}
	*ret = value;
	return true;
}

static bool take_fraction(const char **text, usec_t *ret_usec)
{
	usec_t usec = 0, unit = USEC_PER_SEC;
	int digit;

	*ret_usec = 0;
	if (**text != '.')
		return true;
	(*text)++;
	for (int n = 0; n < MAX_FRACTION && take_number(text, 1, &digit); n++) {
		unit /= 10;
		usec += (usec_t)digit * unit;
	}
	*ret_usec = usec;
	return unit < USEC_PER_SEC;
}

/* Days from 1970-01-01 to that one of the Gregorian calendar, with March as the first month. */
static int64_t days_to(int year, int month, int day)
{
	int64_t y = year - (month <= 2), m = (month + 9) % 12;
	int64_t century = y / 400, of_century = y % 400;

	return century * 146097 + of_century * 365 + of_century / 4 - of_century / 100 +
	       (m * 153 + 2) / 5 + day - 1 - 719468;
}

/* "Z" or "+01:00": seconds east of Greenwich. */
static bool take_zone(const char **text, int *ret_seconds)
{
	int sign = **text == '-' ? -1 : 1, hours, minutes;

	*ret_seconds = 0;
	if (**text == 'Z') {
		(*text)++;
		return true;
	}
	if (**text != '+' && **text != '-')
		return false;
	(*text)++;
	if (!take_number(text, 2, &hours) || *(*text)++ != ':' || !take_number(text, 2, &minutes))
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return hours < 24 && minutes < 60;
}

/* text ends with a NUL. */
static int scan(const char **text, usec_t *ret_realtime)
{
	static const char separators[] = "--T::";
	static const int lengths[] = {4, 2, 2, 2, 2, 2};
	int parts[ELEMENTSOF(lengths)], east;
	usec_t fraction;
	int64_t seconds;

	for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
		if (!take_number(text, lengths[i], &parts[i]))
			return -EINVAL;
		if (i < sizeof(separators) - 1 && *(*text)++ != separators[i])
			return -EINVAL;
	}
	if (!take_fraction(text, &fraction) || !take_zone(text, &east))
		return -EINVAL;
	if (parts[1] < 1 || parts[1] > 12 || parts[2] < 1 || parts[2] > 31 || parts[3] > 23 ||
		parts[4] > 59 || parts[5] > 60)
		return -EINVAL;
	seconds = days_to(parts[0], parts[1], parts[2]) * 86400 + parts[3] * 3600 + parts[4] * 60 +
		  parts[5] - east;
	if (seconds < 0)
		return -EINVAL;
	*ret_realtime = (usec_t)seconds * USEC_PER_SEC + fraction;
	return 0;
}

int moment_parse(const char *text, usec_t *ret_realtime)
{
	usec_t realtime;
	int r = scan(&text, &realtime);

	if (r < 0 || text[0] != '\0' || text[-1] != 'Z')
		return -EINVAL;
	*ret_realtime = realtime;
	return 0;
}

int moment_scan(const char *text, size_t n, usec_t *ret_realtime)
{
	char copy[sizeof("2026-11-23T06:36:53.123456+01:00")];
	const char *end = copy;
	int r;

	n = MIN_OF(n, sizeof(copy) - 1);
	memcpy(copy, text, n);
	copy[n] = '\0';
	r = scan(&end, ret_realtime);
	return r < 0 ? r : (int)(end - copy);
}

const char *moment_text(usec_t realtime, usec_t now, char ret_text[static MOMENT_SIZE])
{
	time_t then = (time_t)(realtime / USEC_PER_SEC), today = (time_t)(now / USEC_PER_SEC);
	struct tm a, b;

	if (!localtime_r(&then, &a) || !localtime_r(&today, &b)) {
		snprintf(ret_text, MOMENT_SIZE, "at an unknown time");
		return ret_text;
	}
	if (a.tm_year == b.tm_year && a.tm_yday == b.tm_yday)
		strftime(ret_text, MOMENT_SIZE, "%H:%M:%S", &a);
	else if (strftime(ret_text, MOMENT_SIZE, "%Y-%m-%d %H:%M:%S", &a) == 0)
		snprintf(ret_text, MOMENT_SIZE, "at an unknown time");
	return ret_text;
}
