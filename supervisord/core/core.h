/*
 * The policy: what happens to a service when something happened to it. A pure function of state,
 * event and time: no system call, no clock, no global, no log, and memory is taken only where a
 * function says that it may be lacking. The engine turns descriptors into events, calls
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

/*
 * Where within a state a service is: what it waits for there. The order is that of the recovery
 * area: only append.
 */
enum core_phase {
	CORE_PHASE_NONE,
	/* in CORE_STARTING */
	CORE_PHASE_PRE_START, /* for that hook; the generation has begun, nothing is spawned */
	CORE_PHASE_EXEC, /* for CORE_EVENT_STARTED */
	CORE_PHASE_FORKED, /* forking: for the end of its first process, then CORE_EVENT_MAINPID */
	CORE_PHASE_READY, /* for readiness; a oneshot: for its end */
	/* in CORE_STOPPING */
	CORE_PHASE_DEPENDENTS, /* for the end of services that need it */
	CORE_PHASE_PRE_STOP, /* for that hook */
	CORE_PHASE_STOP_COMMAND, /* for stop.command, or for what that brings about */
	CORE_PHASE_SIGNAL, /* for what the stop signal brings about */
	CORE_PHASE_CANCELLED, /* for the end of the pre-start hook, which was killed */
	CORE_PHASE_POST_STOP, /* for that hook; all of its processes have gone */
	CORE_PHASE_MAX
};

/* Why a generation is a failure, whatever status its process leaves with. Only append. */
enum core_cause {
	CORE_CAUSE_NONE, /* its end says how it was */
	CORE_CAUSE_START_TIMEOUT, /* not ready within ready.timeout */
	CORE_CAUSE_WATCHDOG, /* no sign of life */
	CORE_CAUSE_UNHEALTHY,
	CORE_CAUSE_PRE_START, /* that hook has failed */
	CORE_CAUSE_NO_MAIN, /* forking: ended well, but left no main process behind */
	CORE_CAUSE_TRIGGER, /* it said itself that it hangs */
	CORE_CAUSE_MAX
};

/* Only append. */
enum core_health {
	CORE_HEALTH_UNKNOWN, /* not asked yet, or not asked for */
	CORE_HEALTH_GOOD,
	CORE_HEALTH_BAD,
	CORE_HEALTH_MAX
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
	CORE_EVENT_MAINPID, /* another process of its tree is its main process from now on */
	CORE_EVENT_HOOK, /* a command that CORE_DO_HOOK asked for has ended: hook, ok */
	/* from the service, or from those who ask it; carry a generation */
	CORE_EVENT_READY,
	CORE_EVENT_ALIVE, /* a sign of life for its watchdog */
	CORE_EVENT_TRIGGER, /* it wants to be taken as one without a sign of life */
	CORE_EVENT_EXTEND, /* it asks for more time, span_usec from now, to start or to stop */
	CORE_EVENT_HEALTH, /* the outcome of one check: ok */
	/* for services with a schedule: when the next run is due; at_usec */
	CORE_EVENT_SCHEDULED,
	/* from the clock */
	CORE_EVENT_DEADLINE,
	/* from the core itself */
	CORE_EVENT_SETTLE, /* look at all services again: for an engine that has just recovered,
			      and after core_set_graph(); service is of no meaning */
	CORE_EVENT_MAX
};

/* How a generation ended, in the terms that policy needs. Only append. */
enum core_end {
	CORE_END_NONE, /* has not ended yet */
	CORE_END_EXITED,
	CORE_END_SIGNALLED,
	CORE_END_DUMPED,
	CORE_END_SPAWN_FAILED,
	CORE_END_UNKNOWN, /* nobody was there to see how: a failure, and an abnormal one */
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
	CORE_WHY_NEEDED, /* started because another one, which was started, needs it */
	CORE_WHY_DEPENDENCY, /* CORE_WAITING: for that one; CORE_STOPPING: because of it */
	CORE_WHY_CONFLICT, /* CORE_WAITING: for the end of that one; else stopped for its sake */
	CORE_WHY_POOL, /* CORE_WAITING: for a slot of its pool */
	CORE_WHY_SCHEDULE, /* CORE_WAITING: for its time; else started by it */
	CORE_WHY_CAUSE, /* CORE_STOPPING: its cause says why */
	CORE_WHY_MAX
};

struct core_event {
	enum core_event_type type;
	uint32_t service;
	uint64_t generation; /* STARTED, ENDED, GONE: events of another one change nothing */
	int32_t pid; /* STARTED, MAINPID */
	enum core_end end; /* ENDED */
	int32_t status; /* ENDED: exit code, signal, or errno of the failed spawn */
	uint8_t stage; /* ENDED, spawn failed: where; only handed on to core_reason()'s caller */
	bool survivors; /* ENDED: other processes of the tree may be left */
	enum spec_hook hook; /* HOOK */
	bool ok; /* HOOK, HEALTH */
	/*
	 * STARTED, ENDED: monotonic, when it happened (<= now). SCHEDULED: when the next run is
	 * due; USEC_INFINITY: never.
	 */
	usec_t at_usec;
	usec_t span_usec; /* EXTEND */
	uint64_t op; /* START, STOP, RESTART, SIGNAL: the request's id, 0 for none */
	int signo; /* SIGNAL; 0: none, only the request is remembered */
	/*
	 * AUTOSTART, STOP, RESTART: who wants it; NONE: an operator. AUTOSTART with
	 * CORE_WHY_PREDECESSOR waits for CORE_EVENT_UNBLOCK.
	 */
	enum core_why why;
};

/* What follows once a stop (or the end of leftovers) is over. Only append. */
enum core_then {
	CORE_THEN_STOPPED,
	CORE_THEN_START,
	CORE_THEN_BACKOFF,
	CORE_THEN_EXITED,
	CORE_THEN_FAILED,
	CORE_THEN_MAX
};

/* Acting requests remembered per service: so many clients at once can join what they began. */
#define CORE_MAX_OPS 16

/*
 * What is remembered of a service's history, nothing (all zero) for most: its memory is not even
 * touched until there is something. Plain data that must survive the engine.
 */
struct core_past {
	uint64_t ops[CORE_MAX_OPS]; /* ids of the last acting requests that took effect, newest
				       first */
	uint8_t op_generations[CORE_MAX_OPS]; /* the generation when each did, modulo 256 */
	uint32_t starts_msec[SPEC_MAX_RESTART_LIMIT]; /* monotonic modulo 2^32, oldest first */
	uint8_t n_starts; /* automatic starts remembered in starts_msec */
};

/* Everything else about one service that must survive the engine. Plain data. */
struct core_record {
	uint8_t state; /* enum core_state */
	uint8_t why; /* enum core_why */
	uint8_t then; /* enum core_then, in CORE_STOPPING */
	uint8_t end; /* enum core_end of the last generation that ended */
	bool desired_up;
	bool ready;
	bool killed; /* CORE_STOPPING: KILL was sent */
	bool main_ended; /* CORE_STOPPING: the main process is reaped, its tree is not gone */
	uint8_t signo; /* the last signal that the core asked for in this generation */
	uint8_t user_signo; /* the last signal of all was an operator's, and this one; else 0 */
	uint8_t stage; /* of a spawn that failed */
	int32_t pid; /* main process of the generation, 0 where there is none */
	int32_t end_status; /* exit code, signal or errno, as end says */
	uint32_t restarts; /* automatic starts since an operator's start or reset */
	uint32_t streak; /* automatic starts since the last stable run: the exponent of backoff */
	uint32_t signal_op; /* counts the signals of this generation: LINK_KILL's op */
	uint64_t generation; /* of the current or last process; 0: never started */
	uint64_t start_order; /* grows with every start: shutdown goes backwards; in
				 CORE_WAITING: the place in line */
	uint64_t ready_order; /* the newest start_order of all when it became ready */
	usec_t since_usec; /* monotonic: when the state was entered */
	usec_t started_usec; /* monotonic: start of this or the last generation */
	usec_t ended_usec; /* monotonic: the last end */
	usec_t deadline_usec; /* monotonic: CORE_BACKOFF: next start; CORE_STOPPING: KILL or look
				 again */
	uint8_t phase; /* enum core_phase */
	uint8_t cause; /* enum core_cause, of this generation, or the last one where none lives */
	uint8_t last_cause; /* of the one before */
	uint8_t health; /* enum core_health */
	uint8_t early; /* bits of enum core_early */
	bool queued; /* a run was due while the last one was on, and follows it */
	bool automatic; /* CORE_WAITING: the start will be an automatic one, after an end */
	uint16_t n_unhealthy; /* checks that failed in a row */
	uint32_t blocker; /* whom why speaks of: a service, or CORE_NO_SERVICE */
	usec_t due_usec; /* monotonic: when its schedule comes round next; USEC_INFINITY */
};

/* What has been heard of a generation before its turn. */
enum core_early {
	CORE_EARLY_READY = 1 << 0, /* before CORE_EVENT_STARTED or CORE_EVENT_MAINPID */
};

#define CORE_NO_SERVICE UINT32_MAX

/* What the engine has to do for a service after a step. */
enum core_do {
	CORE_DO_SPAWN = 1 << 0, /* start record.generation */
	CORE_DO_SIGNAL = 1 << 1, /* send signo to scope, with record.signal_op */
	CORE_DO_WATCH_TREE = 1 << 2, /* tell CORE_EVENT_GONE once the tree is empty */
	CORE_DO_PUBLISH = 1 << 3, /* the state has changed from previous */
	CORE_DO_COMMIT = 1 << 4, /* the record has changed; set with each of the others */
	/*
	 * Run the command of `hook` for record.generation, and tell CORE_EVENT_HOOK when it has
	 * ended. Asked for again, for the same hook and generation, by an engine that recovers: it
	 * is the same run.
	 */
	CORE_DO_HOOK = 1 << 5,
	CORE_DO_CANCEL_HOOK = 1 << 6, /* kill the hook of the phase that the service was in */
	CORE_DO_FIND_MAIN = 1 << 7, /* tell CORE_EVENT_MAINPID once the pid-file names it */
	CORE_DO_SCHEDULE = 1 << 8, /* tell CORE_EVENT_SCHEDULED for the run after now */
	CORE_DO_HEALTH = 1 << 9 /* health has changed */
};

/*
 * One step may both begin and end something: then it is spawned before it is signalled, and
 * its hook is run before that is cancelled.
 */
struct core_change {
	uint32_t service;
	unsigned todo : 16; /* enum core_do */
	unsigned signo : 8;
	enum spec_kill scope : 8;
	enum spec_hook hook : 8; /* with CORE_DO_HOOK */
	enum spec_hook cancel : 8; /* with CORE_DO_CANCEL_HOOK */
	enum core_state previous : 8;
};

/* How services depend on each other. requires and wants imply after. */
enum core_link_kind {
	CORE_LINK_REQUIRES = 1 << 0,
	CORE_LINK_WANTS = 1 << 1,
	CORE_LINK_AFTER = 1 << 2,
	CORE_LINK_CONFLICTS = 1 << 3 /* for both, said by either */
};

struct core_link {
	uint32_t from, to; /* from requires to, …; from != to */
	unsigned kinds; /* enum core_link_kind */
};

struct core;
struct core_graph;

/*
 * All links between n services, and the pools: n_pools of so many slots each, and for each
 * service the pool that it takes a slot of while it lives, or CORE_NO_POOL. Everything is copied.
 * 0; -ENOMEM; -ELOOP where the order that links ask for goes round in a circle.
 */
#define CORE_NO_POOL UINT32_MAX
int core_graph_new(uint32_t n_services, const struct core_link *links, size_t n_links,
	const uint32_t *pool_of, const uint32_t *slots, uint32_t n_pools,
	struct core_graph **ret_graph);
void core_graph_free(struct core_graph *g);
/*
 * The graph in force from now on, which the core owns (NULL: no links and no pools); for as many
 * services as there is room for (core_new(), core_grow()). Can't fail. CORE_EVENT_SETTLE is to
 * follow, once policies fit.
 */
void core_set_graph(struct core *c, struct core_graph *g);
/*
 * The place of a service in the order of its dependencies: what it depends on has a lower one.
 * To be started in this order, and stopped in the opposite one.
 */
uint32_t core_rank(const struct core *c, uint32_t service);

/*
 * The i-th link of a service to what it depends on or conflicts with; up: from who depends on
 * it. False: it has no more.
 */
bool core_link(
	const struct core *c, uint32_t service, bool up, uint32_t i, struct core_link *ret_link);

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
/* The rest of what was known of a service that was added just now; likewise. */
void core_recall(struct core *c, uint32_t service, const struct core_past *past);
bool core_past_is_valid(const struct core_past *p);

const struct core_record *core_record(const struct core *c, uint32_t service);
const struct core_past *core_past(const struct core *c, uint32_t service);

/* Room for n services, if that is more than there is. 0 or -ENOMEM, and nothing has changed. */
int core_grow(struct core *c, uint32_t n_services);
/*
 * Another policy (borrowed) from now on. What is under way stays: deadlines that are set, but
 * for that of a watchdog that is none any more, and a stop that has begun. It may come while the
 * service is alive.
 */
void core_set_policy(struct core *c, uint32_t service, const struct spec_policy *policy);
/*
 * The same, but from its next generation on: that begins by it. NULL: no other one, as after
 * core_set_policy().
 */
void core_set_next_policy(struct core *c, uint32_t service, const struct spec_policy *policy);
/* The hook that is waited for in a phase; SPEC_HOOK_MAX where none is. */
enum spec_hook core_phase_hook(enum core_phase phase);
/* Gives a slot back. Nothing of the service may be alive, nor a change of it untaken. */
void core_remove(struct core *c, uint32_t service);
/* Places that come free by a higher limit are given out by the next step. */
void core_set_max_starting(struct core *c, unsigned max_starting);
/* The service remembers a request of this id (never for 0). */
bool core_remembers(const struct core *c, uint32_t service, uint64_t op);
/*
 * The generation of the service when that request took effect (before what follows from it);
 * the present one where it is not remembered. A remembered one of more than 255 generations ago
 * looks younger.
 */
uint64_t core_generation_at(const struct core *c, uint32_t service, uint64_t op);

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
 * Stop everything, against the order of links, and in reverse order of start: what was ready
 * before another one was started may be of use to that one, so it is stopped only when that one
 * is gone. What was started side by side is stopped side by side. Once the longest time that one
 * of them may take (its stop timeout, and that of its hooks) has passed, the rest is stopped at
 * once. With hurry all at once, by KILL. No service starts any more. Changes follow as after a
 * step. Calling it again with hurry hurries.
 */
void core_shutdown(struct core *c, bool hurry, usec_t now);
/*
 * A shutdown was begun, and core_shutdown() is to come: until then nothing starts any more, and
 * nothing is stopped. For an engine that recovers, before news of services come.
 */
void core_expect_shutdown(struct core *c);
/* True once a shutdown was begun and nothing is alive. */
bool core_is_down(const struct core *c);
bool core_is_shutting_down(const struct core *c);
/*
 * An essential service that goes to exited or failed by itself begins a shutdown (without
 * hurry) within that step. True, and which service, where it was one that did.
 */
bool core_essential_end(const struct core *c, uint32_t *ret_service);

/* When to send CORE_EVENT_DEADLINE, of its state or its schedule; USEC_INFINITY for never. */
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
 * 1min", "operator", "cannot execute: No such file or directory".
 */
#define CORE_REASON_SIZE 256
struct core_words {
	const char *stage_text; /* of a spawn that failed; may be "" */
	const char *(*error_text)(int error); /* the core may not call strerror */
	/* The name of a service or of its pool; "" for one that is not known any more. */
	const char *(*name)(const void *userdata, uint32_t service);
	const char *(*pool)(const void *userdata, uint32_t service);
	const void *userdata;
};
const char *core_reason(const struct core *c, uint32_t service, const struct core_words *words,
	char ret_text[static CORE_REASON_SIZE]);

/* The same for one end of a service's process: "exited with code 1". Returns ret_text. */
const char *core_end_to_text(enum core_end end, int status, const char *stage_text,
	const char *(*error_text)(int), char ret_text[static CORE_REASON_SIZE]);

const char *core_state_to_string(enum core_state s);
int core_state_from_string(const char *text, enum core_state *ret_state);
const char *core_event_to_string(enum core_event_type t);
const char *core_phase_to_string(enum core_phase p);
const char *core_health_to_string(enum core_health h); /* "unknown", "healthy", "unhealthy" */

/* --- facts.c: what explains a service's situation, beside its record --- */

const char *core_why_to_string(enum core_why w);
const char *core_cause_to_string(enum core_cause c);
const char *core_then_to_string(enum core_then t);

/* CORE_WAITING: for what nobody is going to bring about. */
bool core_is_stuck(const struct core *c, uint32_t service);
/* It takes one of the slots of its pool, where it has a pool. */
bool core_holds_slot(const struct core *c, uint32_t service);

struct core_restart_facts {
	bool success; /* its last end is one of those that count as success */
	bool wanted; /* policy, the limit aside, starts it again after such an end */
	unsigned n_counted; /* automatic starts that restart-window has not left behind */
	usec_t delay_usec; /* before the next automatic start, jitter aside */
};
/* How policy judges the last end. */
void core_restart_facts(
	const struct core *c, uint32_t service, usec_t now, struct core_restart_facts *ret_facts);
