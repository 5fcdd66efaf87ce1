/*
 * One step: an event is turned into the one input that it is (guard.c) and goes to its cell in the
 * table. What that sets off in other services is settled afterwards, in a loop (settle.c);
 * everything is told by the list of changes.
 */
#include "core/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/actions.h"

struct core *core_new(uint32_t n_services, unsigned max_starting)
{
	struct core *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->slots = calloc(n_services ? n_services : 1, sizeof(*c->slots));
	c->pasts = calloc(n_services ? n_services : 1, sizeof(*c->pasts));
	if (!c->slots || !c->pasts) {
		core_free(c);
		return NULL;
	}
	c->n = n_services;
	c->max_starting = max_starting;
	c->live = c->waiting = c->unpooled = (struct core_list){NO_SERVICE, NO_SERVICE};
	c->first_change = c->last_change = NO_SERVICE;
	c->first_look = c->last_look = NO_SERVICE;
	c->essential_end = c->wave = NO_SERVICE;
	return c;
}

void core_free(struct core *c)
{
	if (!c)
		return;
	core_graph_free(c->graph);
	free(c->slots);
	free(c->pasts);
	free(c);
}

bool core_record_is_valid(const struct core_record *r)
{
	return r->state < CORE_STATE_MAX && r->why < CORE_WHY_MAX && r->then < CORE_THEN_MAX &&
	       r->end < CORE_END_MAX && r->phase < CORE_PHASE_MAX && r->cause < CORE_CAUSE_MAX &&
	       r->health < CORE_HEALTH_MAX && r->last_cause < CORE_CAUSE_MAX;
}

bool core_past_is_valid(const struct core_past *p)
{
	return p->n_starts <= SPEC_MAX_RESTART_LIMIT;
}

/* Writes only what is another one. */
static void set_past(struct core_past *past, const struct core_past *value)
{
	if (memcmp(past, value, sizeof(*past)) != 0)
		*past = *value;
}

int core_grow(struct core *c, uint32_t n_services)
{
	struct core_slot *slots;
	struct core_past *pasts;

	if (n_services <= c->n)
		return 0;
	pasts = calloc(n_services, sizeof(*pasts));
	slots = pasts ? reallocarray(c->slots, n_services, sizeof(*slots)) : NULL;
	if (!slots) {
		free(pasts);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < c->n; i++)
		set_past(&pasts[i], &c->pasts[i]);
	free(c->pasts);
	c->pasts = pasts;
	memset(slots + c->n, 0, (n_services - c->n) * sizeof(*slots));
	c->slots = slots;
	c->n = n_services;
	return 0;
}

void core_set_policy(struct core *c, uint32_t service, const struct spec_policy *policy)
{
	c->slots[service].policy = policy;
	c->slots[service].next_policy = NULL;
}

void core_set_next_policy(struct core *c, uint32_t service, const struct spec_policy *policy)
{
	c->slots[service].next_policy = policy;
}

void core_remove(struct core *c, uint32_t service)
{
	static const struct core_past none;

	c->slots[service] = (struct core_slot){0};
	if (c->graph && service < c->graph->n)
		c->graph->users[service] = (struct core_users){0};
	set_past(&c->pasts[service], &none);
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
	s->next_policy = NULL;
	s->node = (struct core_node){NO_SERVICE, NO_SERVICE};
	s->next_change = NO_SERVICE;
	if (!record) {
		s->record = (struct core_record){.state = CORE_STOPPED,
			.why = CORE_WHY_NEVER_STARTED,
			.since_usec = now,
			.deadline_usec = USEC_INFINITY,
			.blocker = NO_SERVICE,
			.due_usec = USEC_INFINITY};
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
	list = core_list_of(c, service, (enum core_state)record->state, (enum core_why)record->why);
	if (list)
		core_list_insert(c, list, service);
}

void core_recall(struct core *c, uint32_t service, const struct core_past *past)
{
	set_past(&c->pasts[service], past);
}

const struct core_past *core_past(const struct core *c, uint32_t service)
{
	return &c->pasts[service];
}

const struct core_record *core_record(const struct core *c, uint32_t service)
{
	return &c->slots[service].record;
}

/* Its place in ops; CORE_MAX_OPS: it is not there. */
static unsigned find_op(const struct core_past *p, uint64_t op)
{
	unsigned i = 0;

	while (i < CORE_MAX_OPS && (op == 0 || p->ops[i] != op))
		i++;
	return i;
}

bool core_remembers(const struct core *c, uint32_t service, uint64_t op)
{
	return find_op(core_past(c, service), op) < CORE_MAX_OPS;
}

uint64_t core_generation_at(const struct core *c, uint32_t service, uint64_t op)
{
	const struct core_record *r = core_record(c, service);
	const struct core_past *p = core_past(c, service);
	unsigned i = find_op(p, op);

	if (i == CORE_MAX_OPS)
		return r->generation;
	return r->generation - (uint8_t)(r->generation - p->op_generations[i]);
}

usec_t core_deadline(const struct core *c, uint32_t service)
{
	const struct core_record *r = &c->slots[service].record;

	return r->deadline_usec < r->due_usec ? r->deadline_usec : r->due_usec;
}

static bool act(struct step *s, enum input in)
{
	const struct cell *cell = &core_table[s->slot->record.state][in];

	return cell->action && cell->action(s);
}

bool core_move(struct core *c, uint32_t i, enum input in, uint32_t other, usec_t now)
{
	struct step s = {.core = c, .index = i, .slot = &c->slots[i], .other = other, .now = now};

	return act(&s, in);
}

/* Its schedule is not its state's business: both may be due at once, and the schedule is first. */
static bool run_if_due(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (r->due_usec > s->now)
		return true;
	r->due_usec = USEC_INFINITY;
	if (s->core->ending || !r->desired_up || !s->slot->policy->scheduled) {
		change(s, 0);
		return true;
	}
	change(s, CORE_DO_SCHEDULE);
	return act(s, IN_DUE);
}

static void settle_one(struct step *s, uint32_t i)
{
	struct core *c = s->core;
	struct core_record *r = &c->slots[i].record;

	if (!c->slots[i].policy) /* the graph has places of nobody, too */
		return;
	s->index = i;
	s->slot = &c->slots[i];
	look(c, i);
	if (s->slot->policy->scheduled && r->desired_up && !c->ending) {
		if (r->due_usec == USEC_INFINITY)
			change(s, CORE_DO_SCHEDULE);
	} else if (r->due_usec != USEC_INFINITY) {
		r->due_usec = USEC_INFINITY;
		change(s, 0);
	}
}

/*
 * For what has changed without an event: the graph, policies, the engine. What others come
 * after is looked at before those, which then know whether it is coming.
 */
static void settle_all(struct step *s)
{
	uint32_t n = s->core->graph ? s->core->graph->n : 0;

	for (uint32_t k = 0; k < n; k++)
		settle_one(s, s->core->graph->by_rank[k]);
	for (uint32_t i = n; i < s->core->n; i++)
		settle_one(s, i);
}

/* Who takes another one's place needs them only when that is gone. */
static bool needs_others(const struct step *s, enum input in)
{
	return in == IN_START || in == IN_RESTART || in == IN_GO ||
	       (in == IN_AUTOSTART && s->event->why != CORE_WHY_PREDECESSOR);
}

static bool take(struct step *s)
{
	const struct core_record *r = &s->slot->record;
	enum core_state state = (enum core_state)r->state;
	usec_t since = r->since_usec;
	enum input in;

	if (s->event->type == CORE_EVENT_DEADLINE && !run_if_due(s))
		return false;
	if (r->state != state || r->since_usec != since)
		return true; /* the deadline was that of a state which is over */
	in = guard(s);
	if (in == IN_MAX)
		return true;
	if (in == IN_DECLINE)
		s->other = find_objection(s->core, s->index);
	if (needs_others(s, in) &&
		!(in != IN_RESTART && (state == CORE_STARTING || state == CORE_RUNNING)))
		pull(s->core, s->index, in == IN_START || in == IN_RESTART, s->now);
	return act(s, in);
}

bool core_step(struct core *c, const struct core_event *event, usec_t now, uint64_t random)
{
	struct step s = {.core = c,
		.index = event->service,
		.event = event,
		.other = NO_SERVICE,
		.now = now,
		.random = random};

	if (event->type == CORE_EVENT_SETTLE) {
		settle_all(&s);
	} else {
		if (event->service >= c->n || !c->slots[event->service].policy)
			return false;
		s.slot = &c->slots[event->service];
		if (!take(&s))
			return false;
	}
	if (c->essential_end != NO_SERVICE && !c->ending)
		core_shutdown(c, false, now);
	settle(c, now);
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
