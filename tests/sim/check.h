/*
 * What must always hold. Each has a name and a sentence in check.c's list; a failure names one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"

enum invariant {
	INV_UNDERSTOOD,
	INV_ONE_GENERATION,
	INV_TREE_GONE_FIRST,
	INV_GENERATIONS_GROW,
	INV_STALE,
	INV_ENDS_COUNTED,
	INV_NO_SIGNAL_TO_REAPED,
	INV_NOTHING_ALIVE,
	INV_LIMIT,
	INV_POLICY,
	INV_HEALTH,
	INV_SCHEDULE,
	INV_WANTED,
	INV_LAST_WORD,
	INV_START_ORDER,
	INV_STOP_ORDER,
	INV_REQUIRED,
	INV_CONFLICT,
	INV_PLACES,
	INV_FAIR,
	INV_NO_PLACE_FREE,
	INV_CAUSE,
	INV_KILL,
	INV_DEADLINE,
	INV_HOOK_ONCE,
	INV_HOOK_ORDER,
	INV_READY,
	INV_RECORD,
	INV_REFUSED,
	INV_ANSWER,
	INV_ESSENTIAL,
	INV_SHUTDOWN,
	INV_RECOVERY,
	INV_LONER,
	INV_CLOCK,
	INV_LIVENESS,
	INV_MAX
};

struct world;

struct failure {
	enum invariant invariant; /* INV_MAX: none */
	const char *what; /* the condition that does not hold */
	uint32_t service;
	unsigned n_op;
};

const char *invariant_name(enum invariant i);
const char *invariant_sentence(enum invariant i);

/* Notes the first that fails; what comes after it counts no more. */
void check_failed(struct world *w, enum invariant i, uint32_t service, const char *what);

#define HOLDS(w, invariant, service, condition)                                \
	do {                                                                   \
		if (!(condition))                                              \
			check_failed((w), (invariant), (service), #condition); \
	} while (0)

/* Before an action: what the core asks for is right. */
void check_spawn(struct world *w, const struct core_change *c);
void check_signal(struct world *w, const struct core_change *c);
void check_hook(struct world *w, const struct core_change *c);
/* A hook of a generation up to this one is running, that somebody waits or waited for. */
bool check_hook_runs(const struct world *w, uint32_t i, uint64_t generation);
/* The core shuts down by itself: only for an essential service that has ended for good. */
void check_essential(struct world *w);
/* After each step: all of what must always hold. */
void check_all(struct world *w);
/* What has become of a service in a step, by its record before and now. */
void check_transition(struct world *w, uint32_t i, const struct core_record *now);
/* What follows the end of a generation, and what it ended for, is what its settings say. */
void check_end(struct world *w, uint32_t i, const struct core_record *now);
void check_cause(struct world *w, uint32_t i, const struct core_record *now);
void check_queued(struct world *w, uint32_t i, const struct core_record *now);
/* What the event of this step is to bring about has come about. */
void check_news(struct world *w, const struct core_event *e);
/* It is not there, but is going to be, and nobody needs to ask for it. */
bool check_is_coming(const struct world *w, uint32_t i);
/* Remembers who is, for the next step. */
void check_note_coming(struct world *w);
/* What requires it may start. */
bool check_is_there(const struct world *w, uint32_t i);

/* --- record.c --- */

/* The name of the first field in which two records differ, or NULL. */
const char *record_difference(const struct core_record *a, const struct core_record *b);
const char *past_difference(const struct core_past *a, const struct core_past *b);
/*
 * The same of a record before and after a look at everything. Of several things that are in the
 * way of what waits, one is named, and another look may name another one.
 */
const char *record_look_difference(const struct core_record *a, const struct core_record *b);
/* Of all that matters, with times as if the clock were `shift` earlier; without orders, or with. */
uint64_t record_digest(const struct core_record *r, const struct core_past *past, usec_t shift,
	bool orders, uint64_t seed);
