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
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/fanout.h"

static void settle(struct pump *p)
{
	if (!fanout_owes(p))
		return;
	pump_settle(p);
	if (fanout_owes(p))
		pump_set_owe(p->set);
}

static void on_settle(struct loop_timer *t)
{
	struct pump_set *set = CONTAINER_OF(t, struct pump_set, settle);

	set->owes = false;
	set->owner->each(set, settle);
}

void pump_set_owe(struct pump_set *set)
{
	if (set->owes || !set->owner || !set->owner->each)
		return;
	set->owes = true;
	loop_timer_set(set->loop, &set->settle, usec_add(set->loop->now_usec, PUMP_SETTLE_USEC));
}

int pump_set_init(struct pump_set *set, struct loop *loop, void (*ended)(struct pump *p))
{
	_cleanup_free_
	char *buffer = aligned_alloc(PUMP_BUFFER_ALIGN, PUMP_BUFFER_SIZE);
	int r;

	if (!buffer)
		return -ENOMEM;
	*set = (struct pump_set){.hold = HOLD_INIT, .ended = ended};
	r = loop_init(&set->pipes);
	if (r < 0)
		return r;
	r = loop_nest(&set->pipes, loop, PUMP_SHARE_USEC);
	if (r < 0) {
		loop_fini(&set->pipes);
		return r;
	}
	r = loop_timer_add(loop, &set->settle);
	if (r == 0) {
		r = loop_timer_add(loop, &set->rest);
		if (r < 0)
			loop_timer_remove(loop, &set->settle);
	}
	if (r < 0) {
		loop_fini(&set->pipes);
		return r;
	}
	set->settle.dispatch = on_settle;
	set->rest.dispatch = pump_end_rests;
	set->max_large = PUMP_MAX_LARGE;
	set->loop = loop;
	set->buffer = TAKE_PTR(buffer);
	return 0;
}

void pump_set_fini(struct pump_set *set)
{
	if (!set->loop)
		return;
	hold_fini(&set->hold);
	loop_timer_remove(set->loop, &set->settle);
	loop_timer_remove(set->loop, &set->rest);
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
	if (p->set->tap)
		p->set->tap(p, data, (size_t)r);
	fanout_write(
		p, data, (size_t)r, n_refused - MIN_OF(n_refused, n - (size_t)r), false, false);
	if (p->set->owner)
		p->set->owner->account(p);
	return r;
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

	if (p->pace.n_ahead > 0 && !alone) {
		p->pace.n_ahead--;
		return;
	}
	r = transfer(p, PUMP_BUFFER_SIZE);
	if (r > 0)
		pump_pace(p, (size_t)r);
	else if (r == 0)
		p->set->ended(p);
}

void pump_init(
	struct pump *p, struct pump_set *set, struct sink *sink, uint32_t id, unsigned stream)
{
	*p = (struct pump){
		.source = {.fd = -1, .dispatch = dispatch},
		.set = set,
		.sink = sink,
		.id = id,
		.stream = (uint8_t)stream,
		.fd = -1,
	};
}

int pump_start(struct pump *p, int fd)
{
	int r;

	p->plain = p->waiting = false;
	p->fd = fd;
	r = pump_watch(p);
	if (r < 0)
		p->fd = -1;
	return r;
}

void pump_stop(struct pump *p)
{
	if (!p->set)
		return;
	loop_remove(&p->set->pipes, &p->source);
	if (p->gate)
		loop_timer_set(p->set->loop, &p->gate->timer, USEC_INFINITY);
	p->waiting = false;
	pump_forget_pace(p);
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
