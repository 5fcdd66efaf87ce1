/*
 * Clocks and the two ways to write time: RFC 3339 for machines, a short span
 * for people.
 */
#include "base/usec.h"

#include <string.h>

#include "base/decimal.h"

usec_t usec_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

usec_t usec_add(usec_t a, usec_t b)
{
	usec_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return USEC_INFINITY;
	return sum;
}

usec_t usec_sub(usec_t a, usec_t b)
{
	if (a == USEC_INFINITY)
		return USEC_INFINITY;
	return a > b ? a - b : 0;
}

/* The sign before it, and so many digits; returns the end. */
static char *put_digits(char *end, char sign, unsigned value, int n_digits)
{
	*end = sign;
	for (int i = n_digits; i > 0; i--, value /= 10)
		end[i] = (char)('0' + value % 10);
	return end + 1 + n_digits;
}

/*
 * By hand, since every event is told with its time, a few times over. Years begin with March here,
 * so that a leap day is the last one; then months have lengths of a pattern, 153 days in five.
 */
size_t usec_rfc3339(usec_t realtime, char ret_text[static USEC_RFC3339_SIZE])
{
	enum {
		DAYS_TO_1970 = 719468,
		DAYS_IN_4_YEARS = 1461,
		DAYS_IN_100_YEARS = 36524,
		DAYS_IN_400_YEARS = 146097
	};
	uint64_t seconds = realtime / USEC_PER_SEC, days = seconds / 86400 + DAYS_TO_1970;
	unsigned second = (unsigned)(seconds % 86400), day = (unsigned)(days % DAYS_IN_400_YEARS);
	unsigned year = (day - day / (DAYS_IN_4_YEARS - 1) + day / DAYS_IN_100_YEARS -
				day / (DAYS_IN_400_YEARS - 1)) /
			365;
	unsigned of_year = day - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * of_year + 2) / 153; /* from March */
	char number[DECIMAL_SIZE], *end;

	year += (unsigned)(days / DAYS_IN_400_YEARS) * 400 + (month >= 10);
	end = stpcpy(ret_text, decimal(year, number));
	end = put_digits(end, '-', month < 10 ? month + 3 : month - 9, 2);
	end = put_digits(end, '-', of_year - (153 * month + 2) / 5 + 1, 2);
	end = put_digits(end, 'T', second / 3600, 2);
	end = put_digits(end, ':', second / 60 % 60, 2);
	end = put_digits(end, ':', second % 60, 2);
	end = put_digits(end, '.', (unsigned)(realtime % USEC_PER_SEC), 6);
	end = stpcpy(end, "Z");
	return (size_t)(end - ret_text);
}

/* Appends a number with its unit, and returns the end: a table of services shows printf. */
static char *put(char *end, uint64_t value, const char *unit)
{
	char text[DECIMAL_SIZE];

	const char *digits = decimal((int64_t)value, text);

	end = mempcpy(end, digits, (size_t)(text + DECIMAL_SIZE - 1 - digits));
	return stpcpy(end, unit);
}

const char *usec_span(usec_t duration, char ret_text[static USEC_SPAN_SIZE])
{
	static const struct {
		usec_t unit, part;
		const char *unit_name, *part_name;
	} spans[] = {
		{USEC_PER_DAY, USEC_PER_HOUR, "d", "h"},
		{USEC_PER_HOUR, USEC_PER_MINUTE, "h", "min"},
		{USEC_PER_MINUTE, USEC_PER_SEC, "min", "s"},
	};

	if (duration == USEC_INFINITY) {
		memcpy(ret_text, "forever", sizeof("forever"));
		return ret_text;
	}
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		usec_t whole = duration / spans[i].unit;
		usec_t rest = duration % spans[i].unit / spans[i].part;
		char *end;

		if (whole == 0)
			continue;
		end = put(ret_text, whole, spans[i].unit_name);
		if (rest > 0)
			put(stpcpy(end, " "), rest, spans[i].part_name);
		return ret_text;
	}
	if (duration >= USEC_PER_SEC && duration / 100000 % 10 != 0)
		put(put(ret_text, duration / USEC_PER_SEC, "."), duration / 100000 % 10, "s");
	else if (duration >= USEC_PER_SEC)
		put(ret_text, duration / USEC_PER_SEC, "s");
	else if (duration >= USEC_PER_MSEC || duration == 0)
		put(ret_text, duration / USEC_PER_MSEC, "ms");
	else
		put(ret_text, duration, "us");
	return ret_text;
}
