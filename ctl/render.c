/*
 * Widths are counted over text that is already harmless, so what is measured is what the
 * terminal shows. Colours stand outside of the measured text.
 */
#include "ctl/render.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "ctl/text.h"

#define GAP 2

const char *render_state_colour(const char *state)
{
	static const struct {
		const char *state, *colour;
	} colours[] = {
		{"running", RENDER_GREEN},
		{"failed", RENDER_RED},
		{"backoff", RENDER_YELLOW},
		{"starting", RENDER_YELLOW},
		{"stopping", RENDER_YELLOW},
		{"waiting", RENDER_YELLOW},
		{"stopped", RENDER_FAINT},
		{"exited", RENDER_FAINT},
	};

	for (size_t i = 0; i < ELEMENTSOF(colours); i++) {
		if (strcmp(colours[i].state, state) == 0)
			return colours[i].colour;
	}
	return "";
}

void table_fini(struct table *t)
{
	buf_fini(&t->text);
	free(t->cells);
	t->cells = NULL;
	t->n_cells = t->size = 0;
}

int table_add(struct table *t, const char *text, const char *colour)
{
	struct cell cell = {.offset = t->text.len, .colour = colour};
	int r;

	if (t->n_cells == t->size) {
		size_t size = t->size ? t->size * 2 : 64;
		struct cell *cells = reallocarray(t->cells, size, sizeof(*cells));

		if (!cells)
			return -ENOMEM;
		t->cells = cells;
		t->size = size;
	}
	r = text_append_safe(&t->text, text, strlen(text), t->text_flags);
	if (r < 0)
		return r;
	cell.size = t->text.len - cell.offset;
	cell.width = cell.size ? text_width(t->text.data + cell.offset, cell.size) : 0;
	t->cells[t->n_cells++] = cell;
	return 0;
}

static int append_blanks(struct buf *out, size_t n)
{
	return n > 0 ? buf_printf(out, "%*s", (int)n, "") : 0;
}

/* One cell's text, cut to the room there is, in its colour. */
static int append_cell(const struct table *t, const struct cell *cell, const struct term *term,
	size_t room, struct buf *out)
{
	const char *text = t->text.data + cell->offset;
	const char *mark = term->is_utf8 ? "\xe2\x80\xa6" : "~";
	const char *colour = term->colours ? cell->colour : "";
	size_t size = cell->size;
	bool cut = cell->width > room;
	int r;

	if (cell->size == 0 || room == 0)
		return 0;
	if (cut)
		size = text_fit(text, size, room - 1);
	r = buf_append(out, SIZE_MAX, colour, strlen(colour));
	if (r == 0)
		r = buf_append(out, SIZE_MAX, text, size);
	if (r == 0 && cut)
		r = buf_append(out, SIZE_MAX, mark, strlen(mark));
	if (r == 0 && *colour != '\0')
		r = buf_append(out, SIZE_MAX, RENDER_RESET, strlen(RENDER_RESET));
	return r;
}

static int append_row(const struct table *t, const struct cell *row, const size_t *widths,
	const struct term *term, struct buf *out)
{
	size_t limit = term->width ? term->width : SIZE_MAX;
	size_t at = 0, blanks = 0; /* blanks are owed, and paid before the next text */
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->n_columns; i++) {
		size_t padding = widths[i] - row[i].width;
		bool right = t->right & (1u << i);

		blanks += i > 0 ? GAP : 0;
		blanks += right ? padding : 0;
		if (row[i].size > 0 && at + blanks < limit) {
			r = append_blanks(out, blanks);
			at += blanks;
			blanks = 0;
			if (r == 0)
				r = append_cell(t, &row[i], term, limit - at, out);
			at += MIN_OF(row[i].width, limit - at);
		}
		blanks += right ? 0 : padding;
	}
	return r < 0 ? r : buf_append(out, SIZE_MAX, "\n", 1);
}

int table_render(const struct table *t, const struct term *term, struct buf *out)
{
	_cleanup_free_
	size_t *widths = calloc(t->n_columns, sizeof(*widths));
	int r = 0;

	if (!widths)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t *width = &widths[i % t->n_columns];

		*width = MAX_OF(*width, t->cells[i].width);
	}
	for (size_t i = 0; r == 0 && i + t->n_columns <= t->n_cells; i += t->n_columns)
		r = append_row(t, &t->cells[i], widths, term, out);
	return r;
}

const char *render_string(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int64_t render_integer(json_t *object, const char *key, int64_t otherwise)
{
	json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

int render_reason(json_t *service, struct buf *out)
{
	const char *reason = render_string(service, "reason");
	int64_t next = render_integer(service, "next_start_ms", -1);
	bool is_again = strcmp(render_string(service, "state"), "backoff") == 0;
	char span[USEC_SPAN_SIZE];
	int r = buf_append(out, SIZE_MAX, reason, strlen(reason));

	if (r < 0 || next < 0)
		return r;
	/* Whole seconds are enough beyond the first: this is read, not measured. */
	next = MIN_OF(next, INT64_MAX / (int64_t)USEC_PER_MSEC - 999);
	if (next >= 1000)
		next = (next + 999) / 1000 * 1000;
	return buf_printf(out, "%s%s in %s", *reason != '\0' ? "; " : "",
		is_again ? "starts again" : "next run",
		usec_span((usec_t)next * USEC_PER_MSEC, span));
}

const char *render_bytes(uint64_t bytes, char ret_text[static RENDER_BYTES_SIZE])
{
	static const char units[] = "KMGTPE";
	uint64_t rest = 0;
	int unit = -1;

	while (bytes >= 1024 && units[unit + 1] != '\0') {
		rest = bytes % 1024;
		bytes /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(ret_text, RENDER_BYTES_SIZE, "%" PRIu64, bytes);
	else
		snprintf(ret_text, RENDER_BYTES_SIZE, "%" PRIu64 ".%" PRIu64 "%c", bytes,
			rest * 10 / 1024, units[unit]);
	return ret_text;
}
