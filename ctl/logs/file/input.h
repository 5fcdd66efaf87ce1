/*
 * The bytes of one log file from some offset on. Of a compressed one these are what a program
 * makes of it, as a child with the file as its input: offsets are always those of what was
 * written, so that it does not matter if a file is compressed between two looks at it.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "ctl/logs/file/rotated.h"

struct input {
	int fd; /* of the file, or of the pipe from the program; -1: none */
	bool borrowed; /* fd is somebody else's */
	bool packed; /* fd is a pipe from a program */
	pid_t pid; /* of that, while it has not been waited for */
	off_t offset; /* of the next byte */
};

/* What can be wrong beside errno, which has other meanings for these. */
#define INPUT_NO_PROGRAM (-ENOPKG) /* the program that unpacks it is not installed */
#define INPUT_UNKNOWN	 (-EPROTONOSUPPORT) /* nothing is known about such a suffix */
#define INPUT_BROKEN	 (-EBADMSG) /* the program has failed */
#define INPUT_IRREGULAR	 (-EINVAL) /* no regular file */

const char *input_strerror(int error);

/* Opens a rotated file, also if it has been compressed since it was listed. 0 or -errno. */
int input_open(
	const char *path, const struct rotated_file *file, off_t offset, struct input *ret_input);

/* Reads from a file that somebody has opened, and goes on to own. */
struct input input_of(int fd, off_t offset);

/* 0 at the end, which for a program is only told if it has done well. */
ssize_t input_read(struct input *in, char *data, size_t n);

/* Before the end, too: a program that goes on is killed. */
void input_fini(struct input *in);
