/*
 * The table: what each state does with each input. An action returns false only where
 * the input can't come in that state, which core_step() reports as a bug to its caller.
 *
 * Invariants that the actions keep:
 *   - a generation is spawned only when the one before it, with its tree, is gone;
 *   - STOPPING always has a deadline, and KILL is only sent when it has passed (or when
 *     someone asked for it);
 *   - desired_up says what was asked for last; `then` what follows the stop under way;
 *   - live lists exactly STARTING, RUNNING and STOPPING, in order of start.
 */
#include <string.h>

#include "core/state.h"

/* How often KILL is repeated and the tree looked at again, for what KILL can't end at once. */
#define KILL_AGAIN_USEC (5 * USEC_PER_SEC)

static void change(struct step *s, unsigned todo)
{
	struct core *c = s->core;
	struct core_slot *slot = s->slot;

	if (!slot->queued) {
		slot->queued = true;
		slot->change = (struct core_change){
			.service = s->index, .previous = (enum core_state)slot->record.state};
		slot->next_change = NO_SERVICE;
		if (c->last_change != NO_SERVICE)
			c->slots[c->last_change].next_change = s->index;
		else
			c->first_change = s->index;
		c->last_change = s->index;
	}
	slot->change.todo |= todo | CORE_DO_COMMIT;
}

/* The only place that writes a state. */
static void enter(struct step *s, enum core_state state, enum core_why why)
{
	struct core_record *r = &s->slot->record;
	struct core_list *from =
		core_list_of(s->core, (enum core_state)r->state, (enum core_why)r->why);
	struct core_list *to = core_list_of(s->core, state, why);

	change(s, CORE_DO_PUBLISH);
	/* what starts again is the newest, also straight from its stop */
	if (from != to || state == CORE_STARTING) {
		if (from)
			core_list_drop(s->core, from, s->index);
		if (to)
			core_list_put(s->core, to, s->index);
	}
	if (r->state == CORE_STARTING)
		s->core->n_starting--;
	if (state == CORE_STARTING)
		s->core->n_starting++;
	r->state = (uint8_t)state;
	r->why = (uint8_t)why;
	r->ready = state == CORE_RUNNING;
	if (r->ready)
		r->ready_order = s->core->order;
	r->since_usec = s->now;
	r->deadline_usec = USEC_INFINITY;
}

static void spawn(struct step *s, enum core_why why)
{
	struct core_record *r = &s->slot->record;

	enter(s, CORE_STARTING, why);
	r->generation++;
	r->start_order = ++s->core->order;
	r->started_usec = s->now;
	r->pid = 0;
	r->killed = r->main_ended = false;
	r->signo = r->user_signo = 0;
	r->signal_op = 0;
	if (why == CORE_WHY_ENDED)
		restart_note_start(s->slot->policy, r, s->now);
	change(s, CORE_DO_SPAWN);
}

/* Who waits keeps its place in line (start_order) and whether the start is automatic (then). */
static bool start_or_wait(struct step *s, enum core_why why)
{
	struct core *c = s->core;
	struct core_record *r = &s->slot->record;

	if (c->max_starting > 0 && c->n_starting >= c->max_starting) {
		enter(s, CORE_WAITING, CORE_WHY_SLOT);
		r->start_order = ++c->order;
		r->then = why == CORE_WHY_ENDED ? CORE_THEN_BACKOFF : CORE_THEN_START;
	} else {
		spawn(s, why);
	}
	return true;
}

static void send_signal(struct step *s, int signo, enum spec_kill scope)
{
	struct core_record *r = &s->slot->record;

	change(s, CORE_DO_SIGNAL);
	r->signo = (uint8_t)signo;
	r->user_signo = 0;
	r->signal_op++;
	s->slot->change.signo = signo;
	s->slot->change.scope = scope;
}

static void kill_tree(struct step *s)
{
	struct core_record *r = &s->slot->record;

	r->killed = true;
	r->deadline_usec = usec_add(s->now, KILL_AGAIN_USEC);
	send_signal(s, 9, SPEC_KILL_TREE); /* SIGKILL */
}

static void begin_stop(struct step *s, enum core_then then, enum core_why why)
{
	const struct spec_policy *p = s->slot->policy;
	struct core_record *r = &s->slot->record;

	enter(s, CORE_STOPPING, why);
	r->then = (uint8_t)then;
	r->deadline_usec = usec_add(s->now, p->stop_timeout_usec);
	send_signal(s, p->stop_signal, p->stop_kill);
}

/* Who asked for it; by_operator where that was an operator. */
static enum core_why asker(const struct step *s, enum core_why by_operator)
{
	return s->event && s->event->why != CORE_WHY_NONE ? s->event->why : by_operator;
}

static enum core_why stop_why(const struct step *s)
{
	return s->core->shutting_down ? CORE_WHY_SHUTDOWN : asker(s, CORE_WHY_OPERATOR);
}

static void note_op(struct step *s)
{
	uint64_t *ops = s->slot->record.ops;

	if (!s->event || s->event->op == 0 || ops[0] == s->event->op)
		return;
	memmove(ops + 1, ops, (CORE_MAX_OPS - 1) * sizeof(ops[0]));
	ops[0] = s->event->op;
}

static void want(struct step *s, bool up)
{
	s->slot->record.desired_up = up;
	note_op(s);
	change(s, 0);
}

static void forget_failures(struct step *s)
{
	restart_forget(&s->slot->record);
	s->slot->record.restarts = 0;
	change(s, 0);
}

/* --- actions --- */

static bool bug(struct step *s)
{
	(void)s;
	return false;
}

static bool ignore(struct step *s)
{
	(void)s;
	return true;
}

static bool start(struct step *s)
{
	want(s, true);
	forget_failures(s);
	return start_or_wait(s, CORE_WHY_OPERATOR);
}

static bool autostart(struct step *s)
{
	want(s, true);
	if (s->event->why == CORE_WHY_PREDECESSOR) {
		enter(s, CORE_WAITING, CORE_WHY_PREDECESSOR);
		s->slot->record.then = CORE_THEN_START;
		return true;
	}
	return start_or_wait(s, CORE_WHY_AUTOSTART);
}

static bool unblock(struct step *s)
{
	return start_or_wait(s, CORE_WHY_AUTOSTART);
}

/* It is up or on its way: nothing to do but to want it. */
static bool want_up(struct step *s)
{
	want(s, true);
	return true;
}

/* Asked for by an operator, it is no automatic start any more; its place in line stays. */
static bool start_waiting(struct step *s)
{
	want(s, true);
	forget_failures(s);
	s->slot->record.then = CORE_THEN_START;
	return true;
}

static bool start_after_stop(struct step *s)
{
	want(s, true);
	forget_failures(s);
	s->slot->record.then = CORE_THEN_START;
	s->slot->record.why = (uint8_t)asker(s, CORE_WHY_RESTART);
	return true;
}

/* A stop that nobody stands by any more; what else was to follow has its reasons. */
static bool autostart_after_stop(struct step *s)
{
	want(s, true);
	if (s->slot->record.then == CORE_THEN_STOPPED)
		s->slot->record.then = CORE_THEN_START;
	return true;
}

static bool stop(struct step *s)
{
	want(s, false);
	begin_stop(s, CORE_THEN_STOPPED, stop_why(s));
	return true;
}

/* Nothing is alive: it is stopped at once. */
static bool stop_at_once(struct step *s)
{
	want(s, false);
	enter(s, CORE_STOPPED, stop_why(s));
	return true;
}

static bool want_down(struct step *s)
{
	want(s, false);
	return true;
}

static bool stop_after_all(struct step *s)
{
	want(s, false);
	s->slot->record.then = CORE_THEN_STOPPED;
	s->slot->record.why = (uint8_t)stop_why(s);
	return true;
}

static bool restart(struct step *s)
{
	struct core_record *r = &s->slot->record;

	/* what the end of this run would have forgotten may not count against the next one */
	if (restart_is_stable(s->slot->policy, r->ready, usec_sub(s->now, r->started_usec)))
		restart_forget(r);
	want(s, true);
	begin_stop(s, CORE_THEN_START, asker(s, CORE_WHY_RESTART));
	return true;
}

static bool reset(struct step *s)
{
	forget_failures(s);
	return true;
}

static bool reset_failed(struct step *s)
{
	forget_failures(s);
	s->slot->record.desired_up = false;
	enter(s, CORE_STOPPED, CORE_WHY_OPERATOR);
	return true;
}

static bool kill_now(struct step *s)
{
	want(s, false);
	begin_stop(s, CORE_THEN_STOPPED, stop_why(s));
	kill_tree(s);
	return true;
}

static bool kill_stopping(struct step *s)
{
	stop_after_all(s);
	kill_tree(s);
	return true;
}

/* An operator's signal. It shares the counter, so that a repeat is told from a second one. */
static bool signal_main(struct step *s)
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

static void note_started(struct step *s)
{
	s->slot->record.pid = s->event->pid;
	s->slot->record.started_usec = s->event->at_usec;
	change(s, 0);
}

/* Ready means that exec has succeeded; a oneshot is ready when it has completed. */
static bool started(struct step *s)
{
	enum core_why why = (enum core_why)s->slot->record.why;

	note_started(s);
	if (s->slot->policy->type == SPEC_TYPE_SIMPLE)
		enter(s, CORE_RUNNING, why);
	return true;
}

static bool started_stopping(struct step *s)
{
	note_started(s);
	return true;
}

static void watch_tree(struct step *s)
{
	s->slot->record.main_ended = true;
	change(s, CORE_DO_WATCH_TREE);
}

/* It ended by itself and left processes behind: they go before anything else happens. */
static bool end_leftovers(struct step *s)
{
	enum core_then then = (enum core_then)s->slot->record.then;

	begin_stop(s, then, CORE_WHY_LEFTOVERS);
	s->slot->change.scope = SPEC_KILL_TREE;
	watch_tree(s);
	return true;
}

static bool wait_for_tree(struct step *s)
{
	watch_tree(s);
	return true;
}

/* Also reached by what ends by itself while a shutdown has not got to it yet. */
static bool done_stopped(struct step *s)
{
	enum core_why why = stop_why(s);

	/* the event that ends it knows nothing of why it began */
	if (s->slot->record.why == CORE_WHY_REMOVED && !s->core->shutting_down)
		why = CORE_WHY_REMOVED;
	s->slot->record.desired_up = false;
	enter(s, CORE_STOPPED, why);
	return true;
}

static bool done_start(struct step *s)
{
	return start_or_wait(s, CORE_WHY_OPERATOR);
}

static bool done_backoff(struct step *s)
{
	struct core_record *r = &s->slot->record;

	enter(s, CORE_BACKOFF, CORE_WHY_ENDED);
	r->deadline_usec = usec_add(s->now, restart_delay(s->slot->policy, r->streak, s->random));
	return true;
}

/* The first essential service that ends decides; in a shutdown there is nothing to decide. */
static void note_final_end(struct step *s)
{
	struct core *c = s->core;

	if (s->slot->policy->essential && !c->shutting_down && c->essential_end == NO_SERVICE)
		c->essential_end = s->index;
}

static bool done_exited(struct step *s)
{
	note_final_end(s);
	enter(s, CORE_EXITED, CORE_WHY_ENDED);
	return true;
}

static bool done_failed(struct step *s)
{
	bool wanted = restart_is_wanted(s->slot->policy, &s->slot->record);

	note_final_end(s);
	/* an end that policy would restart fails only because of the limit */
	enter(s, CORE_FAILED, wanted ? CORE_WHY_GAVE_UP : CORE_WHY_ENDED);
	return true;
}

static bool backoff_over(struct step *s)
{
	return start_or_wait(s, CORE_WHY_ENDED);
}

static bool stop_timeout(struct step *s)
{
	kill_tree(s);
	if (s->slot->record.main_ended)
		change(s, CORE_DO_WATCH_TREE);
	return true;
}

static bool slot_free(struct step *s)
{
	bool automatic = s->slot->record.then == CORE_THEN_BACKOFF;

	spawn(s, automatic ? CORE_WHY_ENDED : CORE_WHY_OPERATOR);
	return true;
}

#define DONE_NEVER                                                                     \
	[IN_DONE_STOPPED] = {bug}, [IN_DONE_START] = {bug}, [IN_DONE_BACKOFF] = {bug}, \
	[IN_DONE_EXITED] = {bug}, [IN_DONE_FAILED] = {bug}

/* No process exists, and none of the past can be heard of: its generation is over. */
#define NOTHING_ALIVE DONE_NEVER, [IN_STARTED] = {bug}, [IN_LEFTOVERS] = {bug}, [IN_SIGNAL] = {bug}

const struct cell core_table[CORE_STATE_MAX][IN_MAX] =
	{
		[CORE_STOPPED] =
			{
				[IN_START] = {start},
				[IN_AUTOSTART] = {autostart},
				[IN_STOP] = {want_down},
				[IN_RESTART] = {start},
				[IN_RESET] = {reset},
				[IN_KILL] = {want_down},
				NOTHING_ALIVE,
				[IN_DEADLINE] = {ignore},
				[IN_SLOT] = {bug},
				[IN_UNBLOCK] = {bug},
			},
		[CORE_WAITING] =
			{
				[IN_START] = {start_waiting},
				[IN_AUTOSTART] = {want_up},
				[IN_STOP] = {stop_at_once},
				[IN_RESTART] = {start_waiting},
				[IN_RESET] = {reset},
				[IN_KILL] = {stop_at_once},
				NOTHING_ALIVE,
				[IN_DEADLINE] = {ignore},
				[IN_SLOT] = {slot_free},
				[IN_UNBLOCK] = {unblock},
			},
		[CORE_STARTING] =
			{
				[IN_START] = {want_up},
				[IN_AUTOSTART] = {want_up},
				[IN_STOP] = {stop},
				[IN_RESTART] = {restart},
				[IN_RESET] = {reset},
				[IN_KILL] = {kill_now},
				[IN_STARTED] = {started},
				[IN_LEFTOVERS] = {end_leftovers},
				[IN_DONE_STOPPED] = {bug},
				[IN_DONE_START] = {bug},
				[IN_DONE_BACKOFF] = {done_backoff},
				[IN_DONE_EXITED] = {done_exited},
				[IN_DONE_FAILED] = {done_failed},
				[IN_DEADLINE] = {ignore},
				[IN_SLOT] = {bug},
				[IN_SIGNAL] = {signal_main},
				[IN_UNBLOCK] = {bug},
			},
		[CORE_RUNNING] =
			{
				[IN_START] = {want_up},
				[IN_AUTOSTART] = {want_up},
				[IN_STOP] = {stop},
				[IN_RESTART] = {restart},
				[IN_RESET] = {reset},
				[IN_KILL] = {kill_now},
				[IN_STARTED] = {ignore},
				[IN_LEFTOVERS] = {end_leftovers},
				[IN_DONE_STOPPED] = {done_stopped},
				[IN_DONE_START] = {bug},
				[IN_DONE_BACKOFF] = {done_backoff},
				[IN_DONE_EXITED] = {done_exited},
				[IN_DONE_FAILED] = {done_failed},
				[IN_DEADLINE] = {ignore},
				[IN_SLOT] = {bug},
				[IN_SIGNAL] = {signal_main},
				[IN_UNBLOCK] = {bug},
			},
		[CORE_STOPPING] =
			{
				[IN_START] = {start_after_stop},
				[IN_AUTOSTART] = {autostart_after_stop},
				[IN_STOP] = {stop_after_all},
				[IN_RESTART] = {start_after_stop},
				[IN_RESET] = {reset},
				[IN_KILL] = {kill_stopping},
				[IN_STARTED] = {started_stopping},
				[IN_LEFTOVERS] = {wait_for_tree},
				[IN_DONE_STOPPED] = {done_stopped},
				[IN_DONE_START] = {done_start},
				[IN_DONE_BACKOFF] = {done_backoff},
				[IN_DONE_EXITED] = {done_exited},
				[IN_DONE_FAILED] = {done_failed},
				[IN_DEADLINE] = {stop_timeout},
				[IN_SLOT] = {bug},
				[IN_SIGNAL] = {signal_main},
				[IN_UNBLOCK] = {bug},
			},
		[CORE_BACKOFF] =
			{
				[IN_START] = {start},
				[IN_AUTOSTART] = {want_up},
				[IN_STOP] = {stop_at_once},
				[IN_RESTART] = {start},
				[IN_RESET] = {reset},
				[IN_KILL] = {stop_at_once},
				NOTHING_ALIVE,
				[IN_DEADLINE] = {backoff_over},
				[IN_SLOT] = {bug},
				[IN_UNBLOCK] = {bug},
			},
		[CORE_EXITED] =
			{
				[IN_START] = {start},
				[IN_AUTOSTART] = {autostart},
				[IN_STOP] = {stop_at_once},
				[IN_RESTART] = {start},
				[IN_RESET] = {reset},
				[IN_KILL] = {stop_at_once},
				NOTHING_ALIVE,
				[IN_DEADLINE] = {ignore},
				[IN_SLOT] = {bug},
				[IN_UNBLOCK] = {bug},
			},
		[CORE_FAILED] =
			{
				[IN_START] = {start},
				[IN_AUTOSTART] = {autostart},
				[IN_STOP] = {stop_at_once},
				[IN_RESTART] = {start},
				[IN_RESET] = {reset_failed},
				[IN_KILL] = {stop_at_once},
				NOTHING_ALIVE,
				[IN_DEADLINE] = {ignore},
				[IN_SLOT] = {bug},
				[IN_UNBLOCK] = {bug},
			},
};

bool core_cell_is_bug(enum core_state state, enum input in)
{
	return core_table[state][in].action == bug;
}
