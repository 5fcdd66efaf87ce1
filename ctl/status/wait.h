/*
 * What the two ways to wait have in common: by the status board, and by the engine's events.
 */
#pragma once

#include <jansson.h>

#include "ctl/ctl.h"
#include "ctl/output/progress.h"
#include "wire/board.h"

/* What ends a call from within. */
#define WAIT_DECIDED	(-ECANCELED)
#define WAIT_BEGIN_ANEW (-ESTALE)

struct wait {
	struct ctl *ctl;
	struct progress progress;
	unsigned states; /* bit i: supervisord_board_state_name(i) will do */
	json_t *services; /* name -> the last event about it; null: it got there */
	json_t *present; /* names, of the snapshot that is coming in */
	json_t *results; /* with --json: an array for the end */
	size_t n_left;
	usec_t deadline;
	bool known; /* who is waited for is decided */
	bool failed;
};

/* 0 for what is no state. */
unsigned wait_state_bit(const char *name, size_t n);

/* A service that is or was where it should be, told; it is not waited for any more. -ENOMEM. */
int wait_arrived(struct wait *w, json_t *event);

/* One that can't get there any more: always WAIT_DECIDED. */
int wait_gone(struct wait *w, json_t *event);

/* One that is where nobody can say any more, unless it has arrived. -ENOMEM. */
int wait_seen_last(struct wait *w, json_t *event);

/* --- wait_board.c --- */

/*
 * Waits by the board for the services that the patterns name: WAIT_DECIDED, -ETIME, -ESHUTDOWN;
 * or -EAGAIN for the engine to be asked, of which w says for whom (where anything is known).
 */
int wait_by_board(struct wait *w);

/* Nobody answers: those that are waited for as the board last had them. False: there is none. */
bool wait_tell_last(struct wait *w);
