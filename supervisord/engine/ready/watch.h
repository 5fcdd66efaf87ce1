/*
 * Looking for a line in the output of a service: lines are put together from what comes, stream
 * by stream, and each is matched once it is complete.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/values/matcher.h"

struct watch;

#define WATCH_LINE_MAX	  4096 /* of a longer line the beginning counts */
#define WATCH_MAX_GIVE_UP 100 /* lines at which the expression takes too long: then no more */

/* For n_streams streams; matcher is borrowed. NULL for lack of memory. */
struct watch *watch_new(unsigned n_streams, struct matcher *matcher);
void watch_free(struct watch *w);

/*
 * The next bytes of a stream. 1: one of the lines matches; 0: not so far; -E2BIG: the
 * expression has taken too long on too many lines. After 1 and -E2BIG it is over: always 0.
 */
int watch_take(struct watch *w, unsigned stream, const char *data, size_t n);
bool watch_is_over(const struct watch *w);
