/*
 * A newline on a descriptor, as s6 has it. The launcher keeps another copy of the pipe, so what
 * is in it outlives an engine; therefore the newline is looked at and left there until the core
 * has written down what it means.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/ready/ready_internal.h"

#define MAX_BYTES 4096 /* before the newline */

void ready_pipe_close(struct readiness *r)
{
	int fd = r->pipe.fd;

	if (fd < 0)
		return;
	loop_remove(&r->service->engine->loop, &r->pipe);
	close_fd(fd);
}

/*
 * Looks at what is in the pipe and leaves it there, by way of another one. Bytes, 0 at the end,
 * -errno; -EAGAIN: nothing there.
 */
static ssize_t look(int fd, char *data, size_t n)
{
	int copy[2];
	ssize_t r = sys_pipe2(copy, O_NONBLOCK);

	if (r < 0)
		return r;
	r = sys_tee(fd, copy[1], n, SPLICE_F_NONBLOCK);
	if (r > 0)
		r = sys_read(copy[0], data, (size_t)r);
	close_fd(copy[0]);
	close_fd(copy[1]);
	return r;
}

/*
 * Whether the newline has come; it stays in the pipe, for a next engine, until the core has
 * written down what it means. What ends without one never was ready.
 */
static bool read_pipe(struct readiness *r)
{
	char data[512];

	while (r->pipe.fd >= 0) {
		ssize_t n = look(r->pipe.fd, data, sizeof(data));

		if (n > 0 && memchr(data, '\n', (size_t)n))
			return true;
		/* Only bytes that say nothing are taken out; or, for want of descriptors, all. */
		if (n > 0 || (n < 0 && n != -EAGAIN))
			n = sys_read(r->pipe.fd, data, n > 0 ? (size_t)n : sizeof(data));
		if (n == -EAGAIN)
			break;
		if (n > 0 && memchr(data, '\n', (size_t)n))
			return true;
		r->n_read += n > 0 ? (size_t)n : 0;
		if (n > 0 && r->n_read < MAX_BYTES)
			continue;
		snprintf(r->problem, sizeof(r->problem), "%s",
			n > 0	 ? "no newline among the first 4096 bytes"
			: n == 0 ? "its descriptor was closed without a newline"
				 : strerror((int)-n));
		log_warning("service '%s': not ready: %s", r->service->name, r->problem);
		ready_pipe_close(r);
	}
	return false;
}

static void tell_by_pipe(struct readiness *r)
{
	readiness_tell(r->service, r->pipe_generation);
	ready_pipe_close(r);
}

static void on_pipe(struct loop_source *source, uint32_t events _unused_)
{
	struct readiness *r = CONTAINER_OF(source, struct readiness, pipe);

	if (read_pipe(r))
		tell_by_pipe(r);
}

void ready_pipe_init(struct readiness *r)
{
	r->pipe = (struct loop_source){.fd = -1, .dispatch = on_pipe};
}

bool ready_pipe_settle(struct readiness *r)
{
	bool is_ready = r->pipe.fd >= 0 && read_pipe(r);

	if (is_ready)
		tell_by_pipe(r);
	return is_ready;
}

int ready_pipe_fd(const struct service *s)
{
	const struct readiness *r = readiness_find(s);

	if (!r || r->pipe_generation != core_record(s->engine->core, s->id)->generation)
		return -1;
	return r->pipe.fd;
}

void service_take_ready_fd(struct service *s, int fd)
{
	_cleanup_close_
	int owned = fd;
	uint64_t generation = core_record(s->engine->core, s->id)->generation;
	struct readiness *r;
	int k = -ENOMEM;

	if (core_record(s->engine->core, s->id)->state != CORE_STARTING)
		return; /* it is ready, or will not be any more: told to a new engine */
	r = readiness_get(s);
	/* Told again: what is open will do. */
	if (r && r->pipe.fd >= 0 && r->pipe_generation == generation)
		return;
	if (r) {
		ready_pipe_close(r);
		k = loop_add(&s->engine->loop, &r->pipe, owned, EPOLLIN);
	}
	if (k < 0) {
		log_error("service '%s': cannot watch the descriptor that tells that it is ready: "
			  "%s",
			s->name, strerror(-k));
		return;
	}
	TAKE_FD(owned);
	r->pipe_generation = generation;
	r->n_read = 0;
	r->problem[0] = '\0';
}
