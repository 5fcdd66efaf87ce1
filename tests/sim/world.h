/*
 * The world around the core: a launcher, processes with their trees, hooks, clients, a clock, and
 * an engine that may die. What is remembered here is what was asked for and what has happened, so
 * that the core can be judged by it: by its records, and by what it wants done.
 */
#pragma once

#include "base/macro.h"
#include "check.h"
#include "history.h"

#define WORLD_MAX_STARTS   64
#define REQUESTS_EACH	   4 /* of each service, so many clients wait */
#define WORLD_MAX_REQUESTS (SIM_SERVICES * REQUESTS_EACH)
#define SIM_MAX_ROOM	   (SIM_SERVICES + 2)

/* A command that the core has asked for. */
struct hook_run {
	uint64_t generation; /* it was asked for last, 0: never */
	bool running, hangs, cancelled;
	bool to_tell, ok; /* it has ended */
	unsigned endures; /* so many looks survives a hook that was killed */
};

/* One place: what the launcher and the kernel know, what the engine keeps, what is to be judged. */
struct place {
	/* the launcher's, and the kernel's */
	uint64_t generation; /* the newest that was to be spawned */
	bool asked; /* to be spawned: exec is under way */
	bool main_alive;
	bool adopted; /* main is another one than was spawned, and the launcher knows */
	bool forks; /* main is the first process of a forking service, which has not forked yet */
	unsigned n_others; /* of its tree, beside the main process */
	bool stubborn; /* ignores anything but KILL */
	unsigned endures; /* so many looks survives what was killed */
	int signalled; /* it is going to end by that */
	int32_t pid, n_pids;
	bool tell_started, tell_ended; /* not told yet */
	struct core_event ended; /* the last end: told, or to be told */
	uint64_t ready_told; /* the generation that READY was told of */
	bool silent; /* it says nothing of itself */
	struct hook_run hooks[SPEC_HOOK_MAX];
	/* the engine's */
	uint64_t watched; /* generation whose GONE is to be told; 0 */
	uint64_t find_main; /* the same of MAINPID */
	bool tell_due; /* SCHEDULED is to be told */
	bool removed; /* not in the configuration any more */
	bool removal_seen; /* by this engine */
	bool fresh, changed; /* by a reload that has not been seen to */
	bool blocked; /* it takes the place of `predecessor`, which is not gone */
	uint32_t predecessor;
	bool has_next; /* `next` is what it goes by when this generation is over */
	struct spec_policy next;
	struct core_record disk; /* what was committed */
	struct core_past disk_past;
	/* to be judged */
	struct core_record seen; /* after the last step */
	struct core_event counted; /* the last end that was told of a main process */
	bool forked; /* this generation's first process has ended, which is no end */
	bool may_run; /* somebody wanted it up since somebody wanted it down */
	bool must_run; /* the last word was that it is to be up */
	bool kill_allowed;
	bool steady; /* its policy is the one that this generation began with */
	struct spec_policy begun; /* which is this */
	uint64_t main_generation; /* the generation whose main process, another one, was found */
	unsigned n_bad; /* checks of its health that failed in a row */
	bool knows_starts; /* starts_msec are all that count */
	bool never_due; /* its schedule never comes round again */
	bool after_end; /* the next start is an automatic one */
	bool pulled; /* or maybe not: somebody who needs it was started since */
	bool stop_begun; /* in this generation: by a hook or a signal */
	unsigned stop_step; /* when that was */
	bool main_known; /* STARTED or MAINPID was told, and no end of that */
	bool by_shutdown; /* that is what it stops for */
	bool late; /* begun after faults have stopped */
	usec_t exec_at, kill_due;
	unsigned begun_nth, ready_nth; /* in which order of all; 0: not ready */
	unsigned in_line; /* the step since which it has waited in a line; 0 */
	uint64_t starts_msec[WORLD_MAX_STARTS]; /* automatic ones that count */
	unsigned n_starts;
};

struct request {
	bool pending;
	bool connected; /* the engine knows of it */
	uint32_t service;
	enum core_event_type type;
	uint64_t op, before;
	unsigned asked_at;
};

struct world {
	const struct history *history;
	struct sim_config config; /* in force */
	struct core *core;
	uint32_t room; /* for so many services, in the core */
	struct place places[SIM_SERVICES];
	struct request requests[WORLD_MAX_REQUESTS];
	usec_t now;
	uint64_t random; /* of the operation under way */
	unsigned n_op, n_step;
	unsigned cut, n_performed; /* this operation: when the engine dies; changes so far */
	bool dying; /* it has */
	unsigned committed; /* this operation: bits of services */
	bool calm; /* no more faults */
	bool started; /* autostart is over */
	bool shutting_down, hurried; /* on disk */
	bool settled; /* false from a new graph until CORE_EVENT_SETTLE */
	bool adopted; /* a service goes by another policy since its last generation is over */
	enum core_event_type event; /* of this step */
	const struct core_event *news; /* the same, where it is one of the world's */
	unsigned coming, resting; /* who did, after the last step; bits of services */
	uint32_t asked; /* the service that a request is for, in this step */
	usec_t patience; /* in a shutdown: when nobody is waited for any more */
	FILE *told; /* where to tell everything, or NULL */
	struct failure failure;
	/* a second run beside another one, see twin.c */
	bool alone; /* the loner's: nobody else is there */
	const struct twin_step *follow; /* when each operation is, and whether the engine dies */
	struct twin_step *steps; /* where to note that, and what has come of it */
	usec_t shift;
};

/* What is noted of an operation. */
struct twin_step {
	usec_t now;
	bool died;
	uint64_t digest;
};

static inline bool world_failed(const struct world *w)
{
	return w->failure.invariant != INV_MAX;
}

static inline bool has_fault(const struct world *w, enum sim_fault fault)
{
	return !w->calm && (w->history->faults & fault) != 0;
}

static inline bool rarely(struct world *w, uint32_t n)
{
	return sim_rarely(&w->random, n);
}

static inline const struct core_record *record_of(const struct world *w, uint32_t i)
{
	return core_record(w->core, i);
}

static inline const struct core_past *past_of(const struct world *w, uint32_t i)
{
	return core_past(w->core, i);
}

static inline const struct spec_policy *policy_of(const struct world *w, uint32_t i)
{
	return &w->config.services[i].policy;
}

static inline bool is_live(const struct core_record *r)
{
	return r->state == CORE_STARTING || r->state == CORE_RUNNING || r->state == CORE_STOPPING;
}

/* Somebody of its tree is alive, or will be. */
static inline bool tree_exists(const struct place *p)
{
	return p->asked || p->main_alive || p->n_others > 0;
}

static inline bool is_used(const struct world *w, uint32_t i)
{
	return w->config.services[i].used;
}

/* An end that the core counts has not been told: not one of what it took for no main process. */
static inline bool is_end_untold(const struct place *p)
{
	return p->tell_ended && !(p->adopted && !p->main_known);
}

static inline uint32_t next_place(const struct world *w, uint32_t i)
{
	while (i < SIM_SERVICES && !is_used(w, i))
		i++;
	return i;
}

/* for (EACH_PLACE(w, i)): the places in use. */
#define EACH_PLACE(w, i)                 \
	uint32_t i = next_place((w), 0); \
	i < SIM_SERVICES;                \
	i = next_place((w), i + 1)

/* --- world.c --- */

/* A whole history; false and w->failure where an invariant does not hold. */
bool world_run(struct world *w, const struct history *h);
void world_fini(struct world *w);
/* "starting, pre-start"; returns ret_text. */
#define STATE_TEXT_SIZE 64
const char *state_text(const struct core_record *r, char ret_text[static STATE_TEXT_SIZE]);
void tell(struct world *w, const char *format, ...) _printf_(2, 3);
/* Tells the core of an event, and performs what follows. */
void step(struct world *w, const struct core_event *e);
/* Random bits for what an operation does to this service. */
uint64_t random_for(const struct world *w, uint32_t service);
/* Performs what core_shutdown() wants. */
void take_changes(struct world *w);
void tell_deadlines(struct world *w);

/* --- perform.c --- */

/* False: the engine has died after it had committed the change. */
bool perform(struct world *w, const struct core_change *c);
/* The policy that the configuration has now is the core's from now on. */
void set_policy(struct world *w, uint32_t i);
const char *hook_name(enum spec_hook hook);
/* What a new engine does for what the last one may have committed and not done. */
void redo(struct world *w, uint32_t i);
void kill_stray_hooks(struct world *w, uint32_t i);

/* --- news.c --- */

void end_main(struct world *w, uint32_t i, enum core_end end, int status);
void tell_started(struct world *w, uint32_t i);
void tell_adopted(struct world *w, uint32_t i);
void tell_ended(struct world *w, uint32_t i);
void tell_gone(struct world *w, uint32_t i);
void tell_hook(struct world *w, uint32_t i, enum spec_hook hook);
void tell_due(struct world *w, uint32_t i);
/* What it says of itself, or what is said by those who ask it. */
void say(struct world *w, uint32_t i, enum core_event_type type, bool ok);

/* --- live.c --- */

/* The launcher, a process or a hook of this service does something; false: nothing to do. */
bool live(struct world *w, uint32_t i);
/* All that is under way for it comes to its end, and nothing goes wrong. */
bool live_calmly(struct world *w, uint32_t i);

/* --- stale.c --- */

/* Something that the core has heard already, or that is of long ago, changes nothing. */
void tell_stale(struct world *w, uint32_t i);

/* --- request.c --- */

void ask(struct world *w, uint32_t i, enum core_event_type type);
/* The core shuts down; by itself, where an essential service (or SIM_SERVICES) has just ended. */
void note_shutdown(struct world *w, uint32_t ended);
void ask_again(struct world *w);
void judge_requests(struct world *w, uint32_t i);
void shut_down(struct world *w, bool hurry);

/* --- wish.c --- */

/* Tells the core of a request, and sees to what has come of it. */
void ask_event(struct world *w, const struct core_event *e);

/* --- engine.c --- */

/* The engine's start: of the first one, and of one that goes on from what is on disk. */
void engine_begin(struct world *w);
void engine_restart(struct world *w);
/* A core made of what is on disk is as this one is, if nothing is half done. */
void check_recovery(struct world *w);
/* False: the links go round in a circle. */
bool set_graph(struct world *w);
/* Has the core look at everything. */
void settle_all(struct world *w);
/* The places in use, in the order to start them; returns how many. */
uint32_t sort_places(const struct world *w, uint32_t order[static SIM_SERVICES]);

/* --- reload.c --- */

void reload(struct world *w, const struct sim_op *op);
/* What of the configuration in force has not been seen to. */
void bring_in_line(struct world *w);
void sweep(struct world *w);

/* --- settle.c --- */

void settle_down(struct world *w);
