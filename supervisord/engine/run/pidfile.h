/*
 * A pid-file, which anybody may have put there: what it says is believed only as far as its
 * owner goes, and says nothing yet about the process.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define PIDFILE_WHY_SIZE 128

/*
 * Reads the pid that it names. user: beside root and ourselves, whose file it may be.
 * 0; -ENOENT: there is none (yet); -EAGAIN: nothing is written in it yet; another -errno with
 * what is wrong with it: "is no regular file", "Permission denied".
 */
int pidfile_read(
	const char *path, uid_t user, pid_t *ret_pid, char reterr_why[static PIDFILE_WHY_SIZE]);
