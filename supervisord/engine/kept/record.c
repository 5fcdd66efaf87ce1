/*
 * The service's part of the recovery area: written after each event, read once by the next
 * engine. Fields are copied by their names, because that format outlives this program while the
 * structs here may change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/control/rolling.h"
#include "engine/service.h"

_Static_assert(SPEC_INSTANCE_NAME_MAX <= RECOVERY_NAME_SIZE, "names fit into the recovery area");
_Static_assert(SPEC_MAX_RESTART_LIMIT <= RECOVERY_MAX_STARTS, "so do the automatic starts");
_Static_assert(CORE_MAX_OPS == RECOVERY_OPS, "and the requests");

/* clang-format off */
/* What the core's record and the area's have alike. Arrays are copied by themselves. */
#define FIELDS_OF_CORE(X)                                                                       \
	X(state) X(why) X(then) X(end) X(stage) X(desired_up) X(killed) X(main_ended) X(signo)  \
	X(user_signo) X(pid) X(end_status) X(restarts) X(streak) X(signal_op)       \
	X(generation) X(start_order) X(ready_order) X(since_usec) X(started_usec) X(ended_usec) \
	X(deadline_usec) X(phase) X(cause) X(last_cause) X(health) X(early) X(queued)           \
	X(automatic) X(n_unhealthy) X(blocker) X(due_usec)

/* The same of a service. */
#define FIELDS_OF_SERVICE(X)                                                              \
	X(last_serial) X(pidfd_inode) X(main_pid) X(cgroup_generation) X(cgroup_spent)    \
	X(since_realtime_usec) X(started_realtime_usec) \
	X(event_seq) X(event_serial) X(event_generation) X(oom_kills) \
	X(reload_due)

/* clang-format on */

#define COPY_FROM_CORE(field)	 .field = r->field,
#define COPY_FROM_SERVICE(field) .field = s->field,
#define COPY_TO_SERVICE(field)	 s->field = r->field;

/* What only some services have. */
static void store_parts(const struct service *s, struct recovery_record *record)
{
	const struct event_asked asked = event_asked_of(s);
	const struct schedule_runs runs = schedule_runs_of(s);
	const struct rolling_turn turn = rolling_turn(s);
	const struct service_exit *x = service_exits(s);

	record->asked_seq = asked.seq;
	record->asked_verb = (uint8_t)asked.verb;
	record->asked_uid = asked.uid;
	record->asked_pid = asked.pid;
	record->input_inode = input_inode(s);
	record->roll_op = turn.op;
	record->roll_place = turn.place;
	record->schedule_last_usec = runs.last_usec;
	record->schedule_next_usec = runs.next_usec;
	for (unsigned i = 0; x && i < SERVICE_EXITS; i++, x++)
		record->exits[i] = (struct recovery_exit){
			x->realtime_msec, x->ran_msec, x->end, x->stage, x->status};
}

void service_commit(struct service *s, bool publish_pending, uint8_t previous, uint64_t seq)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	const struct core_past *past = core_past(s->engine->core, s->id);
	struct recovery_record record = {
		FIELDS_OF_CORE(COPY_FROM_CORE) FIELDS_OF_SERVICE(COPY_FROM_SERVICE)};

	record.config = s->config;
	record.publish_pending = publish_pending;
	record.publish_previous = previous;
	record.publish_seq = seq;
	memcpy(record.name, s->name, strnlen(s->name, sizeof(record.name) - 1));
	memcpy(record.invocation, s->invocation, sizeof(record.invocation));
	for (unsigned i = 0; i < s->n_streams; i++)
		record.pipe_inodes[i] = s->streams[i].inode;
	record.n_starts = past->n_starts;
	memcpy(record.ops, past->ops, sizeof(record.ops));
	memcpy(record.op_generations, past->op_generations, sizeof(record.op_generations));
	memcpy(record.starts_msec, past->starts_msec, sizeof(past->starts_msec));
	if (s->parts)
		store_parts(s, &record);
	recovery_commit(&s->engine->store.area, s->id, &record);
	if (mapping_is_lost(&s->engine->store.mapping)) {
		area_check(s->engine);
		recovery_commit(&s->engine->store.area, s->id, &record);
	}
	board_tell(s);
	pages_touch(s->engine);
}

void service_commit_counters(struct service *s)
{
	for (unsigned i = 0; i < s->n_streams; i++) {
		const struct stream *t = &s->streams[i];
		const struct log_counters *c = &t->sink.counters;
		const struct format_state *through = &t->pump.through;

		struct recovery_counters *to = recovery_counters(&s->engine->store.area, s->id, i);

		*to = (struct recovery_counters){
			c->bytes,
			c->lines,
			c->dropped_bytes,
			c->dropped_lines,
			to->seen_generation,
			.line = t->sink.at.line,
			.decoder = t->sink.at.decoder,
			.held = {through->held[0], through->held[1], through->held[2]},
			.through = through->line,
			.lost_why = t->sink.lost_why,
			.lost_bytes = t->sink.lost_bytes,
			.lost_lines = t->sink.lost_lines,
			.begun_bytes = to->begun_bytes,
		};
	}
	area_check(s->engine);
	pages_touch(s->engine);
}

/* Where the record says nonsense, what it tells of the past counts for nothing. */
static void restore_exits(struct service *s, const struct recovery_record *r)
{
	struct service_exit *to;

	if (r->exits[0].realtime_msec == 0)
		return;
	to = service_exits_get(s);
	for (unsigned i = 0; to && i < SERVICE_EXITS; i++) {
		const struct recovery_exit *x = &r->exits[i];

		if (x->end >= CORE_END_MAX)
			return;
		to[i] = (struct service_exit){
			x->realtime_msec, x->ran_msec, x->end, x->stage, x->status};
	}
}

/* For lack of memory this and that is not known any more. */
static void restore_parts(struct service *s, const struct recovery_record *r)
{
	int lack = 0;

	if (r->asked_seq > 0)
		event_note_asked(
			s, &(struct event_asked){r->asked_seq, (enum event_verb)r->asked_verb,
				   r->asked_uid, r->asked_pid});
	if (r->input_inode > 0)
		lack |= input_restore(s, r->input_inode);
	if (r->roll_op > 0)
		lack |= rolling_set_turn(s, &(struct rolling_turn){r->roll_op, r->roll_place});
	if (r->schedule_last_usec > 0 || r->schedule_next_usec > 0)
		lack |= schedule_set_runs(
			s, &(struct schedule_runs){r->schedule_last_usec, r->schedule_next_usec});
	if (lack < 0)
		log_error("service '%s': no memory to go on with all that it had", s->name);
	restore_exits(s, r);
}

static void restore_counters(struct service *s)
{
	for (unsigned i = 0; i < s->n_streams; i++) {
		const struct recovery_counters *c =
			recovery_counters(&s->engine->store.area, s->id, i);
		struct stream *t = &s->streams[i];

		t->sink.counters = (struct log_counters){
			c->bytes, c->lines, c->dropped_bytes, c->dropped_lines};
		t->sink.at = format_restore(c->line, c->held);
		t->sink.at.decoder = c->decoder;
		t->sink.lost_bytes = c->lost_bytes;
		t->sink.lost_lines = c->lost_lines;
		t->sink.lost_why = c->lost_why;
		t->pump.through = format_restore(c->through, c->held);
		for (struct sink *k = t->sink.next; k; k = k->next)
			sink_follow(k, &t->pump.through);
	}
}

bool service_restore(struct service *s, struct core_record *ret_record, struct core_past *ret_past)
{
	const struct recovery_record *r = recovery_record(&s->engine->store.area, s->id);

	*ret_record = (struct core_record){FIELDS_OF_CORE(COPY_FROM_CORE)};
	ret_record->ready = r->state == CORE_RUNNING;
	*ret_past = (struct core_past){.n_starts = r->n_starts};
	memcpy(ret_past->ops, r->ops, sizeof(ret_past->ops));
	memcpy(ret_past->op_generations, r->op_generations, sizeof(r->op_generations));
	memcpy(ret_past->starts_msec, r->starts_msec, sizeof(ret_past->starts_msec));
	FIELDS_OF_SERVICE(COPY_TO_SERVICE)
	memcpy(s->invocation, r->invocation, sizeof(s->invocation));
	for (unsigned i = 0; i < s->n_streams; i++)
		s->streams[i].inode = r->pipe_inodes[i];
	restore_parts(s, r);
	restore_counters(s);
	return core_record_is_valid(ret_record) && core_past_is_valid(ret_past);
}

uint64_t service_last_generation(const struct engine *e, uint32_t id)
{
	return e->generations[id];
}

void service_commit_removal(struct engine *e, uint32_t id, uint64_t generation)
{
	struct recovery_record nobody = {.generation = generation};

	e->generations[id] = generation;
	recovery_commit(&e->store.area, id, &nobody);
	for (unsigned i = 0; i < RECOVERY_STREAMS; i++)
		*recovery_counters(&e->store.area, id, i) = (struct recovery_counters){0};
	board_forget(e, id);
	pages_touch(e);
}
