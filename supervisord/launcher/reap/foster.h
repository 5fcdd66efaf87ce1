/* Main processes that are no children of ours: nobody's to wait for, but known by a pidfd. */
#pragma once

#include "launcher/table/state.h"

/* Performs FOSTER; what it takes of the descriptors is -1 then. */
void foster(struct launcher *l, const struct link_message *m, int fds[static LINK_MAX_FDS],
	unsigned n_fds, bool lost_fds);

/* From now on that pidfd, which the entry owns then, tells of its end: *start says so. 0, -errno.
 */
int foster_watch(struct launcher *l, struct entry *e, int pidfd, struct link_started *start);
/* Its main process is another, or none. */
void foster_drop(struct launcher *l, struct entry *e);

/* The pidfd says that it has ended. */
void foster_ended(struct launcher *l, struct entry *e);
/* Asks once more how those have ended that would not tell. When to call again. */
usec_t foster_tick(struct launcher *l, usec_t now);

/* 0 or -errno. */
int foster_kill(const struct entry *e, int signo, enum link_scope scope);
