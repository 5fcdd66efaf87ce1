/*
 * Inside the core: what its files share. Nobody else includes this, but for tests.
 */
#pragma once

#include "core/core.h"

#define NO_SERVICE CORE_NO_SERVICE

/* How often KILL is repeated and the tree looked at again, for what KILL can't end at once. */
#define KILL_AGAIN_USEC (5 * USEC_PER_SEC)

/* A service's place in the list of live services, or of a line that it waits in (indices). */
struct core_node {
	uint32_t prev, next;
};

/* Services that depend on this one. All are counted by links. */
struct core_users {
	uint32_t n_requiring; /* live, and require it */
	uint32_t n_after; /* live, and come after it */
	uint32_t n_stopping; /* in CORE_STOPPING, and come after it */
};

struct core_slot {
	const struct spec_policy *policy; /* NULL: slot not in use */
	const struct spec_policy *next_policy; /* from its next generation on; NULL: the same */
	struct core_record record;
	struct core_node node;
	struct core_change change; /* collected in this step */
	uint32_t next_change, next_look;
	bool queued; /* in the list of changes */
	bool to_look; /* in the list of those to look at */
	bool to_pull; /* its turn is still to come, see pull.c */
	bool stuck; /* CORE_WAITING: for what nobody is going to bring about */
};

/* There are thousands of them. */
_Static_assert(sizeof(struct core_slot) <= 160, "struct core_slot has grown");

struct core_list {
	uint32_t first, last;
};

struct core {
	struct core_slot *slots;
	struct core_past *pasts; /* of each; zeros that were never written to take no memory */
	uint32_t n, n_starting;
	unsigned max_starting;
	bool ending; /* a shutdown is to come, or under way: nothing starts any more */
	bool shutting_down, hurried;
	uint32_t essential_end; /* whose end is the reason for that; NO_SERVICE */
	usec_t patience_usec; /* shutting down: when the rest is stopped without waiting */
	bool impatient; /* that time has come */
	uint32_t wave; /* shutting down: whose end the next wave of stops waits for; NO_SERVICE */
	uint64_t order;
	struct core_list live; /* in order of start */
	struct core_list waiting; /* for a place to start: first come, first served */
	struct core_list unpooled; /* wait for a pool that no graph has told of yet */
	uint32_t first_change, last_change;
	uint32_t first_look, last_look;
	struct core_graph *graph; /* owned; NULL: nobody depends on anybody */
};

/* One link, as seen from either end. */
struct core_edge {
	uint32_t other;
	unsigned kinds;
};

/* A counting semaphore; one slot for each service that lives, or is about to. */
struct core_pool {
	uint32_t slots, n_used;
	struct core_list waiting; /* first come, first served */
};

/* Where a service was in the last walk along links that came to it, see pull.c. */
struct core_walk {
	uint32_t parent, edge, visit, next_pull;
};

struct core_graph {
	uint32_t n;
	/*
	 * down[i] .. down[i + 1]: what i depends on and conflicts with; up[i] .. up[i + 1]: who
	 * depends on i. Both are indices of edges.
	 */
	uint32_t *down, *up;
	struct core_edge *edges;
	uint32_t *rank, *by_rank;
	uint32_t *pool_of; /* CORE_NO_POOL */
	struct core_pool *pools;
	uint32_t n_pools;
	struct core_users *users;
	struct core_walk *walks;
	uint32_t visit; /* the last walk */
};

/* for (each edge) of a service; none without a graph, or for a service that it doesn't know. */
#define graph_foreach(g, direction, i, e)                                                        \
	for (const struct core_edge *e = graph_begin((g), (g) ? (g)->direction : NULL, (i)),     \
				    *e##_end = graph_end((g), (g) ? (g)->direction : NULL, (i)); \
		e != e##_end; e++)

static inline const struct core_edge *graph_begin(
	const struct core_graph *g, const uint32_t *offsets, uint32_t i)
{
	return g && i < g->n ? g->edges + offsets[i] : NULL;
}

static inline const struct core_edge *graph_end(
	const struct core_graph *g, const uint32_t *offsets, uint32_t i)
{
	return g && i < g->n ? g->edges + offsets[i + 1] : NULL;
}

/* requires, wants and after: the other one comes first. */
static inline bool is_ordering(unsigned kinds)
{
	return (kinds & (CORE_LINK_REQUIRES | CORE_LINK_WANTS | CORE_LINK_AFTER)) != 0;
}

/*
 * What the table's columns are: an event, split by the guards that policy puts on it, so
 * that each cell is one action without conditions of its own.
 */
enum input {
	IN_START,
	IN_AUTOSTART,
	IN_DECLINE, /* autostart of what conflicts with one that is up */
	IN_PULL, /* another one that needs it is started */
	IN_YIELD, /* another one that conflicts with it is started */
	IN_STOP,
	IN_RESTART,
	IN_RESET,
	IN_KILL,
	IN_SIGNAL,
	IN_GO, /* what it waits for has changed: try again */
	IN_LOST, /* what it requires is not there any more */
	IN_CLEAR, /* nobody that depends on it is left */
	IN_STARTED, /* exec has succeeded */
	IN_HOOK, /* the hook of its phase has ended */
	IN_MAINPID,
	IN_READY,
	IN_LEFTOVERS, /* main process ended, others of its tree are left */
	IN_FORKED, /* its first process has ended well, and has left others */
	IN_POST_STOP, /* all of its tree has ended, and a hook follows */
	IN_DONE_STOPPED, /* all is over, and this follows */
	IN_DONE_START,
	IN_DONE_BACKOFF,
	IN_DONE_EXITED,
	IN_DONE_FAILED,
	IN_DEADLINE,
	IN_DUE, /* its schedule has come round */
	IN_SCHEDULED,
	IN_ALIVE,
	IN_TRIGGER,
	IN_EXTEND,
	IN_HEALTHY,
	IN_FAILED_CHECK,
	IN_UNHEALTHY, /* the check that was one too many */
	IN_MAX
};

struct step {
	struct core *core;
	uint32_t index;
	struct core_slot *slot;
	const struct core_event *event; /* NULL where the core moves a service by itself */
	uint32_t other; /* the service for whose sake that is; NO_SERVICE */
	usec_t now;
	uint64_t random;
};

static inline struct core_past *past_of(const struct step *s)
{
	return &s->core->pasts[s->index];
}

struct cell {
	bool (*action)(struct step *s); /* NULL: nobody has thought of this cell: a bug */
};

/* The table, for the core and for the test that walks it. */
extern const struct cell core_table[CORE_STATE_MAX][IN_MAX];

/* True if this cell's action is the one that means "can't happen". */
bool core_cell_is_bug(enum core_state state, enum input in);

/* --- core.c --- */

/* An input to a service, by the core itself and for the sake of another service. */
bool core_move(struct core *c, uint32_t i, enum input in, uint32_t other, usec_t now);

static inline bool core_is_live_state(enum core_state state)
{
	return state == CORE_STARTING || state == CORE_RUNNING || state == CORE_STOPPING;
}

static inline bool core_is_live(const struct core_record *r)
{
	return core_is_live_state((enum core_state)r->state);
}

/* --- guard.c --- */

/* The column for an event; IN_MAX for one that is late, repeated, or of no meaning now. */
enum input guard(struct step *s);

/* --- change.c: the only functions that write a state, and what is to be done --- */

void change(struct step *s, unsigned todo);
/* Goes to a state, in phase NONE and without a deadline. */
void enter(struct step *s, enum core_state state, enum core_why why);
/* Stays in CORE_WAITING, for something else. */
void wait_for(struct step *s, enum core_why why);
void ask_signal(struct step *s, int signo, enum spec_kill scope);
void ask_hook(struct step *s, enum spec_hook hook);
void cancel_hook(struct step *s, enum spec_hook hook);

/* --- lists.c: at the end; by order of start; out of it --- */

void core_list_put(struct core *c, struct core_list *l, uint32_t i);
void core_list_insert(struct core *c, struct core_list *l, uint32_t i);
void core_list_drop(struct core *c, struct core_list *l, uint32_t i);
/* The list that a service in this state, for this reason, is on. */
struct core_list *core_list_of(
	struct core *c, uint32_t i, enum core_state state, enum core_why why);

/* --- graph.c --- */

/* Who depends on a service: nobody, without a graph or for one that it doesn't know. */
const struct core_users *graph_users(const struct core *c, uint32_t i);
/* A service's pool, or NULL. */
struct core_pool *graph_pool(const struct core *c, uint32_t i);
/* In a state for a reason, a service has a slot of its pool. */
bool graph_holds_slot(enum core_state state, enum core_why why);
/* Keeps counters up to date where a service goes from one state to another. */
void graph_count(struct core *c, uint32_t i, enum core_state from, enum core_state to);

/* --- settle.c: who waits for whom --- */

/* Looks at a service again before the step ends. */
void look(struct core *c, uint32_t i);
/* At those that come after it. */
void look_up(struct core *c, uint32_t i);
/* At all who may be concerned by a service's change of state. */
void look_around(struct core *c, uint32_t i, enum core_state from, enum core_state to);
/* Until nothing is left to look at, and no place is free that somebody waits for. */
void settle(struct core *c, usec_t now);

struct blocker {
	enum core_why why; /* NONE: nothing is in the way */
	uint32_t service; /* NO_SERVICE */
	bool stuck; /* nobody is going to remove it */
};
/*
 * What is in the way of a start. first: it is the first in the line that it stands in, so
 * those behind do not count.
 */
struct blocker find_blocker(const struct core *c, uint32_t i, bool first);
/* A service that this one requires and that is not there; NO_SERVICE. */
uint32_t find_lost(const struct core *c, uint32_t i);
/* Others have to go before it does. */
bool waits_for_dependents(const struct core *c, uint32_t i);

/* --- pull.c --- */

/* Makes all that a service needs go up, deepest first, and what conflicts with any of it yield. */
void pull(struct core *c, uint32_t i, bool yield, usec_t now);
/*
 * Who speaks against a start that is to take nothing away from anybody: a service that conflicts
 * and is up or on its way, where this one is down or going to be. NO_SERVICE.
 */
uint32_t find_objection(const struct core *c, uint32_t i);

/* --- shutdown.c --- */

/* Stops whatever may be stopped now. */
void stop_wave(struct core *c, usec_t now);
/* In a shutdown, nobody that is left needs it. */
bool may_stop(const struct core *c, uint32_t i);
/* Nobody that lives comes after it any more. */
void shutdown_freed(struct core *c, uint32_t i);

/* --- restart.c: what follows the end that the record tells of --- */

enum core_then restart_decide(const struct spec_policy *p, const struct core_record *r,
	const struct core_past *past, usec_t now);
/* Whether policy, the limit aside, wants a start after that end. */
bool restart_is_wanted(const struct spec_policy *p, const struct core_record *r);
/* A run that lasted long enough: failures before it count no more. */
bool restart_is_stable(const struct spec_policy *p, bool was_ready, usec_t ran_usec);
bool restart_is_success(const struct spec_policy *p, const struct core_record *r);
/* What the policy says: from an end to the next automatic start. */
usec_t restart_delay(const struct spec_policy *p, uint32_t streak, uint64_t random);
/* Likewise, and not sooner where the machine had no descriptor, memory or process left for it. */
#define RESTART_LACK_USEC USEC_PER_SEC
usec_t restart_pause(const struct spec_policy *p, const struct core_record *r, uint64_t random);
/* Remembers an automatic start. */
void restart_note_start(
	const struct spec_policy *p, struct core_record *r, struct core_past *past, usec_t now);
/* Forgets starts that the window has left behind, at the end of a run of that length. */
void restart_forget_old(
	const struct spec_policy *p, struct core_past *past, usec_t ran_usec, usec_t now);
void restart_forget(struct core_record *r, struct core_past *past);
unsigned restart_count_in_window(
	const struct spec_policy *p, const struct core_past *past, usec_t now);
