/*
 * A stamp is text made once for a batch, from numbers that the pump's intent holds: whoever
 * writes the batch again, maybe with another idea of local time, makes the same.
 */
#include "engine/logs/format/stamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"

#define LATEST_USEC UINT64_C(253402300799999999) /* the last moment whose year has four digits */

int stamp_utc_offset(usec_t realtime)
{
	time_t seconds = (time_t)(realtime / USEC_PER_SEC);
	struct tm tm;

	if (!localtime_r(&seconds, &tm))
		return 0;
	return (int)(tm.tm_gmtoff / 60 * 60);
}

void stamp_make(struct stamp *s, enum spec_timestamps kind, usec_t realtime, int utc_offset_sec)
{
	char text[USEC_RFC3339_SIZE];
	unsigned minutes = (unsigned)abs(utc_offset_sec) / 60;
	usec_t offset = minutes * USEC_PER_MINUTE;
	size_t n;

	s->n = 0;
	if (kind == SPEC_TIMESTAMPS_NONE)
		return;
	realtime = MIN_OF(realtime, LATEST_USEC);
	if (kind == SPEC_TIMESTAMPS_LOCAL)
		realtime = utc_offset_sec < 0 ? usec_sub(realtime, offset)
					      : MIN_OF(usec_add(realtime, offset), LATEST_USEC);
	n = usec_rfc3339(realtime, text); /* 2026-11-23T06:36:53.123456Z */
	memcpy(s->text, text, n - 1);
	s->n = n - 1;
	if (kind == SPEC_TIMESTAMPS_LOCAL)
		s->n += (size_t)snprintf(s->text + s->n, STAMP_SIZE - s->n, "%c%02u:%02u ",
			utc_offset_sec < 0 ? '-' : '+', minutes / 60 % 100, minutes % 60);
	else
		s->n += (size_t)snprintf(s->text + s->n, STAMP_SIZE - s->n, "Z ");
}
