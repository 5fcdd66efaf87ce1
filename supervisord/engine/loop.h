/*
 * The engine's event loop: one epoll, one heap of timers. A source or timer lives
 * inside its owner; its function finds the owner with CONTAINER_OF.
 *
 * Sources are level triggered. A source may be removed (also freed) by any dispatch
 * function, its own included: events of the same round that were still to come for it are
 * dropped.
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
	int n_batch;
};

/* 0 or -errno. */
int loop_init(struct loop *l);
void loop_fini(struct loop *l);

/* The source must have dispatch set. Adding takes fd and events; 0 or -errno. */
int loop_add(struct loop *l, struct loop_source *s, int fd, uint32_t events);
/* Changes what is waited for; does nothing where that is so already. */
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
