/*
 * The service's part of the recovery area: written after each event, read once by the next
 * engine. The fields are copied one by one, because that format outlives this program while
 * the structs here may change.
 */
#include <stdio.h>
#include <string.h>

#include "engine/service.h"

_Static_assert(SPEC_INSTANCE_NAME_MAX <= RECOVERY_NAME_SIZE, "names fit into the recovery area");
_Static_assert(SPEC_MAX_RESTART_LIMIT <= RECOVERY_MAX_STARTS, "so do the automatic starts");
_Static_assert(CORE_MAX_OPS == RECOVERY_OPS, "and the requests");

void service_commit(struct service *s, bool publish_pending, uint8_t previous, uint64_t seq)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	struct recovery_record record = {
		.state = r->state,
		.why = r->why,
		.then = r->then,
		.end = r->end,
		.stage = r->stage,
		.desired_up = r->desired_up,
		.killed = r->killed,
		.main_ended = r->main_ended,
		.signo = r->signo,
		.user_signo = r->user_signo,
		.n_starts = r->n_starts,
		.publish_pending = publish_pending,
		.publish_previous = previous,
		.pid = r->pid,
		.end_status = r->end_status,
		.restarts = r->restarts,
		.streak = r->streak,
		.signal_op = r->signal_op,
		.generation = r->generation,
		.start_order = r->start_order,
		.ready_order = r->ready_order,
		.since_usec = r->since_usec,
		.started_usec = r->started_usec,
		.ended_usec = r->ended_usec,
		.deadline_usec = r->deadline_usec,
		.last_serial = s->last_serial,
		.publish_seq = seq,
		.pidfd_inode = s->pidfd_inode,
		.main_pid = s->main_pid,
		.cgroup_generation = s->cgroup_generation,
		.cgroup_spent = s->cgroup_spent,
		.config = s->config,
		.since_realtime_usec = s->since_realtime_usec,
		.started_realtime_usec = s->started_realtime_usec,
	};

	snprintf(record.name, sizeof(record.name), "%s", s->name);
	memcpy(record.invocation, s->invocation, sizeof(record.invocation));
	memcpy(record.ops, r->ops, sizeof(record.ops));
	memcpy(record.starts_msec, r->starts_msec, sizeof(r->starts_msec));
	for (unsigned i = 0; i < SERVICE_EXITS; i++) {
		const struct service_exit *x = &s->exits[i];

		record.exits[i] = (struct recovery_exit){
			x->realtime_msec, x->ran_msec, x->end, x->stage, x->status};
	}
	recovery_commit(&s->engine->store.area, s->id, &record);
}

void service_commit_counters(struct service *s)
{
	struct recovery_slot *slot = recovery_slot(&s->engine->store.area, s->id);

	for (unsigned i = 0; i < s->n_streams; i++) {
		const struct log_counters *c = &s->streams[i].sink.counters;

		slot->counters[i] = (struct recovery_counters){
			c->bytes, c->lines, c->dropped_bytes, c->dropped_lines};
	}
}

/* Where the record says nonsense, what it tells of the past counts for nothing. */
static void restore_exits(struct service *s, const struct recovery_record *r)
{
	for (unsigned i = 0; i < SERVICE_EXITS; i++) {
		const struct recovery_exit *x = &r->exits[i];

		if (x->end >= CORE_END_MAX)
			return;
		s->exits[i] = (struct service_exit){
			x->realtime_msec, x->ran_msec, x->end, x->stage, x->status};
	}
}

static void restore_counters(struct service *s, const struct recovery_slot *slot)
{
	for (unsigned i = 0; i < s->n_streams; i++) {
		const struct recovery_counters *c = &slot->counters[i];

		s->streams[i].sink.counters = (struct log_counters){
			c->bytes, c->lines, c->dropped_bytes, c->dropped_lines};
	}
}

bool service_restore(struct service *s, struct core_record *ret_record)
{
	const struct recovery_slot *slot = recovery_slot(&s->engine->store.area, s->id);
	const struct recovery_record *r = &slot->record;

	*ret_record = (struct core_record){
		.state = r->state,
		.why = r->why,
		.then = r->then,
		.end = r->end,
		.stage = r->stage,
		.desired_up = r->desired_up,
		.ready = r->state == CORE_RUNNING,
		.killed = r->killed,
		.main_ended = r->main_ended,
		.signo = r->signo,
		.user_signo = r->user_signo,
		.n_starts = r->n_starts,
		.pid = r->pid,
		.end_status = r->end_status,
		.restarts = r->restarts,
		.streak = r->streak,
		.signal_op = r->signal_op,
		.generation = r->generation,
		.start_order = r->start_order,
		.ready_order = r->ready_order,
		.since_usec = r->since_usec,
		.started_usec = r->started_usec,
		.ended_usec = r->ended_usec,
		.deadline_usec = r->deadline_usec,
	};
	memcpy(ret_record->ops, r->ops, sizeof(ret_record->ops));
	memcpy(ret_record->starts_msec, r->starts_msec, sizeof(ret_record->starts_msec));
	s->last_serial = r->last_serial;
	s->pidfd_inode = r->pidfd_inode;
	s->main_pid = r->main_pid;
	s->cgroup_generation = r->cgroup_generation;
	s->cgroup_spent = r->cgroup_spent;
	s->since_realtime_usec = r->since_realtime_usec;
	s->started_realtime_usec = r->started_realtime_usec;
	memcpy(s->invocation, r->invocation, sizeof(s->invocation));
	restore_exits(s, r);
	restore_counters(s, slot);
	return core_record_is_valid(ret_record);
}

uint64_t service_last_generation(const struct engine *e, uint32_t id)
{
	return recovery_slot(&e->store.area, id)->record.generation;
}

void service_commit_removal(struct engine *e, uint32_t id, uint64_t generation)
{
	struct recovery_slot *slot = recovery_slot(&e->store.area, id);
	struct recovery_record nobody = {.generation = generation};

	recovery_commit(&e->store.area, id, &nobody);
	memset(slot->counters, 0, sizeof(slot->counters));
}
