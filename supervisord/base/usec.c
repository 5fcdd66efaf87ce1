/*
 * Clocks and the two ways to write time: RFC 3339 for machines, a short span
 * for people.
 */
#include "base/usec.h"

#include <stdio.h>
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

size_t usec_rfc3339(usec_t realtime, char ret_text[static USEC_RFC3339_SIZE])
{
	time_t seconds = (time_t)(realtime / USEC_PER_SEC);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(ret_text, USEC_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(
		ret_text + n, USEC_RFC3339_SIZE - n, ".%06uZ", (unsigned)(realtime % USEC_PER_SEC));
	return n;
}

/* Appends a number with its unit, and returns the end: a table of services shows printf. */
static char *put(char *end, uint64_t value, const char *unit)
{
	char text[DECIMAL_SIZE];

	return stpcpy(stpcpy(end, decimal((int64_t)value, text)), unit);
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
