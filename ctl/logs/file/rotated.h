/*
 * Rotated log files: FILE.2026-11-23T06-36-53.123Z beside FILE, the time being that of the
 * rotation, so the file's end; their names sort by age. A compressed one has a further suffix.
 */
#pragma once

#include <stddef.h>

#include "base/usec.h"

#define ROTATED_STAMP_SIZE  25 /* with its NUL */
#define ROTATED_SUFFIX_SIZE 32

struct rotated_file {
	char stamp[ROTATED_STAMP_SIZE];
	char suffix[ROTATED_SUFFIX_SIZE]; /* "": as it was written; ".gz" */
};

struct rotated {
	struct rotated_file *files; /* owned; oldest first, each stamp once */
	size_t n, size;
};

void rotated_fini(struct rotated *r);

/*
 * Lists what there is of a log; none where there is no directory. One that is there both
 * compressed and not is listed as not. -ENOMEM, -errno.
 */
int rotated_list(const char *path, struct rotated *ret_rotated);

/* The same for a single one, which may have been compressed since: -ENOENT where it is gone. */
int rotated_find(const char *path, const char *stamp, struct rotated_file *ret_file);

/* Opens one of them to read, as it is on disk; -errno. The descriptor is the caller's. */
int rotated_open(const char *path, const struct rotated_file *file);

/* The end of the millisecond that a stamp names: nothing in that file is younger. */
usec_t rotated_end(const char *stamp);
