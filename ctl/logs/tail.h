/*
 * Where the last lines of a log begin: looked for backwards from the end, in blocks, into
 * rotated files where the current one is too short.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Finds the beginning of the last n lines among the first `end` bytes of a file. What
 * follows the last newline counts as a line. 0 with how many there are, at most n; -errno.
 */
int tail_find(int fd, off_t end, uint64_t n, off_t *ret_start, uint64_t *ret_found);

struct tail_piece {
	int fd; /* owned */
	off_t start, end;
};

struct tail {
	struct tail_piece *older; /* owned; the newest first */
	size_t n_older, size;
	off_t start; /* in the current file */
};

void tail_fini(struct tail *t);

/*
 * The last n lines of the log at path, whose current file is fd (-1: there is none), read
 * up to end. A line may go on from one file into the next. -errno.
 */
int tail_open(const char *path, int fd, off_t end, uint64_t n, struct tail *ret_tail);
