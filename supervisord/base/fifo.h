/*
 * An intrusive, singly linked queue: half the size of a list, for what is mostly taken out in the
 * order in which it came. A node that is in none points to itself, the last one to nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

struct fifo_node {
	struct fifo_node *next;
};

struct fifo {
	struct fifo_node *first, **end;
};

static inline void fifo_init(struct fifo *f)
{
	f->first = NULL;
	f->end = &f->first;
}

static inline void fifo_node_init(struct fifo_node *n)
{
	n->next = n;
}

static inline bool fifo_holds(const struct fifo_node *n)
{
	return n->next != n;
}

/* Not twice: where it is, there it stays. */
static inline void fifo_append(struct fifo *f, struct fifo_node *n)
{
	if (fifo_holds(n))
		return;
	n->next = NULL;
	*f->end = n;
	f->end = &n->next;
}

/* At once for the first; any other one is looked for. It need not be in it. */
static inline void fifo_remove(struct fifo *f, struct fifo_node *n)
{
	struct fifo_node **at = &f->first;

	if (!fifo_holds(n))
		return;
	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	if (!n->next)
		f->end = at;
	fifo_node_init(n);
}

#define fifo_first(f, type, member) ((f)->first ? CONTAINER_OF((f)->first, type, member) : NULL)
