/* A rig of services with names, for the tests of links between them. */
#pragma once

#include "rig.h"

enum { DB, WEB, TOP, CACHE };

/* Whoever asked for it to start is answered so; before the first one, it had no generation. */
static inline void start_is(const struct rig *g, uint32_t i, enum core_outcome outcome)
{
	judged(g, i, CORE_EVENT_START, 0, outcome);
}

static inline void run_all(struct rig *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		rig_run(g, i);
}
