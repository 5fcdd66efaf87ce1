/* One service with hooks, for the tests of those. */
#pragma once

#include "rig.h"

#define PRE_START (1u << SPEC_HOOK_PRE_START)
#define PRE_STOP  (1u << SPEC_HOOK_PRE_STOP)
#define STOP	  (1u << SPEC_HOOK_STOP)
#define POST_STOP (1u << SPEC_HOOK_POST_STOP)

static inline void init(struct rig *g, unsigned hooks)
{
	rig_init(g, 1, 0);
	g->policies[0].hooks = hooks;
}

/* It runs, whatever hook there is before. */
static inline void run(struct rig *g)
{
	rig_ask(g, 0, CORE_EVENT_START);
	if (rig_record(g, 0)->phase == CORE_PHASE_PRE_START)
		rig_hook(g, 0, SPEC_HOOK_PRE_START, true);
	rig_started(g, 0);
	has_state(g, 0, CORE_RUNNING);
}

static inline void init_run(struct rig *g, unsigned hooks)
{
	init(g, hooks);
	run(g);
}

static inline bool signals(const struct rig *g)
{
	return (rig_change(g, 0).todo & CORE_DO_SIGNAL) != 0;
}

static inline bool asks_hook(const struct rig *g)
{
	return (rig_change(g, 0).todo & CORE_DO_HOOK) != 0;
}
