/*
 * The notebook is read once, into a sorted list: a launcher may die with thousands of processes on
 * their way. What is in it was written by a program of our own, yet it is checked as all else is:
 * whatever makes no sense is as if it were not there.
 */
#include "engine/takeover/noted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/usec.h"

static int compare_keys(const struct notebook_slot *a, uint32_t id, uint64_t generation)
{
	if (a->id != id)
		return a->id < id ? -1 : 1;
	return (a->generation > generation) - (a->generation < generation);
}

static int compare_slots(const void *a, const void *b)
{
	const struct notebook_slot *const *x = a, *const *y = b;

	return compare_keys(*x, (*y)->id, (*y)->generation);
}

static bool is_valid(const struct notebook_slot *slot)
{
	struct link_exit end;

	return slot->generation > 0 && slot->pid >= 0 &&
	       (slot->state == NOTEBOOK_BEGUN || notebook_get_end(slot, &end));
}

int noted_open(struct noted *ret, int fd)
{
	struct noted n = {0};
	int r = fd < 0 ? -ENOENT : notebook_open(&n.book, fd);

	*ret = n;
	if (r < 0) {
		log_warning("the launcher's notebook can't be read: %s; its last processes are "
			    "looked for",
			strerror(-r));
		return 0;
	}
	n.complete = n.book.head->n_without == 0;
	n.slots = calloc(n.book.head->n_used + 1, sizeof(struct notebook_slot *));
	if (!n.slots) {
		notebook_close(&n.book);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n.book.head->n_used; i++) {
		const struct notebook_slot *slot = &n.book.slots[i];

		if (is_valid(slot))
			n.slots[n.n++] = slot;
		else
			n.complete = n.complete && slot->state == NOTEBOOK_FREE;
	}
	qsort(n.slots, n.n, sizeof(struct notebook_slot *), compare_slots);
	*ret = n;
	return 0;
}

void noted_close(struct noted *n)
{
	free(n->slots);
	notebook_close(&n->book);
	*n = (struct noted){0};
}

const struct notebook_slot *noted_find(const struct noted *n, uint32_t id, uint64_t generation)
{
	size_t low = 0, high = n->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_keys(n->slots[middle], id, generation);

		if (order == 0)
			return n->slots[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

uint64_t noted_last_serial(const struct noted *n)
{
	uint64_t last = n->book.head ? n->book.head->last_serial : 0;

	for (size_t i = 0; i < n->n; i++)
		last = MAX_OF(last, n->slots[i]->serial);
	return last;
}

bool noted_has_end(const struct notebook_slot *slot)
{
	return slot->state == NOTEBOOK_ENDED;
}

struct link_exit noted_end(const struct notebook_slot *slot, uint64_t *ret_serial)
{
	struct link_exit end = {.monotonic_usec = usec_now(CLOCK_MONOTONIC),
		.realtime_usec = usec_now(CLOCK_REALTIME)};

	*ret_serial = 0;
	if (notebook_get_end(slot, &end)) {
		*ret_serial = slot->serial;
		return end;
	}
	end.error = slot->failed_error;
	end.stage = slot->failed_error != 0 ? slot->failed_stage : 0;
	if (end.error != 0 && !link_exit_is_valid(&end, 0))
		end.error = end.stage = 0;
	return end; /* LINK_EXIT_UNKNOWN, if there is no error */
}
