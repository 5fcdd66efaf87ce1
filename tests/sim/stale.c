/*
 * News that the core has heard already, or that are of long ago, or that mean nothing now: none
 * of them changes anything, for any service.
 */
#include "base/macro.h"
#include "world.h"

static bool stale_started(const struct world *w, struct core_event *e, uint64_t age)
{
	const struct place *p = &w->places[e->service];

	e->type = CORE_EVENT_STARTED;
	/* an untold one of now would be news */
	return age > 0 || (!p->asked && !p->tell_started && !p->tell_ended);
}

/* The last one told; of a daemon's two ends in one generation, its serial tells the first. */
static bool stale_ended(const struct world *w, struct core_event *e)
{
	const struct place *p = &w->places[e->service];

	if (p->ended.type != CORE_EVENT_ENDED || p->tell_ended)
		return false;
	if (p->ended.generation == p->generation && (p->main_alive || p->main_known))
		return false;
	*e = p->ended;
	return true;
}

static bool stale_hook(struct world *w, struct core_event *e)
{
	const struct hook_run *h;

	e->hook = (enum spec_hook)sim_below(&w->random, SPEC_HOOK_MAX);
	h = &w->places[e->service].hooks[e->hook];
	e->type = CORE_EVENT_HOOK;
	e->generation = h->generation;
	return h->generation != 0 && !h->running && !h->to_tell;
}

static bool stale_word(struct world *w, struct core_event *e, uint64_t age)
{
	static const enum core_event_type types[] = {CORE_EVENT_READY, CORE_EVENT_ALIVE,
		CORE_EVENT_TRIGGER, CORE_EVENT_EXTEND, CORE_EVENT_HEALTH, CORE_EVENT_MAINPID};
	const struct core_record *r = record_of(w, e->service);

	e->type = types[sim_below(&w->random, ELEMENTSOF(types))];
	e->span_usec = USEC_PER_HOUR;
	if (e->generation != r->generation || !is_live(r))
		return true;
	return age == 0 && e->type == CORE_EVENT_READY && r->state == CORE_RUNNING;
}

/* False: just now there is nothing of that kind that would not be news. */
static bool choose(struct world *w, struct core_event *e, uint64_t age)
{
	const struct place *p = &w->places[e->service];
	const struct core_record *r = record_of(w, e->service);

	switch (sim_below(&w->random, 8)) {
	case 0:
		return stale_started(w, e, age);
	case 1:
		return stale_ended(w, e);
	case 2:
		e->type = CORE_EVENT_GONE;
		return e->generation != r->generation || !is_live(r) || p->main_known;
	case 3:
		return stale_hook(w, e);
	case 4:
		e->type = CORE_EVENT_DEADLINE; /* which is not over yet */
		return core_deadline(w->core, e->service) > w->now;
	case 5:
		e->type = CORE_EVENT_UNBLOCK;
		return !p->blocked;
	case 6:
		e->type =
			CORE_EVENT_SETTLE; /* in a shutdown it forgets what is due by a schedule */
		return !w->shutting_down;
	default:
		return stale_word(w, e, age);
	}
}

void tell_stale(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	uint64_t age = sim_below(&w->random, 3);
	struct core_record before[SIM_SERVICES];
	struct core_event e = {.service = i,
		.generation = usec_sub(p->generation, age),
		.at_usec = w->now,
		.pid = p->pid,
		.ok = rarely(w, 2),
		.end = CORE_END_SIGNALLED,
		.status = 9};

	/* Whatever makes the core look at the clock may end its patience in a shutdown. */
	if (!choose(w, &e, age) || (w->shutting_down && w->now > w->patience))
		return;
	for (EACH_PLACE(w, k))
		before[k] = *record_of(w, k);
	w->n_performed = 0;
	w->cut = 0;
	step(w, &e);
	for (EACH_PLACE(w, k)) {
		const char *field = e.type == CORE_EVENT_SETTLE
					    ? record_look_difference(&before[k], record_of(w, k))
					    : record_difference(&before[k], record_of(w, k));

		if (field)
			tell(w, "  service %u: %s has changed", k, field);
		HOLDS(w, INV_STALE, k, !field);
	}
}
