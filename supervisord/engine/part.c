/*
 * A service has a few of them at most, so they are looked for one by one.
 */
#include "engine/part.h"

#include <stdlib.h>

#include "engine/engine.h"

void *part_find(const struct service *s, enum part_kind kind)
{
	struct part *p = s->parts;

	while (p && p->kind != kind)
		p = p->next;
	return p;
}

void *part_get(struct service *s, enum part_kind kind, size_t size)
{
	struct part *p = part_find(s, kind);

	if (p)
		return p;
	p = calloc(1, size);
	if (!p)
		return NULL;
	p->kind = (uint8_t)kind;
	p->next = s->parts;
	s->parts = p;
	return p;
}

void part_drop(struct service *s, enum part_kind kind)
{
	for (struct part **p = &s->parts; *p; p = &(*p)->next) {
		struct part *found = *p;

		if (found->kind != kind)
			continue;
		*p = found->next;
		free(found);
		return;
	}
}

void part_drop_all(struct service *s)
{
	while (s->parts)
		part_drop(s, (enum part_kind)s->parts->kind);
}
