/*
 * The textbook heap, 1-based so that parent and children are shifts. Room is
 * reserved when a service is loaded; arming a timer can then never fail.
 */
#include "base/heap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void heap_fini(struct heap *h)
{
	free(h->entries);
	*h = (struct heap){0};
}

int heap_reserve(struct heap *h, uint32_t n)
{
	struct heap_entry **entries;

	if (n <= h->size)
		return 0;
	if (n > UINT32_MAX / 2 - 1)
		return -ENOMEM;
	n = n < 16 ? 16 : n + n / 2;
	entries = realloc(h->entries, ((size_t)n + 1) * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	h->entries = entries;
	h->size = n;
	return 0;
}

static void place(struct heap *h, uint32_t pos, struct heap_entry *e)
{
	h->entries[pos] = e;
	e->pos = pos;
}

static void sift_up(struct heap *h, uint32_t pos, struct heap_entry *e)
{
	while (pos > 1 && h->entries[pos / 2]->deadline > e->deadline) {
		place(h, pos, h->entries[pos / 2]);
		pos /= 2;
	}
	place(h, pos, e);
}

static void sift_down(struct heap *h, uint32_t pos, struct heap_entry *e)
{
	for (;;) {
		uint32_t child = 2 * pos;

		if (child > h->n)
			break;
		if (child < h->n && h->entries[child + 1]->deadline < h->entries[child]->deadline)
			child++;
		if (h->entries[child]->deadline >= e->deadline)
			break;
		place(h, pos, h->entries[child]);
		pos = child;
	}
	place(h, pos, e);
}

static void reseat(struct heap *h, uint32_t pos, struct heap_entry *e)
{
	if (pos > 1 && h->entries[pos / 2]->deadline > e->deadline)
		sift_up(h, pos, e);
	else
		sift_down(h, pos, e);
}

void heap_set(struct heap *h, struct heap_entry *e, usec_t deadline)
{
	e->deadline = deadline;
	if (deadline == USEC_INFINITY) {
		uint32_t pos = e->pos;
		struct heap_entry *last;

		if (pos == 0)
			return;
		e->pos = 0;
		last = h->entries[h->n--];
		if (last != e)
			reseat(h, pos, last);
		return;
	}
	if (e->pos == 0) {
		assert(h->n < h->size);
		sift_up(h, ++h->n, e);
		return;
	}
	reseat(h, e->pos, e);
}

struct heap_entry *heap_first(const struct heap *h)
{
	return h->n > 0 ? h->entries[1] : NULL;
}
