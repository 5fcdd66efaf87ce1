/*
 * Framing and waiting. Replies are parsed where they lie in the buffer; the search for the
 * NUL goes on where it stopped, so that a long reply is scanned once.
 */
#include "ctl/client/client_io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "wire/control.h"

#define READ_SIZE 65536

void client_pause(usec_t duration)
{
	struct timespec ts = {
		.tv_sec = (time_t)(duration / USEC_PER_SEC),
		.tv_nsec = (long)(duration % USEC_PER_SEC) * 1000,
	};

	nanosleep(&ts, NULL);
}

int client_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_
	int fd = -1;
	_cleanup_close_
	int place = -1;
	size_t n = strlen(path);

	if (n < sizeof(address.sun_path)) {
		memcpy(address.sun_path, path, n + 1);
	} else {
		/* Too long for the address: name it by a descriptor instead. */
		place = open(path, O_PATH | O_CLOEXEC);
		if (place < 0)
			return -errno;
		snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", place);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/*
 * Waits for events until the deadline: 0 when they are there (or a tick is due),
 * -ETIMEDOUT, -ECANCELED where the reader of watch_fd has gone.
 */
static int wait_or_cancel(int fd, short events, usec_t deadline, usec_t tick, int watch_fd)
{
	usec_t now = usec_now(CLOCK_MONOTONIC);
	usec_t left = MIN_OF(usec_sub(deadline, now), tick);
	struct pollfd p[] = {{.fd = fd, .events = events}, {.fd = watch_fd}};
	int msec = -1;

	if (left == 0)
		return -ETIMEDOUT;
	if (left != USEC_INFINITY)
		msec = (int)MIN_OF(left / USEC_PER_MSEC + 1, USEC_PER_HOUR / USEC_PER_MSEC);
	if (poll(p, 2, msec) < 0)
		return errno == EINTR ? 0 : -errno;
	/* Only what nobody can read says this: a pipe, a socket, a terminal that is gone. */
	return p[1].revents & (POLLERR | POLLHUP) ? -ECANCELED : 0;
}

static int wait_for(int fd, short events, usec_t deadline)
{
	return wait_or_cancel(fd, events, deadline, USEC_INFINITY, -1);
}

int client_send(int fd, const char *data, size_t n, usec_t deadline)
{
	while (n > 0) {
		ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);
		int r;

		if (sent >= 0) {
			data += sent;
			n -= (size_t)sent;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(fd, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Reads what is there into the buffer: 0, -EAGAIN, -ECONNRESET, -ENOBUFS, -ENOMEM. */
static int receive_some(struct client *c)
{
	ssize_t n;
	int r;

	if (c->in.len > CONTROL_MAX_REPLY)
		return -ENOBUFS;
	r = buf_reserve(&c->in, READ_SIZE);
	if (r < 0)
		return r;
	n = recv(c->fd, c->in.data + c->in.len, READ_SIZE, 0);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -ECONNRESET;
	c->in.len += (size_t)n;
	return 0;
}

/* Takes the first message, n bytes long, out of the buffer. */
static int take_message(struct client *c, size_t n, json_t **ret_message)
{
	json_t *message = json_loadb(c->in.data, n, 0, NULL);

	buf_consume(&c->in, n + 1);
	if (!json_is_object(message)) {
		json_decref(message);
		return -EBADMSG;
	}
	*ret_message = message;
	return 0;
}

int client_receive(struct client *c, usec_t deadline, int watch_fd, json_t **ret_message)
{
	size_t scanned = 0;
	usec_t next_tick = usec_now(CLOCK_MONOTONIC);

	for (;;) {
		long n = control_find_message(&c->in, scanned);
		int r;

		if (n >= 0)
			return take_message(c, (size_t)n, ret_message);
		scanned = c->in.len;
		r = receive_some(c);
		if (r == -EAGAIN) {
			if (c->on_tick && usec_now(CLOCK_MONOTONIC) >= next_tick) {
				c->on_tick(c->tick_userdata);
				next_tick = usec_add(usec_now(CLOCK_MONOTONIC), USEC_PER_SEC);
			}
			r = wait_or_cancel(c->fd, POLLIN, deadline,
				c->on_tick ? USEC_PER_SEC : USEC_INFINITY, watch_fd);
		}
		if (r < 0)
			return r;
	}
}

void client_wait_end(struct client *c, usec_t timeout)
{
	usec_t deadline = usec_add(usec_now(CLOCK_MONOTONIC), timeout);
	char scrap[256];

	while (wait_for(c->fd, POLLIN, deadline) == 0) {
		ssize_t n = recv(c->fd, scrap, sizeof(scrap), 0);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
	}
}
