/*
 * A generation may go on in another process than the one it was spawned as: a daemon whose
 * first process has ended, or a new program that the old one hands over to. The engine names
 * it, by pid and pidfd.
 */
#pragma once

#include "launcher/table/state.h"

/* Makes the process the entry's main one, or says why not; takes the pidfd. */
void adopt(struct launcher *l, struct entry *e, pid_t pid, int pidfd);

/*
 * The main process is reaped. True: another one that was named before has taken over, and
 * the generation goes on.
 */
bool adopt_successor(struct launcher *l, struct entry *e);
