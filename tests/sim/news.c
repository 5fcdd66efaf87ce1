/*
 * News, as the engine hears them and tells the core: from the launcher, from processes, from hooks.
 * What an engine has heard, and not committed when it dies, is told again, or nobody has heard it.
 */
#include "base/macro.h"
#include "world.h"

void end_main(struct world *w, uint32_t i, enum core_end end, int status)
{
	struct place *p = &w->places[i];

	if (p->asked && end != CORE_END_SPAWN_FAILED && rarely(w, 2)) {
		p->tell_started = true; /* exec had succeeded before */
		p->exec_at = w->now;
	}
	p->main_alive = p->asked = p->forks = false;
	p->signalled = 0;
	p->tell_ended = true;
	p->ended = (struct core_event){.type = CORE_EVENT_ENDED,
		.service = i,
		.generation = p->generation,
		.end = end,
		.status = status,
		.at_usec = w->now};
	tell(w, "    service %u: its process ends, %s %d", i,
		end == CORE_END_EXITED ? "code"
				       : (end == CORE_END_SPAWN_FAILED ? "errno" : "signal"),
		status);
}

/* A daemon's first process has left others behind, as it should: nothing has ended. */
static bool has_forked(const struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);
	const struct core_event *e = &w->places[i].ended;

	return r->phase == CORE_PHASE_FORKED && r->cause == CORE_CAUSE_NONE && !r->main_ended &&
	       e->survivors && e->end == CORE_END_EXITED &&
	       spec_is_success(policy_of(w, i), e->status);
}

void tell_ended(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];

	p->tell_ended = p->main_known = false;
	p->ended.survivors = p->n_others > 0 || (has_fault(w, FAULT_children) && rarely(w, 6));
	if (has_forked(w, i))
		p->forked = true;
	else if (!record_of(w, i)->main_ended)
		p->counted = p->ended;
	step(w, &p->ended);
	if (w->dying && !(w->committed >> i & 1))
		p->tell_ended = true; /* nobody has acknowledged it */
}

void tell_started(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	struct core_event e = {.type = CORE_EVENT_STARTED,
		.service = i,
		.generation = p->generation,
		.pid = p->pid,
		.at_usec = p->exec_at};

	p->tell_started = false;
	p->main_known = p->counted.generation != p->generation; /* its end may have come first */
	step(w, &e);
}

void tell_hook(struct world *w, uint32_t i, enum spec_hook hook)
{
	struct hook_run *h = &w->places[i].hooks[hook];
	struct core_event e = {.type = CORE_EVENT_HOOK,
		.service = i,
		.generation = h->generation,
		.hook = hook,
		.ok = h->ok};

	h->to_tell = false;
	step(w, &e);
}

void say(struct world *w, uint32_t i, enum core_event_type type, bool ok)
{
	struct place *p = &w->places[i];
	struct core_event e = {.type = type,
		.service = i,
		.generation = p->generation,
		.ok = ok,
		.span_usec = sim_below(&w->random, 20) * USEC_PER_SEC};
	uint64_t ready_told = p->ready_told;
	unsigned n_bad = p->n_bad;

	if (type == CORE_EVENT_READY)
		p->ready_told = e.generation;
	if (type == CORE_EVENT_HEALTH)
		p->n_bad = ok ? 0 : n_bad + 1;
	step(w, &e);
	if (w->dying && !(w->committed >> i & 1)) { /* nobody has heard of it */
		p->ready_told = ready_told;
		p->n_bad = n_bad;
	}
}

void tell_gone(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	struct core_event e = {.type = CORE_EVENT_GONE, .service = i, .generation = p->watched};

	p->watched = 0;
	step(w, &e);
	if (w->dying && !(w->committed >> i & 1))
		p->watched = e.generation;
}

void tell_adopted(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	struct core_event e = {.type = CORE_EVENT_MAINPID,
		.service = i,
		.generation = p->generation,
		.pid = p->pid};

	step(w, &e);
	/* Where it is too late, the core does not care for it any more. */
	p->main_known = record_of(w, i)->pid == e.pid;
	if (p->main_known)
		p->main_generation = p->generation;
}

void tell_due(struct world *w, uint32_t i)
{
	struct core_event e = {.type = CORE_EVENT_SCHEDULED, .service = i};

	w->places[i].tell_due = false;
	e.at_usec = w->now + (1 + sim_below(&w->random, 40)) * 500 * USEC_PER_MSEC;
	/* One that is never due is asked again after each reload, also one that is about others. */
	if (has_fault(w, FAULT_leap) && !w->config.loner && rarely(w, 8))
		e.at_usec = USEC_INFINITY;
	w->places[i].never_due = e.at_usec == USEC_INFINITY;
	step(w, &e);
}
