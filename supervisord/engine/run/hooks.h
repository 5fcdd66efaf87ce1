/*
 * Hooks: commands at turns of a service's life. Those that something waits for (pre-start,
 * pre-stop, stop, post-stop) are asked for by the core, which also says when one has taken too
 * long, and learns of their end by CORE_EVENT_HOOK. Nobody waits for post-start and on-failed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"
#include "conf/spec.h"
#include "core/core.h"
#include "engine/loop.h"
#include "engine/run/result.h"

struct engine;
struct service;

/* How the last run of a hook ended; kept by this engine only. */
struct hook_outcome {
	usec_t realtime_usec; /* when; 0: none has ended */
	uint64_t serial;
	bool ok;
	char how[RESULT_TEXT_SIZE]; /* "exited with code 1" */
	char output[OUTPUT_SIZE];
	size_t n_output;
};

struct hooks {
	struct loop_timer timer; /* for what has to be told later */
};

/* 0 or -ENOMEM. */
int hooks_init(struct engine *e);

/*
 * Runs a hook that the core waits for; asked again for the same generation, it is the same
 * run. CORE_EVENT_HOOK follows, never from within.
 */
void hooks_run(struct service *s, enum spec_hook hook);
/* Kills it; CORE_EVENT_HOOK follows when it has ended, also where it does not run. */
void hooks_cancel(struct service *s, enum spec_hook hook);
/* Goes on with what an engine before us has begun, as the service's phase says. */
void hooks_resume(struct service *s);
/*
 * The state has changed, and that is committed: runs post-start or on-failed where it is
 * their turn. To be called before the change is marked as published, and again by an engine
 * that finds it is not: then it is the same run.
 */
void hooks_changed(struct service *s, enum core_state previous);

/* Everything is down. True once no hook runs; with hurry, what nobody waits for is killed. */
bool hooks_are_over(struct engine *e, bool hurry);

/* NULL: it has not ended yet. */
const struct hook_outcome *hooks_outcome(const struct service *s, enum spec_hook hook);
/* Its pid and since when (monotonic) it runs; 0: it does not. */
pid_t hooks_pid(const struct service *s, enum spec_hook hook, usec_t *ret_since_usec);
/* "pre-start hook", "stop command" */
const char *hooks_title(enum spec_hook hook);
