/*
 * Many histories on several processors.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define JOBS_MAX 64

struct jobs_options {
	uint64_t first, last; /* seeds */
	double seconds; /* 0: until the last seed */
	unsigned jobs;
	bool shrink;
};

/* Prints how many there were, and each worker's first failure. EXIT_SUCCESS or EXIT_FAILURE. */
int jobs_run(const struct jobs_options *o);
