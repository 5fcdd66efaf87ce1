/*
 * Open addressing with linear probing over a power of two, at most half full; nothing is
 * ever removed, which is what keeps it this small. It makes the checks across services
 * (names, log files) and the look-ups in the sources linear in their number.
 */
#include "conf/values/map.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void map_fini(struct map *m)
{
	free(m->slots);
	*m = (struct map){0};
}

/* FNV-1a, 64 bits. */
static uint64_t hash(const char *key)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
	return h ^ h >> 32;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct map_slot *find(struct map_slot *slots, size_t size, const char *key)
{
	size_t i = hash(key) & (size - 1);

	while (slots[i].key && strcmp(slots[i].key, key) != 0)
		i = (i + 1) & (size - 1);
	return &slots[i];
}

bool map_get(const struct map *m, const char *key, size_t *ret_value)
{
	const struct map_slot *slot;

	if (m->n == 0)
		return false;
	slot = find(m->slots, m->size, key);
	if (!slot->key)
		return false;
	*ret_value = slot->value;
	return true;
}

static int grow(struct map *m)
{
	size_t size = m->size ? m->size * 2 : 16;
	struct map_slot *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->size; i++) {
		if (m->slots[i].key)
			*find(slots, size, m->slots[i].key) = m->slots[i];
	}
	free(m->slots);
	m->slots = slots;
	m->size = size;
	return 0;
}

int map_put(struct map *m, const char *key, size_t value)
{
	struct map_slot *slot;

	if (m->n >= m->size / 2) {
		int r = grow(m);

		if (r < 0)
			return r;
	}
	slot = find(m->slots, m->size, key);
	if (slot->key)
		return -EEXIST;
	*slot = (struct map_slot){key, value};
	m->n++;
	return 0;
}
