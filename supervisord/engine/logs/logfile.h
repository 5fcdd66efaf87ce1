/*
 * One log file: opened when there is something to write, written at a known offset, rotated
 * when it has grown to its limit. How many are open at once is bounded for all files together
 * (struct logfile_set): the one not written to for longest is closed.
 *
 * The mode of new files is 0640 and that of new directories 0750, less the umask. Where
 * RLIMIT_FSIZE may be set, the process must ignore SIGXFSZ.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/usec.h"

struct logfile_set {
	const char *log_dir; /* borrowed; below it, directories are made */
	struct list open; /* least recently written first */
	unsigned n_open, max_open;
	uid_t owner; /* only files of this user are written to */
	usec_t stamp_usec; /* realtime of the last rotation's name */
};

struct logfile {
	char *path; /* owned; absolute */
	struct list lru;
	uint64_t offset; /* where the next byte goes, while open */
	uint64_t max_size_bytes; /* 0: no rotation */
	usec_t retry_usec; /* monotonic: not before then what failed is tried again */
	unsigned keep;
	int fd; /* owned; -1: not open */
	bool mid_line; /* the last byte written was no newline */
	bool broken; /* can't be written; the owner's to set */
	bool rotate_failed; /* and reported */
	bool prune_failed; /* likewise */
};

/* How long what failed is left alone. */
#define LOGFILE_RETRY_USEC USEC_PER_SEC

/* Lines up to this length (or a quarter of max-size) are never torn by a rotation. */
#define LOGFILE_LINE_RESERVE 4096

/* log_dir must outlive the set; max_open is at least 1. */
void logfile_set_init(struct logfile_set *set, const char *log_dir, unsigned max_open);

void logfile_init(struct logfile *f);
void logfile_fini(struct logfile_set *set, struct logfile *f);

/* Opens or creates it and goes on at its end; does nothing if it is open. 0 or -errno. */
int logfile_open(struct logfile_set *set, struct logfile *f);
void logfile_close(struct logfile_set *set, struct logfile *f);

/*
 * Writes, and rotates where the file would pass its limit. Returns how many bytes were
 * written; where those are less than n, *ret_error is the negative errno. name is the
 * service's, for the report of a rotation that fails (it goes on in the present file then).
 */
size_t logfile_write(struct logfile_set *set, struct logfile *f, const char *name, const char *data,
	size_t n, usec_t now, int *ret_error);

/* What an error of the above means, for people. */
const char *logfile_strerror(int error);
