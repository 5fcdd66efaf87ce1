/*
 * Removes files, of which the large ones are let go of by a child: what takes the time is to
 * give back their blocks, and whoever holds a file last does that. The name is gone at once.
 */
#pragma once

#include <sys/types.h>

#include "engine/logs/file/filter.h"
#include "engine/loop.h"

/*
 * Those that have less are removed with less work than a child makes: 0.06 to 0.2 ms a MiB were
 * measured, and 0.2 ms for a fork alone.
 */
#define DISPOSAL_LARGE_BYTES ((off_t)8 * 1024 * 1024)
/* So many are held at a time, those of the child apart; more are let go of in place. */
#define DISPOSAL_MAX 16

struct disposal {
	struct filter child; /* which closes the files that it has got */
	struct loop *loop; /* borrowed; NULL: all is done in place */
	int held[DISPOSAL_MAX]; /* owned: for the next child */
	unsigned n_held;
	off_t large_bytes; /* DISPOSAL_LARGE_BYTES; tests change it */
};

void disposal_init(struct disposal *d, struct loop *loop);
/* What is held is let go of. */
void disposal_fini(struct disposal *d);

/* As unlinkat(2). Until disposal_start() it takes space. */
int disposal_unlink(struct disposal *d, int directory, const char *name);
/* Closes a descriptor, of a file that may have no name any more. Returns -1, as close_fd(). */
int disposal_close(struct disposal *d, int fd);
/* Gives what is held to a child, once there is none at work. Where none can be had: in place. */
void disposal_start(struct disposal *d);
