/*
 * Bytes go as they come, and what the pipe has taken is the other service's: nothing is put in
 * between, and nothing is held back.
 *
 * A pipe takes all of a write where that is at most PIPE_BUF long or it is empty, and cuts it
 * anywhere otherwise. So writes are made that it takes as a whole, of whole lines: then another
 * writer's turn, or an engine that is killed and followed by one that repeats the batch, leaves no
 * line in two parts but one that came in two.
 */
#include "engine/logs/outlet/service_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

struct service_pipe {
	struct outlet outlet;
	int fd; /* owned */
};

static size_t piece(const struct service_pipe *p, const char *data, size_t n)
{
	int max = PIPE_BUF, pending;
	const char *newline;

	if (n <= PIPE_BUF)
		return n;
	if (sys_pending(p->fd, &pending) == 0 && pending == 0)
		max = MAX_OF(max, sys_fcntl(p->fd, F_GETPIPE_SZ, 0));
	if (n <= (size_t)max)
		return n;
	newline = memrchr(data, '\n', (size_t)max);
	return newline ? (size_t)(newline - data) + 1 : (size_t)max;
}

static size_t take(struct outlet *o, struct outlet_writer *w _unused_,
	const struct log_origin *origin _unused_, const char *data, size_t n, usec_t now)
{
	struct service_pipe *p = CONTAINER_OF(o, struct service_pipe, outlet);
	size_t done = 0;

	if (outlet_is_blocked(o, now))
		return 0;
	while (done < n) {
		ssize_t r = sys_write(p->fd, data + done, piece(p, data + done, n - done));

		if (r <= 0) {
			if (r == 0 || r == -EAGAIN)
				outlet_set_full(o, p->fd, now);
			else
				outlet_set_failed(o, (int)r, now);
			return done;
		}
		done += (size_t)r;
	}
	outlet_set_working(o, now);
	return done;
}

/* Nothing is ever in partial. */
static size_t end(struct outlet *o _unused_, struct outlet_writer *w _unused_,
	const struct log_origin *origin _unused_, usec_t now _unused_)
{
	return 0;
}

static void service_pipe_free(struct outlet *o)
{
	struct service_pipe *p = CONTAINER_OF(o, struct service_pipe, outlet);

	outlet_fini(o);
	close_fd(p->fd);
	free(p);
}

int service_pipe_new(struct outlet_set *set, const struct spec_target *target, int fd,
	struct outlet **ret_outlet)
{
	static const struct outlet_ops ops = {.take = take, .end = end, .free = service_pipe_free};
	struct service_pipe *p = calloc(1, sizeof(*p));
	int own, r;

	if (!p)
		return -ENOMEM;
	own = sys_dup_cloexec(fd, STDERR_FILENO + 1);
	r = own < 0 ? own : outlet_init(&p->outlet, set, &ops, target);
	if (r < 0) {
		close_fd(own);
		free(p);
		return r;
	}
	p->fd = own;
	*ret_outlet = &p->outlet;
	return 0;
}
