/* Takes the ends of children, and of orphans that have become ours. */
#pragma once

#include <signal.h>
#include <sys/resource.h>

#include "launcher/state.h"

/* What waitid() says, as it is told; it was now. */
struct link_exit reap_exit(const siginfo_t *info, const struct rusage *usage);

/*
 * This main process, which has its pid, is a child of ours: the loop learns of its end by a pidfd.
 * Where none can be had, all children are searched for those that have ended, as for orphans.
 */
void reap_watch(struct launcher *l, struct entry *e);
/* Its main process is another, or none. */
void reap_unwatch(struct launcher *l, struct entry *e);
/* The data for which the loop's epoll tells that; NULL: it is about something else. */
struct entry *reap_watched(void *data);
/* That pidfd says that it has ended: it is noted, and is to be told and then buried. */
void reap_ended(struct launcher *l, struct entry *e);
void reap_bury(struct launcher *l);

/* A SIGCHLD came, which names one of those that have ended; there may be others. */
void reap_soon(struct launcher *l, pid_t named);
/* Somebody has ended, who is waited for: no matter what a search costs. */
void reap_at_once(struct launcher *l);

/* Reaps what there is, within bounds: l->reap stays set. 0, or what engine_process_ended() says. */
int reap(struct launcher *l);
