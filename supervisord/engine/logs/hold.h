/*
 * The holding pipe: where a batch is between a service's pipe and its log file. Both ends are
 * kept by the launcher as well, so what is in it outlives the engine; and as nobody else
 * writes to it, what is left in it tells how far somebody got.
 *
 * Looking at what is in it doesn't take it out: it is duplicated to a second pipe, which is
 * this process's own, and read from there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HOLD_SIZE (1024 * 1024) /* asked for; what is given will do */

struct hold {
	int read_fd, write_fd; /* owned */
	int copy_read, copy_write; /* owned: the second pipe */
	int null_fd; /* owned: where to throw things; -1: there is no /dev/null */
};

#define HOLD_INIT                  \
	{                          \
		-1, -1, -1, -1, -1 \
	}

/* Takes over both ends of a pipe that is there, or makes one where they are -1. 0 or -errno. */
int hold_init(struct hold *h, int read_fd, int write_fd);
void hold_fini(struct hold *h);

/* How many bytes are in it; -errno. */
ssize_t hold_count(const struct hold *h);
/* Moves at most n bytes from another pipe. 0: that has ended; -EAGAIN: nothing now; -errno. */
ssize_t hold_fill(struct hold *h, int fd, size_t n);
/* Reads at most n bytes from the front of any pipe, which stay in it. As hold_fill(); -EINVAL. */
ssize_t hold_look(struct hold *h, int fd, char *data, size_t n);
/* Reads at most n bytes from the front, which stay in it. How many; -errno. */
ssize_t hold_peek(struct hold *h, char *data, size_t n);
/* Throws away n bytes from the front. 0 or -errno. */
int hold_drop(struct hold *h, size_t n);
