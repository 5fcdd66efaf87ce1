/*
 * Points in time, from the RFC 3339 of the control protocol to what a clock on the wall shows.
 */
#pragma once

#include <stddef.h>

#include "base/usec.h"

/* "2026-11-23T06:36:53.123456Z", the fraction of up to six digits optional. 0 or -EINVAL. */
int moment_parse(const char *text, usec_t *ret_realtime);

/*
 * The same at the beginning of a text of n bytes, also with "+01:00" in place of the Z: how many
 * bytes it takes, or -EINVAL.
 */
int moment_scan(const char *text, size_t n, usec_t *ret_realtime);

#define MOMENT_SIZE 32
/*
 * In local time: "06:36:53" where that is today (the day of now), else "2026-11-22 06:36:53".
 * Returns ret_text.
 */
const char *moment_text(usec_t realtime, usec_t now, char ret_text[static MOMENT_SIZE]);
