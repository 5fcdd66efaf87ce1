/*
 * Bytes lie one behind the other in blocks, so that nothing is spent on each, and a table of
 * hashes finds them again for as long as there is more to come. What is larger than a part of a
 * block has one of its own.
 */
#include "conf/share.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"

#define BLOCK_SIZE 4080 /* a page, with what malloc() adds */
#define BLOCK_PART (BLOCK_SIZE / 8)
#define MIN_ROOM   64

struct block {
	struct block *next;
	alignas(max_align_t) unsigned char bytes[];
};

/* Something that is kept; bytes NULL: a free place of the table. */
struct item {
	const void *bytes;
	size_t n;
	uint32_t hash;
};

struct share {
	struct block *blocks; /* the first is being filled */
	size_t n_used, size; /* of that one */
	struct item *items; /* room, a power of two; half of them are free at least */
	size_t n_items, room;
};

struct share *share_new(void)
{
	return calloc(1, sizeof(struct share));
}

void share_free(struct share *s)
{
	if (!s)
		return;
	share_seal(s);
	for (struct block *b = s->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(s);
}

void share_seal(struct share *s)
{
	free(s->items);
	s->items = NULL;
	s->n_items = s->room = 0;
}

static struct item *find(
	struct item *items, size_t room, const void *bytes, size_t n, size_t align, uint32_t hash)
{
	size_t i = hash & (room - 1);

	for (; items[i].bytes; i = (i + 1) & (room - 1)) {
		if (items[i].hash == hash && items[i].n == n &&
			(uintptr_t)items[i].bytes % align == 0 &&
			memcmp(items[i].bytes, bytes, n) == 0)
			break;
	}
	return &items[i];
}

static bool reserve_item(struct share *s)
{
	size_t room = s->room ? s->room * 2 : MIN_ROOM;
	struct item *items;

	if (2 * (s->n_items + 1) <= s->room)
		return true;
	items = calloc(room, sizeof(*items));
	if (!items)
		return false;
	for (size_t i = 0; i < s->room; i++) {
		const struct item *old = &s->items[i];
		size_t at = old->hash & (room - 1);

		if (!old->bytes)
			continue;
		while (items[at].bytes)
			at = (at + 1) & (room - 1);
		items[at] = *old;
	}
	free(s->items);
	s->items = items;
	s->room = room;
	return true;
}

static struct block *block_new(size_t size)
{
	return size > SIZE_MAX - sizeof(struct block) ? NULL : malloc(sizeof(struct block) + size);
}

/* Room of its own behind the block that is being filled. */
static void *place_apart(struct share *s, size_t n)
{
	struct block *b = block_new(n);

	if (!b)
		return NULL;
	b->next = s->blocks ? s->blocks->next : NULL;
	if (s->blocks)
		s->blocks->next = b;
	else
		s->blocks = b;
	return b->bytes;
}

static void *place(struct share *s, size_t n, size_t align)
{
	size_t at = (s->n_used + align - 1) & ~(align - 1);

	if (n > BLOCK_PART)
		return place_apart(s, n);
	if (at + n > s->size) {
		struct block *b = block_new(BLOCK_SIZE - sizeof(*b));

		if (!b)
			return NULL;
		b->next = s->blocks;
		s->blocks = b;
		s->size = BLOCK_SIZE - sizeof(*b);
		at = 0;
	}
	s->n_used = at + n;
	return s->blocks->bytes + at;
}

void *share_bytes(struct share *s, const void *bytes, size_t n, size_t align)
{
	uint32_t hash = crc32c(0, bytes, n);
	struct item *item;
	void *copy;

	assert(n > 0 && align <= alignof(max_align_t));
	if (!reserve_item(s))
		return NULL;
	item = find(s->items, s->room, bytes, n, align, hash);
	if (item->bytes)
		return (void *)item->bytes;
	copy = place(s, n, align);
	if (!copy)
		return NULL;
	*item = (struct item){memcpy(copy, bytes, n), n, hash};
	s->n_items++;
	return copy;
}
