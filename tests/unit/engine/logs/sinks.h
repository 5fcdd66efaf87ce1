/* Writing to sinks. */
#pragma once

#include "engine/logs/sink.h"
#include "tests/unit/engine/bench.h"

#define SEC USEC_PER_SEC

static inline void put(struct sink *s, const char *text, usec_t now)
{
	sink_write(s, text, strlen(text), now);
}
