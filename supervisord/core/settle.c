/*
 * Who waits for whom. A change of state is news for others: they are put in line to be looked
 * at, and every step ends by looking until nobody is left, then giving out the places and slots
 * that have come free, first come, first served. There is no recursion, and each look is at one
 * service and its own links.
 */
#include "core/state.h"

void look(struct core *c, uint32_t i)
{
	struct core_slot *s = &c->slots[i];

	if (s->to_look || !s->policy)
		return;
	s->to_look = true;
	s->next_look = NO_SERVICE;
	if (c->last_look != NO_SERVICE)
		c->slots[c->last_look].next_look = i;
	else
		c->first_look = i;
	c->last_look = i;
}

static uint32_t take_look(struct core *c)
{
	uint32_t i = c->first_look;

	if (i == NO_SERVICE)
		return i;
	c->first_look = c->slots[i].next_look;
	if (c->first_look == NO_SERVICE)
		c->last_look = NO_SERVICE;
	c->slots[i].to_look = false;
	return i;
}

void look_up(struct core *c, uint32_t i)
{
	graph_foreach (c->graph, up, i, e)
		look(c, e->other);
}

void look_around(struct core *c, uint32_t i, enum core_state from, enum core_state to)
{
	bool comes_or_goes = core_is_live_state(from) != core_is_live_state(to);

	if (from == to)
		return;
	look_up(c, i);
	if (!comes_or_goes && from != CORE_STOPPING && to != CORE_STOPPING)
		return;
	/*
	 * Those that wait for it to be gone: to stop themselves, or, in a conflict, to start. And
	 * those in a conflict that wait for something else, and have less to hope for now.
	 */
	graph_foreach (c->graph, down, i, e)
		look(c, e->other);
}

/* --- what is in the way of a start --- */

/* What requires it may start. */
static bool is_there(const struct core *c, uint32_t i)
{
	const struct core_slot *s = &c->slots[i];

	return s->record.state == CORE_RUNNING ||
	       (s->record.state == CORE_EXITED && s->policy->type == SPEC_TYPE_ONESHOT);
}

/* It goes, and what follows is that it comes back, or, a oneshot, that it is there. */
static bool comes_after_stop(const struct core_slot *s)
{
	switch ((enum core_then)s->record.then) {
	case CORE_THEN_START:
	case CORE_THEN_BACKOFF:
		return true;
	case CORE_THEN_EXITED:
		return s->policy->type == SPEC_TYPE_ONESHOT && !s->policy->scheduled;
	case CORE_THEN_STOPPED:
	case CORE_THEN_FAILED:
	case CORE_THEN_MAX:
		break;
	}
	return false;
}

/* It is on its way up, and nobody needs to ask for it. */
static bool is_coming(const struct core *c, uint32_t i)
{
	const struct core_slot *s = &c->slots[i];
	const struct core_record *r = &s->record;

	if (s->to_pull)
		return true;
	switch ((enum core_state)r->state) {
	case CORE_STARTING:
	case CORE_BACKOFF:
		return true;
	case CORE_WAITING:
		return !s->stuck && r->why != CORE_WHY_SCHEDULE;
	case CORE_STOPPING:
		return !c->ending && comes_after_stop(s);
	case CORE_STOPPED:
	case CORE_RUNNING:
	case CORE_EXITED:
	case CORE_FAILED:
	case CORE_STATE_MAX:
		break;
	}
	return false;
}

/* Of several, the one that nobody is going to bring about. */
static struct blocker find_missing(const struct core *c, uint32_t i)
{
	struct blocker b = {.service = NO_SERVICE};

	graph_foreach (c->graph, down, i, e) {
		bool coming;

		if (!is_ordering(e->kinds) || !c->slots[e->other].policy || is_there(c, e->other))
			continue;
		coming = is_coming(c, e->other);
		if (coming && b.why == CORE_WHY_NONE)
			b = (struct blocker){CORE_WHY_DEPENDENCY, e->other, false};
		if (!coming && (e->kinds & CORE_LINK_REQUIRES))
			return (struct blocker){CORE_WHY_DEPENDENCY, e->other, true};
	}
	return b;
}

/*
 * A full pool, or one that others have waited for longer. What has lived until now has had its
 * turn: the slot is given back when a generation is over, also where another one is to follow.
 * Who waits for a place to start has one, but not where there are fewer by now than are taken.
 */
static bool lacks_slot(const struct core *c, uint32_t i, bool first)
{
	const struct core_record *r = &c->slots[i].record;
	const struct core_pool *p = graph_pool(c, i);

	if (!p)
		return false;
	if (r->state == CORE_WAITING && r->why == CORE_WHY_SLOT)
		return p->n_used > p->slots;
	return p->n_used - core_is_live(r) >= p->slots ||
	       (p->waiting.first != NO_SERVICE && !(first && r->why == CORE_WHY_POOL));
}

static bool lacks_place(const struct core *c, uint32_t i, bool first)
{
	const struct core_record *r = &c->slots[i].record;

	if (c->max_starting == 0)
		return false;
	return c->n_starting >= c->max_starting ||
	       (c->waiting.first != NO_SERVICE && !(first && r->why == CORE_WHY_SLOT));
}

/* Of several, one that runs and is not being stopped: that does not go away by itself. */
static struct blocker find_rival(const struct core *c, uint32_t i)
{
	struct blocker b = {.service = NO_SERVICE};

	graph_foreach (c->graph, down, i, e) {
		const struct core_record *r = &c->slots[e->other].record;

		if (!(e->kinds & CORE_LINK_CONFLICTS) || !core_is_live(r))
			continue;
		if (r->state != CORE_STOPPING)
			return (struct blocker){CORE_WHY_CONFLICT, e->other, true};
		if (b.why == CORE_WHY_NONE)
			b = (struct blocker){CORE_WHY_CONFLICT, e->other, false};
	}
	return b;
}

struct blocker find_blocker(const struct core *c, uint32_t i, bool first)
{
	struct blocker b = find_rival(c, i);

	if (b.why != CORE_WHY_NONE)
		return b;
	b = find_missing(c, i);
	if (b.why != CORE_WHY_NONE)
		return b;
	if (lacks_slot(c, i, first))
		return (struct blocker){CORE_WHY_POOL, NO_SERVICE, false};
	if (lacks_place(c, i, first))
		return (struct blocker){CORE_WHY_SLOT, NO_SERVICE, false};
	return b;
}

/*
 * It has not come to the end of its first start: who requires it and runs has been there before
 * it, and has lost nothing. So it goes on where a dependency is added to a configuration.
 */
static bool is_new(const struct core *c, uint32_t i)
{
	const struct core_record *r = &c->slots[i].record;

	return r->ready_order == 0 && r->end == CORE_END_NONE && r->state != CORE_STOPPING;
}

uint32_t find_lost(const struct core *c, uint32_t i)
{
	graph_foreach (c->graph, down, i, e) {
		if ((e->kinds & CORE_LINK_REQUIRES) && c->slots[e->other].policy &&
			!is_there(c, e->other) && !is_new(c, e->other))
			return e->other;
	}
	return NO_SERVICE;
}

bool waits_for_dependents(const struct core *c, uint32_t i)
{
	const struct core_users *u = graph_users(c, i);

	return !c->hurried && !c->impatient && (u->n_requiring > 0 || u->n_stopping > 0);
}

/* --- looking --- */

static void look_at_waiting(struct core *c, uint32_t i, usec_t now)
{
	const struct core_slot *s = &c->slots[i];
	struct blocker b;

	if (c->ending)
		return;
	switch ((enum core_why)s->record.why) {
	case CORE_WHY_PREDECESSOR:
		return; /* CORE_EVENT_UNBLOCK tells its end */
	case CORE_WHY_SCHEDULE:
		if (!s->policy->scheduled)
			core_move(c, i, IN_GO, NO_SERVICE, now);
		return;
	default:
		break;
	}
	b = find_blocker(c, i, false);
	/* who stands in a line is called when it is its turn; one of no pool stands in none */
	if (b.why == s->record.why && b.service == s->record.blocker && b.stuck == s->stuck)
		return;
	if ((s->record.why == CORE_WHY_SLOT ||
		    (s->record.why == CORE_WHY_POOL && graph_pool(c, i))) &&
		(b.why == CORE_WHY_POOL || b.why == CORE_WHY_SLOT))
		return;
	core_move(c, i, IN_GO, NO_SERVICE, now);
}

static void look_at(struct core *c, uint32_t i, usec_t now)
{
	const struct core_record *r = &c->slots[i].record;
	uint32_t lost;

	switch ((enum core_state)r->state) {
	case CORE_WAITING:
		look_at_waiting(c, i, now);
		break;
	case CORE_STARTING:
	case CORE_RUNNING:
		lost = find_lost(c, i);
		if (lost != NO_SERVICE)
			core_move(c, i, IN_LOST, lost, now);
		else if (may_stop(c, i))
			core_move(c, i, IN_STOP, NO_SERVICE, now);
		break;
	case CORE_STOPPING:
		if (r->phase == CORE_PHASE_DEPENDENTS && !waits_for_dependents(c, i))
			core_move(c, i, IN_CLEAR, NO_SERVICE, now);
		break;
	case CORE_STOPPED:
	case CORE_BACKOFF:
	case CORE_EXITED:
	case CORE_FAILED:
	case CORE_STATE_MAX:
		break;
	}
}

/* --- giving --- */

static bool give_slot(struct core *c, usec_t now)
{
	struct core_graph *g = c->ending ? NULL : c->graph;

	for (uint32_t p = 0; g && p < g->n_pools; p++) {
		struct core_pool *pool = &g->pools[p];

		if (pool->waiting.first != NO_SERVICE && pool->n_used < pool->slots) {
			core_move(c, pool->waiting.first, IN_GO, NO_SERVICE, now);
			return true;
		}
	}
	return false;
}

static bool give_place(struct core *c, usec_t now)
{
	if (c->ending || c->waiting.first == NO_SERVICE ||
		(c->max_starting > 0 && c->n_starting >= c->max_starting))
		return false;
	core_move(c, c->waiting.first, IN_GO, NO_SERVICE, now);
	return true;
}

void settle(struct core *c, usec_t now)
{
	for (;;) {
		uint32_t i = take_look(c);

		if (i != NO_SERVICE)
			look_at(c, i, now);
		else if (!give_slot(c, now) && !give_place(c, now))
			return;
	}
}
