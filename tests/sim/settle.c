/*
 * The end of a history: no more faults. All that is under way ends well, services become ready,
 * give signs of life and obey; then, within so many rounds, every one has come to what is wanted
 * of it, every request has its answer, and nothing happens any more but by schedules.
 */
#include "base/macro.h"
#include "world.h"

#define MAX_ROUNDS 400
#define MAX_NEWS   40 /* of one service, in one round */

static bool is_done(const struct world *w)
{
	for (EACH_PLACE(w, i)) {
		const struct core_record *r = record_of(w, i);

		if (r->state == CORE_STARTING || r->state == CORE_STOPPING ||
			r->state == CORE_BACKOFF || w->places[i].removed)
			return false;
	}
	return true;
}

static void deliver(struct world *w)
{
	for (bool more = true; more && !world_failed(w);) {
		more = false;
		for (EACH_PLACE(w, i)) {
			unsigned n = 0;

			while (n < MAX_NEWS && !world_failed(w) && live_calmly(w, i))
				n++;
			HOLDS(w, INV_LIVENESS, i, n < MAX_NEWS);
			more |= n > 0;
		}
	}
}

/* To the next deadline of what is on its way; those that run have given signs of life meanwhile. */
static void wait_for_next(struct world *w)
{
	usec_t first = USEC_INFINITY;

	for (EACH_PLACE(w, i)) {
		if (record_of(w, i)->state != CORE_RUNNING)
			first = MIN_OF(first, core_deadline(w->core, i));
	}
	if (first != USEC_INFINITY && first > w->now)
		w->now = first;
	for (EACH_PLACE(w, i)) {
		struct core_event e = {.type = CORE_EVENT_ALIVE,
			.service = i,
			.generation = w->places[i].generation};

		if (record_of(w, i)->state == CORE_RUNNING && policy_of(w, i)->watchdog_usec > 0)
			step(w, &e);
	}
	tell_deadlines(w);
}

/* The one that it waits for is not going to come by itself, or waits itself. */
static bool waits_for_good(const struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i), *other;

	if (r->why == CORE_WHY_SCHEDULE || r->why == CORE_WHY_POOL)
		return true; /* slots are taken by what runs, see INV_NO_PLACE_FREE */
	if (r->why != CORE_WHY_DEPENDENCY && r->why != CORE_WHY_CONFLICT)
		return false;
	other = record_of(w, r->blocker);
	if (r->why == CORE_WHY_CONFLICT)
		return other->state == CORE_RUNNING;
	return other->state == CORE_STOPPED || other->state == CORE_FAILED ||
	       other->state == CORE_EXITED || other->state == CORE_WAITING;
}

static void check_place(struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);
	const struct place *p = &w->places[i];
	bool runs_on = policy_of(w, i)->type != SPEC_TYPE_ONESHOT;

	switch ((enum core_state)r->state) {
	case CORE_STOPPED:
		HOLDS(w, INV_LIVENESS, i, !p->must_run);
		break;
	case CORE_WAITING:
		HOLDS(w, INV_LIVENESS, i, waits_for_good(w, i));
		break;
	case CORE_RUNNING:
		HOLDS(w, INV_LIVENESS, i, r->desired_up && !w->shutting_down);
		break;
	case CORE_EXITED:
		HOLDS(w, INV_LIVENESS, i, !runs_on || !p->late);
		break;
	case CORE_FAILED:
		HOLDS(w, INV_LIVENESS, i, !p->late);
		break;
	case CORE_STARTING:
	case CORE_STOPPING:
	case CORE_BACKOFF:
	case CORE_STATE_MAX:
		HOLDS(w, INV_LIVENESS, i, !"at rest");
		break;
	}
}

/* In the end it waits for a slot that those who have one don't give back. */
static bool waits_for_pool(const struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);

	while (r->state == CORE_WAITING && r->why == CORE_WHY_DEPENDENCY)
		r = record_of(w, r->blocker);
	return r->state == CORE_WAITING && r->why == CORE_WHY_POOL;
}

static void check_settled(struct world *w)
{
	for (EACH_PLACE(w, i))
		check_place(w, i);
	for (unsigned k = 0; k < WORLD_MAX_REQUESTS; k++) {
		const struct request *q = &w->requests[k];

		HOLDS(w, INV_ANSWER, q->service, !q->pending || waits_for_pool(w, q->service));
	}
	HOLDS(w, INV_SHUTDOWN, SIM_SERVICES, !w->shutting_down || core_is_down(w->core));
}

void settle_down(struct world *w)
{
	tell(w, "faults stop");
	w->calm = true;
	w->cut = 0;
	deliver(w);
	sweep(w);
	deliver(w);
	for (unsigned n = 0; n < MAX_ROUNDS && !is_done(w) && !world_failed(w); n++) {
		wait_for_next(w);
		deliver(w);
		sweep(w);
		deliver(w);
	}
	if (!world_failed(w))
		check_settled(w);
	w->committed = 0;
	if (!world_failed(w) && !w->shutting_down)
		check_recovery(w);
}
