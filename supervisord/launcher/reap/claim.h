/* The engine names a process, by pid and pidfd, as a generation's main one: is it that? */
#pragma once

#include "launcher/table/state.h"

/*
 * May that process become the entry's main one? 0: it is a child of ours, and not reaped;
 * otherwise -errno as REFUSED has it.
 */
int claim_check(struct launcher *l, const struct entry *e, pid_t pid, int pidfd);

/* That is to be told: it is not taken, errno. */
void claim_refuse(struct launcher *l, uint32_t id, uint64_t generation, pid_t pid, int error);
