/*
 * Reads configuration files in a process of their own. Files may be on a file system that
 * hangs, and users may be looked up at a server that does not answer: a daemon that has to
 * look after services can't wait for either.
 */
#pragma once

#include <sys/types.h>

#include "conf/load.h"
#include "engine/loop.h"

#define LOADER_TIMEOUT_USEC (30 * USEC_PER_SEC) /* then it is killed */

struct loader {
	struct loop *loop;
	struct loop_source source; /* the process's pidfd */
	struct loop_timer timer;
	pid_t pid; /* 0: none */
	int memfd; /* what it has to say */
	usec_t timeout_usec; /* LOADER_TIMEOUT_USEC; tests have less patience */
	/*
	 * It has ended. 0: memfd (the caller's from now on, sealed) holds the sources, checked.
	 * -EINVAL: they are wrong, errors says how. Else -errno; -ETIMEDOUT: it took too long.
	 */
	void (*done)(struct loader *l, int result, int memfd, struct conf_errors *errors);
};

/* done must be set. 0 or -ENOMEM. */
int loader_init(struct loader *l, struct loop *loop);
/* Ends a process that is on its way; done is not called. */
void loader_fini(struct loader *l);

/* Starts reading path (NULL: the default one). 0; -EBUSY: one that hangs is not dead yet; -errno.
 */
int loader_start(struct loader *l, const char *path, const struct conf_context *context);
