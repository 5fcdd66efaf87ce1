/*
 * The lists that services are on: those that are alive in order of start, and those that wait
 * in line for a place to start or for a slot of a pool. They go through the slots by index, so
 * nothing is allocated.
 */
#include "core/state.h"

/* Restored services come in any order; they are mostly in order, so look from the end. */
void core_list_insert(struct core *c, struct core_list *l, uint32_t i)
{
	struct core_slot *slots = c->slots;
	uint32_t after = l->last;

	while (after != NO_SERVICE && slots[after].record.start_order > slots[i].record.start_order)
		after = slots[after].node.prev;
	slots[i].node.prev = after;
	slots[i].node.next = after == NO_SERVICE ? l->first : slots[after].node.next;
	if (after != NO_SERVICE)
		slots[after].node.next = i;
	else
		l->first = i;
	if (slots[i].node.next != NO_SERVICE)
		slots[slots[i].node.next].node.prev = i;
	else
		l->last = i;
}

void core_list_drop(struct core *c, struct core_list *l, uint32_t i)
{
	struct core_node *n = &c->slots[i].node;

	if (n->prev != NO_SERVICE)
		c->slots[n->prev].node.next = n->next;
	else
		l->first = n->next;
	if (n->next != NO_SERVICE)
		c->slots[n->next].node.prev = n->prev;
	else
		l->last = n->prev;
	n->prev = n->next = NO_SERVICE;
}

void core_list_put(struct core *c, struct core_list *l, uint32_t i)
{
	struct core_node *n = &c->slots[i].node;

	n->prev = l->last;
	n->next = NO_SERVICE;
	if (l->last != NO_SERVICE)
		c->slots[l->last].node.next = i;
	else
		l->first = i;
	l->last = i;
}

struct core_list *core_list_of(struct core *c, uint32_t i, enum core_state state, enum core_why why)
{
	struct core_pool *pool;

	switch (state) {
	case CORE_STARTING:
	case CORE_RUNNING:
	case CORE_STOPPING:
		return &c->live;
	case CORE_WAITING:
		if (why == CORE_WHY_SLOT)
			return &c->waiting;
		if (why != CORE_WHY_POOL)
			return NULL; /* it waits for something that has no line */
		pool = graph_pool(c, i);
		return pool ? &pool->waiting : &c->unpooled;
	case CORE_STOPPED:
	case CORE_BACKOFF:
	case CORE_EXITED:
	case CORE_FAILED:
	case CORE_STATE_MAX:
		break;
	}
	return NULL;
}
