/*
 * A rig for the core: a few services with a policy each, the links between them, a clock that
 * only the test moves, and the changes of the last step. Services are brought into a state by
 * events only.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "core/core.h"

#define SEC USEC_PER_SEC

#define RIG_SERVICES 8
#define RIG_LINKS    16
#define RIG_START    (1000 * USEC_PER_SEC)
#define RIG_AGAIN    (5 * USEC_PER_SEC) /* KILL is repeated that often */

struct rig {
	struct core *core;
	struct spec_policy policies[RIG_SERVICES];
	uint32_t n;
	usec_t now;
	uint64_t random;
	struct core_change changes[RIG_SERVICES];
	unsigned n_changes;
	/* the graph in force, if there is one */
	bool has_graph;
	struct core_link links[RIG_LINKS];
	size_t n_links;
	uint32_t pool_of[RIG_SERVICES], slots[RIG_SERVICES], n_pools;
};

static inline struct spec_policy rig_policy(void)
{
	return (struct spec_policy){
		.type = SPEC_TYPE_SIMPLE,
		.restart = SPEC_RESTART_ON_FAILURE,
		.success_codes = {1},
		.restart_delay_usec = 100 * USEC_PER_MSEC,
		.restart_max_delay_usec = 30 * USEC_PER_SEC,
		.restart_limit = 5,
		.restart_window_usec = 60 * USEC_PER_SEC,
		.stable_after_usec = 10 * USEC_PER_SEC,
		.stop_signal = SIGTERM,
		.stop_timeout_usec = 10 * USEC_PER_SEC,
		.stop_kill = SPEC_KILL_GROUP,
		.ready_timeout_usec = USEC_INFINITY,
		.hook_timeout_usec = 30 * USEC_PER_SEC,
	};
}

static inline void rig_init(struct rig *g, uint32_t n, unsigned max_starting)
{
	*g = (struct rig){.n = n, .now = RIG_START};
	g->core = core_new(n, max_starting);
	assert_non_null(g->core);
	for (uint32_t i = 0; i < RIG_SERVICES; i++)
		g->pool_of[i] = CORE_NO_POOL;
	for (uint32_t i = 0; i < n; i++) {
		g->policies[i] = rig_policy();
		core_add(g->core, i, &g->policies[i], NULL, g->now);
	}
}

static inline void rig_fini(struct rig *g)
{
	core_free(g->core);
	g->core = NULL;
}

#define _cleanup_rig_ _cleanup_(rig_fini)

static inline const struct core_record *rig_record(const struct rig *g, uint32_t i)
{
	return core_record(g->core, i);
}

static inline const struct core_past *rig_past(const struct rig *g, uint32_t i)
{
	return core_past(g->core, i);
}

static inline void rig_take_changes(struct rig *g)
{
	struct core_change c;

	g->n_changes = 0;
	while (core_next_change(g->core, &c)) {
		assert_true(g->n_changes < RIG_SERVICES);
		assert_true(c.todo & CORE_DO_COMMIT);
		g->changes[g->n_changes++] = c;
	}
}

/* The change of one service in the last step; all zero where there was none. */
static inline struct core_change rig_change(const struct rig *g, uint32_t i)
{
	for (unsigned k = 0; k < g->n_changes; k++) {
		if (g->changes[k].service == i)
			return g->changes[k];
	}
	return (struct core_change){.service = i};
}

static inline void rig_step(struct rig *g, const struct core_event *e)
{
	assert_true(core_step(g->core, e, g->now, g->random));
	rig_take_changes(g);
}

static inline void rig_ask(struct rig *g, uint32_t i, enum core_event_type type)
{
	struct core_event e = {.type = type, .service = i, .op = 7};

	rig_step(g, &e);
}

static inline void rig_settle(struct rig *g)
{
	rig_ask(g, 0, CORE_EVENT_SETTLE);
}

/* Its links and pools come into force, as after the configuration has been read. */
static inline void rig_set_graph(struct rig *g)
{
	struct core_graph *graph = NULL;

	assert_int_equal(core_graph_new(g->n, g->links, g->n_links, g->pool_of, g->slots,
				 g->n_pools, &graph),
		0);
	core_set_graph(g->core, graph);
	g->has_graph = true;
	rig_settle(g);
}

static inline void rig_link(struct rig *g, uint32_t from, unsigned kinds, uint32_t to)
{
	assert_true(g->n_links < RIG_LINKS);
	g->links[g->n_links++] = (struct core_link){from, to, kinds};
	rig_set_graph(g);
}

static inline void rig_requires(struct rig *g, uint32_t from, uint32_t to)
{
	rig_link(g, from, CORE_LINK_REQUIRES, to);
}

/* A pool of so many slots, for services from first to last. */
static inline uint32_t rig_pool(struct rig *g, uint32_t slots, uint32_t first, uint32_t last)
{
	uint32_t pool = g->n_pools++;

	g->slots[pool] = slots;
	for (uint32_t i = first; i <= last; i++)
		g->pool_of[i] = pool;
	rig_set_graph(g);
	return pool;
}

static inline void rig_started(struct rig *g, uint32_t i)
{
	struct core_event e = {.type = CORE_EVENT_STARTED,
		.service = i,
		.generation = rig_record(g, i)->generation,
		.pid = (int32_t)(100 + i),
		.at_usec = g->now};

	rig_step(g, &e);
}

static inline void rig_end(struct rig *g, uint32_t i, enum core_end end, int status, bool survivors)
{
	struct core_event e = {.type = CORE_EVENT_ENDED,
		.service = i,
		.generation = rig_record(g, i)->generation,
		.end = end,
		.status = status,
		.survivors = survivors,
		.at_usec = g->now};

	rig_step(g, &e);
}

static inline void rig_exit(struct rig *g, uint32_t i, int code)
{
	rig_end(g, i, CORE_END_EXITED, code, false);
}

static inline void rig_gone(struct rig *g, uint32_t i)
{
	struct core_event e = {
		.type = CORE_EVENT_GONE, .service = i, .generation = rig_record(g, i)->generation};

	rig_step(g, &e);
}

/* News of its present generation that says no more than its type. */
static inline void rig_tell(struct rig *g, uint32_t i, enum core_event_type type)
{
	struct core_event e = {
		.type = type, .service = i, .generation = rig_record(g, i)->generation};

	rig_step(g, &e);
}

/* A message of another life, sent late. */
static inline void rig_tell_of(
	struct rig *g, uint32_t i, enum core_event_type type, uint64_t generation)
{
	struct core_event e = {.type = type,
		.service = i,
		.generation = generation,
		.pid = 999,
		.span_usec = 100 * USEC_PER_SEC};

	rig_step(g, &e);
}

static inline void rig_ready(struct rig *g, uint32_t i)
{
	rig_tell(g, i, CORE_EVENT_READY);
}

static inline void rig_hook(struct rig *g, uint32_t i, enum spec_hook hook, bool ok)
{
	struct core_event e = {.type = CORE_EVENT_HOOK,
		.service = i,
		.generation = rig_record(g, i)->generation,
		.hook = hook,
		.ok = ok};

	rig_step(g, &e);
}

static inline void rig_mainpid(struct rig *g, uint32_t i, int32_t pid)
{
	struct core_event e = {.type = CORE_EVENT_MAINPID,
		.service = i,
		.generation = rig_record(g, i)->generation,
		.pid = pid};

	rig_step(g, &e);
}

static inline void rig_extend(struct rig *g, uint32_t i, usec_t span)
{
	struct core_event e = {.type = CORE_EVENT_EXTEND,
		.service = i,
		.generation = rig_record(g, i)->generation,
		.span_usec = span};

	rig_step(g, &e);
}

static inline void rig_check(struct rig *g, uint32_t i, bool ok)
{
	struct core_event e = {.type = CORE_EVENT_HEALTH,
		.service = i,
		.generation = rig_record(g, i)->generation,
		.ok = ok};

	rig_step(g, &e);
}

/* The answer to CORE_DO_SCHEDULE. */
static inline void rig_schedule(struct rig *g, uint32_t i, usec_t at)
{
	struct core_event e = {.type = CORE_EVENT_SCHEDULED, .service = i, .at_usec = at};

	rig_step(g, &e);
}

/* Moves the clock to a service's deadline and tells it so. */
static inline void rig_deadline(struct rig *g, uint32_t i)
{
	assert_true(core_deadline(g->core, i) != USEC_INFINITY);
	if (core_deadline(g->core, i) > g->now)
		g->now = core_deadline(g->core, i);
	rig_ask(g, i, CORE_EVENT_DEADLINE);
}

static inline void rig_run(struct rig *g, uint32_t i)
{
	rig_ask(g, i, CORE_EVENT_START);
	rig_started(g, i);
	assert_int_equal(rig_record(g, i)->state, CORE_RUNNING);
}

/* A new core out of the records of another, as after an engine's death. */
static inline void rig_restore(struct rig *g, const struct rig *from, unsigned max_starting)
{
	*g = *from;
	g->n_changes = 0;
	g->core = core_new(g->n, max_starting);
	assert_non_null(g->core);
	for (uint32_t i = 0; i < g->n; i++) {
		assert_true(core_record_is_valid(rig_record(from, i)));
		core_add(g->core, i, &g->policies[i], rig_record(from, i), g->now);
		core_recall(g->core, i, rig_past(from, i));
	}
	if (from->has_graph)
		rig_set_graph(g);
	if (core_is_shutting_down(from->core)) {
		core_shutdown(g->core, false, g->now);
		rig_take_changes(g);
	}
}

static inline void rig_shutdown(struct rig *g, bool hurry)
{
	core_shutdown(g->core, hurry, g->now);
	rig_take_changes(g);
}

static inline const char *rig_error_text(int error)
{
	return strerror(error);
}

static inline const char *rig_name(const void *userdata, uint32_t service)
{
	static char names[RIG_SERVICES][16];

	(void)userdata;
	snprintf(names[service], sizeof(names[service]), "s%u", service);
	return names[service];
}

/* Its reason in words; the text is valid until the next call. */
static inline const char *rig_reason(const struct rig *g, uint32_t i, const char *stage_text)
{
	static char text[CORE_REASON_SIZE];
	struct core_words words = {stage_text, rig_error_text, rig_name, rig_name, NULL};

	return core_reason(g->core, i, &words, text);
}

static inline const char *rig_state(const struct rig *g, uint32_t i)
{
	return core_state_to_string((enum core_state)rig_record(g, i)->state);
}

static inline void has_state(const struct rig *g, uint32_t i, enum core_state state)
{
	assert_string_equal(rig_state(g, i), core_state_to_string(state));
}

static inline void has_phase(
	const struct rig *g, uint32_t i, enum core_state state, enum core_phase phase)
{
	has_state(g, i, state);
	assert_string_equal(core_phase_to_string((enum core_phase)rig_record(g, i)->phase),
		core_phase_to_string(phase));
}

static inline void has_reason(const struct rig *g, uint32_t i, const char *expected)
{
	assert_string_equal(rig_reason(g, i, "cannot execute"), expected);
}

/* In the last step it was sent this signal, by the core. */
static inline void signalled(const struct rig *g, uint32_t i, int signo, enum spec_kill scope)
{
	struct core_change c = rig_change(g, i);

	assert_true(c.todo & CORE_DO_SIGNAL);
	assert_int_equal(c.signo, signo);
	assert_int_equal(c.scope, scope);
	assert_int_equal(rig_record(g, i)->signo, signo);
}

/* In the last step its process was asked for. */
static inline bool spawned(const struct rig *g, uint32_t i)
{
	return (rig_change(g, i).todo & CORE_DO_SPAWN) != 0;
}

static inline void hook_asked(const struct rig *g, uint32_t i, enum spec_hook hook)
{
	assert_true(rig_change(g, i).todo & CORE_DO_HOOK);
	assert_int_equal(rig_change(g, i).hook, hook);
}

static inline void hook_cancelled(const struct rig *g, uint32_t i, enum spec_hook hook)
{
	assert_true(rig_change(g, i).todo & CORE_DO_CANCEL_HOOK);
	assert_int_equal(rig_change(g, i).cancel, hook);
}

static inline void judged(const struct rig *g, uint32_t i, enum core_event_type request,
	uint64_t before, enum core_outcome outcome)
{
	assert_int_equal(core_judge(g->core, i, request, before), outcome);
}

static inline void rig_same_record(const struct core_record *a, const struct core_record *b)
{
#define SAME(field) assert_int_equal(a->field, b->field)
	SAME(state);
	SAME(why);
	SAME(then);
	SAME(end);
	SAME(desired_up);
	SAME(ready);
	SAME(killed);
	SAME(main_ended);
	SAME(signo);
	SAME(stage);
	SAME(pid);
	SAME(end_status);
	SAME(restarts);
	SAME(streak);
	SAME(signal_op);
	SAME(generation);
	SAME(start_order);
	SAME(ready_order);
	SAME(user_signo);
	SAME(since_usec);
	SAME(started_usec);
	SAME(ended_usec);
	SAME(deadline_usec);
	SAME(phase);
	SAME(cause);
	SAME(last_cause);
	SAME(health);
	SAME(early);
	SAME(queued);
	SAME(automatic);
	SAME(n_unhealthy);
	SAME(blocker);
	SAME(due_usec);
#undef SAME
}

static inline void rig_same_past(const struct core_past *a, const struct core_past *b)
{
	assert_memory_equal(a->ops, b->ops, sizeof(a->ops));
	assert_memory_equal(a->op_generations, b->op_generations, sizeof(a->op_generations));
	assert_int_equal(a->n_starts, b->n_starts);
	assert_memory_equal(a->starts_msec, b->starts_msec, a->n_starts * sizeof(uint32_t));
}

/* All that is known of a service. */
static inline void rig_same(const struct rig *a, const struct rig *b, uint32_t i)
{
	rig_same_record(rig_record(a, i), rig_record(b, i));
	rig_same_past(rig_past(a, i), rig_past(b, i));
}

/* The last step asked the same of both. */
static inline void rig_same_changes(const struct rig *a, const struct rig *b)
{
	assert_int_equal(a->n_changes, b->n_changes);
	for (unsigned i = 0; i < a->n_changes; i++)
		assert_memory_equal(&a->changes[i], &b->changes[i], sizeof(a->changes[i]));
}

/* It is not what the core goes by now. */
static inline void nothing_changes(
	struct rig *g, uint32_t i, void (*what)(struct rig *g, uint32_t i))
{
	struct core_record before = *rig_record(g, i);
	struct core_past past = *rig_past(g, i);

	what(g, i);
	assert_int_equal(g->n_changes, 0);
	rig_same_record(&before, rig_record(g, i));
	rig_same_past(&past, rig_past(g, i));
}
