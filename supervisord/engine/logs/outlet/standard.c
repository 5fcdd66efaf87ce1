/*
 * Whole lines are collected in one buffer and written from its front in pieces of whole lines,
 * at most PIPE_BUF long: such a write to a pipe goes through wholly or not at all, so that not
 * even another process that shares our standard output can get into a line. Terminals, sockets
 * and files may take part of a piece: the rest stays at the front of the buffer and goes first.
 */
#include "engine/logs/outlet/standard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "engine/logs/outlet/lines.h"

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

static size_t prefix_length(const struct log_origin *origin)
{
	return strlen(origin->name) + strlen("[] ");
}

static size_t max_line(const struct log_origin *origin)
{
	return STANDARD_MAX_LINE - 1 - prefix_length(origin);
}

static bool queue_line(
	struct standard *s, const struct log_origin *origin, const struct line *line, usec_t now)
{
	struct buf *pending = &s->outlet.pending;
	size_t n = prefix_length(origin) + line->n_head + line->n_text + 1;

	if (pending->len + n > STANDARD_MAX_PENDING)
		flush(s, now);
	if (pending->len + n > STANDARD_MAX_PENDING || buf_reserve(pending, n + 1) < 0 ||
		buf_printf(pending, "[%s] ", origin->name) < 0)
		return false;
	buf_append(pending, SIZE_MAX, line->head, line->n_head);
	buf_append(pending, SIZE_MAX, line->text, line->n_text);
	buf_append(pending, SIZE_MAX, "\n", 1);
	return true;
}

static size_t standard_take(struct outlet *o, struct outlet_writer *w,
	const struct log_origin *origin, const char *data, size_t n, usec_t now)
{
	struct standard *s = CONTAINER_OF(o, struct standard, outlet);
	size_t taken = 0;
	struct lines l;
	struct line line;

	lines_init(&l, w, NULL, data, n, max_line(origin));
	while (lines_next(&l, &line)) {
		if (!queue_line(s, origin, &line, now)) {
			flush(s, now);
			return taken;
		}
		taken += line.n_data;
		lines_take(w, &line);
	}
	flush(s, now);
	return taken + lines_keep(&l, w);
}

static size_t standard_end(
	struct outlet *o, struct outlet_writer *w, const struct log_origin *origin, usec_t now)
{
	struct standard *s = CONTAINER_OF(o, struct standard, outlet);
	struct line line;
	bool done;

	lines_last(w, origin, &line);
	done = queue_line(s, origin, &line, now);
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
