/*
 * What log files need beside being written to: rotation when their hour or day is over, and
 * then, of the rotated ones, too old ones removed and others compressed. All of it is done in
 * slices of a millisecond between the rounds of the loop, from one timer for all files, which
 * sleeps while there is nothing to do.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/list.h"
#include "base/usec.h"
#include "conf/spec.h"
#include "engine/logs/file/compress.h"
#include "engine/logs/file/disposal.h"
#include "engine/logs/file/rotate.h"
#include "engine/logs/file/sweep.h"
#include "engine/loop.h"

struct logfile;
struct logfile_set;

/* Of one log file that needs it, or may: there is none for the others. */
struct upkeep {
	struct list all; /* in upkeep_set.all */
	struct logfile *file; /* borrowed */
	usec_t due_usec; /* realtime: the end of the file's period; 0: its last write tells */
	struct list jobs; /* struct compress_job: segments to compress, the oldest first */
	struct list turn; /* in upkeep_set.turns, while there are jobs */
	uint32_t round; /* the last walk it was seen by */
	uint8_t every; /* enum spec_every, as it is counted in upkeep_set */
	bool marked; /* its segments are to be looked at */
	char newest[ROTATE_STAMP_SIZE]; /* was rotated last, whatever the clock says; or "" */
};

/* What only the owner of log files knows of one. */
struct upkeep_owner {
	const char *(*name)(const struct logfile *f); /* of the service */
	bool (*is_mid_line)(const struct logfile *f);
};

struct upkeep_set {
	struct loop *loop; /* borrowed; NULL: sweeps are done at once, the rest is not */
	const struct upkeep_owner *owner; /* borrowed; NULL: as without a loop */
	struct list all; /* those seen by the present walk last */
	struct list turns; /* who has jobs, the next one first */
	struct loop_timer timer;
	uint32_t n_every[SPEC_EVERY_MAX]; /* files by period */
	uint32_t round;
	uint32_t n_marked;
	usec_t boundary_usec; /* realtime: the next walk; USEC_INFINITY: none */
	bool has_timer, is_walking;
	struct sweep sweep;
	struct compress compress;
	struct disposal disposal;
};

/* Both may be NULL; they must outlive the set. */
void upkeep_set_init(struct upkeep_set *k, struct loop *loop, const struct upkeep_owner *owner);
/* When no file has upkeep any more. */
void upkeep_set_fini(struct upkeep_set *k);

/* f->rotation is another one than old. */
void upkeep_follow(struct logfile_set *set, struct logfile *f, const struct spec_rotation *old);
/* Its segments were looked at: forgets it, if that was all. */
void upkeep_settle(struct upkeep_set *k, struct upkeep *u);
/* Before the file goes. */
void upkeep_forget(struct logfile_set *set, struct logfile *f);

/* It was rotated to that name: its segments are looked at, with now: at once, as far as that goes.
 */
void upkeep_rotated(struct logfile_set *set, struct logfile *f, const char *stamp, bool now);

/* st is what the file open is like. Whether its period has ended, so that it should be rotated. */
bool upkeep_is_due(struct logfile_set *set, struct logfile *f, const struct stat *st);

/* There may be something to do. */
void upkeep_wake(struct upkeep_set *k);
