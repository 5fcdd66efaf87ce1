/*
 * A binary min-heap of deadlines. The entry lives inside its owner and knows
 * its place, so that moving or removing a deadline is O(log n) and the earliest
 * one is read in O(1). An entry that is not in the heap has pos 0.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"

struct heap_entry {
	usec_t deadline;
	uint32_t pos; /* 1 based; 0: not in the heap */
};

struct heap {
	struct heap_entry **entries; /* owned array, borrowed entries; [0] is unused */
	uint32_t n, size;
};

void heap_fini(struct heap *h);

/* Makes room for n entries in all, so that heap_set() can't fail; -ENOMEM. */
int heap_reserve(struct heap *h, uint32_t n);

/* Puts, moves, or with USEC_INFINITY removes an entry. Needs room reserved. */
void heap_set(struct heap *h, struct heap_entry *e, usec_t deadline);

/* The entry with the earliest deadline, NULL where there is none. */
struct heap_entry *heap_first(const struct heap *h);
