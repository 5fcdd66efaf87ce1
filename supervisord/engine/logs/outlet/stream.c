/*
 * Frames are pending from when a line was taken until the kernel has all of it; the first may
 * have been sent in part. Taking needs only room among them, so a short absence of the receiver
 * costs nothing.
 *
 * A connection is watched for its end also while there is nothing to send: the first write
 * after it would seem to succeed, and be lost. One that broke is made again at once, unless it
 * broke within a second.
 */
#include "engine/logs/outlet/stream.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

#define COUNT_SIZE 24 /* digits and a space */

void stream_init(struct stream *s, const struct message_form *form, bool counted,
	const void *address, socklen_t n_address)
{
	s->form = form;
	s->counted = counted;
	memcpy(&s->address, address, n_address);
	s->n_address = n_address;
	s->n_sent = 0;
	s->since_usec = 0;
	s->fd = -1;
	s->connecting = false;
	s->outlet.idle_events = EPOLLRDHUP;
}

void stream_close(struct stream *s)
{
	outlet_unwatch(&s->outlet);
	s->fd = close_fd(s->fd);
	s->connecting = false;
	s->n_sent = 0;
	s->outlet.deadline_usec = USEC_INFINITY;
}

static bool is_local(const struct stream *s)
{
	return s->address.ss_family == AF_UNIX;
}

static void give_up(struct stream *s, int error, usec_t now)
{
	stream_close(s);
	outlet_set_failed(&s->outlet, error, now);
}

/*
 * So that a receiver which vanished is noticed, also while there is nothing to send: without a
 * limit, the kernel would try for a quarter of an hour.
 */
static void set_options(int fd)
{
	static const struct {
		int level, option, value;
	} options[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 10},
		{IPPROTO_TCP, TCP_KEEPCNT, 3},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, STREAM_ANSWER_TIMEOUT_USEC / USEC_PER_MSEC},
		{IPPROTO_TCP, TCP_NODELAY, 1},
	};

	for (size_t i = 0; i < ELEMENTSOF(options); i++)
		(void)sys_setsockopt(fd, options[i].level, options[i].option, &options[i].value,
			sizeof(options[i].value));
}

static void be_connected(struct stream *s, usec_t now)
{
	s->connecting = false;
	s->since_usec = now;
	s->outlet.deadline_usec = USEC_INFINITY;
	if (s->outlet.source.fd < 0)
		(void)outlet_watch(&s->outlet, s->fd);
}

static void start_connecting(struct stream *s, usec_t now)
{
	_cleanup_close_
	int fd = -1;
	int r;

	s->since_usec = now;
	fd = sys_socket(s->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		give_up(s, fd, now);
		return;
	}
	if (!is_local(s))
		set_options(fd);
	r = sys_connect(fd, (const struct sockaddr *)&s->address, s->n_address);
	if (r < 0 && r != -EINPROGRESS) {
		give_up(s, r, now);
		return;
	}
	s->fd = TAKE_FD(fd);
	if (r == 0) {
		be_connected(s, now);
		return;
	}
	s->connecting = true;
	s->outlet.deadline_usec = usec_add(now, STREAM_CONNECT_TIMEOUT_USEC);
	outlet_set_full(&s->outlet, s->fd, now);
}

static int socket_error(const struct stream *s)
{
	int error = 0;
	socklen_t n = sizeof(error);
	int r = sys_getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n);

	return r < 0 ? r : -error;
}

static void go_on_connecting(struct stream *s, uint32_t events, usec_t now)
{
	int r = events != 0 ? socket_error(s) : 0;

	if (r < 0)
		give_up(s, r, now);
	else if (events != 0)
		be_connected(s, now);
	else if (now >= s->outlet.deadline_usec)
		give_up(s, -ETIMEDOUT, now);
}

/* One that fails as soon as it is there would go on doing so. */
static void be_broken(struct stream *s, int error, usec_t now)
{
	if (usec_sub(now, s->since_usec) < OUTLET_RETRY_USEC)
		give_up(s, error < 0 ? error : -ECONNRESET, now);
	else
		stream_close(s);
}

/* The length of the frame that begins there: we have made it, so it is whole. */
static size_t frame_size(const struct stream *s, const char *p, size_t n)
{
	const char *end = memchr(p, s->counted ? ' ' : '\0', n);
	size_t size = 0;

	assert(end);
	if (!s->counted)
		return (size_t)(end - p) + 1;
	for (const char *digit = p; digit < end; digit++)
		size = size * 10 + (size_t)(*digit - '0');
	return size + (size_t)(end - p) + 1;
}

/* n further bytes have gone: frames that are complete by that aren't pending any more. */
static void advance(struct stream *s, size_t n)
{
	struct buf *pending = &s->outlet.pending;
	size_t done = 0, sent = s->n_sent + n;

	while (done < pending->len) {
		size_t size = frame_size(s, pending->data + done, pending->len - done);

		if (done + size > sent)
			break;
		done += size;
	}
	buf_consume(pending, done);
	s->n_sent = sent - done;
	if (pending->len == 0)
		buf_fini(pending);
}

static void send_pending(struct stream *s, usec_t now)
{
	struct buf *pending = &s->outlet.pending;
	ssize_t r =
		sys_send(s->fd, pending->data + s->n_sent, pending->len - s->n_sent, MSG_DONTWAIT);

	if (r > 0) {
		advance(s, (size_t)r);
		outlet_set_working(&s->outlet, now);
	} else if (r == -EAGAIN) {
		outlet_set_full(&s->outlet, s->fd, now);
	} else if (r == -ENOBUFS || r == -ENOMEM) {
		outlet_pause(&s->outlet, now);
	} else {
		be_broken(s, (int)r, now);
	}
}

static void flush(struct stream *s, usec_t now)
{
	while (s->outlet.pending.len > 0 && !outlet_is_blocked(&s->outlet, now)) {
		if (s->fd < 0)
			start_connecting(s, now);
		else if (s->connecting)
			break;
		else
			send_pending(s, now);
	}
}

void stream_ready(struct outlet *o, uint32_t events, usec_t now)
{
	struct stream *s = CONTAINER_OF(o, struct stream, outlet);

	if (s->connecting)
		go_on_connecting(s, events, now);
	else if (s->fd >= 0 && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
		be_broken(s, socket_error(s), now);
	flush(s, now);
}

/* A NUL ends a frame: one within a line becomes a space. */
static void copy(const struct stream *s, const struct iovec *iov, char *to)
{
	memcpy(to, iov->iov_base, iov->iov_len);
	if (s->counted)
		return;
	for (char *end = to + iov->iov_len; (to = memchr(to, '\0', (size_t)(end - to)));)
		*to = ' ';
}

/* Is there room for it, now or after sending? */
static bool add(struct stream *s, const struct message *m, usec_t now)
{
	struct buf *pending = &s->outlet.pending;
	size_t n = message_size(m), n_count = 0;
	char count[COUNT_SIZE];

	if (s->counted)
		n_count = (size_t)snprintf(count, sizeof(count), "%zu ", n);
	if (pending->len + n_count + n + 1 > STREAM_MAX_PENDING)
		flush(s, now);
	if (pending->len + n_count + n + 1 > STREAM_MAX_PENDING)
		return false;
	if (buf_reserve(pending, n_count + n + 1) < 0)
		return false;
	memcpy(pending->data + pending->len, count, n_count);
	pending->len += n_count;
	for (size_t i = 0; i < m->n_iov; i++) {
		copy(s, &m->iov[i], pending->data + pending->len);
		pending->len += m->iov[i].iov_len;
	}
	if (!s->counted)
		pending->data[pending->len++] = '\0';
	return true;
}

size_t stream_take(struct outlet *o, struct outlet_writer *w, const struct log_origin *origin,
	const char *data, size_t n, usec_t now)
{
	struct stream *s = CONTAINER_OF(o, struct stream, outlet);
	struct message_head head = {.n = 0};
	size_t taken = 0;
	struct lines l;
	struct line line;

	lines_init(&l, w, origin, data, n, s->form->max_line);
	while (lines_next(&l, &line)) {
		struct message m = {.n_iov = 0};

		if (head.n == 0)
			s->form->head(o, origin, &head);
		s->form->message(&head, &line, &m);
		if (!add(s, &m, now)) {
			flush(s, now);
			return taken;
		}
		taken += line.n_data;
		lines_take(&l, w, &line);
	}
	flush(s, now);
	return taken + lines_keep(&l, w);
}

size_t stream_end(
	struct outlet *o, struct outlet_writer *w, const struct log_origin *origin, usec_t now)
{
	struct stream *s = CONTAINER_OF(o, struct stream, outlet);
	struct message_head head;
	struct message m = {.n_iov = 0};
	struct line line;
	bool done;

	lines_last(w, origin, &line);
	s->form->head(o, origin, &head);
	s->form->message(&head, &line, &m);
	done = add(s, &m, now);
	flush(s, now);
	return done ? 0 : line.n_own;
}
