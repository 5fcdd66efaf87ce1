/*
 * The socket is connected: only then does epoll tell when a full queue of the receiver has room
 * again. A local receiver that was started anew has another socket at the same path, and the
 * old connection is refused: it is made again at once, and only where that fails there is an
 * error. With UDP a refusal is the answer to a datagram that was sent before; so there it is an
 * error, and one datagram more that goes out isn't the end of it.
 *
 * sendmmsg() tells of an error only when the first message failed. So what was refused is found
 * by the next call, and every call but the last one of a turn gets something out.
 */
#include "engine/logs/outlet/datagram.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

#define BATCH	    64
#define SNDBUF_SIZE (8 * 1024 * 1024) /* as libsystemd has it; the system may give less */

struct batch {
	struct message_head head;
	struct line lines[BATCH];
	struct message messages[BATCH];
	struct mmsghdr headers[BATCH];
	unsigned n, done;
};

void datagram_close(struct datagram *d)
{
	outlet_unwatch(&d->outlet);
	d->fd = close_fd(d->fd);
}

int datagram_connect(struct datagram *d)
{
	_cleanup_close_
	int fd = -1;
	int r, size = SNDBUF_SIZE;

	if (d->fd >= 0)
		return 0;
	fd = sys_socket(d->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	if (d->address.ss_family == AF_UNIX &&
		sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		(void)sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	r = sys_connect(fd, (const struct sockaddr *)&d->address, d->n_address);
	if (r < 0)
		return r;
	d->fd = TAKE_FD(fd);
	d->fresh = true;
	return 0;
}

static void add(struct batch *b, const struct message_form *form, const struct line *line)
{
	struct message *m = &b->messages[b->n];

	b->lines[b->n] = *line;
	m->n_iov = 0;
	form->message(&b->head, &b->lines[b->n], m);
	b->headers[b->n] = (struct mmsghdr){
		.msg_hdr = {.msg_iov = m->iov, .msg_iovlen = m->n_iov},
	};
	b->n++;
}

static bool is_gone(const struct datagram *d, int error)
{
	return d->address.ss_family == AF_UNIX && (error == -ECONNREFUSED || error == -ENOTCONN ||
							  error == -ECONNRESET || error == -EPIPE);
}

/* One that can't be sent holds up no others. */
static void lose(struct datagram *d, const struct line *line, usec_t now)
{
	outlet_set_failed(&d->outlet, -EMSGSIZE, now);
	d->outlet.lost_bytes += line->n_own;
	d->outlet.lost_lines += line->ended;
}

/* The first one that is left failed. How many were dealt with all the same. */
static int react(struct datagram *d, struct batch *b, int error, usec_t now)
{
	if (error == -EMSGSIZE && d->send_large) {
		error = d->send_large(d, &b->messages[b->done]);
		if (error == 0)
			return 1;
	}
	if (error == -EMSGSIZE) {
		lose(d, &b->lines[b->done], now);
		return 1;
	}
	if (error == -EAGAIN) {
		outlet_set_full(&d->outlet, d->fd, now);
	} else if (error == -ENOBUFS || error == -ENOMEM) {
		outlet_pause(&d->outlet, now);
	} else {
		bool again = is_gone(d, error) && !d->fresh;

		datagram_close(d);
		if (!again)
			outlet_set_failed(&d->outlet, error, now);
	}
	return 0;
}

static int send_some(struct datagram *d, struct batch *b, usec_t now)
{
	int r = datagram_connect(d);

	if (r < 0) {
		outlet_set_failed(&d->outlet, r, now);
		return 0;
	}
	r = sys_sendmmsg(d->fd, b->headers + b->done, b->n - b->done, MSG_DONTWAIT);
	if (r < 0)
		return react(d, b, r, now);
	d->fresh = false;
	outlet_set_working(&d->outlet, now);
	return r;
}

/* How much of data that took. */
static size_t send_batch(
	struct datagram *d, struct outlet_writer *w, struct lines *l, struct batch *b, usec_t now)
{
	size_t taken = 0;

	while (b->done < b->n && !outlet_is_blocked(&d->outlet, now)) {
		for (int k = send_some(d, b, now); k > 0; k--) {
			taken += b->lines[b->done].n_data;
			lines_take(l, w, &b->lines[b->done++]);
		}
	}
	return taken;
}

static void fill(struct batch *b, const struct datagram *d, const struct log_origin *origin,
	struct lines *l, unsigned max)
{
	struct line line = {.n_kept = 0};

	b->n = b->done = 0;
	while (b->n < max && line.n_kept == 0 && lines_next(l, &line)) {
		if (b->head.n == 0)
			d->form->head(&d->outlet, origin, &b->head);
		add(b, d->form, &line);
	}
}

size_t datagram_take(struct outlet *o, struct outlet_writer *w, const struct log_origin *origin,
	const char *data, size_t n, usec_t now)
{
	struct datagram *d = CONTAINER_OF(o, struct datagram, outlet);
	struct batch b;
	size_t taken = 0;

	b.head.n = 0;
	for (;;) {
		bool blocked = outlet_is_blocked(o, now);
		struct lines l;

		lines_init(&l, w, origin, data + taken, n - taken, d->form->max_line);
		fill(&b, d, origin, &l, blocked ? 1 : BATCH);
		if (b.n == 0)
			return taken + lines_keep(&l, w);
		if (blocked)
			return taken;
		taken += send_batch(d, w, &l, &b, now);
	}
}

size_t datagram_end(
	struct outlet *o, struct outlet_writer *w, const struct log_origin *origin, usec_t now)
{
	struct datagram *d = CONTAINER_OF(o, struct datagram, outlet);
	struct batch b = {.n = 0};
	struct lines l = {.n = 0};
	struct line line;

	lines_last(w, origin, &line);
	d->form->head(o, origin, &b.head);
	add(&b, d->form, &line);
	send_batch(d, w, &l, &b, now);
	return b.done == b.n ? 0 : line.n_own;
}
