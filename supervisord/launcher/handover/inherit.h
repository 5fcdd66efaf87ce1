/* From one launcher to the next, or from an engine: what wire/handover.h describes. */
#pragma once

#include "launcher/table/state.h"
#include "wire/handover.h"

/* All that there is to hand over; handover_fini() it. The descriptors stay ours. 0 or -errno. */
int inherit_save(struct launcher *l, struct handover *ret);

/* Moves descriptors that are in our way; *ret_fds (free() it) are all of them, ascending. */
int inherit_fds(struct handover *h, int **ret_fds, size_t *ret_n);

/* Goes on from it; the table is empty and epoll is there. Sorts it anew. 0 or -errno. */
int inherit_load(struct launcher *l, struct handover *h);
