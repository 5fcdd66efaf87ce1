/*
 * Whole lines are collected in one buffer and written from its front in pieces of whole lines,
 * at most PIPE_BUF long: such a write to a pipe goes through wholly or not at all, so that not
 * even another process that shares our standard output can get into a line. Terminals, sockets
 * and files may take part of a piece: the rest stays at the front of the buffer and goes first.
 */
#include "engine/logs/outlet/standard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "engine/logs/format/format.h"
#include "engine/logs/outlet/lines.h"

#define PREFIX_SIZE sizeof("[2147483647] supervisord: ") /* beside the name */

struct standard {
	struct outlet outlet;
	int fd; /* owned; -1: there was none to be had */
};

/* The longest piece of whole lines at the front; all, where no line ends (can't be). */
static size_t piece(const char *data, size_t n)
{
	const char *newline;

	if (n <= STANDARD_MAX_LINE)
		return n;
	newline = memrchr(data, '\n', STANDARD_MAX_LINE);
	return newline ? (size_t)(newline - data) + 1 : n;
}

static void flush(struct standard *s, usec_t now)
{
	struct buf *pending = &s->outlet.pending;
	size_t done = 0;
	long r = 0;

	if (outlet_is_blocked(&s->outlet, now))
		return;
	while (done < pending->len) {
		const char *p = pending->data + done;

		r = log_write_nonblocking(s->fd, p, piece(p, pending->len - done));
		if (r == -EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	buf_consume(pending, done);
	if (pending->len == 0)
		buf_fini(pending);
	if (done > 0)
		outlet_set_working(&s->outlet, now);
	if (pending->len == 0)
		return;
	if (r == -EAGAIN || r == 0)
		outlet_set_full(&s->outlet, s->fd, now);
	else
		outlet_set_failed(&s->outlet, (int)r, now);
}

static void standard_ready(struct outlet *o, uint32_t events _unused_, usec_t now)
{
	flush(CONTAINER_OF(o, struct standard, outlet), now);
}

/* The same at every call for a stream: what is in partial is as long as it said before. */
static size_t max_line(const struct outlet_writer *w, const struct log_origin *origin)
{
	size_t prefix = strlen(origin->name);

	switch ((enum spec_format)w->format) {
	case SPEC_FORMAT_PLAIN:
		return STANDARD_MAX_LINE - 1 - (prefix + strlen("[] "));
	case SPEC_FORMAT_PREFIX:
		return STANDARD_MAX_LINE - 1 - (prefix + PREFIX_SIZE);
	case SPEC_FORMAT_JSON:
	case SPEC_FORMAT_MAX:
		break;
	}
	return STANDARD_MAX_LINE;
}

/* What the supervisor itself has to say comes as a line of that format already. */
static bool is_made(const struct outlet_writer *w, const struct log_origin *origin)
{
	return w->format != SPEC_FORMAT_PLAIN && strcmp(origin->stream, "supervisord") == 0;
}

static void make_format(
	struct format *f, const struct outlet_writer *w, const struct log_origin *origin)
{
	struct format_about about = {.kind = w->format, .origin = *origin};

	if (w->format == SPEC_FORMAT_JSON)
		about.realtime = usec_now(CLOCK_REALTIME);
	if (is_made(w, origin))
		about.kind = SPEC_FORMAT_PLAIN;
	format_make(f, &about);
	if (w->format == SPEC_FORMAT_PLAIN)
		f->n = MIN_OF((size_t)snprintf(f->head, sizeof(f->head), "[%s] ", origin->name),
			sizeof(f->head) - 1);
}

/* Its head goes only with a first byte: there is always room for that. */
static int add_text(struct buf *out, size_t *start, const struct format *f,
	struct format_state *state, const char *text, size_t n)
{
	size_t max = STANDARD_MAX_LINE - (f->json ? FORMAT_END_SIZE : 1), taken;

	while (n > 0) {
		if (buf_reserve(out, STANDARD_MAX_LINE) < 0)
			return -ENOMEM;
		out->len += format_lines(
			f, state, text, n, out->data + out->len, max - (out->len - *start), &taken);
		text += taken;
		n -= taken;
		if (n == 0)
			break;
		if (f->json)
			format_split(state);
		else
			format_cut(state);
		out->len += format_end_line(state, out->data + out->len);
		*start = out->len;
	}
	return 0;
}

/* What is longer in this format than lines may be becomes several lines. */
static int add_line(struct buf *out, const struct format *f, const struct line *line)
{
	struct format_state state = {0};
	size_t start = out->len, taken;

	if (add_text(out, &start, f, &state, line->head, line->n_head) < 0 ||
		add_text(out, &start, f, &state, line->text, line->n_text) < 0 ||
		buf_reserve(out, STANDARD_MAX_LINE) < 0)
		return -ENOMEM;
	out->len +=
		format_lines(f, &state, "\n", 1, out->data + out->len, STANDARD_MAX_LINE, &taken);
	return 0;
}

static bool queue_line(
	struct standard *s, const struct format *f, const struct line *line, usec_t now)
{
	struct buf *pending = &s->outlet.pending;

	for (bool again = false;; again = true) {
		size_t before = pending->len;
		int r = add_line(pending, f, line);

		if (r == 0 && pending->len <= STANDARD_MAX_PENDING)
			return true;
		pending->len = before;
		if (r < 0 || again)
			return false;
		flush(s, now);
	}
}

static size_t standard_take(struct outlet *o, struct outlet_writer *w,
	const struct log_origin *origin, const char *data, size_t n, usec_t now)
{
	struct standard *s = CONTAINER_OF(o, struct standard, outlet);
	size_t taken = 0;
	struct format f;
	struct lines l;
	struct line line;

	lines_init(&l, w, NULL, data, n, max_line(w, origin));
	make_format(&f, w, origin);
	while (lines_next(&l, &line)) {
		if (!queue_line(s, &f, &line, now)) {
			flush(s, now);
			return taken;
		}
		taken += line.n_data;
		lines_take(&l, w, &line);
	}
	flush(s, now);
	return taken + lines_keep(&l, w);
}

static size_t standard_end(
	struct outlet *o, struct outlet_writer *w, const struct log_origin *origin, usec_t now)
{
	struct standard *s = CONTAINER_OF(o, struct standard, outlet);
	struct format f;
	struct line line;
	bool done;

	lines_last(w, NULL, &line);
	make_format(&f, w, origin);
	done = queue_line(s, &f, &line, now);
	flush(s, now);
	return done ? 0 : line.n_own;
}

static void standard_free(struct outlet *o)
{
	struct standard *s = CONTAINER_OF(o, struct standard, outlet);

	outlet_fini(o);
	s->fd = close_fd(s->fd);
	free(s);
}

static const struct outlet_ops ops = {
	.take = standard_take,
	.end = standard_end,
	.ready = standard_ready,
	.free = standard_free,
};

int standard_new(struct outlet_set *set, const struct spec_target *target, struct outlet **ret)
{
	_cleanup_free_
	struct standard *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = outlet_init(&s->outlet, set, &ops, target);
	if (r < 0)
		return r;
	r = log_open_nonblocking(set->inherit_fd);
	s->fd = r < 0 ? -1 : r;
	*ret = &TAKE_PTR(s)->outlet;
	return 0;
}
