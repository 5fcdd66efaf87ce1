/*
 * Which bytes of a log are to be shown: of its rotated files, and of the current one. Every choice
 * (a time, a run, so many lines) makes a range smaller; nothing is read but what that takes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"
#include "conf/values/matcher.h"
#include "ctl/logs/file/feed.h"

#define RANGE_TO_END INT64_MAX /* of a rotated file nobody has looked into yet */

struct piece {
	struct rotated_file file; /* stamp "": the current one */
	off_t start, end;
	int error; /* it can't be read, for that reason (-errno) */
};

struct range {
	const char *path; /* borrowed */
	int fd; /* of the current file, borrowed; -1: none */
	struct piece *pieces; /* owned; oldest first */
	size_t n;
};

/*
 * All that there is of a log, of which fd is the current file up to end (-1: there is none).
 * -ENOMEM; -errno where the directory can't be listed.
 */
int range_make(struct range *r, const char *path, int fd, off_t end);
void range_fini(struct range *r);

/* Without the pieces before the first one, or from the nth on. */
void range_drop_older(struct range *r, size_t first);
void range_drop_newer(struct range *r, size_t n);

/* Opens a piece, from its start on or another offset. The input is the caller's. 0 or -errno. */
int range_open(const struct range *r, const struct piece *p, off_t offset, struct input *ret_input);

/* Does some line of the newest pieces tell its time? */
bool range_has_times(const struct range *r);

/* What ends before that time goes, and what begins after it. By the times in lines. -ENOMEM */
int range_since(struct range *r, usec_t realtime);
int range_until(struct range *r, usec_t realtime);

/* The first piece that did not end before that moment, by the names; n where there is none. */
size_t range_at(const struct range *r, usec_t realtime);

/* A place in a log as the journal has it, of the time when it was the end of the current file. */
struct range_place {
	usec_t realtime;
	uint64_t device, inode; /* 0: not known */
	off_t offset;
};

/* In which piece that is, and where: 0; -ENOENT where that file is gone. */
int range_find(const struct range *r, const struct range_place *place, size_t *ret_piece,
	off_t *ret_offset);

/*
 * The last n lines, or the last n that match. A line may go on from one piece into the next.
 * -ENOMEM.
 */
int range_tail(struct range *r, uint64_t n, struct matcher *matcher);
