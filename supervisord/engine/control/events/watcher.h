/*
 * One who follows events: what it wants to hear of, and how far it has come in the journal.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/control/events/broadcast.h"
#include "wire/journal.h"

struct engine;

/* Patterns with wildcards of one follower: each is tried on every event. */
#define EVENTS_MAX_GLOBS 64

struct watcher {
	struct follower follower;
	/* What it named; all NULL: everything. Owned. */
	json_t *names, *groups; /* objects, as sets */
	json_t *globs; /* an array */
	/* While it is told what was: held of the follower is set. */
	struct journal_cursor cursor;
	uint32_t opened; /* the journal that the cursor is of */
	bool leaves; /* that is all it wants */
	bool quiet; /* it has not asked for that: it did not read fast enough */
	uint64_t seen; /* number of the last event that it was given, or does not want */
};

/* patterns: an array of strings, or NULL. 0; -ENOMEM; -E2BIG: too many globs. */
int watcher_new(const json_t *patterns, struct watcher **ret_watcher);
void watcher_free(struct watcher *w);

/* Whether it wants to hear of a service with this name, which may be known no more. */
bool watcher_hears(const struct engine *e, const struct watcher *w, const char *service);
