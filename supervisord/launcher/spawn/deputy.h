/*
 * Signals to processes of other users, where CAP_KILL is missing. Containers are often given
 * the right to change ids, but not this one.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Sends a signal through a pidfd, as that user; group: to its process group. Does not wait:
 * whether it has worked is seen by what becomes of the process. 0 or -errno.
 */
int deputy_kill(uid_t uid, int pidfd, int signo, bool group);
