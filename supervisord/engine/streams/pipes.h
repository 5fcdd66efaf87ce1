/*
 * The pipes of a process that is being started. The engine makes them and gives both ends along
 * with SPAWN; it keeps the read ends until it is told that the process runs, since with a launcher
 * that is killed in between everything would be gone that the process has written.
 */
#pragma once

#include <stdint.h>

#include "wire/plan.h"

/* All zero: there are none. */
struct pipes {
	uint64_t generation; /* that they were made for; 0: none are open */
	int read[PLAN_PIPE_MAX], write[PLAN_PIPE_MAX]; /* owned; -1 */
};

/* The directory of our descriptors, which is looked for once: the caller's, or -errno. */
int pipes_open_own_fds(void);
/*
 * Makes those that a plan with these flags has. Read ends do not block; write ends do, and keep
 * the pipe readable, so that nobody gets SIGPIPE while there is no supervisord; without own_fds
 * (-1) they are for writing only. left: read ends of pipes that are to be used again, borrowed; -1:
 * a new one. 0, or -errno and nothing is open.
 */
int pipes_make(int own_fds, unsigned plan_flags, uint64_t generation,
	const int left[static PLAN_PIPE_MAX], struct pipes *ret);
/* Both ends of each as SPAWN has them, borrowed. Their number. */
unsigned pipes_list(const struct pipes *p, int ret_fds[static 2 * PLAN_PIPE_MAX]);
/* They are the launcher's now: as long as one is open here the pipe has no end. */
void pipes_close_write(struct pipes *p);
/* None are open afterwards, nor were maybe before. */
void pipes_close(struct pipes *p);
