/*
 * What comes from a server may be anything: it is taken digit by digit, and what has no local
 * time (years with too many digits) is told as it is not known.
 */
#include "ctl/moment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

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

int moment_parse(const char *text, usec_t *ret_realtime)
{
	static const char separators[] = "--T::";
	static const int lengths[] = {4, 2, 2, 2, 2, 2};
	int parts[ELEMENTSOF(lengths)];
	usec_t fraction;
	struct tm tm;
	time_t seconds;

	for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
		if (!take_number(&text, lengths[i], &parts[i]))
			return -EINVAL;
		if (i < sizeof(separators) - 1 && *text++ != separators[i])
			return -EINVAL;
	}
	if (!take_fraction(&text, &fraction) || text[0] != 'Z' || text[1] != '\0')
		return -EINVAL;
	if (parts[1] < 1 || parts[1] > 12 || parts[2] < 1 || parts[2] > 31 || parts[3] > 23 ||
		parts[4] > 59 || parts[5] > 60)
		return -EINVAL;
	tm = (struct tm){.tm_year = parts[0] - 1900,
		.tm_mon = parts[1] - 1,
		.tm_mday = parts[2],
		.tm_hour = parts[3],
		.tm_min = parts[4],
		.tm_sec = parts[5]};
	seconds = timegm(&tm);
	if (seconds < 0)
		return -EINVAL;
	*ret_realtime = (usec_t)seconds * USEC_PER_SEC + fraction;
	return 0;
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
