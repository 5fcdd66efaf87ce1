/*
 * Numbers as text where there are so many that printf shows.
 */
#pragma once

#include <stdint.h>

#define DECIMAL_SIZE 24 /* the longest, and its NUL */

/* Writes a number, somewhere in the text, and returns where it begins. */
static inline char *decimal(int64_t value, char text[static DECIMAL_SIZE])
{
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char *at = text + DECIMAL_SIZE - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		*--at = '-';
	return at;
}
