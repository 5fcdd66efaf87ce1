/*
 * From an event to its cell in the table: generations keep late events out, guards turn
 * an end into what follows from it, and afterwards places that became free are given to
 * services that wait for one. There is no recursion: what an event sets off in other
 * services is done in a loop, and everything is told by the list of changes.
 */
#include "core/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/state.h"

struct core *core_new(uint32_t n_services, unsigned max_starting)
{
	struct core *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->slots = calloc(n_services ? n_services : 1, sizeof(*c->slots));
	if (!c->slots) {
		free(c);
		return NULL;
	}
	c->n = n_services;
	c->max_starting = max_starting;
	c->live = c->waiting = (struct core_list){NO_SERVICE, NO_SERVICE};
	c->first_change = c->last_change = NO_SERVICE;
	c->essential_end = NO_SERVICE;
	return c;
}

void core_free(struct core *c)
{
	if (c)
		free(c->slots);
	free(c);
}

bool core_record_is_valid(const struct core_record *r)
{
	return r->state < CORE_STATE_MAX && r->why < CORE_WHY_MAX && r->then <= CORE_THEN_FAILED &&
	       r->end < CORE_END_MAX && r->n_starts <= SPEC_MAX_RESTART_LIMIT;
}

int core_grow(struct core *c, uint32_t n_services)
{
	struct core_slot *slots;

	if (n_services <= c->n)
		return 0;
	slots = reallocarray(c->slots, n_services, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + c->n, 0, (n_services - c->n) * sizeof(*slots));
	c->slots = slots;
	c->n = n_services;
	return 0;
}

void core_set_policy(struct core *c, uint32_t service, const struct spec_policy *policy)
{
	c->slots[service].policy = policy;
}

void core_remove(struct core *c, uint32_t service)
{
	c->slots[service] = (struct core_slot){0};
}

void core_set_max_starting(struct core *c, unsigned max_starting)
{
	c->max_starting = max_starting;
}

void core_add(struct core *c, uint32_t service, const struct spec_policy *policy,
	const struct core_record *record, usec_t now)
{
	struct core_slot *s = &c->slots[service];
	struct core_list *list;

	s->policy = policy;
	s->node = (struct core_node){NO_SERVICE, NO_SERVICE};
	s->next_change = NO_SERVICE;
	if (!record) {
		s->record = (struct core_record){.state = CORE_STOPPED,
			.why = CORE_WHY_NEVER_STARTED,
			.since_usec = now,
			.deadline_usec = USEC_INFINITY};
		return;
	}
	s->record = *record;
	s->record.ready = record->state == CORE_RUNNING;
	/* Who was started last may be gone, with its record; those that were ready then know. */
	if (record->start_order > c->order)
		c->order = record->start_order;
	if (record->ready_order > c->order)
		c->order = record->ready_order;
	c->n_starting += record->state == CORE_STARTING;
	list = core_list_of(c, (enum core_state)record->state, (enum core_why)record->why);
	if (list)
		core_list_insert(c, list, service);
}

const struct core_record *core_record(const struct core *c, uint32_t service)
{
	return &c->slots[service].record;
}

bool core_remembers(const struct core *c, uint32_t service, uint64_t op)
{
	for (unsigned i = 0; i < CORE_MAX_OPS; i++) {
		if (op != 0 && c->slots[service].record.ops[i] == op)
			return true;
	}
	return false;
}

usec_t core_deadline(const struct core *c, uint32_t service)
{
	return c->slots[service].record.deadline_usec;
}

static bool is_live(const struct core_record *r)
{
	return r->state == CORE_STARTING || r->state == CORE_RUNNING || r->state == CORE_STOPPING;
}

/* A generation and its whole tree are gone: what now? */
static enum input done(const struct core *c, const struct core_record *r)
{
	switch ((enum core_then)r->then) {
	case CORE_THEN_STOPPED:
		return IN_DONE_STOPPED;
	case CORE_THEN_START:
		return c->shutting_down ? IN_DONE_STOPPED : IN_DONE_START;
	case CORE_THEN_BACKOFF:
		return c->shutting_down ? IN_DONE_STOPPED : IN_DONE_BACKOFF;
	case CORE_THEN_EXITED:
		return IN_DONE_EXITED;
	case CORE_THEN_FAILED:
		return IN_DONE_FAILED;
	}
	return IN_DONE_STOPPED;
}

/* The main process has ended: notes how, and judges what is to follow. */
static enum input ended(struct step *s)
{
	const struct core_event *e = s->event;
	const struct spec_policy *p = s->slot->policy;
	struct core_record *r = &s->slot->record;
	usec_t ran = usec_sub(e->at_usec, r->started_usec);

	r->end = (uint8_t)e->end;
	r->end_status = e->status;
	r->stage = e->stage;
	r->ended_usec = e->at_usec;
	r->pid = 0;
	restart_forget_old(p, r, ran, e->at_usec);
	if (r->state != CORE_STOPPING) {
		if (restart_is_stable(p, r->ready, ran))
			restart_forget(r);
		r->then = (uint8_t)restart_decide(p, r, e->at_usec);
	}
	return e->survivors ? IN_LEFTOVERS : done(s->core, r);
}

/* The column for an event; IN_MAX for one that is late or repeated. */
static enum input guard(struct step *s)
{
	const struct core_event *e = s->event;
	const struct core_record *r = &s->slot->record;
	bool mine = e->generation == r->generation && is_live(r);

	switch (e->type) {
	case CORE_EVENT_START:
		return s->core->shutting_down ? IN_MAX : IN_START;
	case CORE_EVENT_AUTOSTART:
		return s->core->shutting_down ? IN_MAX : IN_AUTOSTART;
	case CORE_EVENT_RESTART:
		return s->core->shutting_down ? IN_MAX : IN_RESTART;
	case CORE_EVENT_STOP:
		return IN_STOP;
	case CORE_EVENT_RESET:
		return IN_RESET;
	case CORE_EVENT_KILL:
		return IN_KILL;
	case CORE_EVENT_SIGNAL:
		return r->pid > 0 && is_live(r) ? IN_SIGNAL : IN_MAX;
	case CORE_EVENT_UNBLOCK:
		return r->state == CORE_WAITING && r->why == CORE_WHY_PREDECESSOR ? IN_UNBLOCK
										  : IN_MAX;
	case CORE_EVENT_STARTED:
		return mine && r->pid == 0 && !r->main_ended ? IN_STARTED : IN_MAX;
	case CORE_EVENT_ENDED:
		return mine && !r->main_ended ? ended(s) : IN_MAX;
	case CORE_EVENT_GONE:
		return mine && r->main_ended ? done(s->core, r) : IN_MAX;
	case CORE_EVENT_DEADLINE:
		return r->deadline_usec <= s->now ? IN_DEADLINE : IN_MAX;
	case CORE_EVENT_SLOT: /* every step ends with give_slots(), which keeps the order */
	case CORE_EVENT_MAX:
		break;
	}
	return IN_MAX;
}

static bool act(struct step *s, enum input in)
{
	const struct cell *cell = &core_table[s->slot->record.state][in];

	return cell->action && cell->action(s);
}

static bool move(struct core *c, uint32_t i, const struct core_event *e, enum input in, usec_t now)
{
	struct step s = {.core = c, .index = i, .slot = &c->slots[i], .event = e, .now = now};

	return act(&s, in);
}

/* Places that have become free go to those who have waited longest. */
static void give_slots(struct core *c, usec_t now)
{
	while (c->waiting.first != NO_SERVICE && !c->shutting_down &&
		(c->max_starting == 0 || c->n_starting < c->max_starting))
		move(c, c->waiting.first, NULL, IN_SLOT, now);
}

/* Was it up when the newest live service was started, so that this one may rely on it? */
static bool is_relied_on(const struct core *c, uint32_t i)
{
	const struct core_record *r = &c->slots[i].record;

	return r->ready && r->ready_order < c->slots[c->live.last].record.start_order;
}

/*
 * Shutting down: stops all that nobody started later may rely on. There is more to stop
 * only when the newest live service has gone, so that all waves cost little together.
 *
 * Patience has an end: once the longest stop timeout has passed since the beginning, all
 * the rest is stopped at once. So a shutdown takes at most two such timeouts, however many
 * services ignore their stop signal one after the other. No timer is needed for it: it is
 * looked at when the one that is waited for was killed at its own timeout.
 */
static void stop_wave(struct core *c, usec_t now)
{
	bool impatient = now > c->patience_usec;

	if (!c->shutting_down || (c->live.last == c->wave_last && !impatient))
		return;
	c->wave_last = c->live.last;
	for (uint32_t i = c->live.last, prev; i != NO_SERVICE; i = prev) {
		prev = c->slots[i].node.prev;
		if ((impatient || !is_relied_on(c, i)) && c->slots[i].record.state != CORE_STOPPING)
			move(c, i, NULL, IN_STOP, now);
	}
	if (impatient)
		c->patience_usec = USEC_INFINITY; /* there is nothing left to be told */
}

static usec_t longest_stop(const struct core *c)
{
	usec_t longest = 0;

	for (uint32_t i = c->live.last; i != NO_SERVICE; i = c->slots[i].node.prev) {
		if (c->slots[i].policy->stop_timeout_usec > longest)
			longest = c->slots[i].policy->stop_timeout_usec;
	}
	return longest;
}

bool core_step(struct core *c, const struct core_event *event, usec_t now, uint64_t random)
{
	struct step s = {
		.core = c, .index = event->service, .event = event, .now = now, .random = random};
	enum input in;

	if (event->service >= c->n || !c->slots[event->service].policy)
		return false;
	s.slot = &c->slots[event->service];
	in = guard(&s);
	if (in != IN_MAX && !act(&s, in))
		return false;
	if (c->essential_end != NO_SERVICE && !c->shutting_down)
		core_shutdown(c, false, now);
	give_slots(c, now);
	stop_wave(c, now);
	return true;
}

bool core_next_change(struct core *c, struct core_change *ret_change)
{
	uint32_t i = c->first_change;
	struct core_slot *s;

	if (i == NO_SERVICE)
		return false;
	s = &c->slots[i];
	c->first_change = s->next_change;
	if (c->first_change == NO_SERVICE)
		c->last_change = NO_SERVICE;
	s->queued = false;
	s->next_change = NO_SERVICE;
	*ret_change = s->change;
	return true;
}

static void kill_live(struct core *c, usec_t now)
{
	for (uint32_t i = c->live.last, prev; i != NO_SERVICE; i = prev) {
		prev = c->slots[i].node.prev;
		move(c, i, NULL, IN_KILL, now);
	}
}

/* Nothing follows a stop that is under way, and what is not alive has no turn to wait for. */
static void forget_starts(struct core *c, usec_t now)
{
	for (uint32_t i = c->live.last; i != NO_SERVICE; i = c->slots[i].node.prev) {
		if (c->slots[i].record.state == CORE_STOPPING)
			move(c, i, NULL, IN_STOP, now);
	}
	while (c->waiting.first != NO_SERVICE)
		move(c, c->waiting.first, NULL, IN_STOP, now);
	for (uint32_t i = 0; i < c->n; i++) {
		enum core_state state = (enum core_state)c->slots[i].record.state;

		if (c->slots[i].policy && (state == CORE_BACKOFF || state == CORE_WAITING))
			move(c, i, NULL, IN_STOP, now);
	}
}

void core_shutdown(struct core *c, bool hurry, usec_t now)
{
	c->shutting_down = true;
	c->wave_last = NO_SERVICE;
	c->patience_usec = usec_add(now, longest_stop(c));
	forget_starts(c, now);
	if (hurry)
		kill_live(c, now);
	else
		stop_wave(c, now);
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

static enum core_outcome judge_up(const struct core_record *r)
{
	switch ((enum core_state)r->state) {
	case CORE_RUNNING:
	case CORE_EXITED:
		return CORE_DONE;
	case CORE_STARTING:
	case CORE_WAITING:
		return CORE_PENDING;
	case CORE_STOPPING:
		return r->desired_up ? CORE_PENDING : CORE_NOT_DONE;
	case CORE_STOPPED:
	case CORE_BACKOFF:
	case CORE_FAILED:
	case CORE_STATE_MAX:
		break;
	}
	return CORE_NOT_DONE;
}

enum core_outcome core_judge(
	const struct core *c, uint32_t service, enum core_event_type request, uint64_t before)
{
	const struct core_record *r = core_record(c, service);

	switch (request) {
	case CORE_EVENT_START:
	case CORE_EVENT_AUTOSTART:
		return c->shutting_down ? CORE_NOT_DONE : judge_up(r);
	case CORE_EVENT_RESTART:
		if (c->shutting_down)
			return CORE_NOT_DONE;
		if (r->generation > before)
			return judge_up(r);
		return r->desired_up && (r->state == CORE_STOPPING || r->state == CORE_WAITING)
			       ? CORE_PENDING
			       : CORE_NOT_DONE;
	case CORE_EVENT_STOP:
	case CORE_EVENT_KILL:
		if (r->desired_up)
			return CORE_NOT_DONE;
		return is_live(r) ? CORE_PENDING : CORE_DONE;
	case CORE_EVENT_RESET:
		return CORE_DONE;
	case CORE_EVENT_SIGNAL:
	case CORE_EVENT_UNBLOCK:
	case CORE_EVENT_STARTED:
	case CORE_EVENT_ENDED:
	case CORE_EVENT_GONE:
	case CORE_EVENT_DEADLINE:
	case CORE_EVENT_SLOT:
	case CORE_EVENT_MAX:
		break;
	}
	return CORE_NOT_DONE;
}
