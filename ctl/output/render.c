/*
 * Widths are counted over text that is already harmless, so what is measured is what the
 * terminal shows. Colours stand outside of the measured text.
 */
#include "ctl/output/render.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "ctl/output/text.h"

#define GAP	   2
#define MAX_CELL   ((1u << 28) - 1) /* bytes of a text; columns fit as well then */
#define USUAL_ROW  48 /* bytes of its text */
#define SHORT_CELL 32
#define STEP	   16 /* bytes that are written at once, where that much room is left */
#define PIECE	   ((size_t)16 << 10)

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

static const char *const palette[] = {
	"", RENDER_GREEN, RENDER_YELLOW, RENDER_RED, RENDER_FAINT, RENDER_BOLD};

static unsigned palette_index(const char *colour)
{
	for (unsigned i = 1; i < ELEMENTSOF(palette) && *colour != '\0'; i++) {
		if (strcmp(palette[i], colour) == 0)
			return i;
	}
	return 0;
}

static int reserve_cells(struct table *t, size_t size)
{
	struct cell *cells = reallocarray(t->cells, size, sizeof(*cells));

	if (!cells)
		return -ENOMEM;
	t->cells = cells;
	t->size = size;
	return 0;
}

int table_reserve(struct table *t, size_t n_rows)
{
	size_t n_cells, n_bytes;

	if (__builtin_mul_overflow(n_rows, t->n_columns, &n_cells) ||
		__builtin_mul_overflow(n_rows, USUAL_ROW, &n_bytes) ||
		__builtin_add_overflow(n_cells, t->n_cells, &n_cells) ||
		buf_reserve(&t->text, n_bytes) < 0)
		return -ENOMEM;
	return n_cells > t->size ? reserve_cells(t, n_cells) : 0;
}

/* For a text that has been appended. */
static int add_cell(struct table *t, size_t size, size_t width, const char *colour)
{
	int r = 0;

	if (size > MAX_CELL)
		return -ENOMEM;
	if (t->n_cells == t->size)
		r = reserve_cells(t, t->size ? t->size * 2 : 64);
	if (r < 0)
		return r;
	t->cells[t->n_cells++] = (struct cell){
		.size = (uint32_t)size,
		.width = (uint32_t)width & MAX_CELL,
		.colour = palette_index(colour) & 15,
	};
	return 0;
}

/* Copies printable ASCII, up to what is none; there is room. Bytes copied. */
static size_t copy_plain(char *to, const char *text)
{
	size_t n = 0;

	for (; text[n] >= 0x20 && text[n] < 0x7f; n++)
		to[n] = text[n];
	return n;
}

static int add_any(struct table *t, const char *text, const char *colour)
{
	size_t before = t->text.len, length = strlen(text), plain;
	int r = buf_reserve(&t->text, length);

	if (r < 0)
		return r;
	/* Nearly always that is all of it, and the rest needs not be asked. */
	plain = length > 0 ? copy_plain(t->text.data + before, text) : 0;
	t->text.len += plain;
	if (plain == length)
		return add_cell(t, plain, plain, colour);
	r = text_append_safe(&t->text, text + plain, length - plain, t->text_flags);
	if (r < 0)
		return r;
	length = t->text.len - before;
	return add_cell(t, length, text_width(t->text.data + before, length), colour);
}

/*
 * What nearly all cells of a large table are: short, of printable ASCII, and there is room. False:
 * it is none of those, and nothing was added.
 */
static bool add_short(struct table *t, const char *text, const char *colour)
{
	char *to = t->text.data + t->text.len;
	uint32_t n = 0;

	if (t->n_cells == t->size || t->text.size - t->text.len < SHORT_CELL)
		return false;
	for (; n < SHORT_CELL && text[n] >= 0x20 && text[n] < 0x7f; n++)
		to[n] = text[n];
	if (n == SHORT_CELL || text[n] != '\0')
		return false;
	t->text.len += n;
	t->cells[t->n_cells++] = (struct cell){
		.size = n,
		.width = n & MAX_CELL,
		.colour = palette_index(colour) & 15,
	};
	return true;
}

int table_add(struct table *t, const char *text, const char *colour)
{
	return add_short(t, text, colour) ? 0 : add_any(t, text, colour);
}

void table_cut(struct table *t, size_t n_cells)
{
	while (t->n_cells > n_cells)
		t->text.len -= t->cells[--t->n_cells].size;
}

/* --- to text: there is room for all of a line, so only the end moves --- */

#define LONGEST_COLOUR 8
#define LONGEST_MARK   3

/* One cell's text, cut to the room there is, in its colour. */
static char *put_cell(
	char *end, const struct cell *cell, const char *text, const struct term *term, size_t room)
{
	const char *colour = palette[cell->colour];
	bool coloured = term->colours && *colour != '\0';

	if (coloured)
		end = stpcpy(end, colour);
	if (cell->size <= STEP && cell->width <= room) {
		/* All of it is in the text or behind it, and what is too much is written over. */
		memcpy(end, text, STEP);
		end += cell->size;
	} else if (cell->width > room) {
		end = mempcpy(end, text, text_fit(text, cell->size, room - 1));
		end = stpcpy(end, term->is_utf8 ? "\xe2\x80\xa6" : "~");
	} else {
		end = mempcpy(end, text, cell->size);
	}
	return coloured ? stpcpy(end, RENDER_RESET) : end;
}

static char *put_row(char *end, const struct table *t, const struct cell *row, const char *text,
	const size_t *widths, const struct term *term)
{
	size_t limit = term->width ? term->width : SIZE_MAX;
	size_t at = 0, blanks = 0; /* blanks are owed, and paid before the next text */

	for (size_t i = 0; i < t->n_columns; i++) {
		size_t width = row[i].width, padding = widths[i] - width;
		bool right = t->right & (1u << i);

		blanks += i > 0 ? GAP : 0;
		blanks += right ? padding : 0;
		if (row[i].size > 0 && at + blanks < limit) {
			memset(end, ' ', STEP);
			if (blanks > STEP)
				memset(end + STEP, ' ', blanks - STEP);
			end += blanks;
			at += blanks;
			blanks = 0;
			end = put_cell(end, &row[i], text, term, limit - at);
			at += MIN_OF(width, limit - at);
		}
		text += row[i].size;
		blanks += right ? 0 : padding;
	}
	*end++ = '\n';
	return end;
}

/* write() may be NULL: then all of it stays in the buffer. */
static int render(struct table *t, const struct term *term, struct buf *out,
	void (*write)(const struct buf *piece, void *userdata), void *userdata)
{
	_cleanup_free_
	size_t *widths = calloc(t->n_columns, sizeof(*widths));
	const char *text;
	size_t most = 1 + STEP, size; /* bytes of a line besides its text, and with it */

	if (!widths || buf_reserve(&t->text, STEP) < 0)
		return -ENOMEM;
	text = t->text.data;
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns) {
		for (size_t k = 0; k < t->n_columns; k++) {
			size_t width = t->cells[i + k].width;

			widths[k] = MAX_OF(widths[k], width);
		}
	}
	for (size_t i = 0; i < t->n_columns; i++)
		most += widths[i] + GAP + 2 * LONGEST_COLOUR + LONGEST_MARK;
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns) {
		const struct cell *row = &t->cells[i];

		if (write && out->len >= PIECE) {
			write(out, userdata);
			out->len = 0;
		}
		size = 0;
		for (size_t k = 0; k < t->n_columns; k++)
			size += row[k].size;
		if (buf_reserve(out, most + size) < 0)
			return -ENOMEM;
		out->len = (size_t)(put_row(out->data + out->len, t, row, text, widths, term) -
				    out->data);
		text += size;
	}
	if (write)
		write(out, userdata);
	return 0;
}

int table_render(struct table *t, const struct term *term, struct buf *out)
{
	return render(t, term, out, NULL, NULL);
}

int table_write(struct table *t, const struct term *term,
	void (*write)(const struct buf *piece, void *userdata), void *userdata)
{
	_cleanup_buf_ struct buf piece = {0};

	return render(t, term, &piece, write, userdata);
}

int render_reason(const char *reason, const char *state, int64_t next_start_msec, struct buf *out)
{
	int64_t next = next_start_msec;
	char span[USEC_SPAN_SIZE];
	int r = buf_append(out, SIZE_MAX, reason, strlen(reason));

	if (r < 0 || next < 0)
		return r;
	/* Whole seconds are enough beyond the first: this is read, not measured. */
	next = MIN_OF(next, INT64_MAX / (int64_t)USEC_PER_MSEC - 999);
	if (next >= 1000)
		next = (next + 999) / 1000 * 1000;
	return buf_printf(out, "%s%s in %s", *reason != '\0' ? "; " : "",
		strcmp(state, "backoff") == 0 ? "starts again" : "next run",
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
