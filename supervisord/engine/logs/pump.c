/*
 * The sources are level triggered: a pipe that still holds data is ready again in the next
 * round, behind all others that are ready. That is all the fairness there needs to be, and it
 * works only with a single read per turn.
 */
#include "engine/logs/pump.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"

int pump_set_init(struct pump_set *set, struct loop *loop)
{
	char *buffer = malloc(PUMP_BUFFER_SIZE);

	if (!buffer)
		return -ENOMEM;
	*set = (struct pump_set){.loop = loop, .buffer = buffer};
	return 0;
}

void pump_set_fini(struct pump_set *set)
{
	free(TAKE_PTR(set->buffer));
}

/* One read of at most n bytes. How many there were; 0: the end; -EAGAIN: nothing now. */
static ssize_t transfer(struct pump *p, size_t n)
{
	ssize_t r = sys_read(p->fd, p->set->buffer, MIN_OF(n, (size_t)PUMP_BUFFER_SIZE));

	if (r > 0) {
		if (p->tap)
			p->tap(p, p->set->buffer, (size_t)r);
		sink_write(p->sink, p->set->buffer, (size_t)r, p->set->loop->now_usec);
		return r;
	}
	if (r == -EAGAIN)
		return r;
	if (r < 0)
		log_error("service '%s': cannot read its output: %s; reading no more of it",
			p->sink->name, strerror((int)-r));
	sink_end(p->sink, p->set->loop->now_usec);
	pump_fini(p);
	return 0;
}

static void dispatch(struct loop_source *s, uint32_t events _unused_)
{
	struct pump *p = CONTAINER_OF(s, struct pump, source);

	if (transfer(p, PUMP_BUFFER_SIZE) == 0)
		p->ended(p);
}

int pump_init(struct pump *p, struct pump_set *set, int fd, struct sink *sink,
	void (*ended)(struct pump *p))
{
	*p = (struct pump){
		.source = {.fd = -1, .dispatch = dispatch},
		.set = set,
		.sink = sink,
		.ended = ended,
		.fd = fd,
	};
	return loop_add(set->loop, &p->source, fd, EPOLLIN);
}

void pump_fini(struct pump *p)
{
	if (p->set)
		loop_remove(p->set->loop, &p->source);
}

enum pump_outcome pump_drain(struct pump *p, size_t max_bytes)
{
	if (p->source.fd < 0)
		return PUMP_ENDED;
	while (max_bytes > 0) {
		ssize_t r = transfer(p, max_bytes);

		if (r < 0)
			return PUMP_EMPTY;
		if (r == 0)
			return PUMP_ENDED;
		max_bytes -= (size_t)r;
	}
	return PUMP_MORE;
}
