/*
 * HARNESS_SPARSE=K: a further build tries every Kth of the many cases that another one tries all.
 */
#pragma once

#include <stdlib.h>

static inline unsigned sparse(void)
{
	const char *text = getenv("HARNESS_SPARSE");
	unsigned long n = text ? strtoul(text, NULL, 10) : 1;

	return n >= 1 && n <= 100 ? (unsigned)n : 1;
}
