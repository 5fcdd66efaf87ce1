/*
 * What is looked at after each step: each service's record and tree, what is on its way and what
 * waits, and all of them together. transition.c has what is looked at when a service has gone from
 * one state to another, action.c what the core may ask for and when, judge.c and wish.c what has
 * to come of an event.
 */
#include "check.h"

#include "base/macro.h"
#include "world.h"

/* --- each by itself --- */

static bool is_valid_for_state(const struct core_record *r)
{
	switch ((enum core_phase)r->phase) {
	case CORE_PHASE_NONE:
		return r->state != CORE_STARTING && r->state != CORE_STOPPING;
	case CORE_PHASE_PRE_START:
	case CORE_PHASE_EXEC:
	case CORE_PHASE_FORKED:
	case CORE_PHASE_READY:
		return r->state == CORE_STARTING;
	case CORE_PHASE_DEPENDENTS:
	case CORE_PHASE_PRE_STOP:
	case CORE_PHASE_STOP_COMMAND:
	case CORE_PHASE_SIGNAL:
	case CORE_PHASE_CANCELLED:
	case CORE_PHASE_POST_STOP:
		return r->state == CORE_STOPPING;
	case CORE_PHASE_MAX:
		break;
	}
	return false;
}

static void check_record(struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);
	const struct place *p = &w->places[i];
	bool up = r->state == CORE_WAITING || r->state == CORE_STARTING ||
		  r->state == CORE_RUNNING || r->state == CORE_BACKOFF;

	HOLDS(w, INV_RECORD, i, core_record_is_valid(r));
	HOLDS(w, INV_RECORD, i, core_past_is_valid(past_of(w, i)));
	HOLDS(w, INV_RECORD, i, is_valid_for_state(r));
	HOLDS(w, INV_RECORD, i, r->pid == 0 || (is_live(r) && r->pid == p->pid));
	HOLDS(w, INV_RECORD, i, r->state != CORE_RUNNING || r->pid != 0);
	HOLDS(w, INV_RECORD, i, r->ready == (r->state == CORE_RUNNING));
	HOLDS(w, INV_SCHEDULE, i,
		!r->queued || is_live(r) || r->state == CORE_FAILED || w->shutting_down);
	HOLDS(w, INV_RECORD, i, !record_difference(r, &p->disk));
	HOLDS(w, INV_RECORD, i, !past_difference(past_of(w, i), &p->disk_past));
	HOLDS(w, INV_WANTED, i, r->desired_up || !up);
	HOLDS(w, INV_WANTED, i, !r->desired_up || r->state != CORE_STOPPED);
	HOLDS(w, INV_WANTED, i, !r->desired_up || p->may_run || w->shutting_down);
	HOLDS(w, INV_LAST_WORD, i, r->desired_up || !p->must_run);
	/* a service that is ready, and has said so, runs */
	HOLDS(w, INV_READY, i,
		r->state != CORE_STARTING || r->phase != CORE_PHASE_READY || !p->steady ||
			p->begun.type == SPEC_TYPE_ONESHOT || p->ready_told != p->generation);
	/* nothing outlives an essential service that has ended for good */
	HOLDS(w, INV_ESSENTIAL, i,
		!policy_of(w, i)->essential || w->shutting_down ||
			(r->state != CORE_EXITED && (r->state != CORE_FAILED || r->queued)));
}

static void check_tree(struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);
	const struct place *p = &w->places[i];
	bool process = is_live(r) && r->phase != CORE_PHASE_PRE_START &&
		       r->phase != CORE_PHASE_CANCELLED && r->phase != CORE_PHASE_POST_STOP;

	HOLDS(w, INV_NOTHING_ALIVE, i, is_live(r) || !tree_exists(p));
	HOLDS(w, INV_ONE_GENERATION, i, process || !tree_exists(p));
	HOLDS(w, INV_ONE_GENERATION, i, !process || p->generation == r->generation || !w->settled);
	/* who waits for the end of a tree is told of it; a hook that is waited for goes first */
	HOLDS(w, INV_DEADLINE, i,
		!process || !r->main_ended || p->watched == r->generation || !w->settled ||
			r->phase == CORE_PHASE_PRE_STOP || r->phase == CORE_PHASE_STOP_COMMAND);
}

/* For its dependents, which are on their way down, or gone already. */
static bool has_dependents(const struct world *w, uint32_t i)
{
	for (unsigned k = 0; k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];

		if (l->to != i || l->kinds & CORE_LINK_CONFLICTS || !is_used(w, l->from))
			continue;
		if (record_of(w, l->from)->state == CORE_STOPPING)
			return true;
	}
	return false;
}

/*
 * What is on its way: a hook that is waited for, a start, a stop and a backoff have deadlines;
 * a start whose ready.timeout is infinite has none, nor what waits for dependents, one of which
 * must be on its way down, and so have a deadline or wait itself. What waits is looked at below.
 */
static void check_deadline(struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);
	const struct spec_policy *policy = policy_of(w, i);
	bool has_deadline = r->deadline_usec != USEC_INFINITY;

	switch ((enum core_state)r->state) {
	case CORE_BACKOFF:
		HOLDS(w, INV_DEADLINE, i, has_deadline);
		break;
	case CORE_STARTING:
		if (w->places[i].steady)
			HOLDS(w, INV_DEADLINE, i,
				has_deadline ==
					(r->phase == CORE_PHASE_PRE_START ||
						policy->ready_timeout_usec != USEC_INFINITY));
		break;
	case CORE_STOPPING:
		HOLDS(w, INV_DEADLINE, i, has_deadline || r->phase == CORE_PHASE_DEPENDENTS);
		if (r->phase == CORE_PHASE_DEPENDENTS && w->settled)
			HOLDS(w, INV_DEADLINE, i, has_dependents(w, i));
		break;
	case CORE_RUNNING:
		if (w->places[i].steady)
			HOLDS(w, INV_DEADLINE, i, has_deadline == (policy->watchdog_usec > 0));
		break;
	case CORE_FAILED:
		HOLDS(w, INV_DEADLINE, i, has_deadline == r->queued);
		break;
	default:
		HOLDS(w, INV_DEADLINE, i, !has_deadline);
		break;
	}
}

/* --- all together --- */

static unsigned n_starting(const struct world *w)
{
	unsigned n = 0;

	for (EACH_PLACE(w, i))
		n += record_of(w, i)->state == CORE_STARTING;
	return n;
}

/* Slots of a pool that are taken: by what lives, and by what is about to, but for a place. */
static unsigned n_in_pool(const struct world *w, uint32_t pool)
{
	unsigned n = 0;

	for (EACH_PLACE(w, i)) {
		const struct core_record *r = record_of(w, i);

		n += w->config.services[i].pool == pool &&
		     (is_live(r) || (r->state == CORE_WAITING && r->why == CORE_WHY_SLOT));
	}
	return n;
}

static unsigned links_between(const struct world *w, uint32_t from, uint32_t to)
{
	unsigned kinds = 0;

	for (unsigned k = 0; k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];

		if (l->from == from && l->to == to)
			kinds |= l->kinds;
		else if (l->from == to && l->to == from)
			kinds |= l->kinds & CORE_LINK_CONFLICTS;
	}
	return kinds;
}

static void check_waiting(struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);
	uint32_t pool = w->config.services[i].pool, other = r->blocker;
	unsigned kinds = other < SIM_SERVICES ? links_between(w, i, other) : 0;

	switch ((enum core_why)r->why) {
	case CORE_WHY_SLOT:
		HOLDS(w, INV_NO_PLACE_FREE, i,
			w->config.max_starting > 0 && n_starting(w) >= w->config.max_starting);
		break;
	case CORE_WHY_POOL:
		HOLDS(w, INV_CAUSE, i, pool != CORE_NO_POOL);
		if (pool != CORE_NO_POOL)
			HOLDS(w, INV_NO_PLACE_FREE, i, n_in_pool(w, pool) >= w->config.slots[pool]);
		break;
	case CORE_WHY_DEPENDENCY:
		HOLDS(w, INV_CAUSE, i, other < SIM_SERVICES && is_used(w, other));
		HOLDS(w, INV_CAUSE, i, kinds & ~(unsigned)CORE_LINK_CONFLICTS);
		if (world_failed(w))
			return;
		HOLDS(w, INV_CAUSE, i, !check_is_there(w, other));
		HOLDS(w, INV_CAUSE, i, kinds & CORE_LINK_REQUIRES || check_is_coming(w, other));
		break;
	case CORE_WHY_CONFLICT:
		HOLDS(w, INV_CAUSE, i, kinds & CORE_LINK_CONFLICTS);
		HOLDS(w, INV_CAUSE, i, other < SIM_SERVICES && is_live(record_of(w, other)));
		break;
	case CORE_WHY_PREDECESSOR:
		HOLDS(w, INV_CAUSE, i, w->places[i].blocked);
		break;
	case CORE_WHY_SCHEDULE:
		HOLDS(w, INV_CAUSE, i, policy_of(w, i)->scheduled);
		HOLDS(w, INV_SCHEDULE, i,
			r->due_usec != USEC_INFINITY || w->places[i].tell_due ||
				w->places[i].never_due);
		break;
	default:
		HOLDS(w, INV_CAUSE, i, !"a cause to wait for");
		break;
	}
}

/* It is still in its first start, or has not even begun that. */
static bool is_new(const struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);

	return r->ready_order == 0 && r->end == CORE_END_NONE && r->state != CORE_STOPPING;
}

static void check_required(struct world *w)
{
	for (unsigned k = 0; k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];
		const struct core_record *r = record_of(w, l->from);

		if (!(l->kinds & CORE_LINK_REQUIRES) || !is_used(w, l->from) || !is_used(w, l->to))
			continue;
		HOLDS(w, INV_REQUIRED, l->from,
			(r->state != CORE_STARTING && r->state != CORE_RUNNING) ||
				check_is_there(w, l->to) || is_new(w, l->to));
	}
}

/*
 * Who waits for an answer waits for something that is still to come. A shutdown is an answer to
 * all that want something up; they hear it when the service has its turn.
 */
static void check_requests(struct world *w)
{
	if (w->shutting_down)
		return;
	for (unsigned k = 0; k < WORLD_MAX_REQUESTS; k++) {
		const struct request *q = &w->requests[k];

		if (q->pending && q->connected && q->asked_at < w->n_op)
			HOLDS(w, INV_ANSWER, q->service,
				core_judge(w->core, q->service, q->type, q->before) ==
					CORE_PENDING);
	}
}

static void check_down(struct world *w)
{
	bool alive = false;

	for (EACH_PLACE(w, i)) {
		const struct core_record *r = record_of(w, i);

		alive |= is_live(r);
		/* in a hurry, nobody is talked to */
		HOLDS(w, INV_KILL, i,
			!w->hurried || !is_live(r) || r->killed ||
				r->phase == CORE_PHASE_CANCELLED ||
				r->phase == CORE_PHASE_POST_STOP);
	}
	HOLDS(w, INV_SHUTDOWN, SIM_SERVICES, core_is_shutting_down(w->core) == w->shutting_down);
	HOLDS(w, INV_SHUTDOWN, SIM_SERVICES, core_is_down(w->core) == (w->shutting_down && !alive));
}

void check_all(struct world *w)
{
	if (w->news && w->news->type != CORE_EVENT_SETTLE)
		check_news(w, w->news);
	for (EACH_PLACE(w, i)) {
		check_transition(w, i, record_of(w, i));
		check_record(w, i);
		check_tree(w, i);
		check_deadline(w, i);
		if (record_of(w, i)->state == CORE_WAITING && w->settled)
			check_waiting(w, i);
		if (world_failed(w))
			return;
	}
	if (!w->settled)
		return;
	check_required(w);
	check_requests(w);
	check_down(w);
	check_note_coming(w);
}
