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
#include "conf/spec.h"
#include "engine/logs/file/upkeep.h"

struct logfile_set {
	const char *log_dir; /* borrowed; below it, directories are made */
	struct list open; /* least recently written first */
	unsigned n_open, max_open;
	uid_t owner; /* only files of this user are written to */
	usec_t stamp_usec; /* realtime of the last rotation's name */
	struct upkeep_set upkeep;
};

/* One that is open, or was, and matters still: it ended in the middle of a line, or has upkeep. */
struct logfile_held {
	struct list lru; /* in logfile_set.open */
	struct logfile *file;
	uint64_t device, inode, offset; /* offset: where the next byte goes */
	int fd; /* owned; -1: not open */
};

/* There are thousands of them, most of which nobody writes to just now. */
struct logfile {
	char *path; /* owned; absolute */
	struct logfile_held *held; /* owned; never NULL while it is open */
	const struct spec_rotation *rotation; /* borrowed; never NULL after logfile_init() */
	struct upkeep *upkeep; /* owned; NULL: it needs none */
	usec_t retry_usec; /* monotonic: not before then what failed is tried again */
	bool broken : 1; /* can't be written; the owner's to set */
	bool rotate_failed : 1; /* and reported */
	bool prune_failed : 1; /* likewise */
	bool compress_failed : 1; /* likewise */
	bool is_due : 1; /* its hour or day is over: to be rotated at the end of a line */
};

/* How long what failed is left alone. */
#define LOGFILE_RETRY_USEC USEC_PER_SEC

/* Lines up to this length (or a quarter of max-size) are never torn by a rotation. */
#define LOGFILE_LINE_RESERVE 4096

/*
 * log_dir must outlive the set; max_open is at least 1. loop and owner are as upkeep_set_init() has
 * them.
 */
void logfile_set_init(struct logfile_set *set, const char *log_dir, unsigned max_open,
	struct loop *loop, const struct upkeep_owner *owner);
/* When no file is left. */
void logfile_set_fini(struct logfile_set *set);

/* Without rotation, until that is set. */
void logfile_init(struct logfile *f);
/* Borrowed from now on; the one before is still there. Has effect at once. */
void logfile_set_rotation(
	struct logfile_set *set, struct logfile *f, const struct spec_rotation *rotation);
void logfile_fini(struct logfile_set *set, struct logfile *f);

static inline bool logfile_is_open(const struct logfile *f)
{
	return f->held && f->held->fd >= 0;
}

/* Opens or creates it and goes on at its end; does nothing if it is open. 0 or -errno. */
int logfile_open(struct logfile_set *set, struct logfile *f);
void logfile_close(struct logfile_set *set, struct logfile *f);

/* Before a batch: opens it, or looks where its end is by now. 0 or -errno. */
int logfile_ready(struct logfile_set *set, struct logfile *f);

/*
 * How much of data may go to the present file; 0: it has to be rotated first. mid_line: data
 * goes on in a line of this file. The first `whole` bytes of data and one more are never torn.
 */
size_t logfile_fit(const struct logfile *f, const char *data, size_t n, bool mid_line, size_t whole,
	usec_t now);

/*
 * Sees to it that there is room for n more bytes, as far as the file system can; what is not used
 * stays the file's until logfile_trim(). 0 or -errno.
 */
int logfile_reserve(struct logfile *f, uint64_t n);
void logfile_trim(struct logfile *f);

/* Returns what was written, which is less than n only with *ret_error set. */
size_t logfile_put(struct logfile *f, const char *data, size_t n, int *ret_error);

/* Takes back the last n bytes that were put. */
void logfile_take_back(struct logfile *f, size_t n);

/*
 * Chooses set->stamp_usec for a rotation: later than that of the last one, though the name
 * before it may be free again by now.
 */
void logfile_plan_rotation(struct logfile_set *set);

/*
 * Renames it and begins a new one, or reports why not; then it goes on in the present one for
 * a while. name is the service's.
 */
void logfile_rotate(struct logfile_set *set, struct logfile *f, const char *name, usec_t now);

/*
 * The same for one that nobody may be writing to, and that may not be open: it isn't afterwards
 * either. Its segments are looked at later.
 */
void logfile_rotate_idle(struct logfile_set *set, struct logfile *f, const char *name);

/*
 * For a batch that somebody else had begun to write to the file of that device and inode:
 * opens it where it is by now, with the offset there, or at its end if it has become shorter.
 * -ESTALE: it is not to be found.
 */
int logfile_resume(struct logfile_set *set, struct logfile *f, uint64_t device, uint64_t inode,
	uint64_t offset);

/*
 * The same for one that was being rotated. Goes on in the new one, which may be yet to make; where
 * it can't be made, in the old one.
 */
int logfile_resume_rotation(struct logfile_set *set, struct logfile *f, const char *name,
	uint64_t device, uint64_t inode);

/* What an error of the above means, for people. */
const char *logfile_strerror(int error);
