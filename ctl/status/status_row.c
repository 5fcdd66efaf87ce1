/*
 * The table is defined here once, and only the rows come from two sides. From the board to the
 * text there is no object in between, no allocation for a service, and no printf: a thousand
 * services take less than a process needs to start.
 */
#include "ctl/status/status_row.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/decimal.h"
#include "base/macro.h"

static const char *const heads[] = {"NAME", "STATE", "PID", "UPTIME", "RESTARTS", "REASON"};

void status_row_of_slot(const struct supervisord_board_slot *slot, usec_t now_usec,
	struct status_row_texts *texts, struct status_row *ret_row)
{
	*ret_row = (struct status_row){
		.name = board_text(slot->name, texts->name),
		.state = supervisord_board_state_name(slot->state),
		.reason = board_text(slot->reason, texts->reason),
		.status_text = board_text(slot->status_text, texts->status_text),
		.pid = MAX_OF(slot->pid, 0),
		.uptime_msec = board_text_uptime_msec(slot, now_usec),
		.next_start_msec = board_text_next_start_msec(slot, now_usec),
		.restarts = slot->restarts,
		.unhealthy = slot->health == SUPERVISORD_BOARD_UNHEALTHY,
		.reloading = slot->flags & SUPERVISORD_BOARD_RELOADING,
		.stale = slot->flags & SUPERVISORD_BOARD_STALE,
	};
}

bool status_row_is_up(const char *state)
{
	return strcmp(state, "running") == 0 || strcmp(state, "exited") == 0;
}

int status_table_init(struct status_table *t, const struct term *term)
{
	int r = 0;

	*t = (struct status_table){
		.table =
			{
				.n_columns = ELEMENTSOF(heads),
				.right = 1 << 2 | 1 << 4,
				.text_flags = term_text_flags(term),
			},
		.all_up = true,
	};
	for (size_t i = 0; r == 0 && i < ELEMENTSOF(heads); i++)
		r = table_add(&t->table, heads[i], RENDER_BOLD);
	return r;
}

void status_table_fini(struct status_table *t)
{
	table_fini(&t->table);
	buf_fini(&t->scratch);
}

void status_table_clear(struct status_table *t)
{
	table_cut(&t->table, ELEMENTSOF(heads));
	t->all_up = true;
}

/* What else is to be known of a process that lives: "stale; unhealthy; reloading; 3 of 7 loaded".
 */
static int append_remarks(const struct status_row *row, struct buf *out)
{
	const char *remarks[] = {row->stale ? "stale" : "", row->unhealthy ? "unhealthy" : "",
		row->reloading ? "reloading" : "", row->status_text};
	int r = 0;

	if (row->pid == 0)
		return 0;
	for (size_t i = 0; r == 0 && i < ELEMENTSOF(remarks); i++) {
		if (*remarks[i] == '\0')
			continue;
		if (out->len > 0)
			r = buf_append(out, SIZE_MAX, "; ", 2);
		if (r == 0)
			r = buf_append(out, SIZE_MAX, remarks[i], strlen(remarks[i]));
	}
	return r;
}

/* The last column, borrowed, or in the scratch buffer. */
static int tell_reason(
	struct status_table *t, const struct status_row *row, const char **ret_reason)
{
	int r;

	*ret_reason = "";
	if (*row->reason == '\0' && *row->status_text == '\0' && row->next_start_msec < 0 &&
		!row->stale && !row->unhealthy && !row->reloading)
		return 0; /* of most there is nothing to tell */
	t->scratch.len = 0;
	r = render_reason(row->reason, row->state, row->next_start_msec, &t->scratch);
	if (r == 0)
		r = append_remarks(row, &t->scratch);
	if (r == 0)
		r = buf_append(&t->scratch, SIZE_MAX, "", 1);
	if (r == 0)
		*ret_reason = t->scratch.data;
	return r;
}

int status_table_add(struct status_table *t, const struct status_row *row)
{
	char pid[DECIMAL_SIZE], restarts[DECIMAL_SIZE], span[USEC_SPAN_SIZE];
	const char *uptime = row->uptime_msec < 0
				     ? "-"
				     : usec_span((usec_t)row->uptime_msec * USEC_PER_MSEC, span);
	const char *reason;
	int r = tell_reason(t, row, &reason);

	if (r == 0)
		r = table_add(&t->table, row->name, "");
	if (r == 0)
		r = table_add(&t->table, row->state, render_state_colour(row->state));
	if (r == 0)
		r = table_add(&t->table, row->pid > 0 ? decimal(row->pid, pid) : "-", "");
	if (r == 0)
		r = table_add(&t->table, uptime, "");
	if (r == 0)
		r = table_add(&t->table, decimal(row->restarts, restarts), "");
	if (r == 0)
		r = table_add(&t->table, reason, "");
	t->all_up = t->all_up && status_row_is_up(row->state);
	return r;
}
