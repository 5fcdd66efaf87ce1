/*
 * From an event to the one input that it is, so that the table has no conditions of its own: news
 * of another generation, late ones and repeated ones are none, and an end is turned into what
 * follows from it.
 */
#include "core/state.h"

/* A generation is over, and nothing is left to run for it: what now? */
static enum input done(const struct core *c, const struct core_record *r)
{
	switch ((enum core_then)r->then) {
	case CORE_THEN_STOPPED:
		return IN_DONE_STOPPED;
	case CORE_THEN_START:
		return c->ending ? IN_DONE_STOPPED : IN_DONE_START;
	case CORE_THEN_BACKOFF:
		return c->ending ? IN_DONE_STOPPED : IN_DONE_BACKOFF;
	case CORE_THEN_EXITED:
		return IN_DONE_EXITED;
	case CORE_THEN_FAILED:
		return IN_DONE_FAILED;
	case CORE_THEN_MAX:
		break;
	}
	return IN_DONE_STOPPED;
}

/* Its processes are over. */
static enum input gone(const struct step *s)
{
	bool hook = (s->slot->policy->hooks & 1u << SPEC_HOOK_POST_STOP) != 0;

	return hook && !s->core->hurried ? IN_POST_STOP : done(s->core, &s->slot->record);
}

/* A hook that might meet the next process if that was started while it runs. */
static bool awaits_hook(const struct core_record *r)
{
	return r->phase == CORE_PHASE_PRE_STOP || r->phase == CORE_PHASE_STOP_COMMAND;
}

/* A daemon's first process has left others behind, as it should: nothing has ended. */
static bool has_forked(const struct step *s)
{
	const struct core_event *e = s->event;
	const struct core_record *r = &s->slot->record;

	return r->phase == CORE_PHASE_FORKED && r->cause == CORE_CAUSE_NONE && e->survivors &&
	       e->end == CORE_END_EXITED && spec_is_success(s->slot->policy, e->status);
}

/* The main process has ended: notes how, and judges what is to follow. */
static enum input ended(struct step *s)
{
	const struct core_event *e = s->event;
	const struct spec_policy *p = s->slot->policy;
	struct core_record *r = &s->slot->record;
	usec_t ran = usec_sub(e->at_usec, r->started_usec);

	if (has_forked(s))
		return IN_FORKED;
	r->end = (uint8_t)e->end;
	r->end_status = e->status;
	r->stage = e->stage;
	r->ended_usec = e->at_usec;
	r->pid = 0;
	restart_forget_old(p, past_of(s), ran, e->at_usec);
	if (r->phase == CORE_PHASE_FORKED && restart_is_success(p, r))
		r->cause = CORE_CAUSE_NO_MAIN;
	if (r->state != CORE_STOPPING) {
		if (restart_is_stable(p, r->ready, ran))
			restart_forget(r, past_of(s));
		r->then = (uint8_t)restart_decide(p, r, past_of(s), e->at_usec);
	}
	return e->survivors || awaits_hook(r) ? IN_LEFTOVERS : gone(s);
}

/* What a daemon left behind when it forked has gone before anyone knew it. */
static enum input all_gone(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (awaits_hook(r))
		return IN_MAX; /* it is told again */
	if (r->state != CORE_STOPPING) {
		r->cause = CORE_CAUSE_NO_MAIN;
		r->end = CORE_END_NONE;
		r->end_status = 0;
		r->ended_usec = s->now;
		r->then = (uint8_t)restart_decide(s->slot->policy, r, past_of(s), s->now);
	}
	return gone(s);
}

/* A generation that never had a process. */
static enum input nothing_began(struct step *s)
{
	struct core_record *r = &s->slot->record;

	r->end = CORE_END_NONE;
	r->end_status = 0;
	r->ended_usec = s->now;
	if (r->state != CORE_STOPPING) {
		r->cause = CORE_CAUSE_PRE_START;
		restart_forget_old(s->slot->policy, past_of(s), 0, s->now);
		r->then = (uint8_t)restart_decide(s->slot->policy, r, past_of(s), s->now);
	}
	return gone(s);
}

static enum input hook_ended(struct step *s)
{
	const struct core_event *e = s->event;
	enum core_phase phase = (enum core_phase)s->slot->record.phase;

	if (core_phase_hook(phase) != e->hook)
		return IN_MAX; /* nobody waits for it any more */
	switch (phase) {
	case CORE_PHASE_PRE_START:
		return e->ok ? IN_HOOK : nothing_began(s);
	case CORE_PHASE_CANCELLED:
		return nothing_began(s);
	case CORE_PHASE_POST_STOP:
		return done(s->core, &s->slot->record);
	case CORE_PHASE_PRE_STOP:
	case CORE_PHASE_STOP_COMMAND:
		return IN_HOOK;
	case CORE_PHASE_NONE:
	case CORE_PHASE_EXEC:
	case CORE_PHASE_FORKED:
	case CORE_PHASE_READY:
	case CORE_PHASE_DEPENDENTS:
	case CORE_PHASE_SIGNAL:
	case CORE_PHASE_MAX:
		break;
	}
	return IN_MAX;
}

static enum input checked(const struct step *s)
{
	const struct spec_policy *p = s->slot->policy;
	const struct core_record *r = &s->slot->record;

	if (r->state != CORE_RUNNING || p->health_failures == 0)
		return IN_MAX;
	if (s->event->ok)
		return IN_HEALTHY;
	/* one that is unhealthy already runs on by an action that may be another one now */
	return r->n_unhealthy + 1u >= p->health_failures &&
			       (r->health != CORE_HEALTH_BAD ||
				       p->health_action != SPEC_ACTION_NONE)
		       ? IN_UNHEALTHY
		       : IN_FAILED_CHECK;
}

static enum input autostarted(const struct step *s)
{
	/* what is going to wait for its time takes nothing away */
	if (s->slot->policy->scheduled && s->slot->record.state != CORE_STOPPING)
		return IN_AUTOSTART;
	return find_objection(s->core, s->index) != NO_SERVICE ? IN_DECLINE : IN_AUTOSTART;
}

/* News of a generation: of processes that exist. */
static enum input of_process(struct step *s)
{
	const struct core_event *e = s->event;
	const struct core_record *r = &s->slot->record;
	enum core_phase phase = (enum core_phase)r->phase;

	if (e->generation != r->generation || !core_is_live(r))
		return IN_MAX;
	if (e->type == CORE_EVENT_HOOK)
		return hook_ended(s);
	if (phase == CORE_PHASE_PRE_START || phase == CORE_PHASE_CANCELLED ||
		phase == CORE_PHASE_POST_STOP)
		return IN_MAX; /* there is none yet, or none any more */
	switch (e->type) {
	case CORE_EVENT_STARTED:
		return r->pid == 0 && !r->main_ended ? IN_STARTED : IN_MAX;
	case CORE_EVENT_ENDED:
		return r->main_ended ? IN_MAX : ended(s);
	case CORE_EVENT_GONE:
		return r->main_ended ? all_gone(s) : IN_MAX;
	case CORE_EVENT_MAINPID:
		return phase == CORE_PHASE_EXEC ? IN_MAX : IN_MAINPID;
	case CORE_EVENT_READY:
		return IN_READY;
	case CORE_EVENT_ALIVE:
		return IN_ALIVE;
	case CORE_EVENT_TRIGGER:
		return IN_TRIGGER;
	case CORE_EVENT_EXTEND:
		return IN_EXTEND;
	case CORE_EVENT_HEALTH:
		return checked(s);
	default:
		return IN_MAX;
	}
}

enum input guard(struct step *s)
{
	const struct core_event *e = s->event;
	const struct core_record *r = &s->slot->record;
	bool down = s->core->ending;

	switch (e->type) {
	case CORE_EVENT_START:
		return down ? IN_MAX : IN_START;
	case CORE_EVENT_AUTOSTART:
		return down ? IN_MAX : autostarted(s);
	case CORE_EVENT_RESTART:
		return down ? IN_MAX : IN_RESTART;
	case CORE_EVENT_STOP:
		return IN_STOP;
	case CORE_EVENT_RESET:
		return IN_RESET;
	case CORE_EVENT_KILL:
		return IN_KILL;
	case CORE_EVENT_SIGNAL:
		return r->pid > 0 && core_is_live(r) ? IN_SIGNAL : IN_MAX;
	case CORE_EVENT_UNBLOCK:
		return r->state == CORE_WAITING && r->why == CORE_WHY_PREDECESSOR ? IN_GO : IN_MAX;
	case CORE_EVENT_SCHEDULED:
		return s->slot->policy->scheduled && r->desired_up && !down ? IN_SCHEDULED : IN_MAX;
	case CORE_EVENT_DEADLINE:
		return r->deadline_usec <= s->now ? IN_DEADLINE : IN_MAX;
	case CORE_EVENT_STARTED:
	case CORE_EVENT_ENDED:
	case CORE_EVENT_GONE:
	case CORE_EVENT_MAINPID:
	case CORE_EVENT_HOOK:
	case CORE_EVENT_READY:
	case CORE_EVENT_ALIVE:
	case CORE_EVENT_TRIGGER:
	case CORE_EVENT_EXTEND:
	case CORE_EVENT_HEALTH:
		return of_process(s);
	case CORE_EVENT_SETTLE:
	case CORE_EVENT_MAX:
		break;
	}
	return IN_MAX;
}
