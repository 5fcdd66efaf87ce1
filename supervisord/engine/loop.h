/*
 * The engine's event loop: one epoll, one heap of timers. A source or timer lives
 * inside its owner; its function finds the owner with CONTAINER_OF.
 *
 * Sources are level triggered. A source may be removed (also freed) by any dispatch
 * function, its own included: events of the same round that were still to come for it are
 * dropped.
 *
 * A loop may be nested in another one: its sources are a single one there. However many of them
 * are ready, and however long each takes, the others in the outer loop wait for no more than a
 * share of time (and what one of them takes); and among themselves they have turns in order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/heap.h"
#include "base/usec.h"

struct loop_source {
	int fd; /* borrowed; -1: not in the loop */
	uint32_t events;
	void (*dispatch)(struct loop_source *s, uint32_t events);
};

struct loop_timer {
	struct heap_entry entry;
	void (*dispatch)(struct loop_timer *t);
};

#define LOOP_BATCH 256

struct loop {
	int epoll;
	struct heap timers;
	uint32_t n_timers; /* that room is reserved for */
	usec_t now_usec; /* monotonic, as of this round */
	bool quit;
	struct epoll_event batch[LOOP_BATCH]; /* of this round */
	int n_batch, n_done;
	/* Where it is nested: */
	struct loop_source outer;
	struct loop *outer_loop; /* borrowed; NULL: nowhere */
	usec_t share_usec;
};

/* 0 or -errno. */
int loop_init(struct loop *l);
/* Takes a nested one out of the loop around it. */
void loop_fini(struct loop *l);

/*
 * Puts a loop (which loop_init() has made, and nobody calls loop_once() for) into another one,
 * which must outlive it. It can have no timers: they belong to the outer one. In each round of
 * the outer loop it dispatches what is ready until that has taken share_usec, and goes on in
 * the next one with those that have not had their turn. 0 or -errno.
 */
int loop_nest(struct loop *l, struct loop *outer, usec_t share_usec);

/* The source must have dispatch set. Adding takes fd and events; 0 or -errno. */
int loop_add(struct loop *l, struct loop_source *s, int fd, uint32_t events);
/*
 * Changes what is waited for; does nothing where that is so already. What was still to come for
 * it in this round is dropped, and comes again if it is waited for.
 */
int loop_modify(struct loop *l, struct loop_source *s, uint32_t events);
/* Removes it; s->fd is -1 afterwards. To be called before the fd is closed. */
void loop_remove(struct loop *l, struct loop_source *s);

/*
 * Reserves room for a timer once, before loop_timer_set() is first called (-ENOMEM);
 * setting one can then never fail.
 */
int loop_timer_add(struct loop *l, struct loop_timer *t);
void loop_timer_set(struct loop *l, struct loop_timer *t, usec_t deadline);
/* Gives the room back. */
void loop_timer_remove(struct loop *l, struct loop_timer *t);

/*
 * Waits for events or the next deadline, dispatches them, and returns; the caller loops
 * until quit. 0 or -errno.
 */
int loop_once(struct loop *l);

/* Whether the next loop_once() has a timer to serve already. */
bool loop_is_due(const struct loop *l);
