/*
 * How much a stream may write: token buckets for lines and for bytes, each filled at its rate up to
 * what a burst may hold. A line is paid for where it begins.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"
#include "conf/spec.h"

struct bucket {
	uint64_t rate; /* tokens a second; 0: no limit */
	uint64_t size, level;
	usec_t filled_usec; /* monotonic: what came until then is in the level */
};

struct rate {
	struct bucket lines, bytes;
	bool open; /* a line has begun that may go on */
	bool refusing; /* a line has begun that was refused, and its rest is as well */
};

/* Full, at first. Also for new limits: what is in it stays, as far as it fits. */
void rate_configure(struct rate *r, const struct spec_rate *limits, usec_t now);
/* What has come since the last time is filled in. */
void rate_fill(struct rate *r, usec_t now);

/*
 * How many of n bytes may go now. whole: only whole lines, but where the bucket is full and still
 * has less than one line.
 */
size_t rate_allow(const struct rate *r, const char *data, size_t n, bool whole);
/* They have gone. */
void rate_take(struct rate *r, const char *data, size_t n);
/* When there is enough again for a line of ordinary length to go. */
usec_t rate_next(const struct rate *r);

/*
 * Where a line was refused: how many of n bytes belong to it, and are refused as well. 0 also once
 * the bucket is full again: who writes without lines has that much then.
 */
size_t rate_refuse_rest(struct rate *r, const char *data, size_t n);
/* Bytes that were not allowed were dropped; `last` is the last of them. */
void rate_refused(struct rate *r, char last);
