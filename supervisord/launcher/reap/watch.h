/* Sees to it that the ends of our children are learned of. */
#pragma once

#include <signal.h>
#include <sys/resource.h>

#include "launcher/table/state.h"

#define WATCH_SEARCH_REST 9 /* times the length of the last search, until the next */

/* What waitid() says, as it is told; it was now. */
struct link_exit watch_exit(const siginfo_t *info, const struct rusage *usage);

/*
 * This main process, which has its pid, is a child of ours: the loop learns of its end by a pidfd.
 * Where none can be had, all children are searched for those that have ended, as for orphans.
 */
void watch_begin(struct launcher *l, struct entry *e);
/* Its main process is another, or none. */
void watch_end(struct launcher *l, struct entry *e);
/* That pidfd is of no use, and no longer watched. It may have ended already. */
void watch_go_without(struct launcher *l, struct entry *e);
/* The data for which the loop's epoll tells that; NULL: it is about something else. */
struct entry *watch_entry(void *data);

/* All children are to be searched, after that time; sooner where that was said before. */
void watch_search_in(struct launcher *l, usec_t wait);
/* So many times what the last search took, within bounds. */
usec_t watch_rest(const struct launcher *l, unsigned times);
