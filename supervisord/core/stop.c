/*
 * The way down. An orderly stop goes through phases: those that need it first, then the pre-stop
 * hook, then the stop command or signal, and KILL at the end of the stop timeout. What has crashed
 * or hangs is past talking to: it gets its signal at once.
 *
 * STOPPING always has a deadline, but while it waits for others, which have one.
 */
#include "core/actions.h"

#define SIGABRT_NUMBER 6
#define SIGKILL_NUMBER 9

void watch_tree(struct step *s)
{
	s->slot->record.main_ended = true;
	s->slot->record.pid = 0;
	change(s, CORE_DO_WATCH_TREE);
}

static void kill_tree(struct step *s)
{
	struct core_record *r = &s->slot->record;
	enum spec_hook hook = core_phase_hook((enum core_phase)r->phase);

	r->deadline_usec = usec_add(s->now, KILL_AGAIN_USEC);
	if (hook != SPEC_HOOK_MAX)
		cancel_hook(s, hook);
	change(s, 0);
	if (r->phase == CORE_PHASE_CANCELLED || r->phase == CORE_PHASE_POST_STOP)
		return; /* there is nothing else */
	r->phase = CORE_PHASE_SIGNAL;
	r->killed = true;
	ask_signal(s, SIGKILL_NUMBER, SPEC_KILL_TREE);
	if (r->main_ended)
		change(s, CORE_DO_WATCH_TREE);
}

/* To its main process, or to what that has left behind. */
static void signal_now(struct step *s, int signo)
{
	struct core_record *r = &s->slot->record;

	r->phase = CORE_PHASE_SIGNAL;
	ask_signal(s, signo, r->main_ended ? SPEC_KILL_TREE : s->slot->policy->stop_kill);
}

static void command_or_signal(struct step *s)
{
	const struct spec_policy *p = s->slot->policy;
	struct core_record *r = &s->slot->record;

	r->deadline_usec = usec_add(s->now, p->stop_timeout_usec);
	if ((p->hooks & 1u << SPEC_HOOK_STOP) && r->pid > 0) {
		r->phase = CORE_PHASE_STOP_COMMAND;
		ask_hook(s, SPEC_HOOK_STOP);
	} else {
		signal_now(s, p->stop_signal);
	}
}

static void pre_stop(struct step *s)
{
	const struct spec_policy *p = s->slot->policy;
	struct core_record *r = &s->slot->record;

	if (!(p->hooks & 1u << SPEC_HOOK_PRE_STOP) || r->pid == 0) {
		command_or_signal(s);
		return;
	}
	r->phase = CORE_PHASE_PRE_STOP;
	r->deadline_usec = usec_add(s->now, p->hook_timeout_usec);
	ask_hook(s, SPEC_HOOK_PRE_STOP);
}

/* What the end of this run would have forgotten may not count against the next one. */
static void forget_if_stable(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (restart_is_stable(s->slot->policy, r->ready, usec_sub(s->now, r->started_usec)))
		restart_forget(r, past_of(s));
}

/* True where there is a process; else only a hook that goes first. */
static bool begin_any(struct step *s, enum core_then then, enum core_why why)
{
	struct core_record *r = &s->slot->record;
	bool hook_only = r->phase == CORE_PHASE_PRE_START;

	if (!r->main_ended) /* else its end has said how long it was */
		forget_if_stable(s);
	/* a daemon that is not known yet ends unseen: what is noted is the end of the run before */
	if (r->phase == CORE_PHASE_FORKED && r->main_ended && why != CORE_WHY_LEFTOVERS) {
		r->end = CORE_END_NONE;
		r->end_status = 0;
	}
	enter(s, CORE_STOPPING, why);
	r->then = (uint8_t)then;
	r->killed = false;
	if (!hook_only)
		return true;
	r->phase = CORE_PHASE_CANCELLED;
	r->deadline_usec = usec_add(s->now, KILL_AGAIN_USEC);
	cancel_hook(s, SPEC_HOOK_PRE_START);
	return false;
}

static void begin_stop(struct step *s, enum core_then then, enum core_why why)
{
	if (!begin_any(s, then, why))
		return;
	if (waits_for_dependents(s->core, s->index))
		s->slot->record.phase = CORE_PHASE_DEPENDENTS;
	else
		pre_stop(s);
}

/* Without further ado. */
static void begin_abort(struct step *s, enum core_then then, enum core_why why, int signo)
{
	struct core_record *r = &s->slot->record;

	if (!begin_any(s, then, why))
		return;
	r->deadline_usec = usec_add(s->now, s->slot->policy->stop_timeout_usec);
	signal_now(s, signo);
}

/* It is a failure from now on, whatever its process may make of it. */
static enum core_then fail(struct step *s, enum core_cause cause)
{
	struct core_record *r = &s->slot->record;

	forget_if_stable(s);
	r->cause = (uint8_t)cause;
	restart_forget_old(s->slot->policy, past_of(s), usec_sub(s->now, r->started_usec), s->now);
	return restart_decide(s->slot->policy, r, past_of(s), s->now);
}

/* What follows the stop under way is another thing now; those that come after it go by that. */
static void set_then(struct step *s, enum core_then then)
{
	if (s->slot->record.then == then)
		return;
	s->slot->record.then = (uint8_t)then;
	look_up(s->core, s->index);
}

/* --- by request --- */

bool stop(struct step *s)
{
	want(s, false);
	begin_stop(s, CORE_THEN_STOPPED, stop_why(s));
	return true;
}

bool stop_at_once(struct step *s)
{
	want(s, false);
	enter(s, CORE_STOPPED, stop_why(s));
	return true;
}

bool stop_after_all(struct step *s)
{
	want(s, false);
	set_then(s, CORE_THEN_STOPPED);
	s->slot->record.why = (uint8_t)stop_why(s);
	return true;
}

bool restart(struct step *s)
{
	want(s, true);
	begin_stop(s, CORE_THEN_START, asker(s, CORE_WHY_RESTART));
	return true;
}

bool start_after_stop(struct step *s)
{
	want(s, true);
	forget_failures(s);
	set_then(s, CORE_THEN_START);
	s->slot->record.why = (uint8_t)asker(s, CORE_WHY_RESTART);
	return true;
}

/* A stop that nobody stands by any more. */
static void call_back(struct step *s, enum core_why why)
{
	s->slot->record.why = (uint8_t)why;
	s->slot->record.blocker = NO_SERVICE;
	set_then(s, CORE_THEN_START);
}

/* What else was to follow has its reasons. */
bool autostart_after_stop(struct step *s)
{
	want(s, true);
	if (s->slot->record.then == CORE_THEN_STOPPED)
		call_back(s, CORE_WHY_CHANGED);
	return true;
}

bool pulled_after_stop(struct step *s)
{
	enum core_then then = (enum core_then)s->slot->record.then;

	want(s, true);
	if (then == CORE_THEN_BACKOFF)
		return true;
	forget_failures(s);
	if (then == CORE_THEN_STOPPED)
		call_back(s, CORE_WHY_RESTART);
	else
		set_then(s, CORE_THEN_START);
	return true;
}

bool kill_now(struct step *s)
{
	want(s, false);
	begin_any(s, CORE_THEN_STOPPED, stop_why(s));
	kill_tree(s);
	return true;
}

bool kill_stopping(struct step *s)
{
	stop_after_all(s);
	kill_tree(s);
	return true;
}

/* --- for the sake of others --- */

bool yield(struct step *s)
{
	want(s, false);
	begin_stop(s, CORE_THEN_STOPPED, CORE_WHY_CONFLICT);
	return true;
}

bool yield_at_once(struct step *s)
{
	want(s, false);
	enter(s, CORE_STOPPED, CORE_WHY_CONFLICT);
	return true;
}

bool yield_after_all(struct step *s)
{
	want(s, false);
	set_then(s, CORE_THEN_STOPPED);
	s->slot->record.why = CORE_WHY_CONFLICT;
	s->slot->record.blocker = s->other;
	return true;
}

/* Still wanted up: it waits for what it has lost, and starts again by itself. */
bool lost(struct step *s)
{
	begin_stop(s, CORE_THEN_START, CORE_WHY_DEPENDENCY);
	return true;
}

bool clear(struct step *s)
{
	change(s, 0);
	pre_stop(s);
	return true;
}

/* --- news on the way --- */

/* A stop command that has done its work leaves the process time to end. */
bool stop_hook_done(struct step *s)
{
	struct core_record *r = &s->slot->record;

	change(s, 0);
	if (r->phase == CORE_PHASE_STOP_COMMAND && s->event->ok && !r->main_ended)
		r->phase = CORE_PHASE_SIGNAL;
	else if (r->phase == CORE_PHASE_STOP_COMMAND)
		signal_now(s, s->slot->policy->stop_signal);
	else
		command_or_signal(s);
	/* its end was kept back for the hook, which might have met the next process */
	if (r->main_ended)
		change(s, CORE_DO_WATCH_TREE);
	return true;
}

bool started_stopping(struct step *s)
{
	s->slot->record.pid = s->event->pid;
	s->slot->record.started_usec = s->event->at_usec;
	change(s, 0);
	return true;
}

/* It ended by itself and left processes behind: they go before anything else happens. */
bool end_leftovers(struct step *s)
{
	enum core_then then = (enum core_then)s->slot->record.then;

	watch_tree(s);
	begin_abort(s, then, CORE_WHY_LEFTOVERS, s->slot->policy->stop_signal);
	return true;
}

bool wait_for_tree(struct step *s)
{
	struct core_record *r = &s->slot->record;

	watch_tree(s);
	if (r->phase == CORE_PHASE_DEPENDENTS)
		command_or_signal(s); /* it can't wait for them any more */
	return true;
}

bool start_timeout(struct step *s)
{
	struct core_record *r = &s->slot->record;
	bool hook = r->phase == CORE_PHASE_PRE_START;
	enum core_then then = fail(s, hook ? CORE_CAUSE_PRE_START : CORE_CAUSE_START_TIMEOUT);

	begin_abort(s, then, CORE_WHY_CAUSE, s->slot->policy->stop_signal);
	return true;
}

static bool hangs(struct step *s, enum core_cause cause)
{
	enum core_then then = fail(s, cause);

	begin_abort(s, then, CORE_WHY_CAUSE, SIGABRT_NUMBER);
	return true;
}

bool watchdog(struct step *s)
{
	if (s->slot->policy->watchdog_usec == 0) { /* not any more */
		s->slot->record.deadline_usec = USEC_INFINITY;
		change(s, 0);
		return true;
	}
	return hangs(s, CORE_CAUSE_WATCHDOG);
}

bool trigger(struct step *s)
{
	return hangs(s, CORE_CAUSE_TRIGGER);
}

bool unhealthy(struct step *s)
{
	const struct spec_policy *p = s->slot->policy;
	struct core_record *r = &s->slot->record;
	enum core_then then;

	failed_check(s);
	if (r->health != CORE_HEALTH_BAD)
		change(s, CORE_DO_HEALTH);
	r->health = CORE_HEALTH_BAD;
	if (p->health_action == SPEC_ACTION_NONE)
		return true;
	then = fail(s, CORE_CAUSE_UNHEALTHY);
	begin_stop(s, then, CORE_WHY_CAUSE);
	return true;
}

/* A pre-stop hook has its own time; whatever else is left is killed. */
bool stop_timeout(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (r->phase == CORE_PHASE_PRE_STOP) {
		cancel_hook(s, SPEC_HOOK_PRE_STOP);
		command_or_signal(s);
		if (r->main_ended)
			change(s, CORE_DO_WATCH_TREE);
	} else {
		kill_tree(s);
	}
	return true;
}

/* --- a run is due while the last one is on --- */

bool due_running(struct step *s)
{
	switch (s->slot->policy->overlap) {
	case SPEC_OVERLAP_QUEUE:
		s->slot->record.queued = true;
		change(s, 0);
		break;
	case SPEC_OVERLAP_KILL:
		begin_stop(s, CORE_THEN_START, CORE_WHY_SCHEDULE);
		break;
	case SPEC_OVERLAP_SKIP:
	case SPEC_OVERLAP_MAX:
		break;
	}
	return true;
}

bool due_stopping(struct step *s)
{
	if (s->slot->policy->overlap == SPEC_OVERLAP_SKIP)
		return true;
	s->slot->record.queued = true;
	change(s, 0);
	return true;
}
