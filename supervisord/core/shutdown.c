/*
 * The end of everything, in reverse order: a service is stopped once nobody is left that came
 * after it by configuration, nor anybody that was started when it was ready, and so may rely on
 * it. What was started side by side is stopped side by side.
 *
 * The second rule is judged against one service at a time, the newest that may be stopped: so
 * there is always one to stop, and a wave costs one look at all. When that one has gone, the next
 * wave comes. What becomes free in between by the first rule is stopped when it is looked at.
 *
 * Patience has an end: once the longest time that one of them may take to stop has passed since
 * the beginning, all the rest is stopped at once. So a shutdown takes at most two such times,
 * however many services ignore their stop signal one after the other. No timer is needed for it: it
 * is looked at when the one that is waited for was killed at its own timeout.
 */
#include "core/state.h"

static bool is_relied_on(const struct core *c, uint32_t i)
{
	const struct core_record *r = &c->slots[i].record;

	return c->wave != NO_SERVICE && r->ready &&
	       r->ready_order < c->slots[c->wave].record.start_order;
}

/* What has no process yet is of no use to anybody, and is not to get one. */
bool may_stop(const struct core *c, uint32_t i)
{
	return c->shutting_down &&
	       (c->impatient || c->hurried || c->slots[i].record.phase == CORE_PHASE_PRE_START ||
		       (c->wave != NO_SERVICE && graph_users(c, i)->n_after == 0 &&
			       !is_relied_on(c, i)));
}

/* What became free in the middle of a wave, and is newer than what that waits for, comes first. */
void shutdown_freed(struct core *c, uint32_t i)
{
	const struct core_record *r = &c->slots[i].record;

	if (c->wave != NO_SERVICE && core_is_live(r) &&
		r->start_order > c->slots[c->wave].record.start_order)
		c->wave = i;
}

static uint32_t newest_free(const struct core *c)
{
	for (uint32_t i = c->live.last; i != NO_SERVICE; i = c->slots[i].node.prev) {
		if (graph_users(c, i)->n_after == 0)
			return i;
	}
	return NO_SERVICE;
}

/* Stopping one may stop others at once, so the list is gone through by looks. */
static void look_at_live(struct core *c)
{
	for (uint32_t i = c->live.last; i != NO_SERVICE; i = c->slots[i].node.prev)
		look(c, i);
}

void stop_wave(struct core *c, usec_t now)
{
	if (!c->shutting_down)
		return;
	if (!c->impatient && now > c->patience_usec) {
		c->impatient = true;
		look_at_live(c);
	}
	while (c->wave == NO_SERVICE && c->live.first != NO_SERVICE) {
		c->wave = newest_free(c);
		if (c->wave == NO_SERVICE)
			break; /* there is no such thing as a circle */
		look_at_live(c);
		settle(c, now);
	}
	settle(c, now);
}

/* What an orderly stop may take, before KILL: its hooks have a time of their own. */
static usec_t stop_time(const struct spec_policy *p)
{
	usec_t time = p->stop_timeout_usec;

	if (p->hooks & 1u << SPEC_HOOK_PRE_STOP)
		time = usec_add(time, p->hook_timeout_usec);
	if (p->hooks & 1u << SPEC_HOOK_POST_STOP)
		time = usec_add(time, p->hook_timeout_usec);
	return time;
}

static usec_t longest_stop(const struct core *c)
{
	usec_t longest = 0;

	for (uint32_t i = c->live.last; i != NO_SERVICE; i = c->slots[i].node.prev) {
		usec_t time = stop_time(c->slots[i].policy);

		if (time > longest)
			longest = time;
	}
	return longest;
}

static void kill_live(struct core *c, usec_t now)
{
	for (uint32_t i = c->live.last, prev; i != NO_SERVICE; i = prev) {
		prev = c->slots[i].node.prev;
		core_move(c, i, IN_KILL, NO_SERVICE, now);
	}
}

/* Nothing follows a stop that is under way, and what is not alive has no turn to wait for. */
static void forget_starts(struct core *c, usec_t now)
{
	for (uint32_t i = 0; i < c->n; i++) {
		struct core_record *r = &c->slots[i].record;

		if (c->slots[i].policy && (r->state == CORE_BACKOFF || r->state == CORE_WAITING ||
						  r->state == CORE_STOPPING))
			core_move(c, i, IN_STOP, NO_SERVICE, now);
	}
}

void core_shutdown(struct core *c, bool hurry, usec_t now)
{
	c->ending = c->shutting_down = true;
	c->hurried |= hurry;
	c->wave = NO_SERVICE;
	c->patience_usec = usec_add(now, longest_stop(c));
	forget_starts(c, now);
	if (c->hurried)
		kill_live(c, now);
	settle(c, now);
	stop_wave(c, now);
}

void core_expect_shutdown(struct core *c)
{
	c->ending = true;
}

bool core_is_down(const struct core *c)
{
	return c->shutting_down && c->live.first == NO_SERVICE;
}

bool core_is_shutting_down(const struct core *c)
{
	return c->shutting_down;
}

bool core_essential_end(const struct core *c, uint32_t *ret_service)
{
	if (c->essential_end == NO_SERVICE)
		return false;
	*ret_service = c->essential_end;
	return true;
}
