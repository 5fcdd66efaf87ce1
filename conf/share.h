/*
 * Memory in which everything is kept once: equal bytes are the same bytes. What services have in
 * common, which is nearly all, takes room once for all of them, and goes at once.
 */
#pragma once

#include <stddef.h>

struct share;

struct share *share_new(void); /* NULL for lack of memory */
void share_free(struct share *s);

/*
 * A copy of n > 0 bytes, or the one that there is, which nobody may change; at a multiple of
 * align, a power of two of at most 16. NULL for lack of memory.
 */
void *share_bytes(struct share *s, const void *bytes, size_t n, size_t align);
/* Nothing is added from now on: gives back what only that needs. */
void share_seal(struct share *s);
