/*
 * A child of low priority that reads one file and writes another one, both given as descriptors.
 * It ends with us.
 */
#pragma once

#include <sys/types.h>

#include "engine/loop.h"

struct filter {
	/* Its pidfd, owned; dispatch is the owner's to set: it has ended, and is to be reaped. */
	struct loop_source source;
	pid_t pid; /* 0: there is none */
};

/* How it ended, for people. */
#define FILTER_REASON_SIZE 160

/*
 * in and out are borrowed. argv is searched for in PATH; NULL: it only sees to it that what was
 * written to out is on the disk, and its status is an errno. 0 or -errno.
 */
int filter_start(struct filter *f, struct loop *loop, int in, int out, char *const *argv);
/* And what it has started. It is reaped when it has ended. */
void filter_kill(struct filter *f);
/* When it has ended: its status as of wait(2), 0: well. -errno: it can't be told. */
int filter_reap(struct filter *f, struct loop *loop);
/* Kills it, and leaves it to the launcher to be reaped. Also if there is none. */
void filter_abandon(struct filter *f, struct loop *loop);

/* What a status other than 0 means. */
void filter_reason(int status, char ret_reason[static FILTER_REASON_SIZE]);
