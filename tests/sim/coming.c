/*
 * Who is there, and who is coming: by the records and the links in force, as a start may count on
 * it. The core keeps this up to date from one change to the next; here it is found anew each time.
 */
#include "check.h"

#include "world.h"

bool check_is_there(const struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);

	return r->state == CORE_RUNNING ||
	       (r->state == CORE_EXITED && policy_of(w, i)->type == SPEC_TYPE_ONESHOT);
}

/* Waiting for something that nobody is going to bring about. Links make no circle. */
static bool is_stuck(const struct world *w, uint32_t i)
{
	for (unsigned k = 0; k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];

		if (l->from == i && l->kinds & CORE_LINK_REQUIRES && is_used(w, l->to) &&
			!check_is_there(w, l->to) && !check_is_coming(w, l->to))
			return true;
	}
	return false;
}

/* What conflicts with it and lives: nothing, something that stops, or something that runs on. */
enum rival { NO_RIVAL, STOPPING_RIVAL, RUNNING_RIVAL };

static enum rival find_rival(const struct world *w, uint32_t i)
{
	enum rival found = NO_RIVAL;

	for (unsigned k = 0; k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];
		uint32_t other = l->from == i ? l->to : l->from;

		if ((l->from != i && l->to != i) || !(l->kinds & CORE_LINK_CONFLICTS) ||
			!is_used(w, other) || !is_live(record_of(w, other)))
			continue;
		if (record_of(w, other)->state != CORE_STOPPING)
			return RUNNING_RIVAL;
		found = STOPPING_RIVAL;
	}
	return found;
}

/* Whatever it says that it waits for: there may be more in its way. */
static bool is_free_to_come(const struct world *w, uint32_t i)
{
	enum rival rival = find_rival(w, i);

	return rival == STOPPING_RIVAL || (rival == NO_RIVAL && !is_stuck(w, i));
}

/* It is there when it has ended well. */
static bool is_completed_by_end(const struct world *w, uint32_t i)
{
	const struct spec_policy *p = policy_of(w, i);

	return p->type == SPEC_TYPE_ONESHOT && !p->scheduled;
}

bool check_is_coming(const struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);

	switch ((enum core_state)r->state) {
	case CORE_STARTING:
	case CORE_BACKOFF:
		return true;
	case CORE_WAITING:
		return r->why != CORE_WHY_SCHEDULE &&
		       (r->why == CORE_WHY_PREDECESSOR || is_free_to_come(w, i));
	case CORE_STOPPING:
		return !w->shutting_down &&
		       (r->then == CORE_THEN_START || r->then == CORE_THEN_BACKOFF ||
			       (r->then == CORE_THEN_EXITED && is_completed_by_end(w, i)));
	default:
		return false;
	}
}

void check_note_coming(struct world *w)
{
	w->coming = w->resting = 0;
	for (EACH_PLACE(w, i)) {
		const struct core_record *r = record_of(w, i);

		w->coming |= (unsigned)check_is_coming(w, i) << i;
		if (r->state == CORE_STOPPED || r->state == CORE_EXITED || r->state == CORE_FAILED)
			w->resting |= 1U << i;
	}
}
