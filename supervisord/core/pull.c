/*
 * A start reaches what is needed for it: all of that is marked as coming, and then begun. The walk
 * along requires and wants is depth first and keeps its place in the graph, so it needs no memory
 * and no recursion; a service's turn comes when all that it needs itself has had one. So records
 * are changed, and committed, from the ground up: an engine that dies on the way has begun less
 * than was asked for, never a service whose ground nobody is going to lay.
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

/* There is something to pull below it: it comes up by itself, but in vain without that. */
static bool is_to_visit(const struct core *c, uint32_t i)
{
	return is_to_pull(c, i) || c->slots[i].record.state == CORE_BACKOFF;
}

/* It runs, or is going to as soon as it can; what waits for its time is in nobody's way. */
static bool is_up(const struct core_record *r)
{
	return core_is_live(r) || r->state == CORE_BACKOFF ||
	       (r->state == CORE_WAITING && r->why != CORE_WHY_SCHEDULE);
}

/* A service that conflicts with this one and is up or on its way; NO_SERVICE. */
static uint32_t find_conflict(const struct core *c, uint32_t i)
{
	graph_foreach (c->graph, down, i, e) {
		const struct core_slot *s = &c->slots[e->other];

		if ((e->kinds & CORE_LINK_CONFLICTS) && s->policy && is_up(&s->record))
			return e->other;
	}
	return NO_SERVICE;
}

uint32_t find_objection(const struct core *c, uint32_t i)
{
	const struct core_record *r = &c->slots[i].record;

	switch ((enum core_state)r->state) {
	case CORE_STOPPED:
	case CORE_EXITED:
	case CORE_FAILED:
		return find_conflict(c, i);
	case CORE_STOPPING:
		return r->then == CORE_THEN_STOPPED ? find_conflict(c, i) : NO_SERVICE;
	case CORE_WAITING:
	case CORE_STARTING:
	case CORE_RUNNING:
	case CORE_BACKOFF:
	case CORE_STATE_MAX:
		break;
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
	uint32_t objection = yield ? NO_SERVICE : find_objection(c, i);

	if (!is_to_pull(c, i))
		return; /* it comes up by itself, or has done in the course of this */
	if (objection != NO_SERVICE) {
		core_move(c, i, IN_DECLINE, objection, now);
		return;
	}
	if (yield)
		make_room(c, i, now);
	core_move(c, i, IN_PULL, c->graph->walks[i].parent, now);
}

/* The next one to visit from here, or NO_SERVICE once all have been. */
static uint32_t next_down(struct core *c, uint32_t i)
{
	struct core_graph *g = c->graph;
	struct core_walk *w = &g->walks[i];
	const struct core_edge *e = graph_begin(g, g->down, i);
	const struct core_edge *end = graph_end(g, g->down, i);

	for (e += w->edge; e != end; e++) {
		w->edge++;
		if ((e->kinds & (CORE_LINK_REQUIRES | CORE_LINK_WANTS)) &&
			g->walks[e->other].visit != g->visit && is_to_visit(c, e->other))
			return e->other;
	}
	return NO_SERVICE;
}

static void begin_visit(struct core_graph *g, uint32_t i, uint32_t parent)
{
	struct core_walk *w = &g->walks[i];

	w->visit = g->visit;
	w->parent = parent;
	w->edge = 0;
}

/* All that is needed below i, deepest first, as a list; each is marked as one that comes. */
static uint32_t walk(struct core *c, uint32_t i)
{
	struct core_graph *g = c->graph;
	uint32_t first = NO_SERVICE, last = NO_SERVICE;

	g->visit++;
	begin_visit(g, i, NO_SERVICE);
	for (uint32_t at = i; at != NO_SERVICE;) {
		uint32_t below = next_down(c, at), parent = g->walks[at].parent;

		if (below != NO_SERVICE) {
			begin_visit(g, below, at);
			at = below;
			continue;
		}
		if (at != i && is_to_pull(c, at)) {
			c->slots[at].to_pull = true;
			g->walks[at].next_pull = NO_SERVICE;
			if (last != NO_SERVICE)
				g->walks[last].next_pull = at;
			else
				first = at;
			last = at;
		}
		at = parent;
	}
	return first;
}

void pull(struct core *c, uint32_t i, bool yield, usec_t now)
{
	const struct core_record *r = &c->slots[i].record;

	if (!c->graph || i >= c->graph->n)
		return;
	for (uint32_t at = walk(c, i); at != NO_SERVICE; at = c->graph->walks[at].next_pull) {
		c->slots[at].to_pull = false;
		pull_one(c, at, yield, now);
		/* it does not come after all: those that wait for it have to know */
		graph_foreach (c->graph, up, at, e)
			look(c, e->other);
	}
	/* nobody can have got in the way of what is up, but of what is being stopped */
	if (yield && r->state != CORE_STARTING && r->state != CORE_RUNNING)
		make_room(c, i, now);
}
