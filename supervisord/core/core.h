/*
 * The policy: what happens to a service when something happened to it. A pure
 * function of state, event and time: no system call, no clock, no global, no log, no
 * allocation after core_init(). The engine turns descriptors into events, calls
 * core_step(), then takes the changes one by one and performs them:
 *
 *     commit the service's record (intent) -> spawn or signal -> publish -> replies
 *
 * A service here is an index into the core's array; the engine uses the same number as
 * its slot in the recovery area and as its id on the link.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"
#include "conf/spec.h"

/* DESIGN: the states that users see. The order is that of wire formats: only append. */
enum core_state {
	CORE_STOPPED,
	CORE_WAITING,
	CORE_STARTING,
	CORE_RUNNING,
	CORE_STOPPING,
	CORE_BACKOFF,
	CORE_EXITED,
	CORE_FAILED,
	CORE_STATE_MAX
};

enum core_event_type {
	/* from operators, or from the engine at start */
	CORE_EVENT_START, /* wanted up; clears counters and window */
	CORE_EVENT_AUTOSTART, /* wanted up at supervisord's start */
	CORE_EVENT_STOP, /* wanted down */
	CORE_EVENT_RESTART, /* stop, then start */
	CORE_EVENT_RESET, /* forget failures; a failed service becomes stopped */
	CORE_EVENT_KILL, /* wanted down at once: KILL instead of the stop signal */
	CORE_EVENT_SIGNAL, /* a signal to the main process, which changes no state */
	CORE_EVENT_UNBLOCK, /* the service that this one takes the place of is gone */
	/* from the launcher; carry a generation */
	CORE_EVENT_STARTED, /* exec has succeeded */
	CORE_EVENT_ENDED, /* main process reaped, or spawn failed; survivors tells of its tree */
	CORE_EVENT_GONE, /* the tree of a generation that has ended is empty now */
	/* from the clock */
	CORE_EVENT_DEADLINE,
	/* from the core itself */
	CORE_EVENT_SLOT, /* look again who may start: for an engine that has just recovered */
	CORE_EVENT_MAX
};

/* How a generation ended, in the terms that policy needs. */
enum core_end {
	CORE_END_NONE, /* has not ended yet */
	CORE_END_EXITED,
	CORE_END_SIGNALLED,
	CORE_END_DUMPED,
	CORE_END_SPAWN_FAILED,
	CORE_END_MAX
};

/* Why a service is where it is; turned into words by core_reason(). Only append. */
enum core_why {
	CORE_WHY_NONE,
	CORE_WHY_NEVER_STARTED,
	CORE_WHY_OPERATOR, /* asked for by an operator */
	CORE_WHY_AUTOSTART,
	CORE_WHY_SHUTDOWN,
	CORE_WHY_ENDED, /* the last end explains it: see end and end_status */
	CORE_WHY_LEFTOVERS, /* main process has ended; the rest of its tree is being ended */
	CORE_WHY_GAVE_UP, /* restart-limit reached */
	CORE_WHY_SLOT, /* max-starting reached */
	CORE_WHY_RESTART, /* an operator's restart is under way */
	CORE_WHY_CHANGED, /* restarted because its configuration has changed */
	CORE_WHY_REMOVED, /* not in the configuration any more */
	CORE_WHY_PREDECESSOR, /* CORE_WAITING: for the end of the service whose place it takes */
	CORE_WHY_MAX
};

struct core_event {
	enum core_event_type type;
	uint32_t service;
	uint64_t generation; /* STARTED, ENDED, GONE: events of another one change nothing */
	int32_t pid; /* STARTED */
	enum core_end end; /* ENDED */
	int32_t status; /* ENDED: exit code, signal, or errno of the failed spawn */
	uint8_t stage; /* ENDED, spawn failed: where; only handed on to core_reason()'s caller */
	bool survivors; /* ENDED: other processes of the tree may be left */
	usec_t at_usec; /* STARTED, ENDED: monotonic, when it happened (<= now) */
	uint64_t op; /* START, STOP, RESTART, SIGNAL: the request's id, 0 for none */
	int signo; /* SIGNAL; 0: none, only the request is remembered */
	/*
	 * AUTOSTART, STOP, RESTART: who wants it; NONE: an operator. AUTOSTART with
	 * CORE_WHY_PREDECESSOR waits for CORE_EVENT_UNBLOCK.
	 */
	enum core_why why;
};

/* What follows once a stop (or the end of leftovers) is over. */
enum core_then {
	CORE_THEN_STOPPED,
	CORE_THEN_START,
	CORE_THEN_BACKOFF,
	CORE_THEN_EXITED,
	CORE_THEN_FAILED
};

/* Acting requests remembered per service: so many clients at once can join what they began. */
#define CORE_MAX_OPS 4

/* Everything about one service that must survive the engine. Plain data. */
struct core_record {
	uint8_t state; /* enum core_state */
	uint8_t why; /* enum core_why */
	uint8_t then; /* enum core_then, in CORE_STOPPING; in CORE_WAITING: THEN_BACKOFF for an
			 automatic start, else THEN_START */
	uint8_t end; /* enum core_end of the last generation that ended */
	bool desired_up;
	bool ready;
	bool killed; /* CORE_STOPPING: KILL was sent */
	bool main_ended; /* CORE_STOPPING: the main process is reaped, its tree is not gone */
	uint8_t signo; /* the last signal that the core asked for in this generation */
	uint8_t user_signo; /* the last signal of all was an operator's, and this one; else 0 */
	uint8_t stage; /* of a spawn that failed */
	uint8_t n_starts; /* automatic starts remembered in starts_msec */
	int32_t pid; /* main process of the generation, 0 where there is none */
	int32_t end_status; /* exit code, signal or errno, as end says */
	uint32_t restarts; /* automatic starts since an operator's start or reset */
	uint32_t streak; /* automatic starts since the last stable run: the exponent of backoff */
	uint32_t signal_op; /* counts the signals of this generation: LINK_KILL's op */
	uint64_t generation; /* of the current or last process; 0: never started */
	uint64_t start_order; /* grows with every start: shutdown goes backwards; in
				 CORE_WAITING: the place in line */
	uint64_t ready_order; /* the newest start_order of all when it became ready */
	uint64_t ops[CORE_MAX_OPS]; /* ids of the last acting requests that took effect, newest
				       first */
	usec_t since_usec; /* monotonic: when the state was entered */
	usec_t started_usec; /* monotonic: start of this or the last generation */
	usec_t ended_usec; /* monotonic: the last end */
	usec_t deadline_usec; /* monotonic: CORE_BACKOFF: next start; CORE_STOPPING: KILL or look
				 again */
	uint32_t starts_msec[SPEC_MAX_RESTART_LIMIT]; /* monotonic modulo 2^32, oldest first */
};

/* What the engine has to do for a service after a step. */
enum core_do {
	CORE_DO_SPAWN = 1 << 0, /* start record.generation */
	CORE_DO_SIGNAL = 1 << 1, /* send signo to scope, with record.signal_op */
	CORE_DO_WATCH_TREE = 1 << 2, /* tell CORE_EVENT_GONE once the tree is empty */
	CORE_DO_PUBLISH = 1 << 3, /* the state has changed from previous */
	CORE_DO_COMMIT = 1 << 4 /* the record has changed; set with each of the others */
};

struct core_change {
	uint32_t service;
	unsigned todo; /* enum core_do */
	int signo;
	enum spec_kill scope;
	enum core_state previous;
};

struct core;

/* Room for n services; NULL for lack of memory. max_starting: 0 for no limit. */
struct core *core_new(uint32_t n_services, unsigned max_starting);
void core_free(struct core *c);

/*
 * Gives a slot its policy (borrowed), and its record (copied): NULL for one never started.
 * core_record_is_valid() tells whether a record from outside may be given.
 */
void core_add(struct core *c, uint32_t service, const struct spec_policy *policy,
	const struct core_record *record, usec_t now);
bool core_record_is_valid(const struct core_record *r);

const struct core_record *core_record(const struct core *c, uint32_t service);

/* Room for n services, if that is more than there is. 0 or -ENOMEM, and nothing has changed. */
int core_grow(struct core *c, uint32_t n_services);
/*
 * Another policy (borrowed) from now on. What is under way stays: deadlines that are set, a
 * stop that has begun. It may come while the service is alive.
 */
void core_set_policy(struct core *c, uint32_t service, const struct spec_policy *policy);
/* Gives a slot back. Nothing of the service may be alive, nor a change of it untaken. */
void core_remove(struct core *c, uint32_t service);
/* Places that come free by a higher limit are given out by the next step. */
void core_set_max_starting(struct core *c, unsigned max_starting);
/* The service remembers a request of this id (never for 0). */
bool core_remembers(const struct core *c, uint32_t service, uint64_t op);

/*
 * One event. random is 64 fresh random bits (jitter). The changes that follow from it,
 * also to other services, are then taken with core_next_change() until it says false;
 * they must all be taken before the next step.
 *
 * False: this event can't come in that state, nothing was changed: a bug, to be reported.
 * Late and repeated events are no bugs; they are told by their generation and ignored.
 */
bool core_step(struct core *c, const struct core_event *event, usec_t now, uint64_t random);
bool core_next_change(struct core *c, struct core_change *ret_change);

/*
 * Stop everything, in reverse order of start: what was ready before another one was started
 * may be of use to that one, so it is stopped only when that one is gone. What was started
 * side by side is stopped side by side. Once the
 * longest stop timeout has passed, the rest is stopped at once. With hurry all at once, by KILL. No
 * service starts any more. Changes follow as after a step. Calling it again with hurry hurries.
 */
void core_shutdown(struct core *c, bool hurry, usec_t now);
/* True once a shutdown was begun and nothing is alive. */
bool core_is_down(const struct core *c);
bool core_is_shutting_down(const struct core *c);
/*
 * An essential service that goes to exited or failed by itself begins a shutdown (without
 * hurry) within that step. True, and which service, where it was one that did.
 */
bool core_essential_end(const struct core *c, uint32_t *ret_service);

/* When to send CORE_EVENT_DEADLINE; USEC_INFINITY for never. */
usec_t core_deadline(const struct core *c, uint32_t service);

/* What has become of an acting request on a service. */
enum core_outcome { CORE_PENDING, CORE_DONE, CORE_NOT_DONE };

/*
 * Judges a request of this type (START, RESTART, STOP, KILL, RESET) that took effect when
 * the service had generation `before`. A later, contrary request makes it CORE_NOT_DONE.
 */
enum core_outcome core_judge(
	const struct core *c, uint32_t service, enum core_event_type request, uint64_t before);

/*
 * In words, without an end: "exited with code 1; gave up after 5 automatic restarts in
 * 1min", "operator", "cannot execute: No such file or directory". error_text turns an
 * errno into text (the core may not call strerror); stage_text may be "".
 */
#define CORE_REASON_SIZE 160
const char *core_reason(const struct core *c, uint32_t service, const char *stage_text,
	const char *(*error_text)(int), char ret_text[static CORE_REASON_SIZE]);

/* The same for one end of a service's process: "exited with code 1". Returns ret_text. */
const char *core_end_to_text(enum core_end end, int status, const char *stage_text,
	const char *(*error_text)(int), char ret_text[static CORE_REASON_SIZE]);

const char *core_state_to_string(enum core_state s);
int core_state_from_string(const char *text, enum core_state *ret_state);
const char *core_event_to_string(enum core_event_type t);
