/*
 * A start reaches what is needed for it. The walk along requires and wants is depth first and
 * keeps its place in the slots, so it needs no memory and no recursion; a service's turn comes
 * when all that it needs itself has had one. So records are changed, and committed, from the
 * ground up: an engine that dies on the way has begun less than was asked for, never a service
 * whose ground nobody is going to lay.
 */
#include "core/state.h"

/* It is not there, nor will it be without being asked. */
static bool is_to_pull(const struct core *c, uint32_t i)
{
	const struct core_slot *s = &c->slots[i];

	if (!s->policy)
		return false;
	switch ((enum core_state)s->record.state) {
	case CORE_STOPPED:
	case CORE_WAITING:
	case CORE_STOPPING:
	case CORE_FAILED:
		return true;
	case CORE_EXITED:
		return s->policy->type != SPEC_TYPE_ONESHOT;
	case CORE_STARTING:
	case CORE_RUNNING:
	case CORE_BACKOFF:
	case CORE_STATE_MAX:
		break;
	}
	return false;
}

static bool is_up(const struct core_record *r)
{
	return core_is_live(r) || r->state == CORE_WAITING || r->state == CORE_BACKOFF;
}

uint32_t find_conflict(const struct core *c, uint32_t i)
{
	graph_foreach (c->graph, down, i, e) {
		const struct core_slot *s = &c->slots[e->other];

		if ((e->kinds & CORE_LINK_CONFLICTS) && s->policy && is_up(&s->record))
			return e->other;
	}
	return NO_SERVICE;
}

static void make_room(struct core *c, uint32_t i, usec_t now)
{
	graph_foreach (c->graph, down, i, e) {
		const struct core_slot *s = &c->slots[e->other];

		if ((e->kinds & CORE_LINK_CONFLICTS) && s->policy && is_up(&s->record))
			core_move(c, e->other, IN_YIELD, i, now);
	}
}

static void pull_one(struct core *c, uint32_t i, bool yield, usec_t now)
{
	enum core_state state = (enum core_state)c->slots[i].record.state;
	bool rests = state == CORE_STOPPED || state == CORE_EXITED || state == CORE_FAILED;
	uint32_t conflict = rests && !yield ? find_conflict(c, i) : NO_SERVICE;

	if (!is_to_pull(c, i))
		return; /* it has come up in the course of this */
	if (conflict != NO_SERVICE) {
		core_move(c, i, IN_DECLINE, conflict, now);
		return;
	}
	if (yield)
		make_room(c, i, now);
	core_move(c, i, IN_PULL, c->slots[i].parent, now);
}

/* The next one to visit from here, or NO_SERVICE once all have been. */
static uint32_t next_down(struct core *c, uint32_t i)
{
	struct core_slot *s = &c->slots[i];
	const struct core_edge *e = graph_begin(c->graph, c->graph->down, i);
	const struct core_edge *end = graph_end(c->graph, c->graph->down, i);

	for (e += s->edge; e != end; e++) {
		s->edge++;
		if ((e->kinds & (CORE_LINK_REQUIRES | CORE_LINK_WANTS)) &&
			c->slots[e->other].visit != c->visit && is_to_pull(c, e->other))
			return e->other;
	}
	return NO_SERVICE;
}

static void begin_visit(struct core *c, uint32_t i, uint32_t parent)
{
	c->slots[i].visit = c->visit;
	c->slots[i].parent = parent;
	c->slots[i].edge = 0;
}

void pull(struct core *c, uint32_t i, bool yield, usec_t now)
{
	if (!c->graph || i >= c->graph->n)
		return;
	c->visit++;
	begin_visit(c, i, NO_SERVICE);
	for (uint32_t at = i; at != NO_SERVICE;) {
		uint32_t below = next_down(c, at), parent = c->slots[at].parent;

		if (below != NO_SERVICE) {
			begin_visit(c, below, at);
			at = below;
			continue;
		}
		if (at != i)
			pull_one(c, at, yield, now);
		at = parent;
	}
	if (yield && !core_is_live(&c->slots[i].record))
		make_room(c, i, now);
}
