/*
 * Tables and colours. Rendering goes into a buffer and knows nothing of the terminal but
 * what struct term says.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/usec.h"
#include "ctl/output/term.h"

#define RENDER_BOLD   "\033[1m"
#define RENDER_FAINT  "\033[2m"
#define RENDER_RED    "\033[31m"
#define RENDER_GREEN  "\033[32m"
#define RENDER_YELLOW "\033[33m"
#define RENDER_RESET  "\033[0m"

/* An SGR sequence for a state; "" for none. */
const char *render_state_colour(const char *state);

/* Small, as there are thousands: each text follows that of the cell before. */
struct cell {
	uint32_t size; /* in bytes */
	unsigned width : 28, colour : 4;
};

/* Cells in the order of reading; each text is made harmless as it comes in. */
struct table {
	size_t n_columns;
	uint32_t right; /* bit i: column i is set to the right */
	unsigned text_flags;
	struct buf text;
	struct cell *cells; /* owned */
	size_t n_cells, size;
};

#define _cleanup_table_ _cleanup_(table_fini)

void table_fini(struct table *t);

/* Appends a cell; colour is "" or static (RENDER_*). -ENOMEM. */
int table_add(struct table *t, const char *text, const char *colour);

/*
 * Room for so many rows to come, where that is known: memory that is moved as it grows is touched
 * twice, and that is what a large table costs. -ENOMEM.
 */
int table_reserve(struct table *t, size_t n_rows);

/* Leaves the first n_cells. */
void table_cut(struct table *t, size_t n_cells);

/*
 * Appends the table to a buffer: columns aligned, two blanks between, no blanks at the end
 * of a line, and lines cut to the width of the terminal. -ENOMEM.
 */
int table_render(struct table *t, const struct term *term, struct buf *out);

/* The same in pieces of some KiB, each given to write(). -ENOMEM. */
int table_write(struct table *t, const struct term *term,
	void (*write)(const struct buf *piece, void *userdata), void *userdata);

/* Appends "reason", and when the service starts again, or runs next (-1: it won't). -ENOMEM. */
int render_reason(const char *reason, const char *state, int64_t next_start_msec, struct buf *out);

/* "0", "999", "1.2K", "3.4M": bytes for people. */
#define RENDER_BYTES_SIZE 24
const char *render_bytes(uint64_t bytes, char ret_text[static RENDER_BYTES_SIZE]);
