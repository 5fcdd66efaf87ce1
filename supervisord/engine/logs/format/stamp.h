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
