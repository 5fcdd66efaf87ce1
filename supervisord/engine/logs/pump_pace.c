/*
 * When a pump has its next turn, and how large its pipe is.
 *
 * Lines that are written one by one would cost a turn each, and their writer, each time, the
 * waking of who waits for them. So a pump whose turn follows its last one closely leaves its pipe
 * alone for as long as a millisecond to fill: it is out of the loop meanwhile. When a pipe was
 * found nearly full it rests for half as long from then on, or not at all: no writer is to
 * wait for that. After many turns without that, it tries to rest for longer again.
 */
#include <fcntl.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/pump.h"

int pump_watch(struct pump *p)
{
	bool wanted = p->fd >= 0 && !p->waiting && !p->pace.resting;

	if (wanted && p->source.fd < 0)
		return loop_add(&p->set->pipes, &p->source, p->fd, EPOLLIN);
	if (!wanted)
		loop_remove(&p->set->pipes, &p->source);
	return 0;
}

/* If that was more than an hour ago it may seem to be less, and that costs a rest. */
static usec_t since_turn(const struct pump *p, usec_t now)
{
	return (uint32_t)now - p->pace.turn_usec;
}

static usec_t rest_of(const struct pump *p)
{
	return p->pace.n_halved < PUMP_REST_HALVED ? p->set->rest_usec >> p->pace.n_halved : 0;
}

/* When its rest is over, or was; it has had a turn not long ago. */
static usec_t rest_end(const struct pump *p, usec_t now)
{
	return now - since_turn(p, now) + rest_of(p);
}

static void rest(struct pump *p, usec_t now)
{
	struct pump_set *set = p->set;
	usec_t until = rest_end(p, now);

	if (!set->resting || until < set->rest.entry.deadline)
		loop_timer_set(set->loop, &set->rest, until);
	p->pace.resting = true;
	p->pace.next = set->resting;
	set->resting = p;
	(void)pump_watch(p);
}

/* Those whose rest is over are in the loop again; where one can't be, it is tried again later. */
void pump_end_rests(struct loop_timer *t)
{
	struct pump_set *set = CONTAINER_OF(t, struct pump_set, rest);
	usec_t now = usec_now(CLOCK_MONOTONIC), next = USEC_INFINITY;

	for (struct pump **at = &set->resting; *at;) {
		struct pump *p = *at;
		usec_t until = rest_end(p, now);

		if (until <= now) {
			p->pace.resting = false;
			if (pump_watch(p) == 0) {
				*at = p->pace.next;
				continue;
			}
			p->pace.resting = true;
			until = usec_add(now, USEC_PER_MSEC);
		}
		next = MIN_OF(next, until);
		at = &p->pace.next;
	}
	loop_timer_set(set->loop, t, next);
}

static bool is_full(const struct pump *p, size_t n)
{
	return n >= (p->pace.large ? PUMP_PIPE_SIZE : PUMP_SMALL_SIZE) / 4 * 3;
}

/* What is refused is not asked for again, whoever's pipe it is: it is the user's limit. */
static void enlarge(struct pump *p)
{
	struct pump_set *set = p->set;

	p->pace.n_full = 0;
	if (set->n_large >= set->max_large)
		return;
	if (sys_fcntl(p->fd, F_SETPIPE_SZ, PUMP_PIPE_SIZE) < 0) {
		set->max_large = set->n_large;
		return;
	}
	p->pace.large = true;
	set->n_large++;
}

static void note_full(struct pump *p)
{
	struct pump_pace *pace = &p->pace;

	pace->n_calm = 0;
	if (pace->n_halved < PUMP_REST_HALVED)
		pace->n_halved++;
	if (!pace->large && ++pace->n_full >= PUMP_FULL_TURNS)
		enlarge(p);
}

static void note_calm(struct pump *p)
{
	struct pump_pace *pace = &p->pace;

	if (++pace->n_calm < PUMP_CALM_TURNS)
		return;
	pace->n_calm = 0;
	if (pace->n_halved > 0)
		pace->n_halved--;
}

void pump_pace(struct pump *p, size_t n)
{
	struct pump_pace *pace = &p->pace;
	usec_t now = usec_now(CLOCK_MONOTONIC);
	bool close = since_turn(p, now) < p->set->rest_usec;

	pace->turn_usec = (uint32_t)now;
	pace->n_ahead = (unsigned)MIN_OF((n - 1) / PUMP_TURN_BYTES, (size_t)7);
	if (is_full(p, n)) {
		note_full(p);
		return;
	}
	note_calm(p);
	if (!close)
		pace->n_full = 0;
	else if (rest_of(p) > 0)
		rest(p, now);
}

void pump_forget_pace(struct pump *p)
{
	struct pump_set *set = p->set;

	for (struct pump **at = &set->resting; p->pace.resting && *at; at = &(*at)->pace.next) {
		if (*at == p) {
			*at = p->pace.next;
			break;
		}
	}
	set->n_large -= p->pace.large;
	p->pace = (struct pump_pace){0};
}
