/*
 * A user who is refused again and again must neither fill the log nor keep what others were
 * refused out of it, so each has a count. There are more users than counts: one is free again
 * when its window is over, and while there is none, all further users share one.
 */
#include "engine/control/server/server_log.h"

#include "base/log.h"
#include "base/macro.h"

static bool is_over(const struct server_log *l, const struct server_quota *q)
{
	return usec_sub(l->loop->now_usec, q->since_usec) >= l->window_usec;
}

/* --- what was left out --- */

static void tell_refused(struct server_quota *q)
{
	if (q->n > SERVER_MAX_REFUSED_LINES)
		log_warning("control: refused: uid %u %u requests more", (unsigned)q->uid,
			q->n - SERVER_MAX_REFUSED_LINES);
	q->n = 0;
}

static void tell_others(struct server_quota *q)
{
	if (q->n > SERVER_MAX_REFUSED_LINES)
		log_warning("control: refused: other users %u requests more",
			q->n - SERVER_MAX_REFUSED_LINES);
	q->n = 0;
}

static void tell_closed(struct server_quota *q)
{
	if (q->n > SERVER_MAX_CLOSED_LINES)
		log_warning("control: closed %u connections more", q->n - SERVER_MAX_CLOSED_LINES);
	q->n = 0;
}

/* All that is over, or all there is. Returns when the next one is. */
static usec_t tell(struct server_log *l, bool all)
{
	usec_t next = USEC_INFINITY;
	const struct {
		struct server_quota *first;
		size_t n;
		void (*tell)(struct server_quota *q);
	} kinds[] = {
		{l->refused, ELEMENTSOF(l->refused), tell_refused},
		{&l->others, 1, tell_others},
		{&l->closed, 1, tell_closed},
	};

	for (size_t k = 0; k < ELEMENTSOF(kinds); k++) {
		for (size_t i = 0; i < kinds[k].n; i++) {
			struct server_quota *q = &kinds[k].first[i];

			if (q->n == 0)
				continue;
			if (all || is_over(l, q))
				kinds[k].tell(q);
			else
				next = MIN_OF(next, usec_add(q->since_usec, l->window_usec));
		}
	}
	return next;
}

static void on_timer(struct loop_timer *t)
{
	struct server_log *l = CONTAINER_OF(t, struct server_log, timer);

	loop_timer_set(l->loop, t, tell(l, false));
}

/* --- one more --- */

/* Whether it may be logged. */
static bool take(struct server_log *l, struct server_quota *q, unsigned max)
{
	if (q->n++ == 0)
		q->since_usec = l->loop->now_usec;
	if (q->n == max + 1 && l->timer.entry.pos == 0)
		loop_timer_set(l->loop, &l->timer, usec_add(q->since_usec, l->window_usec));
	return q->n <= max;
}

static struct server_quota *quota_of(struct server_log *l, uid_t uid)
{
	struct server_quota *free = NULL;

	tell(l, false);
	for (size_t i = 0; i < ELEMENTSOF(l->refused); i++) {
		struct server_quota *q = &l->refused[i];

		if (q->n > 0 && q->uid == uid)
			return q;
		if (q->n == 0 && !free)
			free = q;
	}
	if (!free)
		return &l->others;
	free->uid = uid;
	return free;
}

bool server_log_refused(struct server_log *l, const struct peer *peer, const char *method)
{
	if (!take(l, quota_of(l, peer->uid), SERVER_MAX_REFUSED_LINES))
		return false;
	log_warning("control: refused: uid %u pid %d may not %s", (unsigned)peer->uid,
		(int)peer->pid, method);
	return true;
}

void server_log_closed(struct server_log *l, const struct peer *peer, const char *why)
{
	tell(l, false);
	if (take(l, &l->closed, SERVER_MAX_CLOSED_LINES))
		log_info("control: uid %u pid %d %s; connection closed", (unsigned)peer->uid,
			(int)peer->pid, why);
}

/* --- life --- */

int server_log_init(struct server_log *l, struct loop *loop, usec_t window_usec)
{
	*l = (struct server_log){
		.loop = loop, .window_usec = window_usec, .timer.dispatch = on_timer};
	return loop_timer_add(loop, &l->timer);
}

void server_log_fini(struct server_log *l)
{
	tell(l, true);
	loop_timer_remove(l->loop, &l->timer);
}
