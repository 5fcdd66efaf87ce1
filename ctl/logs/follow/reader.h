/*
 * Reading one log as it grows.
 */
#pragma once

#include "ctl/logs/file/rotated.h"
#include "ctl/logs/show/lines.h"

/* How a source is read. Zero it and set fd and the watches to -1 before use. */
struct reader {
	struct source *source; /* borrowed */
	int fd; /* owned; -1: there is no file yet */
	off_t offset;
	char newest[ROTATED_STAMP_SIZE]; /* the newest rotated file that was read, "" for none */
	int watch_directory, watch_file; /* of inotify; -1: none */
	bool moved; /* fd is another file's than the one that is watched, maybe by the same number
		     */
	bool is_due; /* there may be something to read */
	bool error_told;
};

/* Opens the current file if there is one: 0, or -errno (-ENOENT is no error). */
int reader_open(struct reader *r);
/*
 * Goes on in another file, whose path is taken over: from its beginning, if that is after `since`,
 * else from its end.
 */
void reader_move(struct reader *r, char *path, usec_t since_realtime_usec);

/*
 * Reads what there is, through rotations and truncations. 0 when all was read, -EAGAIN
 * when there is more for another round, -EPIPE when the output is gone, or -errno.
 */
int reader_read(struct reader *r, const struct lines *l);
