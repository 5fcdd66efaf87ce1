/*
 * What each line of a log begins with, where log.timestamps asks for it. All lines of a batch
 * get the same one: that is when they were read, and it costs nothing per line but a copy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/usec.h"
#include "conf/spec.h"

#define STAMP_SIZE 40

struct stamp {
	size_t n; /* 0: none */
	char text[STAMP_SIZE]; /* "2026-11-23T06:36:53.123456Z ", "…+01:00 "; no NUL */
};

/* Seconds that local time is ahead of UTC at that moment, in whole minutes. */
int stamp_utc_offset(usec_t realtime);
void stamp_make(struct stamp *s, enum spec_timestamps kind, usec_t realtime, int utc_offset_sec);

/*
 * Copies data with a stamp before each line that begins in it; the first byte begins one if
 * at_start. Ends early where out is full, but never between a stamp and a first byte. Returns
 * how much there is in out, and how much of data that took. size > s->n.
 */
size_t stamp_lines(const struct stamp *s, bool at_start, const char *data, size_t n, char *out,
	size_t size, size_t *ret_taken);

/*
 * The other way round: how much of data the first n bytes of such an output hold. *ret_torn:
 * what stands at their end of a stamp without a first byte.
 */
size_t stamp_measure(
	const struct stamp *s, bool at_start, const char *out, size_t n, size_t *ret_torn);
