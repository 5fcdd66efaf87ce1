/*
 * A generation may go on in another process than the one it was spawned as: a daemon whose
 * first process has ended, or a new program that the old one hands over to. The engine names
 * it, by pid and pidfd.
 */
#pragma once

#include "launcher/state.h"

/* Makes the process the entry's main one, or says why not; takes the pidfd. */
void adopt(struct launcher *l, struct entry *e, pid_t pid, int pidfd);

/* That is to be told: it is not taken, errno. */
void adopt_refuse(struct launcher *l, uint32_t id, uint64_t generation, pid_t pid, int error);

/*
 * May that process become the entry's main one? 0: it is a child of ours, and not reaped;
 * otherwise -errno as REFUSED has it.
 */
int adopt_check(struct launcher *l, const struct entry *e, pid_t pid, int pidfd);

/*
 * The main process is reaped. True: another one that was named before has taken over, and
 * the generation goes on.
 */
bool adopt_successor(struct launcher *l, struct entry *e);
