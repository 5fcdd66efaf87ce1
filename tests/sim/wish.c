/*
 * What a request means, by the manual: who may run, and who has to; whose past is forgotten; and
 * what has to come of it within its step.
 */
#include <string.h>

#include "base/macro.h"
#include "world.h"

static bool is_up(const struct core_record *r)
{
	return r->state == CORE_STARTING || r->state == CORE_RUNNING;
}

/* All that a service needs: by requires and wants, and what these need. Bits of services. */
static unsigned needs(const struct world *w, uint32_t i)
{
	unsigned found = 1U << i, before = 0;

	while (found != before) {
		before = found;
		for (unsigned k = 0; k < w->config.n_links; k++) {
			const struct core_link *l = &w->config.links[k];

			if (l->kinds & (CORE_LINK_REQUIRES | CORE_LINK_WANTS) &&
				found >> l->from & 1)
				found |= 1U << l->to;
		}
	}
	return found;
}

/* A start also reaches what it needs; all that conflicts with any of these has to go. */
static void note_start(struct world *w, uint32_t i, bool yields)
{
	unsigned needed = needs(w, i);

	for (EACH_PLACE(w, k)) {
		struct place *p = &w->places[k];

		if (!(needed >> k & 1))
			continue;
		p->may_run = true;
		p->pulled |= k != i;
		if (k != i && record_of(w, k)->state != CORE_BACKOFF)
			p->n_starts = 0; /* what it comes up with is a new story, or it is up */
		p->knows_starts &= k == i;
	}
	for (unsigned k = 0; yields && k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];

		if (!(l->kinds & CORE_LINK_CONFLICTS))
			continue;
		if (needed >> l->from & 1)
			w->places[l->to].must_run = false;
		if (needed >> l->to & 1)
			w->places[l->from].must_run = false;
	}
	if (yields)
		w->places[i].must_run = true;
}

/* Follows what a request means, from the manual: who is wanted, whose past is forgotten. */
static void note_request(struct world *w, uint32_t i, enum core_event_type type)
{
	const struct core_record *r = record_of(w, i);
	struct place *p = &w->places[i];
	bool up = is_up(r);

	switch (type) {
	case CORE_EVENT_START:
	case CORE_EVENT_RESTART:
		if (w->shutting_down)
			break;
		note_start(w, i, true);
		p->after_end = false;
		p->knows_starts |= !up;
		if (!up)
			p->n_starts = 0;
		else if (type == CORE_EVENT_RESTART && r->ready &&
			 policy_of(w, i)->stable_after_usec > 0 &&
			 usec_sub(w->now, p->exec_at) >= policy_of(w, i)->stable_after_usec)
			p->n_starts = 0;
		break;
	case CORE_EVENT_AUTOSTART:
	case CORE_EVENT_UNBLOCK:
		if (!w->shutting_down)
			note_start(w, i, false);
		break;
	case CORE_EVENT_KILL:
		p->kill_allowed = true;
		p->may_run = p->must_run = false;
		break;
	case CORE_EVENT_STOP:
		p->may_run = p->must_run = false;
		break;
	case CORE_EVENT_RESET:
		p->n_starts = 0;
		p->knows_starts = true;
		if (r->state == CORE_FAILED && !(policy_of(w, i)->scheduled && r->desired_up))
			p->may_run = p->must_run = false;
		break;
	default:
		break;
	}
}

/*
 * The engine has died before the service's own record was committed: as if nobody had asked, so
 * nobody knows what of it is true until the client has asked again.
 */
static void unsure(struct world *w, uint32_t i, const struct place before[static SIM_SERVICES])
{
	if (w->committed >> i & 1)
		return;
	for (uint32_t k = 0; k < SIM_SERVICES; k++) {
		w->places[k].may_run |= before[k].may_run;
		w->places[k].must_run = false;
	}
	w->places[i].after_end = before[i].after_end;
	w->places[i].pulled = true;
	for (uint32_t k = 0; k < SIM_SERVICES; k++)
		w->places[k].knows_starts = false;
}

/* --- what has come of it --- */

/* How it was before; bits of services. */
struct wish {
	unsigned pulled; /* what is to come up with it, itself among them */
	unsigned wanted; /* who was */
	unsigned up; /* who was, or on the way to it, and is not to go for what is less wanted */
	bool was_up; /* itself */
};

/* Not there, and not coming by itself; or coming in vain, if what it needs is not. */
static bool is_to_visit(const struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);

	return !is_up(r) &&
	       !(r->state == CORE_EXITED && policy_of(w, i)->type == SPEC_TYPE_ONESHOT);
}

/* What a start of this one brings up; bits of services, itself among them. */
static unsigned find_pulled(const struct world *w, uint32_t i)
{
	unsigned found = 1U << i, before = 0;

	while (found != before) {
		before = found;
		for (unsigned k = 0; k < w->config.n_links; k++) {
			const struct core_link *l = &w->config.links[k];

			if (l->kinds & (CORE_LINK_REQUIRES | CORE_LINK_WANTS) &&
				found >> l->from & 1 && is_used(w, l->to) && is_to_visit(w, l->to))
				found |= 1U << l->to;
		}
	}
	return found;
}

static bool conflicts_with(const struct world *w, uint32_t i, unsigned others)
{
	for (unsigned k = 0; k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];

		if (l->kinds & CORE_LINK_CONFLICTS &&
			((l->from == i && others >> l->to & 1) ||
				(l->to == i && others >> l->from & 1)))
			return true;
	}
	return false;
}

/* Up in spite of a start that it conflicts with. What waits for its time is in nobody's way. */
static bool stays_up(const struct core_record *r)
{
	return is_up(r) || r->state == CORE_BACKOFF ||
	       (r->state == CORE_WAITING && r->why != CORE_WHY_SCHEDULE) ||
	       (r->state == CORE_STOPPING && r->then != CORE_THEN_STOPPED);
}

/* All that was needed is wanted, but what it conflicts with itself; what it conflicts with goes. */
static void check_start(struct world *w, const struct core_event *e, const struct wish *wish)
{
	for (EACH_PLACE(w, k)) {
		const struct core_record *r = record_of(w, k);

		if (wish->pulled >> k & 1)
			HOLDS(w, INV_LAST_WORD, k,
				r->desired_up || conflicts_with(w, k, wish->pulled) ||
					r->state == CORE_EXITED);
		else if (!wish->was_up && conflicts_with(w, k, 1U << e->service))
			HOLDS(w, INV_CONFLICT, k, !stays_up(r));
	}
}

/* Nothing that is up, or on its way, loses to what nobody has asked for by name. */
static void check_autostart(struct world *w, const struct wish *wish)
{
	for (EACH_PLACE(w, k)) {
		if (record_of(w, k)->desired_up && !(wish->wanted >> k & 1) &&
			!policy_of(w, k)->scheduled)
			HOLDS(w, INV_CONFLICT, k, !conflicts_with(w, k, wish->up));
	}
}

static void check_wish(struct world *w, const struct core_event *e, const struct wish *wish)
{
	bool start = e->type == CORE_EVENT_START || e->type == CORE_EVENT_RESTART;

	if (start && w->shutting_down)
		return;
	if (start && (!wish->was_up || e->type == CORE_EVENT_RESTART))
		check_start(w, e, wish);
	if (e->type == CORE_EVENT_AUTOSTART || e->type == CORE_EVENT_UNBLOCK)
		check_autostart(w, wish);
	/* a client that asks again is known, and joins what it has begun */
	if (e->op != 0 && (start || e->type == CORE_EVENT_STOP || e->type == CORE_EVENT_KILL))
		HOLDS(w, INV_ANSWER, e->service, core_remembers(w->core, e->service, e->op));
}

static struct wish note_wish(const struct world *w, uint32_t i)
{
	struct wish wish = {.pulled = find_pulled(w, i), .was_up = is_up(record_of(w, i))};

	for (EACH_PLACE(w, k)) {
		const struct core_record *r = record_of(w, k);

		wish.wanted |= (unsigned)r->desired_up << k;
		wish.up |= (unsigned)(stays_up(r) && r->desired_up) << k;
	}
	return wish;
}

void ask_event(struct world *w, const struct core_event *e)
{
	struct place before[SIM_SERVICES];
	struct wish wish = note_wish(w, e->service);

	if (w->cut > 0)
		memcpy(before, w->places, sizeof(before));
	note_request(w, e->service, e->type);
	w->asked = e->service;
	step(w, e);
	if (w->dying) { /* what was committed is judged by the next engine's time */
		unsure(w, e->service, before);
		return;
	}
	w->asked = SIM_SERVICES;
	if (!world_failed(w))
		check_wish(w, e, &wish);
}
