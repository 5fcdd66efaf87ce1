/*
 * Rotated log files: FILE.2026-11-23T06-36-53.123Z beside FILE; their names sort by age.
 */
#pragma once

#include <stddef.h>

#define ROTATED_STAMP_SIZE 25 /* with its NUL */

struct rotated {
	char (*stamps)[ROTATED_STAMP_SIZE]; /* owned; oldest first */
	size_t n, size;
};

void rotated_fini(struct rotated *r);

/* Lists what there is of a log; none where there is no directory. -ENOMEM, -errno. */
int rotated_list(const char *path, struct rotated *ret_rotated);

/* Opens one of them to read; -errno. The descriptor is the caller's. */
int rotated_open(const char *path, const char *stamp);
