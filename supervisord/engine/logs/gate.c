/*
 * To look at what is in the pipe without taking it, it is duplicated to the hold's second pipe, and
 * read there. Then, in this order, since what an outlet has taken can't be taken back:
 *
 *     the limit of the rate       how much of it may go
 *     files that block            is there room for that
 *     outlets that block          how much of that each takes; it may be ahead of others then
 *
 * The smallest of these is what is moved, by the usual way. Who was killed in between has taken
 * nothing from the service: the next one offers outlets the same once more.
 */
#include "engine/logs/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/pump.h"
#include "engine/logs/sink_internal.h"

static usec_t now_of(const struct pump *p)
{
	return p->set->loop->now_usec;
}

static void wait_until(struct pump *p, usec_t at, unsigned reason)
{
	p->gate->reason = (uint8_t)reason;
	p->waiting = true;
	(void)pump_watch(p);
	loop_timer_set(p->set->loop, &p->gate->timer, at);
}

enum gate_reason gate_reason(const struct pump *p)
{
	return p->waiting ? (enum gate_reason)p->gate->reason : GATE_NONE;
}

void gate_open(struct pump *p)
{
	if (!p->waiting)
		return;
	loop_timer_set(p->set->loop, &p->gate->timer, USEC_INFINITY);
	p->waiting = false;
	if (pump_watch(p) < 0)
		wait_until(p, usec_add(now_of(p), USEC_PER_SEC), GATE_NONE);
}

static void on_timer(struct loop_timer *t)
{
	gate_open(CONTAINER_OF(t, struct gate, timer)->pump);
}

static bool is_wanted(const struct pump *p)
{
	const struct spec_rate *rate = &p->sink->log->rate;

	for (const struct sink *s = p->sink; s; s = s->next)
		if (sink_blocks(s))
			return true;
	return rate->lines > 0 || rate->bytes > 0;
}

static struct gate *make(struct pump *p)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->pump = p;
	g->timer.dispatch = on_timer;
	if (loop_timer_add(p->set->loop, &g->timer) == 0)
		return g;
	free(g);
	return NULL;
}

void gate_free(struct pump *p)
{
	struct gate *g = p->gate;

	if (!g)
		return;
	gate_open(p);
	if (p->waiting) /* the loop won't have it: it ends when its process does */
		log_error("service '%s': cannot watch its output", p->sink->name);
	p->waiting = false;
	loop_timer_remove(p->set->loop, &g->timer);
	p->gate = NULL;
	free(g);
}

int gate_configure(struct pump *p)
{
	const struct spec_log *log = p->sink->log;

	if (!is_wanted(p)) {
		gate_free(p);
		return 0;
	}
	if (!p->gate)
		p->gate = make(p);
	if (!p->gate)
		return -ENOMEM;
	rate_configure(&p->gate->rate, &log->rate, now_of(p));
	p->gate->limited = log->rate.lines > 0 || log->rate.bytes > 0;
	p->gate->blocks = log->overflow == SPEC_OVERFLOW_BLOCK;
	gate_open(p);
	return 0;
}

/* The limit of the rate: how many may go; more are passed where the rest of them is dropped. */
static size_t limit(struct pump *p, size_t n, size_t *ret_refused)
{
	struct gate *g = p->gate;
	const char *data = p->set->buffer;
	size_t k;

	*ret_refused = 0;
	if (!g->limited)
		return n;
	rate_fill(&g->rate, now_of(p));
	if (g->blocks)
		return rate_allow(&g->rate, data, n, false);
	k = rate_refuse_rest(&g->rate, data, n);
	if (k > 0) {
		*ret_refused = k;
		return k;
	}
	k = rate_allow(&g->rate, data, n, true);
	*ret_refused = n - k;
	return n;
}

/* Has every file that blocks room for so many? When to ask again; 0: yes. */
static usec_t ask_files(struct pump *p, size_t n)
{
	for (struct sink *s = p->sink; s; s = s->next)
		if (s->kind == SPEC_SINK_FILE && sink_blocks(s) &&
			sink_reserve(s, p->set->buffer, n, now_of(p)) < 0)
			return s->file.retry_usec;
	return 0;
}

/*
 * Who reads what several write gets whole lines of each, as far as there are any: where there is
 * more to come, the rest of the last line comes with that.
 */
static size_t whole_lines(const struct pump *p, size_t n)
{
	const char *data = p->set->buffer, *newline;
	int pending;

	if (data[n - 1] == '\n' || sys_pending(p->fd, &pending) < 0 || (size_t)pending <= n)
		return n;
	newline = memrchr(data, '\n', n);
	return newline ? (size_t)(newline - data) + 1 : n;
}

/* *ret_kind: of the one that takes least. */
static size_t ask_outlets(struct pump *p, size_t n, unsigned *ret_kind)
{
	size_t least = n;

	for (struct sink *s = p->sink; s; s = s->next) {
		size_t most = n;

		if (s->kind == SPEC_SINK_FILE || !sink_blocks(s))
			continue;
		if (s->kind == SPEC_SINK_SERVICE && n > 0)
			most = whole_lines(p, n);
		most = sink_offer(s, p->set->buffer, most, now_of(p));
		if (most < least)
			*ret_kind = s->kind;
		least = MIN_OF(least, most);
	}
	return least;
}

/* Of n bytes that are there. 0: it waits. */
static size_t choose(struct pump *p, size_t n, size_t *ret_refused)
{
	struct gate *g = p->gate;
	size_t most = limit(p, n, ret_refused), wanted = most - *ret_refused, k;
	unsigned kind = SPEC_SINK_NONE;
	usec_t at;

	if (most == 0) {
		wait_until(p, rate_next(&g->rate), GATE_RATE);
		return 0;
	}
	at = wanted > 0 ? ask_files(p, wanted) : 0;
	if (at > 0) {
		wait_until(p, at, GATE_SINK + SPEC_SINK_FILE);
		return 0;
	}
	k = ask_outlets(p, wanted, &kind);
	if (k == 0 && wanted > 0) {
		wait_until(p, USEC_INFINITY, GATE_SINK + kind);
		return 0;
	}
	if (!g->limited)
		return k;
	rate_take(&g->rate, p->set->buffer, k);
	if (k < wanted)
		*ret_refused = 0;
	else if (*ret_refused > 0)
		rate_refused(&g->rate, p->set->buffer[most - 1]);
	return k + *ret_refused;
}

ssize_t gate_admit(struct pump *p, size_t n, size_t *ret_refused)
{
	ssize_t r = hold_look(&p->set->hold, p->fd, p->set->buffer, n);

	*ret_refused = 0;
	if (r == -EAGAIN)
		return r;
	/* The end, and what is no pipe: whoever reads comes to know that. */
	if (r == 0 || r == -EINVAL)
		return (ssize_t)n;
	if (r < 0) {
		wait_until(p, usec_add(now_of(p), USEC_PER_SEC), GATE_NONE);
		return -EAGAIN;
	}
	r = (ssize_t)choose(p, (size_t)r, ret_refused);
	if (r == 0)
		return -EAGAIN;
	gate_open(p); /* asked by whoever didn't wait for it to open */
	return r;
}
