/*
 * A service as a line of `status`, whoever told of it: the board or the engine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"
#include "ctl/output/render.h"
#include "wire/board_text.h"

struct status_row {
	const char *name, *state, *reason, *status_text; /* borrowed */
	int64_t pid; /* 0: there is no process */
	int64_t uptime_msec, next_start_msec; /* -1: none */
	int64_t restarts;
	bool unhealthy, reloading, stale;
};

/* What had to be cleaned; it belongs to the row and lives as long. */
struct status_row_texts {
	char name[BOARD_TEXT_SIZE], reason[BOARD_TEXT_SIZE], status_text[BOARD_TEXT_SIZE];
};

/* The row borrows from what it is made of. */
void status_row_of_slot(const struct supervisord_board_slot *slot, usec_t now_usec,
	struct status_row_texts *texts, struct status_row *ret_row);

/* Running, or ended as it should: what makes `status NAME` exit 0. */
bool status_row_is_up(const char *state);

struct status_table {
	struct table table;
	struct buf scratch;
	bool all_up;
};

/* The heads of the columns. -ENOMEM, with what is to be given back all the same. */
int status_table_init(struct status_table *t, const struct term *term);
void status_table_fini(struct status_table *t);
#define _cleanup_status_table_ _cleanup_(status_table_fini)

/* Appends a line, of which nothing is borrowed. -ENOMEM. */
int status_table_add(struct status_table *t, const struct status_row *row);
/* Leaves the heads. */
void status_table_clear(struct status_table *t);
