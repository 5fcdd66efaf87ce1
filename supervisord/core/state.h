/*
 * Inside the core: what its files share. Nobody else includes this.
 */
#pragma once

#include "core/core.h"

#define NO_SERVICE UINT32_MAX

/* A service's place in the list of live or of waiting services (indices). */
struct core_node {
	uint32_t prev, next;
};

struct core_slot {
	const struct spec_policy *policy; /* NULL: slot not in use */
	struct core_record record;
	struct core_node node;
	struct core_change change; /* collected in this step */
	uint32_t next_change;
	bool queued; /* in the list of changes */
};

struct core_list {
	uint32_t first, last;
};

struct core {
	struct core_slot *slots;
	uint32_t n, n_starting;
	unsigned max_starting;
	bool shutting_down;
	uint32_t essential_end; /* whose end is the reason for that; NO_SERVICE */
	usec_t patience_usec; /* shutting down: when the rest is stopped without waiting */
	uint32_t wave_last; /* shutting down: the newest live service when stops were last given */
	uint64_t order;
	struct core_list live; /* in order of start */
	struct core_list waiting; /* first come, first served */
	uint32_t first_change, last_change;
};

/*
 * What the table's columns are: an event, split by the guards that policy puts on it, so
 * that each cell is one action without conditions of its own.
 */
enum input {
	IN_START,
	IN_AUTOSTART,
	IN_STOP,
	IN_RESTART,
	IN_RESET,
	IN_KILL,
	IN_STARTED, /* exec has succeeded */
	IN_LEFTOVERS, /* main process ended, others of its tree are left */
	IN_DONE_STOPPED, /* all of its tree has ended, and this follows */
	IN_DONE_START,
	IN_DONE_BACKOFF,
	IN_DONE_EXITED,
	IN_DONE_FAILED,
	IN_DEADLINE,
	IN_SLOT,
	IN_SIGNAL,
	IN_UNBLOCK,
	IN_MAX
};

struct step {
	struct core *core;
	uint32_t index;
	struct core_slot *slot;
	const struct core_event *event; /* NULL where the core moves a service by itself */
	usec_t now;
	uint64_t random;
};

struct cell {
	bool (*action)(struct step *s); /* NULL: nobody has thought of this cell: a bug */
};

/* The table, for the core and for the test that walks it. */
extern const struct cell core_table[CORE_STATE_MAX][IN_MAX];

/* True if this cell's action is the one that means "can't happen". */
bool core_cell_is_bug(enum core_state state, enum input in);

/* lists.c: at the end; by order of start; out of it. */
void core_list_put(struct core *c, struct core_list *l, uint32_t i);
void core_list_insert(struct core *c, struct core_list *l, uint32_t i);
void core_list_drop(struct core *c, struct core_list *l, uint32_t i);
/* The list that a service in this state, for this reason, is on. */
struct core_list *core_list_of(struct core *c, enum core_state state, enum core_why why);

/* restart.c: what follows the end that the record tells of. */
enum core_then restart_decide(const struct spec_policy *p, const struct core_record *r, usec_t now);
/* Whether policy, the limit aside, wants a start after that end. */
bool restart_is_wanted(const struct spec_policy *p, const struct core_record *r);
/* A run that lasted long enough: failures before it count no more. */
bool restart_is_stable(const struct spec_policy *p, bool was_ready, usec_t ran_usec);
bool restart_is_success(const struct spec_policy *p, const struct core_record *r);
/* Until the next automatic start. */
usec_t restart_delay(const struct spec_policy *p, uint32_t streak, uint64_t random);
/* Remembers an automatic start. */
void restart_note_start(const struct spec_policy *p, struct core_record *r, usec_t now);
/* Forgets starts that the window has left behind, at the end of a run of that length. */
void restart_forget_old(
	const struct spec_policy *p, struct core_record *r, usec_t ran_usec, usec_t now);
void restart_forget(struct core_record *r);
unsigned restart_count_in_window(
	const struct spec_policy *p, const struct core_record *r, usec_t now);
