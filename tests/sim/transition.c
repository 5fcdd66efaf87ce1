/*
 * What a service has gone through in a step, told from its record before and after: a generation
 * that has begun was allowed to, one that is over was accounted, and restarts were counted. What
 * is needed to judge the next steps is noted on the way.
 */
#include <signal.h>
#include <string.h>

#include "base/macro.h"
#include "world.h"

/* At most restart-limit automatic starts in any window, of those that still count. */
static void note_automatic_start(struct world *w, uint32_t i)
{
	const struct spec_policy *policy = policy_of(w, i);
	struct place *p = &w->places[i];
	uint64_t now = w->now / USEC_PER_MSEC;
	unsigned n = 0;

	if (p->n_starts == WORLD_MAX_STARTS)
		memmove(p->starts_msec, p->starts_msec + 1, --p->n_starts * sizeof(uint64_t));
	p->starts_msec[p->n_starts++] = now;
	for (unsigned k = 0; k < p->n_starts; k++)
		n += now - p->starts_msec[k] <= policy->restart_window_usec / USEC_PER_MSEC;
	HOLDS(w, INV_LIMIT, i, policy->restart_limit == 0 || n <= policy->restart_limit);
}

/* --- a generation begins --- */

static void check_links(struct world *w, uint32_t i)
{
	for (unsigned k = 0; k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];
		uint32_t other = l->from == i ? l->to : l->from;

		if ((l->from != i && l->to != i) || !is_used(w, other))
			continue;
		if (l->kinds & CORE_LINK_CONFLICTS)
			HOLDS(w, INV_CONFLICT, i,
				!is_live(record_of(w, other)) && !tree_exists(&w->places[other]));
		/* what is stopped again in the same step has lost its ground in that */
		if (l->from != i || record_of(w, i)->state == CORE_STOPPING)
			continue;
		if (l->kinds & CORE_LINK_REQUIRES)
			HOLDS(w, INV_START_ORDER, i, check_is_there(w, other));
		/* what waited for nothing that comes, and now does, may be seen either way */
		if (l->kinds & (CORE_LINK_WANTS | CORE_LINK_AFTER) &&
			(w->coming | w->resting) >> other & 1)
			HOLDS(w, INV_START_ORDER, i,
				check_is_there(w, other) || !check_is_coming(w, other));
	}
}

/* Who has waited in this line since before this one did, and goes on waiting in it. */
static bool overtakes(const struct world *w, uint32_t i, uint32_t other)
{
	const struct core_record *r = record_of(w, other);
	const struct place *p = &w->places[i], *q = &w->places[other];
	uint32_t pool = w->config.services[i].pool;

	if (other == i || q->in_line == 0 || q->in_line == w->n_step || r->state != CORE_WAITING ||
		q->seen.why != r->why ||
		q->seen.start_order != r->start_order /* it has been out of it meanwhile */)
		return false;
	if (r->why == CORE_WHY_POOL)
		return w->config.services[other].pool == pool && pool != CORE_NO_POOL &&
		       (p->in_line == 0 || p->in_line > q->in_line) && p->seen.why != CORE_WHY_SLOT;
	return r->why == CORE_WHY_SLOT &&
	       (p->in_line == 0 || p->in_line > q->in_line || p->seen.why != CORE_WHY_SLOT);
}

static void check_places(struct world *w, uint32_t i)
{
	uint32_t pool = w->config.services[i].pool;
	unsigned n_starting = 0, n_living = 0;

	for (EACH_PLACE(w, k)) {
		n_starting += record_of(w, k)->state == CORE_STARTING;
		n_living += is_live(record_of(w, k)) && w->config.services[k].pool == pool;
		HOLDS(w, INV_FAIR, i, !overtakes(w, i, k));
	}
	HOLDS(w, INV_PLACES, i,
		w->config.max_starting == 0 || n_starting <= w->config.max_starting);
	HOLDS(w, INV_PLACES, i, pool == CORE_NO_POOL || n_living <= w->config.slots[pool]);
}

static void check_begin(struct world *w, uint32_t i, const struct core_record *r)
{
	struct place *p = &w->places[i];

	HOLDS(w, INV_GENERATIONS_GROW, i, r->generation == p->seen.generation + 1);
	HOLDS(w, INV_WANTED, i, p->may_run);
	HOLDS(w, INV_SHUTDOWN, i, !w->shutting_down);
	HOLDS(w, INV_HOOK_ORDER, i, !check_hook_runs(w, i, p->seen.generation));
	if (w->settled) {
		check_links(w, i);
		check_places(w, i);
	}
	if (r->restarts > p->seen.restarts)
		HOLDS(w, INV_ENDS_COUNTED, i, p->after_end);
	else
		HOLDS(w, INV_ENDS_COUNTED, i, !p->after_end || p->pulled);
	if (r->restarts > p->seen.restarts)
		note_automatic_start(w, i);
	p->steady = true;
	p->begun = *policy_of(w, i);
	p->n_bad = 0;
	p->after_end = p->pulled = p->kill_allowed = p->by_shutdown = false;
	p->late = w->calm;
	p->begun_nth =
		2 * w->n_step + 1; /* what is begun in the step in which another one gets ready */
	p->ready_nth = 0;
	if (p->stop_step == w->n_step)
		return; /* and is stopped in the same step */
	p->stop_begun = false;
	p->kill_due = USEC_INFINITY;
}

/* --- a generation is over --- */

static void check_over(struct world *w, uint32_t i, const struct core_record *r)
{
	struct place *p = &w->places[i];
	const struct hook_run *post_stop = &p->hooks[SPEC_HOOK_POST_STOP];
	bool had_process = p->generation == p->seen.generation;

	HOLDS(w, INV_TREE_GONE_FIRST, i, !had_process || !tree_exists(p));
	HOLDS(w, INV_ENDS_COUNTED, i,
		!had_process || p->forked || p->counted.generation == p->generation);
	HOLDS(w, INV_ENDS_COUNTED, i, !had_process || !is_end_untold(p));
	if (had_process && p->counted.generation == p->generation) {
		HOLDS(w, INV_ENDS_COUNTED, i, r->end == p->counted.end);
		HOLDS(w, INV_ENDS_COUNTED, i, r->end_status == p->counted.status);
		HOLDS(w, INV_ENDS_COUNTED, i, r->ended_usec == p->counted.at_usec);
	}
	if (p->steady && !w->hurried && p->begun.hooks & 1U << SPEC_HOOK_POST_STOP)
		HOLDS(w, INV_HOOK_ORDER, i,
			post_stop->generation == p->seen.generation && !post_stop->running);
}

/* A run that was long enough makes what came before it forgotten. */
static void note_run(struct world *w, uint32_t i)
{
	const struct spec_policy *policy = policy_of(w, i);
	struct place *p = &w->places[i];
	/* by its own end, as far as that was told; or for something else, now */
	usec_t end = p->counted.generation == p->seen.generation ? p->counted.at_usec : w->now;

	if (policy->stable_after_usec > 0 && usec_sub(end, p->exec_at) >= policy->stable_after_usec)
		p->n_starts = 0;
}

/* --- on the way --- */

static void check_running(struct world *w, uint32_t i)
{
	const struct spec_policy *policy = policy_of(w, i);
	struct place *p = &w->places[i];

	HOLDS(w, INV_READY, i, p->main_known && p->generation == p->seen.generation);
	if (p->steady) {
		HOLDS(w, INV_READY, i, policy->type != SPEC_TYPE_ONESHOT);
		HOLDS(w, INV_READY, i,
			policy->ready == SPEC_READY_EXEC || p->ready_told == p->generation);
	}
	p->ready_nth = 2 * w->n_step;
}

static bool is_request(enum core_event_type type)
{
	return type == CORE_EVENT_START || type == CORE_EVENT_AUTOSTART ||
	       type == CORE_EVENT_RESTART || type == CORE_EVENT_RESET || type == CORE_EVENT_UNBLOCK;
}

/* A count that goes down was reset by a request, and one that goes up counts a start. */
static void check_counts(struct world *w, uint32_t i, const struct core_record *r)
{
	const struct core_record *seen = &w->places[i].seen;

	if (r->restarts < seen->restarts) {
		HOLDS(w, INV_ENDS_COUNTED, i, r->restarts == 0 && is_request(w->event));
		/* also where a restart comes too late: what conflicts is needed, and was started
		 * first */
		w->places[i].n_starts = 0;
	} else {
		HOLDS(w, INV_ENDS_COUNTED, i,
			r->restarts - seen->restarts <= r->generation - seen->generation);
	}
	HOLDS(w, INV_GENERATIONS_GROW, i, r->generation >= seen->generation);
}

static void note_line(struct world *w, uint32_t i, const struct core_record *r)
{
	struct place *p = &w->places[i];
	bool in_line =
		r->state == CORE_WAITING && (r->why == CORE_WHY_POOL || r->why == CORE_WHY_SLOT);

	if (!in_line)
		p->in_line = 0;
	else if (p->in_line == 0 || p->seen.why != r->why || p->seen.start_order != r->start_order)
		p->in_line = w->n_step;
}

void check_transition(struct world *w, uint32_t i, const struct core_record *r)
{
	struct place *p = &w->places[i];
	bool begun = r->generation != p->seen.generation;

	if (memcmp(r, &p->seen, sizeof(*r)) == 0)
		return;
	check_counts(w, i, r);
	if (p->seen.state == CORE_RUNNING && (r->state != CORE_RUNNING || begun))
		note_run(w, i);
	if (is_live(&p->seen) && (begun || !is_live(r)))
		check_over(w, i, r);
	check_queued(w, i, r);
	if (r->state == CORE_STOPPING && is_live(&p->seen) && r->cause != p->seen.cause)
		check_cause(w, i, r);
	check_end(w, i, r);
	if (begun)
		check_begin(w, i, r);
	if (r->state == CORE_RUNNING && (p->seen.state != CORE_RUNNING || begun))
		check_running(w, i);
	if (r->state == CORE_BACKOFF && p->seen.state != CORE_BACKOFF) {
		p->after_end = true;
		p->pulled = false;
	}
	if (r->state == CORE_STOPPING && p->seen.state != CORE_STOPPING)
		p->by_shutdown = r->why == CORE_WHY_SHUTDOWN && w->asked != i;
	if (!is_live(r) && r->state != CORE_BACKOFF && r->state != CORE_WAITING)
		p->after_end = false;
	note_line(w, i, r);
	p->seen = *r;
}
