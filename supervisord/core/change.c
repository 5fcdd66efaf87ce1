/*
 * What every action is made of: the one function that writes a state, with all that is counted
 * and listed by it, and what the engine is asked to do. Actions on top of it never touch a list.
 */
#include "core/state.h"

void change(struct step *s, unsigned todo)
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

/* From one list, and one use of its pool, to another. */
static void move_place(struct step *s, enum core_state state, enum core_why why)
{
	struct core *c = s->core;
	struct core_record *r = &s->slot->record;
	enum core_state state_was = (enum core_state)r->state;
	enum core_why why_was = (enum core_why)r->why;
	struct core_list *from = core_list_of(c, s->index, state_was, why_was);
	struct core_list *to = core_list_of(c, s->index, state, why);
	struct core_pool *pool = graph_pool(c, s->index);

	/* what starts again is the newest, also straight from its stop */
	if (from != to || state == CORE_STARTING) {
		if (from)
			core_list_drop(c, from, s->index);
		if (to)
			core_list_put(c, to, s->index);
		if (to && state == CORE_WAITING)
			r->start_order = ++c->order;
	}
	if (pool && graph_holds_slot(state_was, why_was))
		pool->n_used--;
	if (pool && graph_holds_slot(state, why))
		pool->n_used++;
}

void enter(struct step *s, enum core_state state, enum core_why why)
{
	struct core *c = s->core;
	struct core_record *r = &s->slot->record;
	enum core_state from = (enum core_state)r->state;

	change(s, CORE_DO_PUBLISH);
	move_place(s, state, why);
	if (from == CORE_STARTING)
		c->n_starting--;
	if (state == CORE_STARTING)
		c->n_starting++;
	graph_count(c, s->index, from, state);
	r->state = (uint8_t)state;
	r->why = (uint8_t)why;
	r->phase = CORE_PHASE_NONE;
	r->queued = r->queued && core_is_live_state(state);
	r->blocker = s->other;
	r->ready = state == CORE_RUNNING;
	if (r->ready)
		r->ready_order = c->order;
	r->since_usec = s->now;
	r->deadline_usec = USEC_INFINITY;
	s->slot->stuck = false;
	if (s->index == c->wave && !core_is_live(r))
		c->wave = NO_SERVICE;
	look_around(c, s->index, from, state);
}

void wait_for(struct step *s, enum core_why why)
{
	struct core_record *r = &s->slot->record;

	if (r->state != CORE_WAITING) {
		enter(s, CORE_WAITING, why);
		return;
	}
	change(s, 0);
	move_place(s, CORE_WAITING, why);
	/* what has waited for its time is coming now, or the other way round */
	if ((r->why == CORE_WHY_SCHEDULE) != (why == CORE_WHY_SCHEDULE))
		look_up(s->core, s->index);
	r->why = (uint8_t)why;
}

void ask_signal(struct step *s, int signo, enum spec_kill scope)
{
	struct core_record *r = &s->slot->record;

	change(s, CORE_DO_SIGNAL);
	r->signo = (uint8_t)signo;
	r->user_signo = 0;
	r->signal_op++;
	s->slot->change.signo = signo;
	s->slot->change.scope = scope;
}

void ask_hook(struct step *s, enum spec_hook hook)
{
	change(s, CORE_DO_HOOK);
	s->slot->change.hook = hook;
}

void cancel_hook(struct step *s, enum spec_hook hook)
{
	change(s, CORE_DO_CANCEL_HOOK);
	s->slot->change.cancel = hook;
}

enum spec_hook core_phase_hook(enum core_phase phase)
{
	switch (phase) {
	case CORE_PHASE_PRE_START:
	case CORE_PHASE_CANCELLED:
		return SPEC_HOOK_PRE_START;
	case CORE_PHASE_PRE_STOP:
		return SPEC_HOOK_PRE_STOP;
	case CORE_PHASE_STOP_COMMAND:
		return SPEC_HOOK_STOP;
	case CORE_PHASE_POST_STOP:
		return SPEC_HOOK_POST_STOP;
	case CORE_PHASE_NONE:
	case CORE_PHASE_EXEC:
	case CORE_PHASE_FORKED:
	case CORE_PHASE_READY:
	case CORE_PHASE_DEPENDENTS:
	case CORE_PHASE_SIGNAL:
	case CORE_PHASE_MAX:
		break;
	}
	return SPEC_HOOK_MAX;
}
