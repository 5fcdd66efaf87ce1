/*
 * Pipes of a process whose read ends are lost: they are opened anew from where the process has
 * its own ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct service;

#define REOPEN_PIPES 3 /* stdout, stderr, readiness: as on the link */

/*
 * Opens those that the service's definition asks for; main: it is its main process, and no command.
 * known: it is the one that its streams' pipes were made for; what leads elsewhere by now is left
 * alone then. -1 for each that there is not; the caller owns them.
 */
void reopen_pipes(const struct service *s, pid_t pid, bool main, bool known,
	int ret_fds[static REOPEN_PIPES]);

/* Both ends of the pipe with that inode, if it is the process's stdin. -1: it isn't. */
int reopen_input(pid_t pid, uint64_t inode);
