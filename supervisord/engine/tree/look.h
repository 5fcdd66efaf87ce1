/*
 * One look at all of /proc: which process belongs to which service, where there are no cgroups.
 */
#pragma once

#include "engine/tree/tree.h"

/* Fills in what is seen, until it is forgotten. 0 or -errno. */
int look_take(struct engine *e);
void look_forget(struct tree *t);
/* NULL: it was not seen. */
struct tree_seen *look_find(const struct tree *t, pid_t pid);
