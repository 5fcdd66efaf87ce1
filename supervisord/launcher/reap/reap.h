/* Takes the ends of children, and of orphans that have become ours. */
#pragma once

#include <signal.h>
#include <sys/resource.h>

#include "launcher/table/state.h"

/* The result of a spawn is known (a stage of 0: exec has happened): it is to be told. */
void reap_spawn_over(struct launcher *l, struct entry *e, const struct spawn_report *failure);
/* It never came so far. */
void reap_spawn_failed(struct launcher *l, struct entry *e, int error, enum link_stage stage);

/* The pidfd of a child (see watch.h) says that it has ended: it is noted, and is to be told and
 * then buried. */
void reap_ended(struct launcher *l, struct entry *e);
void reap_bury(struct launcher *l);

/* A SIGCHLD came, which names one of those that have ended; there may be others. */
void reap_soon(struct launcher *l, pid_t named);
/* Somebody has ended, who is waited for: no matter what a search costs. */
void reap_at_once(struct launcher *l);

/* Reaps what there is, within bounds: l->reap stays set. 0, or what l->other_ended() says. */
int reap(struct launcher *l);
