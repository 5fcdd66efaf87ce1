/*
 * What was, out of the journal, for those who follow: in pieces, each when the reader has taken
 * the last one, so that neither the loop nor the output waits or grows. Then what is follows
 * without a gap, and nothing comes twice.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/usec.h"
#include "engine/control/events/watcher.h"

/* Of one reader, in one turn. */
#define HISTORY_MAX_EVENTS 256
#define HISTORY_MAX_BYTES  (64u << 10)

/* 0 or -ENOMEM */
int history_init(struct engine *e);
void history_fini(struct engine *e);

/*
 * The watcher, which is about to follow, is first told what was: what came after this number
 * (0: all), and no earlier than since (the real clock; 0: whenever).
 */
void history_begin(struct engine *e, struct watcher *w, uint64_t after, usec_t since);

/* A follower that does not keep up is told the rest, from what it has seen last, the same way. */
void history_catch_up(struct engine *e, struct watcher *w);
