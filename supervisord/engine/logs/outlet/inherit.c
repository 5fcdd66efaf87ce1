/*
 * Whole lines are collected in one buffer and written from its front in pieces of whole lines,
 * at most PIPE_BUF long: such a write to a pipe goes through wholly or not at all, so that not
 * even another process that shares our standard output can get into a line. Terminals, sockets
 * and files may take part of a piece: the rest stays at the front of the buffer and goes first.
 *
 * When the reader is slow, the loop tells when to go on; until then no system call is made,
 * and a line that finds the buffer full is dropped as a whole. After an error everything is
 * dropped for a second.
 */
#include "engine/logs/outlet/inherit.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/lines.h"
#include "base/log.h"

static void note_lost(struct inherit *w, size_t bytes, size_t lines, int error, usec_t now)
{
	if (!w->dropping)
		log_warning("cannot write to standard output: %s; dropping what services with "
			    "log.file = \"inherit\" write",
			error == -EAGAIN ? "its reader is too slow" : strerror(-error));
	w->dropping = true;
	w->dropped_usec = now;
	w->lost_bytes += bytes;
	w->lost_lines += lines;
}

/* A reader that is slow time and again is one trouble, not many: so only after a calm second. */
static void note_mended(struct inherit *w, usec_t now)
{
	if (!w->dropping || usec_sub(now, w->dropped_usec) < USEC_PER_SEC)
		return;
	log_info("standard output mended: %" PRIu64 " bytes, %" PRIu64 " lines were lost",
		w->lost_bytes, w->lost_lines);
	w->dropping = false;
	w->lost_bytes = w->lost_lines = 0;
}

static void stop_waiting(struct inherit *w)
{
	loop_remove(w->loop, &w->source);
}

static bool is_waiting(const struct inherit *w)
{
	return w->source.fd >= 0;
}

static void fail(struct inherit *w, int error, usec_t now)
{
	note_lost(w, w->pending.len, lines_count(w->pending.data, w->pending.len), error, now);
	w->pending.len = 0;
	w->retry_usec = usec_add(now, USEC_PER_SEC);
}

/* The longest piece of whole lines at the front; all, where no line ends (can't be). */
static size_t piece(const char *data, size_t n)
{
	const char *newline;

	if (n <= INHERIT_MAX_LINE)
		return n;
	newline = memrchr(data, '\n', INHERIT_MAX_LINE);
	return newline ? (size_t)(newline - data) + 1 : n;
}

static void flush(struct inherit *w, usec_t now)
{
	size_t done = 0;
	long r = 0;

	if (is_waiting(w))
		return;
	while (done < w->pending.len) {
		const char *p = w->pending.data + done;

		r = log_write_nonblocking(w->fd, p, piece(p, w->pending.len - done));
		if (r == -EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	if (done > 0)
		buf_consume(&w->pending, done);
	if (w->pending.len == 0)
		note_mended(w, now);
	else if (r == -EAGAIN || r == 0)
		/* Where that fails, the next line tries again. */
		(void)loop_add(w->loop, &w->source, w->fd, EPOLLOUT);
	else
		fail(w, (int)r, now);
}

static void dispatch(struct loop_source *s, uint32_t events _unused_)
{
	struct inherit *w = CONTAINER_OF(s, struct inherit, source);

	stop_waiting(w);
	flush(w, w->loop->now_usec);
}

void inherit_init(struct inherit *w, struct loop *loop, int fd)
{
	int r = log_open_nonblocking(fd);

	*w = (struct inherit){
		.loop = loop,
		.source = {.fd = -1, .dispatch = dispatch},
		.fd = r < 0 ? -1 : r,
	};
}

void inherit_fini(struct inherit *w)
{
	stop_waiting(w);
	if (w->pending.len > 0)
		flush(w, w->loop->now_usec);
	stop_waiting(w);
	buf_fini(&w->pending);
	w->fd = close_fd(w->fd);
}

static size_t prefix_len(const char *name)
{
	return strlen(name) + strlen("[] ");
}

static bool has_room(const struct inherit *w, size_t n)
{
	return n <= INHERIT_MAX_PENDING - w->pending.len;
}

static int queue_line(struct inherit *w, const char *name, const struct buf *head, const char *data,
	size_t n, usec_t now)
{
	size_t total = prefix_len(name) + head->len + n + 1;
	int r;

	assert(total <= INHERIT_MAX_LINE);
	if (now < w->retry_usec)
		return -EIO;
	if (!has_room(w, total))
		flush(w, now);
	if (!has_room(w, total))
		return -EAGAIN;
	r = buf_reserve(&w->pending, total + 1);
	if (r < 0)
		return r;
	r = buf_printf(&w->pending, "[%s] ", name);
	assert(r == 0);
	buf_append(&w->pending, SIZE_MAX, head->data, head->len);
	buf_append(&w->pending, SIZE_MAX, data, n);
	buf_append(&w->pending, SIZE_MAX, "\n", 1);
	return 0;
}

/* Takes a line: what is in partial, then data. n_lines is 0 where its newline is ours. */
static void put_line(struct inherit *w, struct buf *partial, const char *name, const char *data,
	size_t n, size_t n_lines, usec_t now, struct log_counters *counters)
{
	size_t bytes = partial->len + n + n_lines;
	int r = queue_line(w, name, partial, data, n, now);

	if (r == 0) {
		counters->bytes += bytes;
		counters->lines += n_lines;
	} else {
		counters->dropped_bytes += bytes;
		counters->dropped_lines += n_lines;
		note_lost(w, bytes, n_lines, r, now);
	}
	buf_fini(partial);
}

void inherit_write(struct inherit *w, struct buf *partial, const char *name, const char *data,
	size_t n, usec_t now, struct log_counters *counters)
{
	size_t max = INHERIT_MAX_LINE - 1 - prefix_len(name);

	while (n > 0) {
		const char *newline = memchr(data, '\n', n);
		size_t len = newline ? (size_t)(newline - data) : n;
		size_t room = max - partial->len;

		if (len > room) {
			put_line(w, partial, name, data, room, 0, now, counters);
			len = room;
		} else if (newline) {
			put_line(w, partial, name, data, len, 1, now, counters);
			len++;
		} else if (buf_append(partial, max, data, len) < 0) {
			counters->dropped_bytes += len;
			note_lost(w, len, 0, -ENOMEM, now);
		}
		data += len;
		n -= len;
	}
	if (w->pending.len > 0)
		flush(w, now);
}

void inherit_end(struct inherit *w, struct buf *partial, const char *name, usec_t now,
	struct log_counters *counters)
{
	if (partial->len > 0) {
		put_line(w, partial, name, NULL, 0, 0, now, counters);
		flush(w, now);
	}
}
