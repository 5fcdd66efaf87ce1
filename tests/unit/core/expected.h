/*
 * What must follow in every cell of the core's table, input by input: the test's own table.
 */
#pragma once

#include "core/state.h"
#include "rig.h"

#define OTHER 1
#define TAKER 2

#define BACKOFF	    (100 * USEC_PER_MSEC)
#define NEVER	    USEC_INFINITY
#define KEEPS	    (USEC_INFINITY - 1) /* the deadline is as before */
#define SAME	    CORE_STATE_MAX /* the state, and its phase, are as before */
#define NONE	    CORE_PHASE_NONE
#define EXTENSION   (20 * SEC)
#define WATCHDOG    (3 * SEC)
#define READY_LIMIT (5 * SEC)

#define PUB	 CORE_DO_PUBLISH
#define SIG	 CORE_DO_SIGNAL
#define TREE	 CORE_DO_WATCH_TREE
#define SPAWN	 CORE_DO_SPAWN
#define HOOK	 CORE_DO_HOOK
#define FIND	 CORE_DO_FIND_MAIN
#define SCHEDULE CORE_DO_SCHEDULE
#define HEALTH	 CORE_DO_HEALTH

enum how {
	UNSET, /* fails */
	BUG, /* called directly: false, and nothing has changed */
	IGNORED, /* as an event: nothing has changed; the cell, called directly, too */
	EVENT
};

struct expected {
	enum how how;
	enum core_state next;
	enum core_phase phase;
	bool desired_up;
	unsigned todo; /* without CORE_DO_COMMIT */
	int signo;
	enum spec_kill scope;
	enum spec_hook hook, cancel;
	usec_t deadline; /* from now */
};

#define B                  \
	{                  \
		.how = BUG \
	}
#define I                      \
	{                      \
		.how = IGNORED \
	}
#define E(state, in_phase, up, does, ...)                                               \
	{                                                                               \
		.how = EVENT, .next = (state), .phase = (in_phase), .desired_up = (up), \
		.todo = (does), __VA_ARGS__                                             \
	}

/* What follows, and whether it is wanted up then. */
#define STAYS(up, does)	  E(SAME, NONE, up, does, .deadline = KEEPS)
#define PROLONGED(up, by) E(SAME, NONE, up, 0, .deadline = (by))
#define RESTS(state, up)  E(state, NONE, up, PUB, .deadline = NEVER)
#define BACKS_OFF	  E(CORE_BACKOFF, NONE, true, PUB, .deadline = BACKOFF)
#define RUNS		  E(CORE_RUNNING, NONE, true, PUB, .deadline = NEVER)
#define SPAWNS		  SPAWNS_AND(0)
#define SPAWNS_AND(more) \
	E(CORE_STARTING, CORE_PHASE_EXEC, true, PUB | SPAWN | (more), .deadline = NEVER)
#define STOPS(up, does, ...) E(CORE_STOPPING, CORE_PHASE_SIGNAL, up, SIG | (does), __VA_ARGS__)
#define POST_STOP(up, does)                                                                    \
	E(CORE_STOPPING, CORE_PHASE_POST_STOP, up, HOOK | (does), .hook = SPEC_HOOK_POST_STOP, \
		.deadline = 30 * SEC)
#define USR1(up) \
	E(SAME, NONE, up, SIG, .signo = SIGUSR1, .scope = SPEC_KILL_PROCESS, .deadline = KEEPS)

#define TERM .signo = SIGTERM, .scope = SPEC_KILL_GROUP, .deadline = 10 * SEC
#define ABRT .signo = SIGABRT, .scope = SPEC_KILL_GROUP, .deadline = 10 * SEC
#define REST .signo = SIGTERM, .scope = SPEC_KILL_TREE, .deadline = 10 * SEC
#define KILL .signo = SIGKILL, .scope = SPEC_KILL_TREE, .deadline = RIG_AGAIN

#define NOTHING_IS_ALIVE                                                               \
	[CORE_STOPPED] = B, [CORE_WAITING] = B, [CORE_BACKOFF] = B, [CORE_EXITED] = B, \
	[CORE_FAILED] = B

/* clang-format off */
static const struct expected expected[IN_MAX][CORE_STATE_MAX] = {
	[IN_START] = {
		[CORE_STOPPED]  = SPAWNS,
		[CORE_WAITING]  = STAYS(true, 0),
		[CORE_STARTING] = STAYS(true, 0),
		[CORE_RUNNING]  = STAYS(true, 0),
		[CORE_STOPPING] = STAYS(true, 0), /* and starts afterwards */
		[CORE_BACKOFF]  = SPAWNS,
		[CORE_EXITED]   = SPAWNS,
		[CORE_FAILED]   = SPAWNS,
	},
	[IN_AUTOSTART] = {
		[CORE_STOPPED]  = SPAWNS,
		[CORE_WAITING]  = STAYS(true, 0),
		[CORE_STARTING] = STAYS(true, 0),
		[CORE_RUNNING]  = STAYS(true, 0),
		[CORE_STOPPING] = STAYS(true, 0),
		[CORE_BACKOFF]  = STAYS(true, 0),
		[CORE_EXITED]   = SPAWNS,
		[CORE_FAILED]   = SPAWNS,
	},
	[IN_DECLINE] = {
		[CORE_STOPPED]  = STAYS(false, 0), /* and says for whose sake */
		[CORE_WAITING]  = B,
		[CORE_STARTING] = B,
		[CORE_RUNNING]  = B,
		[CORE_STOPPING] = I,
		[CORE_BACKOFF]  = B,
		[CORE_EXITED]   = I,
		[CORE_FAILED]   = I,
	},
	[IN_PULL] = {
		[CORE_STOPPED]  = SPAWNS,
		[CORE_WAITING]  = STAYS(true, 0),
		[CORE_STARTING] = B,
		[CORE_RUNNING]  = B,
		[CORE_STOPPING] = STAYS(true, 0),
		[CORE_BACKOFF]  = B,
		[CORE_EXITED]   = SPAWNS,
		[CORE_FAILED]   = SPAWNS,
	},
	[IN_YIELD] = {
		[CORE_STOPPED]  = B,
		[CORE_WAITING]  = RESTS(CORE_STOPPED, false),
		[CORE_STARTING] = STOPS(false, PUB, TERM),
		[CORE_RUNNING]  = STOPS(false, PUB, TERM),
		[CORE_STOPPING] = STAYS(false, 0),
		[CORE_BACKOFF]  = RESTS(CORE_STOPPED, false),
		[CORE_EXITED]   = B,
		[CORE_FAILED]   = B,
	},
	[IN_STOP] = {
		[CORE_STOPPED]  = STAYS(false, 0),
		[CORE_WAITING]  = RESTS(CORE_STOPPED, false),
		[CORE_STARTING] = STOPS(false, PUB, TERM),
		[CORE_RUNNING]  = STOPS(false, PUB, TERM),
		[CORE_STOPPING] = STAYS(false, 0),
		[CORE_BACKOFF]  = RESTS(CORE_STOPPED, false),
		[CORE_EXITED]   = RESTS(CORE_STOPPED, false),
		[CORE_FAILED]   = RESTS(CORE_STOPPED, false),
	},
	[IN_RESTART] = {
		[CORE_STOPPED]  = SPAWNS,
		[CORE_WAITING]  = STAYS(true, 0),
		[CORE_STARTING] = STOPS(true, PUB, TERM),
		[CORE_RUNNING]  = STOPS(true, PUB, TERM),
		[CORE_STOPPING] = STAYS(true, 0),
		[CORE_BACKOFF]  = SPAWNS,
		[CORE_EXITED]   = SPAWNS,
		[CORE_FAILED]   = SPAWNS,
	},
	[IN_RESET] = {
		[CORE_STOPPED]  = STAYS(false, 0),
		[CORE_WAITING]  = STAYS(true, 0),
		[CORE_STARTING] = STAYS(true, 0),
		[CORE_RUNNING]  = STAYS(true, 0),
		[CORE_STOPPING] = STAYS(false, 0),
		[CORE_BACKOFF]  = STAYS(true, 0),
		[CORE_EXITED]   = STAYS(true, 0),
		[CORE_FAILED]   = RESTS(CORE_STOPPED, false),
	},
	[IN_KILL] = {
		[CORE_STOPPED]  = STAYS(false, 0),
		[CORE_WAITING]  = RESTS(CORE_STOPPED, false),
		[CORE_STARTING] = STOPS(false, PUB, KILL),
		[CORE_RUNNING]  = STOPS(false, PUB, KILL),
		[CORE_STOPPING] = STOPS(false, 0, KILL),
		[CORE_BACKOFF]  = RESTS(CORE_STOPPED, false),
		[CORE_EXITED]   = RESTS(CORE_STOPPED, false),
		[CORE_FAILED]   = RESTS(CORE_STOPPED, false),
	},
	[IN_SIGNAL] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = USR1(true),
		[CORE_RUNNING]  = USR1(true),
		[CORE_STOPPING] = USR1(false),
	},
	[IN_GO] = {
		[CORE_STOPPED]  = B,
		[CORE_WAITING]  = SPAWNS,
		[CORE_STARTING] = B,
		[CORE_RUNNING]  = B,
		[CORE_STOPPING] = B,
		[CORE_BACKOFF]  = B,
		[CORE_EXITED]   = B,
		[CORE_FAILED]   = B,
	},
	[IN_LOST] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = STOPS(true, PUB, TERM),
		[CORE_RUNNING]  = STOPS(true, PUB, TERM),
		[CORE_STOPPING] = B,
	},
	[IN_CLEAR] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = B,
		[CORE_RUNNING]  = B,
		[CORE_STOPPING] = STOPS(false, 0, TERM),
	},
	[IN_STARTED] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = RUNS,
		[CORE_RUNNING]  = B,
		[CORE_STOPPING] = STAYS(false, 0), /* but its pid is known now */
	},
	[IN_HOOK] = { /* pre-start, and pre-stop */
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = E(CORE_STARTING, CORE_PHASE_EXEC, true, SPAWN, .deadline = NEVER),
		[CORE_RUNNING]  = B,
		[CORE_STOPPING] = STOPS(false, 0, TERM),
	},
	[IN_MAINPID] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = RUNS,
		[CORE_RUNNING]  = STAYS(true, 0),
		[CORE_STOPPING] = E(SAME, NONE, false, SIG, .signo = SIGTERM, .scope = SPEC_KILL_GROUP,
			.deadline = KEEPS), /* the new one has not had it */
	},
	[IN_READY] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = RUNS,
		[CORE_RUNNING]  = I,
		[CORE_STOPPING] = I,
	},
	[IN_LEFTOVERS] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = STOPS(true, PUB | TREE, REST),
		[CORE_RUNNING]  = STOPS(true, PUB | TREE, REST),
		[CORE_STOPPING] = STAYS(false, TREE),
	},
	[IN_FORKED] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = STAYS(true, TREE | FIND),
		[CORE_RUNNING]  = B,
		[CORE_STOPPING] = B,
	},
	[IN_POST_STOP] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = POST_STOP(true, PUB),
		[CORE_RUNNING]  = POST_STOP(true, PUB),
		[CORE_STOPPING] = POST_STOP(false, 0),
	},
	[IN_DONE_STOPPED] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = RESTS(CORE_STOPPED, false), /* in a shutdown */
		[CORE_RUNNING]  = RESTS(CORE_STOPPED, false),
		[CORE_STOPPING] = RESTS(CORE_STOPPED, false),
	},
	[IN_DONE_START] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = B,
		[CORE_RUNNING]  = B,
		[CORE_STOPPING] = SPAWNS,
	},
	[IN_DONE_BACKOFF] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = BACKS_OFF,
		[CORE_RUNNING]  = BACKS_OFF,
		[CORE_STOPPING] = BACKS_OFF,
	},
	[IN_DONE_EXITED] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = RESTS(CORE_EXITED, true),
		[CORE_RUNNING]  = RESTS(CORE_EXITED, true),
		[CORE_STOPPING] = RESTS(CORE_EXITED, true),
	},
	[IN_DONE_FAILED] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = RESTS(CORE_FAILED, true),
		[CORE_RUNNING]  = RESTS(CORE_FAILED, true),
		[CORE_STOPPING] = RESTS(CORE_FAILED, true),
	},
	[IN_DEADLINE] = {
		[CORE_STOPPED]  = B,
		[CORE_WAITING]  = B,
		[CORE_STARTING] = STOPS(true, PUB, TERM),
		[CORE_RUNNING]  = STOPS(true, PUB, ABRT),
		[CORE_STOPPING] = STOPS(false, 0, KILL),
		[CORE_BACKOFF]  = SPAWNS,
		[CORE_EXITED]   = B,
		[CORE_FAILED]   = SPAWNS, /* the run that was due meanwhile */
	},
	[IN_DUE] = { /* with overlap = kill */
		[CORE_STOPPED]  = B,
		[CORE_WAITING]  = SPAWNS_AND(SCHEDULE),
		[CORE_STARTING] = STOPS(true, PUB | SCHEDULE, TERM),
		[CORE_RUNNING]  = STOPS(true, PUB | SCHEDULE, TERM),
		[CORE_STOPPING] = STAYS(true, SCHEDULE),
		[CORE_BACKOFF]  = STAYS(true, SCHEDULE),
		[CORE_EXITED]   = SPAWNS_AND(SCHEDULE),
		[CORE_FAILED]   = SPAWNS_AND(SCHEDULE),
	},
	[IN_SCHEDULED] = {
		[CORE_STOPPED]  = B,
		[CORE_WAITING]  = STAYS(true, 0),
		[CORE_STARTING] = STAYS(true, 0),
		[CORE_RUNNING]  = STAYS(true, 0),
		[CORE_STOPPING] = STAYS(true, 0),
		[CORE_BACKOFF]  = STAYS(true, 0),
		[CORE_EXITED]   = STAYS(true, 0),
		[CORE_FAILED]   = STAYS(true, 0),
	},
	[IN_ALIVE] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = I,
		[CORE_RUNNING]  = PROLONGED(true, WATCHDOG),
		[CORE_STOPPING] = I,
	},
	[IN_TRIGGER] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = I,
		[CORE_RUNNING]  = STOPS(true, PUB, ABRT),
		[CORE_STOPPING] = I,
	},
	[IN_EXTEND] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = PROLONGED(true, EXTENSION),
		[CORE_RUNNING]  = I,
		[CORE_STOPPING] = PROLONGED(false, EXTENSION),
	},
	[IN_HEALTHY] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = B,
		[CORE_RUNNING]  = STAYS(true, HEALTH),
		[CORE_STOPPING] = B,
	},
	[IN_FAILED_CHECK] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = B,
		[CORE_RUNNING]  = STAYS(true, 0),
		[CORE_STOPPING] = B,
	},
	[IN_UNHEALTHY] = {
		NOTHING_IS_ALIVE,
		[CORE_STARTING] = B,
		[CORE_RUNNING]  = STOPS(true, PUB | HEALTH, TERM),
		[CORE_STOPPING] = B,
	},
};
/* clang-format on */
