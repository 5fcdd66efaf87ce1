/* The file that all services of a measurement map: who runs, and since when. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct slot {
	_Atomic uint64_t since_nsec; /* CLOCK_MONOTONIC: the first instruction of the last start */
	_Atomic uint32_t n_starts;
	_Atomic int32_t pid;
};

struct slots {
	_Atomic uint64_t n_starts; /* of all */
	uint64_t reserved;
	struct slot slot[];
};
