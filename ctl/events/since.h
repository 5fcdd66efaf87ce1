/*
 * The value of --since: from when on events are shown.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

struct since {
	uint64_t after; /* with by_number: only events with a higher number */
	usec_t realtime_usec; /* else: only those since then */
	bool by_number;
};

/*
 * "10min" (before now), "2026-11-25T17:18:26.5Z", "…+01:00", without either in local time and with
 * a blank or without a time of day, or "@1234": after that number. 0 or -EINVAL.
 */
int since_parse(const char *text, usec_t now, struct since *ret_since);
