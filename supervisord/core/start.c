/*
 * The way up: what is in the way of a start is found in one place (settle.c) and waited for by
 * name; then come the pre-start hook, exec, and readiness by whatever the configuration says.
 * All of it, from the spawn on, has one deadline, which counts from exec once that is known.
 */
#include "base/macro.h"
#include "core/actions.h"

static void spawn(struct step *s)
{
	struct core_record *r = &s->slot->record;

	r->phase = CORE_PHASE_EXEC;
	r->deadline_usec = usec_add(s->now, s->slot->policy->ready_timeout_usec);
	r->started_usec = s->now;
	change(s, CORE_DO_SPAWN);
}

static void begin(struct step *s, enum core_why why)
{
	const struct spec_policy *p = s->slot->next_policy ? s->slot->next_policy : s->slot->policy;
	struct core_record *r = &s->slot->record;

	s->slot->policy = p;
	s->slot->next_policy = NULL;
	enter(s, CORE_STARTING, why);
	r->generation++;
	r->start_order = ++s->core->order;
	r->started_usec = s->now;
	r->pid = 0;
	r->killed = r->main_ended = r->automatic = r->queued = false;
	r->signo = r->user_signo = 0;
	r->signal_op = 0;
	r->last_cause = r->cause;
	r->cause = CORE_CAUSE_NONE;
	r->health = CORE_HEALTH_UNKNOWN;
	r->n_unhealthy = 0;
	r->early = 0;
	if (why == CORE_WHY_ENDED)
		restart_note_start(p, r, past_of(s), s->now);
	if (p->hooks & 1u << SPEC_HOOK_PRE_START) {
		r->phase = CORE_PHASE_PRE_START;
		r->deadline_usec = usec_add(s->now, p->hook_timeout_usec);
		ask_hook(s, SPEC_HOOK_PRE_START);
	} else {
		spawn(s);
	}
}

/* Those that come after it ask whether it is coming. */
static void set_stuck(struct step *s, bool stuck)
{
	if (s->slot->stuck == stuck)
		return;
	s->slot->stuck = stuck;
	look_up(s->core, s->index);
}

bool try_start(struct step *s, enum core_why why, bool automatic)
{
	struct core *c = s->core;
	struct core_record *r = &s->slot->record;
	const struct core_list *line =
		core_list_of(c, s->index, (enum core_state)r->state, (enum core_why)r->why);
	struct blocker b = find_blocker(
		c, s->index, r->state == CORE_WAITING && line && line->first == s->index);

	if (b.why == CORE_WHY_NONE) {
		begin(s, automatic ? CORE_WHY_ENDED : why);
		return true;
	}
	wait_for(s, b.why);
	r->blocker = b.service;
	r->automatic = automatic;
	set_stuck(s, b.stuck);
	return true;
}

bool start(struct step *s)
{
	want(s, true);
	forget_failures(s);
	return try_start(s, CORE_WHY_OPERATOR, false);
}

/* What runs by a schedule waits for its time. */
bool autostart(struct step *s)
{
	want(s, true);
	if (s->event->why == CORE_WHY_PREDECESSOR) {
		enter(s, CORE_WAITING, CORE_WHY_PREDECESSOR);
		return true;
	}
	if (s->slot->policy->scheduled && !s->slot->record.queued) {
		enter(s, CORE_WAITING, CORE_WHY_SCHEDULE);
		return true;
	}
	return try_start(s, CORE_WHY_AUTOSTART, false);
}

bool pulled(struct step *s)
{
	want(s, true);
	forget_failures(s);
	return try_start(s, CORE_WHY_NEEDED, false);
}

/* It does not go to the end of the line that it stands in. */
bool start_waiting(struct step *s)
{
	enum core_why why = (enum core_why)s->slot->record.why;

	want(s, true);
	forget_failures(s);
	s->slot->record.automatic = false;
	if (why == CORE_WHY_PREDECESSOR || why == CORE_WHY_POOL || why == CORE_WHY_SLOT)
		return true;
	return try_start(s, CORE_WHY_OPERATOR, false);
}

bool pulled_waiting(struct step *s)
{
	return start_waiting(s);
}

bool go(struct step *s)
{
	bool was_predecessor = s->slot->record.why == CORE_WHY_PREDECESSOR;

	if (was_predecessor && s->slot->policy->scheduled) {
		wait_for(s, CORE_WHY_SCHEDULE);
		return true;
	}
	return try_start(s, was_predecessor ? CORE_WHY_AUTOSTART : CORE_WHY_OPERATOR,
		s->slot->record.automatic);
}

bool backoff_over(struct step *s)
{
	return try_start(s, CORE_WHY_ENDED, true);
}

/* The run of a schedule is no restart: it has a backoff of its own. */
bool due(struct step *s)
{
	s->slot->record.streak = 0;
	return try_start(s, CORE_WHY_SCHEDULE, false);
}

bool due_waiting(struct step *s)
{
	return s->slot->record.why == CORE_WHY_SCHEDULE ? due(s) : true;
}

/* --- from the hook to readiness --- */

bool pre_start_done(struct step *s)
{
	change(s, 0);
	spawn(s);
	return true;
}

static void become_running(struct step *s)
{
	const struct spec_policy *p = s->slot->policy;
	struct core_record *r = &s->slot->record;

	enter(s, CORE_RUNNING, (enum core_why)r->why);
	if (p->watchdog_usec > 0)
		r->deadline_usec = usec_add(s->now, p->watchdog_usec);
}

/* The main process is there: a oneshot is ready by its end, others as they say. */
static void await_readiness(struct step *s)
{
	const struct spec_policy *p = s->slot->policy;
	struct core_record *r = &s->slot->record;

	r->phase = CORE_PHASE_READY;
	change(s, 0);
	if (p->type != SPEC_TYPE_ONESHOT &&
		(p->ready == SPEC_READY_EXEC || (r->early & CORE_EARLY_READY)))
		become_running(s);
}

bool started(struct step *s)
{
	struct core_record *r = &s->slot->record;

	usec_t deadline = usec_add(s->event->at_usec, s->slot->policy->ready_timeout_usec);

	r->pid = s->event->pid;
	r->started_usec = s->event->at_usec;
	r->deadline_usec = MAX_OF(r->deadline_usec, deadline);
	change(s, 0);
	if (s->slot->policy->type == SPEC_TYPE_FORKING)
		r->phase = CORE_PHASE_FORKED;
	else
		await_readiness(s);
	return true;
}

/* The one that is to stay is looked for; if all of them go instead, that is told as well. */
bool forked(struct step *s)
{
	watch_tree(s);
	change(s, CORE_DO_FIND_MAIN);
	return true;
}

bool main_known(struct step *s)
{
	struct core_record *r = &s->slot->record;
	bool waited_for = r->phase == CORE_PHASE_FORKED;

	r->pid = s->event->pid;
	r->main_ended = false;
	change(s, 0);
	if (waited_for)
		await_readiness(s);
	return true;
}

bool ready(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (r->phase == CORE_PHASE_READY && s->slot->policy->type != SPEC_TYPE_ONESHOT) {
		become_running(s);
	} else if (r->phase != CORE_PHASE_READY && !(r->early & CORE_EARLY_READY)) {
		r->early |= CORE_EARLY_READY;
		change(s, 0);
	}
	return true;
}

/* --- while it runs --- */

bool alive(struct step *s)
{
	const struct spec_policy *p = s->slot->policy;

	if (p->watchdog_usec == 0)
		return true;
	s->slot->record.deadline_usec = usec_add(s->now, p->watchdog_usec);
	change(s, 0);
	return true;
}

bool healthy(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (r->n_unhealthy > 0)
		change(s, 0);
	r->n_unhealthy = 0;
	if (r->health == CORE_HEALTH_GOOD)
		return true;
	r->health = CORE_HEALTH_GOOD;
	change(s, CORE_DO_HEALTH);
	return true;
}

bool failed_check(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (r->n_unhealthy < UINT16_MAX)
		r->n_unhealthy++;
	change(s, 0);
	return true;
}
