/*
 * What is noted of a request, and the actions that change no state by themselves.
 */
#include <string.h>

#include "core/actions.h"

enum core_why asker(const struct step *s, enum core_why by_operator)
{
	return s->event && s->event->why != CORE_WHY_NONE ? s->event->why : by_operator;
}

enum core_why stop_why(const struct step *s)
{
	return s->core->ending ? CORE_WHY_SHUTDOWN : asker(s, CORE_WHY_OPERATOR);
}

static void note_op(struct step *s)
{
	struct core_past *past = past_of(s);
	uint64_t *ops = past->ops;
	uint8_t *generations = past->op_generations;

	if (!s->event || s->event->op == 0 || ops[0] == s->event->op)
		return;
	memmove(ops + 1, ops, (CORE_MAX_OPS - 1) * sizeof(ops[0]));
	ops[0] = s->event->op;
	memmove(generations + 1, generations, CORE_MAX_OPS - 1);
	generations[0] = (uint8_t)s->slot->record.generation;
}

void want(struct step *s, bool up)
{
	struct core_record *r = &s->slot->record;

	r->desired_up = up;
	if (!up) {
		r->due_usec = USEC_INFINITY;
		r->queued = false;
	}
	note_op(s);
	change(s, 0);
	if (up && s->slot->policy->scheduled && r->due_usec == USEC_INFINITY)
		change(s, CORE_DO_SCHEDULE);
}

void forget_failures(struct step *s)
{
	restart_forget(&s->slot->record, past_of(s));
	s->slot->record.restarts = 0;
	change(s, 0);
}

bool ignore(struct step *s)
{
	(void)s;
	return true;
}

bool want_up(struct step *s)
{
	want(s, true);
	return true;
}

bool want_down(struct step *s)
{
	want(s, false);
	return true;
}

bool decline(struct step *s)
{
	note_op(s);
	s->slot->record.why = CORE_WHY_CONFLICT;
	s->slot->record.blocker = s->other;
	change(s, 0);
	return true;
}

bool reset(struct step *s)
{
	forget_failures(s);
	return true;
}

/* What runs by a schedule goes on by it, and what is about to run does. */
bool reset_failed(struct step *s)
{
	const struct core_record *r = &s->slot->record;
	bool again = s->slot->policy->scheduled && r->desired_up && !s->core->ending;

	forget_failures(s);
	want(s, again);
	if (!again)
		enter(s, CORE_STOPPED, CORE_WHY_OPERATOR);
	else if (!r->queued)
		enter(s, CORE_WAITING, CORE_WHY_SCHEDULE);
	return true;
}

/* It shares the counter, so that a repeat is told from a second one. */
bool signal_main(struct step *s)
{
	struct core_record *r = &s->slot->record;

	note_op(s);
	change(s, 0);
	if (s->event->signo == 0)
		return true;
	r->user_signo = (uint8_t)s->event->signo;
	r->signal_op++;
	change(s, CORE_DO_SIGNAL);
	s->slot->change.signo = s->event->signo;
	s->slot->change.scope = SPEC_KILL_PROCESS;
	return true;
}

bool scheduled(struct step *s)
{
	s->slot->record.due_usec = s->event->at_usec;
	change(s, 0);
	return true;
}

/* More time to start or to stop; never less, and none once KILL was sent. */
bool extend(struct step *s)
{
	struct core_record *r = &s->slot->record;
	usec_t later = usec_add(s->now, s->event->span_usec);

	if (r->killed || r->deadline_usec == USEC_INFINITY || later <= r->deadline_usec)
		return true;
	r->deadline_usec = later;
	change(s, 0);
	return true;
}

/* It has not had the signal that the one before it had. */
bool main_changed_stopping(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (r->main_ended)
		return true;
	if (r->phase == CORE_PHASE_SIGNAL && !r->killed && r->signo > 0 && r->pid != s->event->pid)
		ask_signal(s, r->signo, s->slot->policy->stop_kill);
	return main_changed(s);
}

bool main_changed(struct step *s)
{
	if (s->slot->record.main_ended)
		return true;
	s->slot->record.pid = s->event->pid;
	change(s, 0);
	return true;
}
