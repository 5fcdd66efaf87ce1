/*
 * A look at the rotated files of all marked logs in one directory, which is listed once for all
 * of them: removes those that are too many, too old or too large together, and what a compression
 * has left half done, and finds those to compress.
 */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"

struct upkeep;
struct upkeep_set;

/* So many rotated files are looked at in one sweep; more wait for the next. */
#define SWEEP_MAX_SEGMENTS 262144

struct sweep_segment;

struct sweep_log {
	const char *base; /* borrowed from its file's path */
	struct upkeep *upkeep; /* borrowed */
	struct sweep_segment *segments; /* owned */
	uint32_t n, size;
};

struct sweep {
	DIR *dir; /* owned; NULL: none is under way */
	struct sweep_log *logs; /* owned; by base */
	size_t n_logs, n_segments;
	bool is_listed; /* the segments are known, and the logs are gone through */
	size_t next_log; /* which is at `next` of its segments */
	uint32_t next;
	unsigned n_kept;
	uint64_t bytes_kept;
	bool is_full; /* what is older goes */
	int error; /* the first one of this log */
};

/* Goes on until the deadline (monotonic), or all that is marked was swept: then true. */
bool sweep_run(struct upkeep_set *k, usec_t deadline);
/* That log goes: a sweep with it begins anew, without it. */
void sweep_forget(struct upkeep_set *k, const struct upkeep *u);
void sweep_fini(struct upkeep_set *k);
