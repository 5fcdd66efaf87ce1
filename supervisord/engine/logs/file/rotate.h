/*
 * The names of rotated log files: FILE.2026-11-23T06-36-53.123Z, UTC. They sort by age.
 * Only names of exactly that form are ever touched.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "base/usec.h"

/* "2026-11-23T06-36-53.123Z" and its NUL. */
#define ROTATE_STAMP_SIZE 25

/* So many rotated files of one log are looked at in one round; more wait for the next. */
#define ROTATE_MAX_LISTED 65536

void rotate_stamp(usec_t realtime, char ret_stamp[static ROTATE_STAMP_SIZE]);
bool rotate_is_stamp(const char *text);

/*
 * Renames path to path.STAMP, with the stamp for *realtime or, where that name is taken, the
 * next free millisecond; *realtime is then set to that. -EEXIST after many that were taken,
 * -ENAMETOOLONG, or what the rename said.
 */
int rotate_rename(const char *path, usec_t *realtime, char ret_stamp[static ROTATE_STAMP_SIZE]);

/* Gives path.STAMP its old name back, unless that is taken by now. */
int rotate_undo(const char *path, const char *stamp);

/*
 * Looks for the file of that device and inode in the directory of path. 0, with that directory
 * (owned by the caller) and the name in it; -ENOENT; -errno.
 */
int rotate_find(const char *path, uint64_t device, uint64_t inode, int *ret_directory,
	char ret_name[static NAME_MAX + 1]);

/*
 * Removes the oldest rotated files of path until keep are left. The one called newest
 * counts as such whatever the clock did. 0, or the first error; the rest is removed anyway.
 */
int rotate_prune(const char *path, unsigned keep, const char *newest);
