/* Areas that are read as they are found: bytes put into one that was good, and where it ends. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

/* Puts pieces where data says, again and again: offset (two bytes), length (one byte), bytes. */
static inline void damage(uint8_t *memory, size_t n, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 3 <= size; i += 3 + (size_t)data[i + 2]) {
		size_t at = (size_t)data[i] << 8 | data[i + 1];
		size_t length = MIN_OF((size_t)data[i + 2], size - i - 3);

		if (at < n)
			memcpy(memory + at, data + i + 3, MIN_OF(length, n - at));
	}
}

/* Of just that size, so that the sanitizer sees a step past the end. */
static inline void *exactly(const void *data, size_t size)
{
	void *memory = malloc(size ? size : 1);

	if (!memory)
		abort();
	if (size > 0)
		memcpy(memory, data, size);
	return memory;
}
