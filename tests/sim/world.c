/*
 * The course of a history: each operation is resolved by its own random bits and by what is
 * possible in the world at that moment, becomes events for the core, and after each of these all
 * invariants are looked at. Then faults stop, and all must come to rest.
 */
#include "world.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "base/macro.h"

#define MAX_CHANGES (4 * SIM_SERVICES)

void tell(struct world *w, const char *format, ...)
{
	va_list args;

	if (!w->told)
		return;
	va_start(args, format);
	fprintf(w->told, "%4u ", w->n_op);
	vfprintf(w->told, format, args);
	fputc('\n', w->told);
	va_end(args);
}

const char *state_text(const struct core_record *r, char ret_text[static STATE_TEXT_SIZE])
{
	const char *phase = core_phase_to_string((enum core_phase)r->phase);

	snprintf(ret_text, STATE_TEXT_SIZE, "%s%s%s",
		core_state_to_string((enum core_state)r->state), phase[0] ? ", " : "", phase);
	return ret_text;
}

/* --- steps --- */

static void tell_event(struct world *w, const struct core_event *e)
{
	const struct core_record *r = record_of(w, e->service);
	char state[STATE_TEXT_SIZE];

	if (!w->told)
		return;
	tell(w, "  service %u, %s: event %s, generation %" PRIu64 " of %" PRIu64 "%s", e->service,
		state_text(r, state), core_event_to_string(e->type), e->generation, r->generation,
		e->survivors ? ", others are left" : "");
}

/* What is random in a step depends on whom the event is for, not on what else has happened. */
uint64_t random_for(const struct world *w, uint32_t service)
{
	bool over = w->n_op >= w->history->n_ops;
	uint64_t state = over ? w->n_step : w->history->ops[w->n_op].random;

	state ^= UINT64_C(0xD1B54A32D192ED03) * (service + 1);
	return sim_draw(&state);
}

void take_changes(struct world *w)
{
	struct core_change changes[MAX_CHANGES];
	unsigned n = 0;

	while (n < MAX_CHANGES && core_next_change(w->core, &changes[n]))
		n++;
	HOLDS(w, INV_RECORD, SIM_SERVICES, n < MAX_CHANGES);
	for (unsigned k = 0; k < n && !w->dying && !world_failed(w); k++) {
		if (!perform(w, &changes[k]))
			w->dying = true;
	}
	if (w->dying || world_failed(w))
		return;
	check_all(w);
}

void step(struct world *w, const struct core_event *e)
{
	uint64_t random = w->random;
	bool understood;

	if (w->dying || world_failed(w))
		return;
	w->n_step++;
	w->event = e->type;
	w->news = e;
	tell_event(w, e);
	w->random = random_for(w, e->service);
	understood = core_step(w->core, e, w->now, w->random);
	HOLDS(w, INV_UNDERSTOOD, e->service, understood);
	if (core_is_shutting_down(w->core) && !w->shutting_down) {
		tell(w, "    an essential service has ended: shutdown");
		check_essential(w);
		note_shutdown(w, e->service);
	}
	take_changes(w);
	w->news = NULL;
	if (!w->dying) /* else it says what was committed */
		w->event = CORE_EVENT_MAX;
	w->random = random;
	if (w->adopted && w->settled && !w->dying)
		settle_all(w);
}

/* --- time --- */

void tell_deadlines(struct world *w)
{
	for (EACH_PLACE(w, i)) {
		struct core_event e = {.type = CORE_EVENT_DEADLINE, .service = i};

		if (core_deadline(w->core, i) > w->now)
			continue;
		if (has_fault(w, FAULT_late) && !w->config.loner && rarely(w, 8))
			continue;
		step(w, &e);
	}
}

static void pass_time(struct world *w)
{
	static const usec_t spans[] = {0, 1, 500, 50 * USEC_PER_MSEC, 400 * USEC_PER_MSEC,
		2 * USEC_PER_SEC, 11 * USEC_PER_SEC, 50 * USEC_PER_SEC};
	usec_t first = USEC_INFINITY;

	sweep(w);
	for (EACH_PLACE(w, i))
		first = MIN_OF(first, core_deadline(w->core, i));
	if (w->follow)
		w->now = w->follow[w->n_op].now + w->shift;
	else if (has_fault(w, FAULT_leap) && rarely(w, 20))
		w->now += (1 + sim_below(&w->random, 1000)) * USEC_PER_HOUR;
	else if (rarely(w, 2) && first != USEC_INFINITY)
		w->now = MAX_OF(first, w->now); /* exactly to the next deadline */
	else
		w->now += spans[sim_below(&w->random, ELEMENTSOF(spans))];
	tell(w, "the clock is at %" PRIu64 ".%06" PRIu64, w->now / USEC_PER_SEC,
		w->now % USEC_PER_SEC);
	tell_deadlines(w);
}

/* --- operations --- */

static void ask_for(struct world *w, const struct sim_op *op)
{
	static const enum core_event_type types[OP_MAX] = {
		[OP_start] = CORE_EVENT_START,
		[OP_autostart] = CORE_EVENT_AUTOSTART,
		[OP_stop] = CORE_EVENT_STOP,
		[OP_restart] = CORE_EVENT_RESTART,
		[OP_reset] = CORE_EVENT_RESET,
		[OP_kill] = CORE_EVENT_KILL,
		[OP_signal] = CORE_EVENT_SIGNAL,
	};

	tell(w, "service %u: request %s", op->service, operation_to_string(op->kind));
	ask(w, op->service, types[op->kind]);
}

static void operate(struct world *w, const struct sim_op *op)
{
	bool used = is_used(w, op->service);

	switch (op->kind) {
	case OP_start:
	case OP_autostart:
	case OP_stop:
	case OP_restart:
	case OP_reset:
	case OP_kill:
	case OP_signal:
		if (used)
			ask_for(w, op);
		break;
	case OP_live:
		if (used)
			live(w, op->service);
		break;
	case OP_stale:
		if (used)
			tell_stale(w, op->service);
		break;
	case OP_time:
		pass_time(w);
		break;
	case OP_die:
		tell(w, "the engine dies");
		w->dying = true;
		break;
	case OP_policy:
	case OP_graph:
	case OP_refused:
	case OP_remove:
	case OP_add:
		if (!w->alone || op->service == SIM_LONER)
			reload(w, op);
		break;
	case OP_shutdown:
	case OP_hurry:
		shut_down(w, op->kind == OP_hurry);
		break;
	case OP_MAX:
		break;
	}
}

static void note_twin(struct world *w)
{
	struct twin_step *t = w->steps ? &w->steps[w->n_op] : NULL;

	if (!t)
		return;
	*t = (struct twin_step){.now = w->now, .died = w->dying};
	for (EACH_PLACE(w, i)) {
		bool loner = w->config.loner;

		if (!loner || i == SIM_LONER)
			t->digest = record_digest(
				record_of(w, i), past_of(w, i), w->shift, !loner, t->digest);
	}
}

static void run_op(struct world *w, const struct sim_op *op)
{
	w->random = op->random;
	w->cut = op->cut;
	/* Of all at once, it would depend on the others whether the loner's turn comes. */
	if (w->config.loner && (op->kind == OP_time || op->kind >= OP_policy))
		w->cut = 0;
	w->n_performed = w->committed = 0;
	operate(w, op);
	if (w->follow && w->follow[w->n_op].died)
		w->dying = true;
	note_twin(w);
	if (w->dying)
		engine_restart(w);
}

static bool world_init(struct world *w, const struct history *h)
{
	w->history = h;
	w->config = h->config;
	w->now = h->clock + w->shift;
	w->asked = SIM_SERVICES;
	w->failure = (struct failure){.invariant = INV_MAX};
	for (uint32_t i = 0; i < SIM_SERVICES; i++)
		w->places[i].fresh = is_used(w, i);
	w->random = h->seed;
	engine_begin(w);
	return !world_failed(w);
}

bool world_run(struct world *w, const struct history *h)
{
	bool ok = world_init(w, h);

	for (w->n_op = 0; ok && w->n_op < h->n_ops; w->n_op++) {
		run_op(w, &h->ops[w->n_op]);
		ok = !world_failed(w);
	}
	if (ok && !w->alone)
		settle_down(w);
	return !world_failed(w);
}

void world_fini(struct world *w)
{
	core_free(w->core);
	w->core = NULL;
}
