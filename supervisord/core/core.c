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
		return c->shutting_down ? IN_DONE_STOPPED : IN_DONE_START;
	case CORE_THEN_BACKOFF:
		return c->shutting_down ? IN_DONE_STOPPED : IN_DONE_BACKOFF;
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
	if (r->phase == CORE_PHASE_FORKED && restart_is_success(p, r)) {
		if (e->survivors)
			return IN_FORKED;
		r->cause = CORE_CAUSE_NO_MAIN;
	}
	if (r->state != CORE_STOPPING) {
		if (restart_is_stable(p, r->ready, ran))
			restart_forget(r);
		r->then = (uint8_t)restart_decide(p, r, e->at_usec);
	}
	return e->survivors ? IN_LEFTOVERS : gone(s);
}

/* What a daemon left behind when it forked has gone before anyone knew it. */
static enum input all_gone(struct step *s)
{
	struct core_record *r = &s->slot->record;

	if (r->state != CORE_STOPPING) {
		r->cause = CORE_CAUSE_NO_MAIN;
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

	if (phase_hook(phase) != e->hook)
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
	const struct core_record *r = &s->slot->record;
	bool rests = r->state == CORE_STOPPED || r->state == CORE_EXITED || r->state == CORE_FAILED;

	return rests && find_conflict(s->core, s->index) != NO_SERVICE ? IN_DECLINE : IN_AUTOSTART;
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
	bool down = s->core->shutting_down;

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
	if (s->core->shutting_down || !r->desired_up || !s->slot->policy->scheduled) {
		change(s, 0);
		return true;
	}
	change(s, CORE_DO_SCHEDULE);
	return act(s, IN_DUE);
}

/* For what has changed without an event: the graph, policies, the engine. */
static void settle_all(struct step *s)
{
	struct core *c = s->core;

	for (uint32_t i = 0; i < c->n; i++) {
		struct core_record *r = &c->slots[i].record;

		s->index = i;
		s->slot = &c->slots[i];
		if (!s->slot->policy)
			continue;
		look(c, i);
		if (s->slot->policy->scheduled && r->desired_up && !c->shutting_down) {
			if (r->due_usec == USEC_INFINITY)
				change(s, CORE_DO_SCHEDULE);
		} else if (r->due_usec != USEC_INFINITY) {
			r->due_usec = USEC_INFINITY;
			change(s, 0);
		}
	}
}

static bool needs_others(const struct step *s, enum input in)
{
	return in == IN_START || in == IN_RESTART ||
	       (in == IN_AUTOSTART && s->event->why != CORE_WHY_PREDECESSOR);
}

static bool take(struct step *s)
{
	enum core_state state;
	enum input in;

	if (s->event->type == CORE_EVENT_DEADLINE && !run_if_due(s))
		return false;
	in = guard(s);
	if (in == IN_MAX)
		return true;
	if (in == IN_DECLINE)
		s->other = find_conflict(s->core, s->index);
	state = (enum core_state)s->slot->record.state;
	if (needs_others(s, in) &&
		!(in != IN_RESTART && (state == CORE_STARTING || state == CORE_RUNNING)))
		pull(s->core, s->index, in != IN_AUTOSTART, s->now);
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
	if (c->essential_end != NO_SERVICE && !c->shutting_down)
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
		return c->shutting_down ? CORE_NOT_DONE : judge_up(&c->slots[service]);
	case CORE_EVENT_RESTART:
		if (c->shutting_down)
			return CORE_NOT_DONE;
		if (r->generation > before)
			return judge_up(&c->slots[service]);
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
