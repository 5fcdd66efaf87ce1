/*
 * Carries out what the core has decided. The order is the promise: the record is
 * committed (what we are about to do), then it is done, then it is told. An engine that
 * dies in between is followed by one that finds the intent and does it again, which the
 * launcher takes as one and the same.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/macro.h"
#include "engine/control/request.h"
#include "engine/engine.h"
#include "engine/essential.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/status/publish.h"
#include "engine/streams/streams.h"

static bool is_over(enum core_state state)
{
	switch (state) {
	case CORE_STARTING:
	case CORE_RUNNING:
	case CORE_STOPPING:
		return false;
	case CORE_STOPPED:
	case CORE_WAITING:
	case CORE_BACKOFF:
	case CORE_EXITED:
	case CORE_FAILED:
	case CORE_STATE_MAX:
		break;
	}
	return true;
}

/* What the last generation leaves: its last words, its descriptors, its watch. */
static void end_generation(struct service *s)
{
	tree_unwatch(s);
	mainpid_cancel(s);
	service_close_pipes(s);
	s->main_pid = 0;
	s->outbox.marks &= (uint8_t) ~(UPLINK_SIGNAL | UPLINK_REFETCH);
}

static void begin_generation(struct service *s)
{
	s->begun = core_record(s->engine->core, s->id)->generation;
	s->fostered = false;
	streams_begin(s);
	tree_renew_cgroup(s);
	if (getrandom(s->invocation, sizeof(s->invocation), GRND_NONBLOCK) < 0) {
		/* Only before the kernel has entropy, at boot: time and id must do then. */
		uint64_t parts[2] = {usec_now(CLOCK_REALTIME), s->id};

		memcpy(s->invocation, parts, sizeof(parts));
	}
}

static void note_change(const struct service *s, const struct core_change *c, const char *reason)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	enum core_state state = (enum core_state)r->state;
	char span[USEC_SPAN_SIZE];

	switch (state) {
	case CORE_BACKOFF:
		log_warning("service '%s': %s; starting it again in %s", s->name, reason,
			usec_span(usec_sub(r->deadline_usec, s->engine->loop.now_usec), span));
		break;
	case CORE_FAILED:
		log_error("service '%s': failed: %s", s->name, reason);
		break;
	case CORE_RUNNING:
		log_info("service '%s': running, pid %d", s->name, (int)r->pid);
		break;
	case CORE_STARTING:
	case CORE_WAITING:
	case CORE_STOPPING:
		log_debug("service '%s': %s (was %s) %s", s->name, core_state_to_string(state),
			core_state_to_string(c->previous), reason);
		break;
	case CORE_STOPPED:
	case CORE_EXITED:
		log_info("service '%s': %s%s%s", s->name, core_state_to_string(state),
			reason[0] ? ": " : "", reason);
		break;
	case CORE_STATE_MAX:
		break;
	}
}

static void send_signal(struct service *s, const struct core_change *c)
{
	s->outbox.signo = (uint8_t)c->signo;
	s->outbox.scope = (uint8_t)c->scope;
	if (c->signo == SIGKILL && core_record(s->engine->core, s->id)->killed)
		log_warning("service '%s': sending KILL to what is left of it", s->name);
	uplink_tell(s, UPLINK_SIGNAL);
}

/* What was committed is done now. */
static void act(struct service *s, const struct core_change *c)
{
	if (c->todo & CORE_DO_HOOK)
		hooks_run(s, c->hook);
	if (c->todo & CORE_DO_CANCEL_HOOK)
		hooks_cancel(s, c->cancel);
	if (c->todo & CORE_DO_SPAWN)
		uplink_tell(s, UPLINK_SPAWN);
	if (c->todo & CORE_DO_SIGNAL)
		send_signal(s, c);
	if (c->todo & CORE_DO_WATCH_TREE)
		tree_watch(s);
	if (c->todo & CORE_DO_FIND_MAIN)
		mainpid_find(s);
	if (c->todo & CORE_DO_PUBLISH)
		hooks_changed(s, c->previous);
}

/* What has become of a run that was due. */
static const char *outcome_of_run(const struct core_record *r, bool changed)
{
	if (changed)
		return r->state == CORE_STOPPING ? "kill" : "run";
	return r->queued ? "queue" : "skip";
}

static void perform(struct engine *e, const struct core_change *c)
{
	struct service *s = services_by_id(e, c->service);
	const struct core_record *r = core_record(e->core, s->id);
	bool publish = (c->todo & CORE_DO_PUBLISH) != 0;
	bool health = (c->todo & CORE_DO_HEALTH) != 0;
	/* One that comes with a change of state has a number of its own. */
	bool pending = publish || (health && publish_is_health_told(s));
	uint64_t seq = pending ? ++e->queue_seq : 0;
	bool due = (c->todo & CORE_DO_SCHEDULE) && schedule_due_usec(s) <= e->loop.now_usec;
	usec_t due_usec = schedule_due_usec(s);
	bool was_live = !is_over(c->previous), over = is_over((enum core_state)r->state);
	bool begins = r->generation != s->begun; /* with its process, or a hook before that */
	uint8_t state = r->state;
	char reason[CORE_REASON_SIZE];

	/* A restart may pass from stopping to starting in one step: that ends a generation too. */
	if (was_live && (over || begins))
		end_generation(s);
	if (s->next && (begins || (over && !s->undecided)))
		service_adopt(s, s->next, s->next_config);
	if (begins)
		begin_generation(s);
	if (due)
		event_schedule(s, outcome_of_run(r, publish), due_usec);
	if (publish) {
		s->since_realtime_usec = usec_now(CLOCK_REALTIME);
		s->event_seq = event_take_seq(e);
	}
	schedule_follow(s, (c->todo & CORE_DO_SCHEDULE) != 0);
	s->cgroup_spent |= r->killed; /* by cgroup.kill, where there are cgroups */
	service_commit(s, pending, (uint8_t)c->previous, seq);
	if (publish) {
		service_reason(s, reason);
		board_tell_dependents(s);
		event_state(s, c->previous, s->event_seq, seq, reason);
	}
	act(s, c);
	if (publish && r->state != state) /* it could not even be begun */
		service_reason(s, reason);
	loop_timer_set(&e->loop, &s->timer, core_deadline(e->core, s->id));
	if (publish) {
		note_change(s, c, reason);
		publish_change(s, c->previous, seq, reason);
		systemd_changed(e);
	}
	if (health)
		publish_health(s, publish ? 0 : seq);
	ready_follow(s);
	request_judge(s);
	if (s->removed && is_over((enum core_state)r->state))
		services_sweep_soon(e);
}

void engine_perform(struct engine *e)
{
	const struct event_cause cause = e->cause;
	struct core_change change;

	while (core_next_change(e->core, &change))
		perform(e, &change);
	e->cause = cause; /* without one, the first change was that of the others */
	if (core_is_down(e->core) && e->synced)
		engine_leave(e);
}

/* For jitter (splitmix64): one that doesn't ask the kernel for each event. */
static uint64_t next_random(struct engine *e)
{
	uint64_t x = e->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void engine_event(struct engine *e, const struct core_event *event)
{
	const struct core_record *r = core_record(e->core, event->service);

	/* What the launcher tells of may have happened since this round began. */
	if ((event->type == CORE_EVENT_STARTED || event->type == CORE_EVENT_ENDED) &&
		event->at_usec > e->loop.now_usec)
		e->loop.now_usec = usec_now(CLOCK_MONOTONIC);
	if (!core_step(e->core, event, e->loop.now_usec, next_random(e)))
		log_error("bug: service '%s': event %s in state %s",
			services_by_id(e, event->service)->name, core_event_to_string(event->type),
			core_state_to_string((enum core_state)r->state));
	essential_perform(e);
}

static enum core_end end_of(const struct link_exit *x)
{
	if (x->error)
		return CORE_END_SPAWN_FAILED;
	switch (x->code) {
	case LINK_EXIT_UNKNOWN:
		return CORE_END_UNKNOWN;
	case CLD_KILLED:
		return CORE_END_SIGNALLED;
	case CLD_DUMPED:
		return CORE_END_DUMPED;
	default:
		return CORE_END_EXITED;
	}
}

/* Remembers how a generation ended, for people. */
static void note_exit(struct service *s, const struct core_event *event, const struct link_exit *x)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	struct service_exit *exits;
	usec_t ran = usec_sub(event->at_usec, r->started_usec) / USEC_PER_MSEC;

	if (event->generation != r->generation || r->main_ended)
		return;
	/* A daemon's first process: it has forked, and nothing has ended. */
	if (r->phase == CORE_PHASE_FORKED && event->survivors && event->end == CORE_END_EXITED &&
		spec_is_success(s->spec->policy, event->status))
		return;
	exits = service_exits_get(s);
	if (!exits) {
		log_error("service '%s': no memory to remember how it has ended", s->name);
		return;
	}
	memmove(exits + 1, exits, (SERVICE_EXITS - 1) * sizeof(exits[0]));
	exits[0] = (struct service_exit){
		.realtime_msec = (x->realtime_usec ? x->realtime_usec : usec_now(CLOCK_REALTIME)) /
				 USEC_PER_MSEC,
		.ran_msec = (uint32_t)MIN_OF(ran, (usec_t)UINT32_MAX),
		.end = (uint8_t)event->end,
		.stage = event->stage,
		.status = (int16_t)event->status};
}

static void judge_end(struct engine *e, const struct engine_ended *ended)
{
	struct service *s = ended->service;
	const struct link_message *m = &ended->message;
	struct core_event event = {.type = CORE_EVENT_ENDED,
		.service = s->id,
		.generation = m->generation,
		.end = end_of(&m->exit),
		.status = m->exit.error ? m->exit.error : m->exit.status,
		.stage = m->exit.error ? (uint8_t)m->exit.stage : 0,
		.at_usec = m->exit.monotonic_usec,
		.survivors = m->exit.error == 0 && tree_has_any(e, s)};

	if (m->serial > 0)
		s->last_serial = m->serial;
	if (m->generation == core_record(e->core, s->id)->generation)
		s->pidfd = close_fd(s->pidfd);
	note_exit(s, &event, &m->exit);
	event_exit(s, &event, m->serial, m->pid, &m->exit);
	engine_event(e, &event);
	if (m->serial > 0) {
		/* If it was not our generation, nothing was committed yet. */
		if (recovery_record(&e->store.area, s->id)->last_serial != m->serial)
			service_commit(s, false, 0, 0);
		s->outbox.ack_generation = m->generation;
		s->outbox.ack_serial = m->serial;
		uplink_tell(s, UPLINK_ACK);
	}
}

void engine_judge_ended(struct engine *e)
{
	struct engine_ended batch[ENGINE_ENDED_BATCH];
	unsigned n = e->n_ended;

	if (n == 0)
		return;
	memcpy(batch, e->ended, n * sizeof(batch[0]));
	e->n_ended = 0;
	/* What was said before the end counts before the end: READY, and then an exit. */
	notify_drain(e);
	for (unsigned i = 0; i < n; i++)
		ready_settle(batch[i].service);
	tree_hold(e);
	for (unsigned i = 0; i < n; i++)
		judge_end(e, &batch[i]);
	event_forget_cause(e);
	tree_release(e);
}

void engine_note_ended(struct engine *e, struct service *s, const struct link_message *m)
{
	if (m->serial > 0 && m->serial <= s->last_serial) {
		s->outbox.ack_generation = m->generation;
		s->outbox.ack_serial = m->serial;
		uplink_tell(s, UPLINK_ACK);
		return;
	}
	if (m->serial > 0)
		s->told_generation = m->generation;
	service_drain(s);
	if (e->n_ended == ENGINE_ENDED_BATCH)
		engine_judge_ended(e);
	e->ended[e->n_ended++] = (struct engine_ended){s, *m};
}
