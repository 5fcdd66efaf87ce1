/*
 * Both have a part: the one that goes has those that wait for it in line, and each of these knows
 * whom it waits for.
 */
#include "engine/succession.h"

#include <errno.h>

#include "engine/engine.h"

struct successors {
	struct part part;
	struct list line;
};

struct predecessor {
	struct part part;
	struct list node; /* in the line of the other one */
	struct service *service, *other;
};

int succession_add(struct service *old, struct service *next)
{
	struct successors *s = part_find(old, PART_SUCCESSORS);
	struct predecessor *p = part_get(next, PART_PREDECESSOR, sizeof(*p));

	if (!s) {
		s = part_get(old, PART_SUCCESSORS, sizeof(*s));
		if (s)
			list_init(&s->line);
	}
	if (!s || !p) {
		part_drop(next, PART_PREDECESSOR);
		return -ENOMEM;
	}
	p->service = next;
	p->other = old;
	list_append(&s->line, &p->node);
	return 0;
}

struct service *succession_predecessor(const struct service *next)
{
	const struct predecessor *p = part_find(next, PART_PREDECESSOR);

	return p ? p->other : NULL;
}

void succession_leave(struct service *next)
{
	struct predecessor *p = part_find(next, PART_PREDECESSOR);

	if (!p)
		return;
	list_remove(&p->node);
	part_drop(next, PART_PREDECESSOR);
}

struct service *succession_take(struct service *old)
{
	struct successors *s = part_find(old, PART_SUCCESSORS);
	struct service *next;

	if (!s)
		return NULL;
	if (list_empty(&s->line)) {
		part_drop(old, PART_SUCCESSORS);
		return NULL;
	}
	next = list_first(&s->line, struct predecessor, node)->service;
	succession_leave(next);
	return next;
}

void succession_end(struct service *s)
{
	succession_leave(s);
	while (succession_take(s))
		;
}
