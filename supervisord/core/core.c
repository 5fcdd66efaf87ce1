/*
 * From an event to its cell in the table: generations keep late events out, and guards turn an
 * event into the one input that it is. What that sets off in other services is settled
 * afterwards, in a loop (settle.c); everything is told by the list of changes.
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
	if (!c->slots) {
		free(c);
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
	free(c);
}

bool core_record_is_valid(const struct core_record *r)
{
	return r->state < CORE_STATE_MAX && r->why < CORE_WHY_MAX && r->then < CORE_THEN_MAX &&
	       r->end < CORE_END_MAX && r->n_starts <= SPEC_MAX_RESTART_LIMIT &&
	       r->phase < CORE_PHASE_MAX && r->cause < CORE_CAUSE_MAX &&
	       r->health < CORE_HEALTH_MAX && r->last_cause < CORE_CAUSE_MAX;
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
	c->slots[service].next_policy = NULL;
}

void core_set_next_policy(struct core *c, uint32_t service, const struct spec_policy *policy)
{
	c->slots[service].next_policy = policy;
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
	const struct core_record *r = &c->slots[service].record;

	return r->deadline_usec < r->due_usec ? r->deadline_usec : r->due_usec;
}

/* A generation is over, and nothing is left to run for it: what now? */
static enum input done(const struct core *c, const struct core_record *r)
{
	switch ((enum core_then)r->then) {
	case CORE_THEN_STOPPED:
		return IN_DONE_STOPPED;
	case CORE_THEN_START:
		return c->ending ? IN_DONE_STOPPED : IN_DONE_START;
	case CORE_THEN_BACKOFF:
		return c->ending ? IN_DONE_STOPPED : IN_DONE_BACKOFF;
	case CORE_THEN_EXITED:
		return IN_DONE_EXITED;
	case CORE_THEN_FAILED:
		return IN_DONE_FAILED;
	case CORE_THEN_MAX:
		break;
	}
	return IN_DONE_STOPPED;
}

/* Its processes are over. */
static enum input gone(const struct step *s)
{
	bool hook = (s->slot->policy->hooks & 1u << SPEC_HOOK_POST_STOP) != 0;

	return hook && !s->core->hurried ? IN_POST_STOP : done(s->core, &s->slot->record);
}

/* A hook that might meet the next process if that was started while it runs. */
static bool awaits_hook(const struct core_record *r)
{
	return r->phase == CORE_PHASE_PRE_STOP || r->phase == CORE_PHASE_STOP_COMMAND;
}

/* A daemon's first process has left others behind, as it should: nothing has ended. */
static bool has_forked(const struct step *s)
{
	const struct core_event *e = s->event;
	const struct core_record *r = &s->slot->record;

	return r->phase == CORE_PHASE_FORKED && r->cause == CORE_CAUSE_NONE && e->survivors &&
	       e->end == CORE_END_EXITED && spec_is_success(s->slot->policy, e->status);
}

/* The main process has ended: notes how, and judges what is to follow. */
static enum input ended(struct step *s)
{
	const struct core_event *e = s->event;
	const struct spec_policy *p = s->slot->policy;
	struct core_record *r = &s->slot->record;
	usec_t ran = usec_sub(e->at_usec, r->started_usec);

	if (has_forked(s))
		return IN_FORKED;
	r->end = (uint8_t)e->end;
	r->end_status = e->status;
	r->stage = e->stage;
	r->ended_usec = e->at_usec;
	r->pid = 0;
	restart_forget_old(p, r, ran, e->at_usec);
	if (r->phase == CORE_PHASE_FORKED && restart_is_success(p, r))
		r->cause = CORE_CAUSE_NO_MAIN;
	if (r->state != CORE_STOPPING) {
		if (restart_is_stable(p, r->ready, ran))
			restart_forget(r);
		r->then = (uint8_t)restart_decide(p, r, e->at_usec);
	}
	return e->survivors || awaits_hook(r) ? IN_LEFTOVERS : gone(s);
}

/* What a daemon left behind when it forked has gone before anyone knew it. */
static enum input all_gone(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (awaits_hook(r))
		return IN_MAX; /* it is told again */
	if (r->state != CORE_STOPPING) {
		r->cause = CORE_CAUSE_NO_MAIN;
		r->end = CORE_END_NONE;
		r->end_status = 0;
		r->ended_usec = s->now;
		r->then = (uint8_t)restart_decide(s->slot->policy, r, s->now);
	}
	return gone(s);
}

/* A generation that never had a process. */
static enum input nothing_began(struct step *s)
{
	struct core_record *r = &s->slot->record;

	r->end = CORE_END_NONE;
	r->end_status = 0;
	r->ended_usec = s->now;
	if (r->state != CORE_STOPPING) {
		r->cause = CORE_CAUSE_PRE_START;
		restart_forget_old(s->slot->policy, r, 0, s->now);
		r->then = (uint8_t)restart_decide(s->slot->policy, r, s->now);
	}
	return gone(s);
}

static enum input hook_ended(struct step *s)
{
	const struct core_event *e = s->event;
	enum core_phase phase = (enum core_phase)s->slot->record.phase;

	if (core_phase_hook(phase) != e->hook)
		return IN_MAX; /* nobody waits for it any more */
	switch (phase) {
	case CORE_PHASE_PRE_START:
		return e->ok ? IN_HOOK : nothing_began(s);
	case CORE_PHASE_CANCELLED:
		return nothing_began(s);
	case CORE_PHASE_POST_STOP:
		return done(s->core, &s->slot->record);
	case CORE_PHASE_PRE_STOP:
	case CORE_PHASE_STOP_COMMAND:
		return IN_HOOK;
	case CORE_PHASE_NONE:
	case CORE_PHASE_EXEC:
	case CORE_PHASE_FORKED:
	case CORE_PHASE_READY:
	case CORE_PHASE_DEPENDENTS:
	case CORE_PHASE_SIGNAL:
	case CORE_PHASE_MAX:
		break;
	}
	return IN_MAX;
}

static enum input checked(const struct step *s)
{
	const struct spec_policy *p = s->slot->policy;
	const struct core_record *r = &s->slot->record;

	if (r->state != CORE_RUNNING || p->health_failures == 0)
		return IN_MAX;
	if (s->event->ok)
		return IN_HEALTHY;
	return r->n_unhealthy + 1u >= p->health_failures && r->health != CORE_HEALTH_BAD
		       ? IN_UNHEALTHY
		       : IN_FAILED_CHECK;
}

static enum input autostarted(const struct step *s)
{
	/* what is going to wait for its time takes nothing away */
	if (s->slot->policy->scheduled && s->slot->record.state != CORE_STOPPING)
		return IN_AUTOSTART;
	return find_objection(s->core, s->index) != NO_SERVICE ? IN_DECLINE : IN_AUTOSTART;
}

/* News of a generation: of processes that exist. */
static enum input of_process(struct step *s)
{
	const struct core_event *e = s->event;
	const struct core_record *r = &s->slot->record;
	enum core_phase phase = (enum core_phase)r->phase;

	if (e->generation != r->generation || !core_is_live(r))
		return IN_MAX;
	if (e->type == CORE_EVENT_HOOK)
		return hook_ended(s);
	if (phase == CORE_PHASE_PRE_START || phase == CORE_PHASE_CANCELLED ||
		phase == CORE_PHASE_POST_STOP)
		return IN_MAX; /* there is none yet, or none any more */
	switch (e->type) {
	case CORE_EVENT_STARTED:
		return r->pid == 0 && !r->main_ended ? IN_STARTED : IN_MAX;
	case CORE_EVENT_ENDED:
		return r->main_ended ? IN_MAX : ended(s);
	case CORE_EVENT_GONE:
		return r->main_ended ? all_gone(s) : IN_MAX;
	case CORE_EVENT_MAINPID:
		return phase == CORE_PHASE_EXEC ? IN_MAX : IN_MAINPID;
	case CORE_EVENT_READY:
		return IN_READY;
	case CORE_EVENT_ALIVE:
		return IN_ALIVE;
	case CORE_EVENT_TRIGGER:
		return IN_TRIGGER;
	case CORE_EVENT_EXTEND:
		return IN_EXTEND;
	case CORE_EVENT_HEALTH:
		return checked(s);
	default:
		return IN_MAX;
	}
}

/* The column for an event; IN_MAX for one that is late, repeated, or of no meaning now. */
static enum input guard(struct step *s)
{
	const struct core_event *e = s->event;
	const struct core_record *r = &s->slot->record;
	bool down = s->core->ending;

	switch (e->type) {
	case CORE_EVENT_START:
		return down ? IN_MAX : IN_START;
	case CORE_EVENT_AUTOSTART:
		return down ? IN_MAX : autostarted(s);
	case CORE_EVENT_RESTART:
		return down ? IN_MAX : IN_RESTART;
	case CORE_EVENT_STOP:
		return IN_STOP;
	case CORE_EVENT_RESET:
		return IN_RESET;
	case CORE_EVENT_KILL:
		return IN_KILL;
	case CORE_EVENT_SIGNAL:
		return r->pid > 0 && core_is_live(r) ? IN_SIGNAL : IN_MAX;
	case CORE_EVENT_UNBLOCK:
		return r->state == CORE_WAITING && r->why == CORE_WHY_PREDECESSOR ? IN_GO : IN_MAX;
	case CORE_EVENT_SCHEDULED:
		return s->slot->policy->scheduled && r->desired_up && !down ? IN_SCHEDULED : IN_MAX;
	case CORE_EVENT_DEADLINE:
		return r->deadline_usec <= s->now ? IN_DEADLINE : IN_MAX;
	case CORE_EVENT_STARTED:
	case CORE_EVENT_ENDED:
	case CORE_EVENT_GONE:
	case CORE_EVENT_MAINPID:
	case CORE_EVENT_HOOK:
	case CORE_EVENT_READY:
	case CORE_EVENT_ALIVE:
	case CORE_EVENT_TRIGGER:
	case CORE_EVENT_EXTEND:
	case CORE_EVENT_HEALTH:
		return of_process(s);
	case CORE_EVENT_SETTLE:
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

static enum core_outcome judge_up(const struct core_slot *s)
{
	const struct core_record *r = &s->record;

	switch ((enum core_state)r->state) {
	case CORE_RUNNING:
	case CORE_EXITED:
		return CORE_DONE;
	case CORE_STARTING:
		return CORE_PENDING;
	case CORE_WAITING:
		if (r->why == CORE_WHY_SCHEDULE)
			return CORE_DONE;
		return s->stuck ? CORE_NOT_DONE : CORE_PENDING;
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
		return c->ending ? CORE_NOT_DONE : judge_up(&c->slots[service]);
	case CORE_EVENT_RESTART:
		if (c->ending)
			return CORE_NOT_DONE;
		if (r->generation > before)
			return judge_up(&c->slots[service]);
		if (r->state == CORE_WAITING && r->why == CORE_WHY_SCHEDULE)
			return CORE_DONE; /* by an engine that did not see it run */
		if (!r->desired_up || (r->state != CORE_STOPPING && r->state != CORE_WAITING))
			return CORE_NOT_DONE;
		return c->slots[service].stuck ? CORE_NOT_DONE : CORE_PENDING;
	case CORE_EVENT_STOP:
	case CORE_EVENT_KILL:
		if (r->desired_up)
			return CORE_NOT_DONE;
		return core_is_live(r) ? CORE_PENDING : CORE_DONE;
	case CORE_EVENT_RESET:
		return CORE_DONE;
	default:
		break; /* nobody asks for it */
	}
	return CORE_NOT_DONE;
}
