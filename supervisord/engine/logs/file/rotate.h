/*
 * The names of rotated log files: FILE.2026-11-23T06-36-53.123Z, UTC. They sort by age.
 * A compressed one has a suffix of lower case letters and digits, FILE.2026-11-23T06-36-53.123Z.gz,
 * and .partial behind that until it is whole. Only names of exactly these forms are ever touched.
 */
#pragma once

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>

#include "base/usec.h"

/* "2026-11-23T06-36-53.123Z" and its NUL. */
#define ROTATE_STAMP_SIZE 25

/* So many names of a directory are looked at to find a file that was renamed. */
#define ROTATE_MAX_LISTED 65536

#define ROTATE_SUFFIX_MAX 16
#define ROTATE_PARTIAL	  "partial"

/* What stands behind the name of the log. */
struct rotate_name {
	size_t base_length; /* of the name of the log */
	char stamp[ROTATE_STAMP_SIZE];
	char suffix[ROTATE_SUFFIX_MAX + 1]; /* without its dot; "": not compressed */
	bool partial;
};

void rotate_stamp(usec_t realtime, char ret_stamp[static ROTATE_STAMP_SIZE]);
bool rotate_is_stamp(const char *text);
/* The time it tells, 0 where that is none. */
usec_t rotate_stamp_usec(const char *stamp);
bool rotate_is_suffix(const char *text, size_t n);

/* Whether it is the name of a rotated file, of whichever log. */
bool rotate_parse(const char *name, struct rotate_name *ret);
/* The name of such a file of the log called base. 0 or -ENAMETOOLONG. */
int rotate_make(const char *base, const struct rotate_name *name, char ret[static NAME_MAX + 1]);

/* The last part of a path. */
const char *rotate_base(const char *path);
/* The directory that it is in. 0 or -errno. */
int rotate_open_directory(const char *path, DIR **ret_dir);

/* Renames within a directory. -EEXIST where the new name is taken. */
int rotate_noreplace(int directory, const char *from, const char *to);

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
