/*
 * All pipes are in a loop of their own, nested in the engine's: whatever services write, a
 * request, a signal or the launcher waits for no longer than PUMP_SHARE_USEC and one turn.
 *
 * The sources are level triggered: a pipe that still holds data has its next turn behind all
 * others that are ready. A turn is as much as the pipe holds, and pipes differ in size: who had
 * more than PUMP_TURN_BYTES lets pass as many turns as that was in advance. So floods get the
 * same number of bytes, and batches stay large.
 *
 * Lines that are written one by one would cost a turn each. So where a turn follows the last one
 * closely, the pipes are left alone for as long as a millisecond to fill; but not when one was
 * found nearly full of late: no writer is to wait for that.
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

static ssize_t plain_turn(struct pump *p, size_t n, size_t n_refused)
{
	char *data = p->set->buffer;
	ssize_t r = sys_read(p->fd, data, MIN_OF(n, (size_t)PUMP_BUFFER_SIZE));

	if (r <= 0)
		return r;
	if (p->tap)
		p->tap(p, data, (size_t)r);
	fanout_write(
		p, data, (size_t)r, n_refused - MIN_OF(n_refused, n - (size_t)r), false, false);
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

static bool is_full(const struct pump *p, size_t n)
{
	return n >= (p->large ? PUMP_PIPE_SIZE : PUMP_SMALL_SIZE) / 4 * 3;
}

/* What is refused is not asked for again: the pipe counts as large then, and nobody rests. */
static void note_size(struct pump *p, size_t n, bool close)
{
	struct pump_set *set = p->set;

	if (!is_full(p, n)) {
		p->n_full = close ? p->n_full : 0;
		return;
	}
	if (p->large || ++p->n_full < PUMP_FULL_TURNS)
		return;
	p->n_full = 0;
	if (set->n_large >= PUMP_MAX_LARGE)
		return;
	if (sys_fcntl(p->fd, F_SETPIPE_SZ, PUMP_PIPE_SIZE) < 0)
		set->rest_usec = 0;
	p->large = true;
	set->n_large++;
}

/* After a turn of n bytes: how it goes on. */
static void pace(struct pump *p, size_t n)
{
	struct pump_set *set = p->set;
	usec_t now = usec_now(CLOCK_MONOTONIC);
	bool close = now < usec_add(set->turn_usec, set->rest_usec);

	note_size(p, n, close);
	set->turn_usec = now;
	if (is_full(p, n))
		set->full_usec = now;
	else if (close && now >= usec_add(set->full_usec, 2 * set->rest_usec))
		loop_rest(&set->pipes, usec_add(now, set->rest_usec));
}

/* One turn of at most n bytes. How many there were; 0: the end; -EAGAIN: nothing now. */
static ssize_t transfer(struct pump *p, size_t n)
{
	bool held = p->set->ledger.room && !p->plain && fanout_is_kept(p);
	size_t n_refused = 0;
	ssize_t r;

	n = MIN_OF(n, (size_t)PUMP_BUFFER_SIZE);
	if (p->gate && !p->plain) {
		r = gate_admit(p, n, &n_refused);
		if (r < 0)
			return r;
		n = (size_t)r;
	}
	r = held ? pump_hold_turn(p, n, n_refused) : plain_turn(p, n, n_refused);
	if (held && r == -EINVAL) {
		p->plain = true;
		r = plain_turn(p, n, 0);
	}
	if (r > 0 || r == -EAGAIN)
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
	if (r > 0) {
		p->n_ahead = (uint8_t)((size_t)(r - 1) / PUMP_TURN_BYTES);
		pace(p, (size_t)r);
	} else if (r == 0) {
		p->ended(p);
	}
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
	p->plain = p->waiting = false;
	return 0;
}

void pump_stop(struct pump *p)
{
	if (!p->set)
		return;
	loop_remove(&p->set->pipes, &p->source);
	if (p->gate)
		loop_timer_set(p->set->loop, &p->gate->timer, USEC_INFINITY);
	p->waiting = false;
	forget_size(p);
	p->fd = -1;
}

enum pump_outcome pump_drain(struct pump *p, size_t max_bytes)
{
	if (p->fd < 0)
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
