/* Performs what the engine sends. */
#pragma once

#include "launcher/table/state.h"

/*
 * Performs up to max messages. 0: nothing more there for now; 1: max was reached; -EIO:
 * the next one could not be read now, but is still there;
 * -EPIPE: the engine's end is closed and all has been read; -EPROTONOSUPPORT: it speaks
 * another version.
 */
int orders_read(struct launcher *l, unsigned max);

/* The engine was reaped: performs what it had sent, and then as engine_process_ended(). */
int orders_engine_ended(struct launcher *l, const siginfo_t *info);

/* SIGKILL to all in the service's cgroup; removing the cgroup, if it is empty. */
void orders_kill_tree(struct launcher *l, struct service *s);
void orders_remove_cgroup(struct launcher *l, struct service *s);

/* To the group where there is one yet, else to the process, if that is not reaped. */
void orders_kill(const struct entry *e, int signo, enum link_scope scope);
