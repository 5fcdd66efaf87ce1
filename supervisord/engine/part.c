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
	part_attach(s, p, kind);
	return p;
}

void part_attach(struct service *s, struct part *p, enum part_kind kind)
{
	p->kind = (uint8_t)kind;
	p->next = s->parts;
	s->parts = p;
}

void part_detach(struct service *s, struct part *p)
{
	struct part **at = &s->parts;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

void *part_next(const struct part *p)
{
	uint8_t kind = p->kind;

	do {
		p = p->next;
	} while (p && p->kind != kind);
	return (struct part *)p;
}

void part_drop(struct service *s, enum part_kind kind)
{
	struct part *p = part_find(s, kind);

	if (!p)
		return;
	part_detach(s, p);
	free(p);
}

void part_drop_all(struct service *s)
{
	while (s->parts)
		part_drop(s, (enum part_kind)s->parts->kind);
}
