/*
 * What the manual says of ends, checks and schedules, written down a second time: whether a
 * service is started again, by which end; when it is unhealthy; what becomes of a run that is
 * due. And requests that are to be done within their step.
 */
#include "base/macro.h"
#include "world.h"

/* --- ends --- */

static bool is_success(const struct place *p, const struct core_record *r)
{
	const struct spec_policy *policy = &p->begun;

	if (r->cause != CORE_CAUSE_NONE || p->counted.generation != r->generation ||
		p->counted.end != CORE_END_EXITED)
		return false;
	return spec_is_success(policy, p->counted.status);
}

static bool is_abnormal(const struct place *p, const struct core_record *r)
{
	switch ((enum core_cause)r->cause) {
	case CORE_CAUSE_START_TIMEOUT:
	case CORE_CAUSE_WATCHDOG:
	case CORE_CAUSE_TRIGGER:
		return true;
	case CORE_CAUSE_NONE:
		return p->counted.generation == r->generation &&
		       (p->counted.end == CORE_END_SIGNALLED || p->counted.end == CORE_END_DUMPED ||
			       p->counted.end == CORE_END_UNKNOWN);
	default:
		return false;
	}
}

/* By restart, or by health.action where that is what it ends for. */
static bool is_wanted_again(const struct place *p, const struct core_record *r)
{
	if (r->cause == CORE_CAUSE_UNHEALTHY)
		return p->begun.health_action == SPEC_ACTION_RESTART;
	switch (p->begun.restart) {
	case SPEC_RESTART_ALWAYS:
		return true;
	case SPEC_RESTART_ON_FAILURE:
		return !is_success(p, r);
	case SPEC_RESTART_ON_ABNORMAL:
		return is_abnormal(p, r);
	case SPEC_RESTART_NEVER:
	case SPEC_RESTART_MAX:
		break;
	}
	return false;
}

static bool is_limit_reached(const struct world *w, uint32_t i)
{
	const struct place *p = &w->places[i];
	uint64_t end = p->counted.at_usec / USEC_PER_MSEC;
	uint64_t window = p->begun.restart_window_usec / USEC_PER_MSEC;
	unsigned n = 0;

	for (unsigned k = 0; k < p->n_starts; k++)
		n += usec_sub(end, p->starts_msec[k]) <= window;
	return p->begun.restart_limit > 0 && n >= p->begun.restart_limit;
}

/* A daemon that has left nobody behind has not done well, whatever its first process says. */
static bool is_daemon_lost(const struct place *p, const struct core_record *r)
{
	return p->begun.type == SPEC_TYPE_FORKING && r->cause == CORE_CAUSE_NONE &&
	       p->main_generation != r->generation && p->counted.end == CORE_END_EXITED &&
	       spec_is_success(&p->begun, p->counted.status);
}

static void check_backoff(struct world *w, uint32_t i, const struct core_record *r)
{
	const struct spec_policy *policy = &w->places[i].begun;
	usec_t delay = MIN_OF(policy->restart_delay_usec, policy->restart_max_delay_usec);
	usec_t longest = MAX_OF(policy->restart_max_delay_usec, policy->restart_delay_usec);

	HOLDS(w, INV_POLICY, i, is_wanted_again(&w->places[i], r));
	HOLDS(w, INV_POLICY, i, r->deadline_usec >= usec_add(w->now, delay));
	HOLDS(w, INV_POLICY, i,
		r->deadline_usec <=
			w->now + longest + longest / 100 * policy->restart_jitter_percent);
}

static void check_failed_state(struct world *w, uint32_t i, const struct core_record *r)
{
	struct place *p = &w->places[i];
	bool again = is_wanted_again(p, r);

	HOLDS(w, INV_POLICY, i, again == (r->why == CORE_WHY_GAVE_UP));
	HOLDS(w, INV_POLICY, i, again || !is_success(p, r) || is_daemon_lost(p, r));
	/* only where it was decided just now, and by starts that are all known */
	if (again && p->knows_starts && p->counted.generation == r->generation &&
		w->event == CORE_EVENT_ENDED && r->cause == CORE_CAUSE_NONE &&
		p->seen.state != CORE_STOPPING)
		HOLDS(w, INV_LIMIT, i, is_limit_reached(w, i));
}

void check_end(struct world *w, uint32_t i, const struct core_record *r)
{
	struct place *p = &w->places[i];

	if (!p->steady || !is_live(&p->seen) || is_live(r))
		return;
	switch ((enum core_state)r->state) {
	case CORE_BACKOFF:
		check_backoff(w, i, r);
		break;
	case CORE_EXITED:
		HOLDS(w, INV_POLICY, i, is_success(p, r) && !is_daemon_lost(p, r));
		HOLDS(w, INV_POLICY, i, !is_wanted_again(p, r) || w->shutting_down);
		break;
	case CORE_FAILED:
		check_failed_state(w, i, r);
		break;
	default:
		break;
	}
}

/* What it is stopped for is what has happened. */
void check_cause(struct world *w, uint32_t i, const struct core_record *r)
{
	const struct core_record *seen = &w->places[i].seen;
	enum core_event_type type = w->event;
	bool starting = seen->state == CORE_STARTING;

	switch ((enum core_cause)r->cause) {
	case CORE_CAUSE_START_TIMEOUT:
		HOLDS(w, INV_POLICY, i, type == CORE_EVENT_DEADLINE && starting);
		break;
	case CORE_CAUSE_WATCHDOG:
		HOLDS(w, INV_POLICY, i, type == CORE_EVENT_DEADLINE && !starting);
		HOLDS(w, INV_POLICY, i, policy_of(w, i)->watchdog_usec > 0);
		break;
	case CORE_CAUSE_TRIGGER:
		HOLDS(w, INV_POLICY, i, type == CORE_EVENT_TRIGGER);
		break;
	case CORE_CAUSE_UNHEALTHY:
		HOLDS(w, INV_HEALTH, i, type == CORE_EVENT_HEALTH);
		break;
	default:
		break;
	}
}

/* --- checks of health --- */

static void check_health(struct world *w, const struct core_event *e, const struct core_record *r)
{
	const struct place *p = &w->places[e->service];
	const struct spec_policy *policy = &p->begun;
	bool bad;

	if (p->seen.state != CORE_RUNNING || e->generation != p->seen.generation)
		return;
	bad = p->n_bad >= policy->health_failures;
	if (!p->steady || policy->health_failures == 0 || w->shutting_down)
		return;
	if (e->ok)
		HOLDS(w, INV_HEALTH, e->service, r->health == CORE_HEALTH_GOOD);
	else
		HOLDS(w, INV_HEALTH, e->service, !bad || r->health == CORE_HEALTH_BAD);
	HOLDS(w, INV_HEALTH, e->service,
		bad || r->health != CORE_HEALTH_BAD || p->seen.health == CORE_HEALTH_BAD);
	HOLDS(w, INV_HEALTH, e->service, bad || r->state == CORE_RUNNING);
	if (policy->health_action == SPEC_ACTION_NONE)
		HOLDS(w, INV_HEALTH, e->service, r->state == CORE_RUNNING);
	else
		HOLDS(w, INV_HEALTH, e->service, !bad || r->state != CORE_RUNNING);
}

/* --- runs that are due --- */

static void check_due(struct world *w, uint32_t i, const struct core_record *r)
{
	const struct core_record *seen = &w->places[i].seen;
	const struct spec_policy *policy = policy_of(w, i);

	if (seen->due_usec > w->now || w->shutting_down || !policy->scheduled)
		return;
	HOLDS(w, INV_SCHEDULE, i, r->due_usec == USEC_INFINITY && w->places[i].tell_due);
	switch ((enum core_state)seen->state) {
	case CORE_WAITING:
	case CORE_EXITED:
	case CORE_FAILED:
		HOLDS(w, INV_SCHEDULE, i,
			r->generation > seen->generation ||
				(r->state == CORE_WAITING && r->why != CORE_WHY_SCHEDULE));
		break;
	case CORE_STARTING:
	case CORE_RUNNING:
		if (policy->overlap == SPEC_OVERLAP_QUEUE)
			HOLDS(w, INV_SCHEDULE, i, r->queued || r->generation > seen->generation);
		else if (policy->overlap == SPEC_OVERLAP_KILL)
			HOLDS(w, INV_SCHEDULE, i, r->state == CORE_STOPPING);
		else
			HOLDS(w, INV_SCHEDULE, i, !r->queued || seen->queued);
		break;
	default:
		break;
	}
}

/* A run that was to follow does, when the one before it is over. */
void check_queued(struct world *w, uint32_t i, const struct core_record *r)
{
	const struct core_record *seen = &w->places[i].seen;

	if (!seen->queued || r->queued || is_live(r) || w->shutting_down ||
		!policy_of(w, i)->scheduled)
		return;
	HOLDS(w, INV_SCHEDULE, i,
		!r->desired_up || r->state == CORE_BACKOFF ||
			(r->state == CORE_WAITING && r->why != CORE_WHY_SCHEDULE));
}

/* --- requests --- */

static void check_kill(struct world *w, uint32_t i, const struct core_record *r)
{
	HOLDS(w, INV_KILL, i,
		!is_live(r) || r->killed || r->phase == CORE_PHASE_CANCELLED ||
			r->phase == CORE_PHASE_POST_STOP);
}

/* What has followed from the event of this step, for its service. */
void check_news(struct world *w, const struct core_event *e)
{
	const struct core_record *r = record_of(w, e->service);

	switch (e->type) {
	case CORE_EVENT_HEALTH:
		check_health(w, e, r);
		break;
	case CORE_EVENT_DEADLINE:
		check_due(w, e->service, r);
		break;
	case CORE_EVENT_KILL:
		check_kill(w, e->service, r);
		break;
	case CORE_EVENT_RESET:
		HOLDS(w, INV_ENDS_COUNTED, e->service, r->restarts == 0 && r->streak == 0);
		break;
	default:
		break;
	}
}
