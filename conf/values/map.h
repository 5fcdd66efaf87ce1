/*
 * From strings to numbers. Keys are borrowed and must outlive the map. Zero initialised
 * is empty and valid.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct map_slot {
	const char *key;
	size_t value;
};

struct map {
	struct map_slot *slots;
	size_t n, size;
};

void map_fini(struct map *m);
bool map_get(const struct map *m, const char *key, size_t *ret_value);
/* 0; -EEXIST with the map unchanged where the key is there already; -ENOMEM. */
int map_put(struct map *m, const char *key, size_t value);
