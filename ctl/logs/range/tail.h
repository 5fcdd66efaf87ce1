/*
 * Where the last lines of a file begin: looked for backwards from the end, in blocks; of what a
 * program unpacks, forwards in two passes, since it can't be read otherwise in bounded memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/values/matcher.h"

/*
 * Finds the beginning of the last n lines between two offsets of a file, or with a matcher that of
 * the last n that match. What follows the last newline counts as a line. 0 with how many there
 * are, at most n; -errno.
 */
int tail_find(int fd, off_t start, off_t end, uint64_t n, struct matcher *matcher, off_t *ret_start,
	uint64_t *ret_found);
