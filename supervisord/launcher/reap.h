/* Takes the ends of children, and of orphans that have become ours. */
#pragma once

#include <signal.h>
#include <sys/resource.h>

#include "launcher/state.h"

/* What waitid() says, as it is told; it was now. */
struct link_exit reap_exit(const siginfo_t *info, const struct rusage *usage);

/* A SIGCHLD came, which names one of those that have ended; there may be others. */
void reap_soon(struct launcher *l, pid_t named);

/* Reaps what there is, within bounds: l->reap stays set. 0, or what engine_process_ended() says. */
int reap(struct launcher *l);
