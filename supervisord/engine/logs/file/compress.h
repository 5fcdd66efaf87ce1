/*
 * Rotated files are compressed one at a time by a filter of the user's choice, a child with low
 * priority.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/list.h"
#include "engine/logs/file/filter.h"
#include "engine/logs/file/rotate.h"
#include "engine/loop.h"

struct upkeep;
struct upkeep_set;

/* A filter that has neither read nor written anything for so long is ended. */
#define COMPRESS_IDLE_USEC (10 * USEC_PER_MINUTE)

struct compress_job {
	struct list node; /* in upkeep.jobs */
	char stamp[ROTATE_STAMP_SIZE];
};

/* The one under way. */
struct compress {
	struct filter filter;
	struct loop_timer timer;
	struct upkeep *upkeep; /* borrowed; NULL: nobody wants it any more */
	int directory, segment, partial; /* owned */
	struct rotate_name name; /* of the compressed segment; partial is not set */
	struct stat st; /* of the segment as it was */
	off_t n_read, n_written; /* when it was last looked at */
	bool is_syncing; /* the filter is done, and its output on the way to the disk */
	bool is_stuck; /* and was killed for it */
	bool has_timer;
};

void compress_init(struct compress *c);
void compress_fini(struct upkeep_set *k);

/* To the front: the older ones come last. -ENOMEM. */
int compress_add(struct upkeep_set *k, struct upkeep *u, const char *stamp);
/* What was added and hasn't begun. */
void compress_clear(struct upkeep *u);
/* It is being compressed at present. */
bool compress_is_at(const struct upkeep_set *k, const struct upkeep *u, const char *stamp);

/* Begins with the next one, if none is under way. */
void compress_start(struct upkeep_set *k);
/* That log goes. */
void compress_forget(struct upkeep_set *k, struct upkeep *u);
