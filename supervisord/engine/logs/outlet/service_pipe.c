/*
 * Bytes go as they come, and what the pipe has taken is the other service's: nothing is put in
 * between, and nothing is held back. Where several write to it, each writes what it has at a time;
 * so a line is only cut by another's where it came in two parts.
 */
#include "engine/logs/outlet/service_pipe.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"
#include "base/sys.h"

struct service_pipe {
	struct outlet outlet;
	int fd;
};

static size_t take(struct outlet *o, struct outlet_writer *w _unused_,
	const struct log_origin *origin _unused_, const char *data, size_t n, usec_t now)
{
	struct service_pipe *p = CONTAINER_OF(o, struct service_pipe, outlet);
	size_t done = 0;

	if (outlet_is_blocked(o, now))
		return 0;
	while (done < n) {
		ssize_t r = sys_write(p->fd, data + done, n - done);

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
	outlet_fini(o);
	free(CONTAINER_OF(o, struct service_pipe, outlet));
}

int service_pipe_new(struct outlet_set *set, const struct spec_target *target, int fd,
	struct outlet **ret_outlet)
{
	static const struct outlet_ops ops = {.take = take, .end = end, .free = service_pipe_free};
	struct service_pipe *p = calloc(1, sizeof(*p));
	int r = p ? outlet_init(&p->outlet, set, &ops, target) : -ENOMEM;

	if (r < 0) {
		free(p);
		return r;
	}
	p->fd = fd;
	*ret_outlet = &p->outlet;
	return 0;
}
