/*
 * What follows once a generation and its tree are over: the post-stop hook, and then whatever
 * was decided when it ended.
 */
#include "core/actions.h"

bool run_post_stop(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (r->state != CORE_STOPPING)
		enter(s, CORE_STOPPING, CORE_WHY_LEFTOVERS);
	r->main_ended = true;
	r->pid = 0;
	r->phase = CORE_PHASE_POST_STOP;
	r->deadline_usec = usec_add(s->now, s->slot->policy->hook_timeout_usec);
	ask_hook(s, SPEC_HOOK_POST_STOP);
	return true;
}

/* Also reached by what ends by itself while a shutdown has not got to it yet. */
bool done_stopped(struct step *s)
{
	struct core_record *r = &s->slot->record;
	enum core_why why = stop_why(s);

	/* the event that ends it knows nothing of why it began */
	if ((r->why == CORE_WHY_REMOVED || r->why == CORE_WHY_CONFLICT) && !s->core->ending)
		why = (enum core_why)r->why;
	s->other = why == CORE_WHY_CONFLICT ? r->blocker : NO_SERVICE;
	want(s, false);
	enter(s, CORE_STOPPED, why);
	return true;
}

/* The run before has given back what it had, so that others in line have their turn. */
static bool start_queued(struct step *s)
{
	enter(s, CORE_WAITING, CORE_WHY_SCHEDULE);
	return try_start(s, CORE_WHY_SCHEDULE, false);
}

bool done_start(struct step *s)
{
	return try_start(s, CORE_WHY_OPERATOR, false);
}

bool done_backoff(struct step *s)
{
	struct core_record *r = &s->slot->record;

	enter(s, CORE_BACKOFF,
		CORE_WHY_ENDED); /* the next attempt is the run that is queued, too */
	r->deadline_usec = usec_add(s->now, restart_pause(s->slot->policy, r, s->random));
	return true;
}

/* The first essential service that ends decides; in a shutdown there is nothing to decide. */
static void note_final_end(struct step *s)
{
	struct core *c = s->core;

	if (s->slot->policy->essential && !c->ending && c->essential_end == NO_SERVICE)
		c->essential_end = s->index;
}

/* What runs by a schedule has ended well until the next time. */
bool done_exited(struct step *s)
{
	struct core_record *r = &s->slot->record;
	bool again = s->slot->policy->scheduled && r->desired_up && !s->core->ending;

	if (again && r->queued)
		return start_queued(s);
	if (again) {
		enter(s, CORE_WAITING, CORE_WHY_SCHEDULE);
		return true;
	}
	note_final_end(s);
	enter(s, CORE_EXITED, CORE_WHY_ENDED);
	return true;
}

/* The run that was due meanwhile comes in a step of its own, so that this end is told. */
bool done_failed(struct step *s)
{
	struct core_record *r = &s->slot->record;
	bool wanted = restart_is_wanted(s->slot->policy, r);
	bool queued = r->queued && !s->core->ending;

	if (!queued) /* else it is not over yet */
		note_final_end(s);
	/* an end that policy would restart fails only because of the limit */
	enter(s, CORE_FAILED, wanted ? CORE_WHY_GAVE_UP : CORE_WHY_ENDED);
	r->queued = queued;
	if (queued)
		r->deadline_usec = s->now;
	return true;
}

bool run_queued(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (s->slot->policy->scheduled && !s->core->ending)
		return start_queued(s);
	note_final_end(s);
	r->queued = false;
	r->deadline_usec = USEC_INFINITY;
	change(s, 0);
	return true;
}
