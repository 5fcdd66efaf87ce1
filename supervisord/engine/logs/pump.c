/*
 * All pipes are in a loop of their own, nested in the engine's: whatever services write, a
 * request, a signal or the launcher waits for no longer than PUMP_SHARE_USEC and one turn.
 *
 * The sources are level triggered: a pipe that still holds data has its next turn behind all
 * others that are ready. A turn is as much as the pipe holds, and pipes differ in size: who had
 * more than PUMP_TURN_BYTES lets pass as many turns as that was in advance. So floods get the
 * same number of bytes, and batches stay large.
 */
#include "engine/logs/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/fanout.h"

int pump_set_init(struct pump_set *set, struct loop *loop)
{
	_cleanup_free_
	char *buffer = malloc(PUMP_BUFFER_SIZE);
	int r;

	if (!buffer)
		return -ENOMEM;
	*set = (struct pump_set){.hold = HOLD_INIT};
	r = loop_init(&set->pipes);
	if (r < 0)
		return r;
	r = loop_nest(&set->pipes, loop, PUMP_SHARE_USEC);
	if (r < 0) {
		loop_fini(&set->pipes);
		return r;
	}
	set->loop = loop;
	set->buffer = TAKE_PTR(buffer);
	return 0;
}

void pump_set_fini(struct pump_set *set)
{
	if (!set->loop)
		return;
	hold_fini(&set->hold);
	loop_fini(&set->pipes);
	set->loop = NULL;
	set->ledger.room = NULL;
	free(TAKE_PTR(set->buffer));
}

static ssize_t plain_turn(struct pump *p, size_t n)
{
	char *data = p->set->buffer;
	ssize_t r = sys_read(p->fd, data, MIN_OF(n, (size_t)PUMP_BUFFER_SIZE));

	if (r <= 0)
		return r;
	if (p->tap)
		p->tap(p, data, (size_t)r);
	fanout_write(p, data, (size_t)r, 0, false);
	if (p->set->owner)
		p->set->owner->account(p);
	return r;
}

static void forget_size(struct pump *p)
{
	p->set->n_large -= p->large;
	p->large = false;
	p->n_full = 0;
}

/* What is refused is not asked for again: the pipe counts as large then. */
static void note_size(struct pump *p, size_t n)
{
	p->n_full = n >= PUMP_FULL_BYTES ? (uint8_t)(p->n_full + 1) : 0;
	if (p->large || p->n_full < PUMP_FULL_TURNS)
		return;
	p->n_full = 0;
	if (p->set->n_large >= PUMP_MAX_LARGE)
		return;
	(void)sys_fcntl(p->fd, F_SETPIPE_SZ, PUMP_PIPE_SIZE);
	p->large = true;
	p->set->n_large++;
}

/* One turn of at most n bytes. How many there were; 0: the end; -EAGAIN: nothing now. */
static ssize_t transfer(struct pump *p, size_t n)
{
	bool held = p->set->ledger.room && !p->plain && fanout_is_kept(p);
	ssize_t r = held ? pump_hold_turn(p, n) : plain_turn(p, n);

	if (held && r == -EINVAL) {
		p->plain = true;
		r = plain_turn(p, n);
	}
	if (r > 0) {
		note_size(p, (size_t)r);
		return r;
	}
	if (r == -EAGAIN)
		return r;
	if (r < 0)
		log_error("service '%s': cannot read its output: %s; reading no more of it",
			p->sink->name, strerror((int)-r));
	pump_end_output(p);
	pump_stop(p);
	return 0;
}

static void dispatch(struct loop_source *s, uint32_t events _unused_)
{
	struct pump *p = CONTAINER_OF(s, struct pump, source);
	bool alone = p->set->pipes.n_batch == 1;
	ssize_t r;

	if (p->n_ahead > 0 && !alone) {
		p->n_ahead--;
		return;
	}
	r = transfer(p, PUMP_BUFFER_SIZE);
	if (r > 0)
		p->n_ahead = (uint8_t)((size_t)(r - 1) / PUMP_TURN_BYTES);
	else if (r == 0)
		p->ended(p);
}

void pump_init(struct pump *p, struct pump_set *set, struct sink *sink, uint32_t id,
	unsigned stream, void (*ended)(struct pump *p))
{
	*p = (struct pump){
		.source = {.fd = -1, .dispatch = dispatch},
		.set = set,
		.sink = sink,
		.ended = ended,
		.id = id,
		.stream = (uint8_t)stream,
		.fd = -1,
	};
}

int pump_start(struct pump *p, int fd)
{
	int r = loop_add(&p->set->pipes, &p->source, fd, EPOLLIN);

	if (r < 0)
		return r;
	p->fd = fd;
	p->plain = false;
	return 0;
}

void pump_stop(struct pump *p)
{
	if (!p->set)
		return;
	loop_remove(&p->set->pipes, &p->source);
	forget_size(p);
	p->fd = -1;
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
		max_bytes -= MIN_OF(max_bytes, (size_t)r);
	}
	return PUMP_MORE;
}
