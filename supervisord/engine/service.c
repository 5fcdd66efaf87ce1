/*
 * Services are made once from the spec and live as long as the engine. Their index is
 * the order of the configuration, which is also that of the recovery area.
 */
#include "engine/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

_Static_assert(SPEC_INSTANCE_NAME_MAX <= RECOVERY_NAME_SIZE, "names fit into the recovery area");
_Static_assert(SPEC_MAX_RESTART_LIMIT <= RECOVERY_MAX_STARTS, "so do the automatic starts");

static void on_deadline(struct loop_timer *t)
{
	struct service *s = CONTAINER_OF(t, struct service, timer);
	struct core_event event = {.type = CORE_EVENT_DEADLINE, .service = s->id};

	engine_event(s->engine, &event);
}

static int init_sink(struct service *s, struct sink *sink, const struct spec_log *log)
{
	struct engine *e = s->engine;
	_cleanup_free_
	char *name = NULL;
	_cleanup_free_
	char *path = NULL;

	if (log->sink == SPEC_SINK_FILE) {
		name = spec_expand(log->file, s->spec, s->instance);
		if (!name)
			return -ENOMEM;
		if (name[0] == '/')
			path = TAKE_PTR(name);
		else if (asprintf(&path, "%s/%s", e->spec->log_dir, name) < 0)
			return -ENOMEM;
	}
	return sink_init(sink, &e->sinks, s->name, log->sink, path, log->max_size_bytes, log->keep);
}

static int init_streams(struct service *s)
{
	s->n_streams = s->spec->split_stderr ? 2 : 1;
	s->streams = calloc(s->n_streams, sizeof(*s->streams));
	if (!s->streams)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n_streams; i++) {
		struct stream *t = &s->streams[i];
		int r;

		t->service = s;
		t->fd = -1;
		r = init_sink(s, &t->sink, i == 0 ? &s->spec->log : &s->spec->log_stderr);
		if (r < 0) {
			s->n_streams = (uint8_t)i;
			return r;
		}
	}
	return 0;
}

static int init_one(
	struct engine *e, struct service *s, const struct spec_service *spec, unsigned instance)
{
	char name[SPEC_INSTANCE_NAME_MAX];
	int r;

	s->engine = e;
	s->id = (uint32_t)(s - e->services);
	s->spec = spec;
	s->instance = instance;
	s->timer.dispatch = on_deadline;
	list_init(&s->outbox.node);
	list_init(&s->waiters);
	s->since_realtime_usec = usec_now(CLOCK_REALTIME);
	s->name = strdup(spec_instance_name(spec, instance, name));
	if (!s->name)
		return -ENOMEM;
	r = loop_timer_add(&e->loop, &s->timer);
	if (r < 0)
		return r;
	return init_streams(s);
}

static int compare_names(const void *a, const void *b, void *services)
{
	const struct service *s = services;

	return strcmp(s[*(const uint32_t *)a].name, s[*(const uint32_t *)b].name);
}

int service_init_all(struct engine *e)
{
	uint32_t n = 0;

	for (size_t i = 0; i < e->spec->n_services; i++)
		n += e->spec->services[i].n_instances;
	e->services = calloc(n ? n : 1, sizeof(*e->services));
	e->by_name = calloc(n ? n : 1, sizeof(*e->by_name));
	if (!e->services || !e->by_name)
		return -ENOMEM;
	for (size_t i = 0; i < e->spec->n_services; i++) {
		const struct spec_service *spec = &e->spec->services[i];

		for (unsigned k = 1; k <= spec->n_instances; k++) {
			struct service *s = &e->services[e->n_services];
			int r = init_one(e, s, spec, k);

			if (r < 0)
				return r;
			e->by_name[e->n_services] = e->n_services;
			e->n_services++;
		}
	}
	qsort_r(e->by_name, n, sizeof(*e->by_name), compare_names, e->services);
	return 0;
}

void service_fini_all(struct engine *e)
{
	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = &e->services[i];

		tree_unwatch(s);
		for (unsigned k = 0; k < s->n_streams; k++) {
			struct stream *t = &s->streams[k];

			if (t->fd >= 0) {
				pump_fini(&t->pump);
				t->fd = close_fd(t->fd);
			}
			sink_fini(&t->sink);
		}
		free(s->streams);
		free(s->name);
		loop_timer_remove(&e->loop, &s->timer);
	}
	free(e->services);
	free(e->by_name);
	e->services = NULL;
	e->n_services = 0;
}

struct service *service_find(const struct engine *e, const char *name)
{
	uint32_t low = 0, high = e->n_services;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct service *s = &e->services[e->by_name[middle]];
		int c = strcmp(name, s->name);

		if (c == 0)
			return s;
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static void on_pipe_ended(struct pump *p)
{
	struct stream *t = CONTAINER_OF(p, struct stream, pump);

	sink_end(&t->sink, t->service->engine->loop.now_usec);
	service_commit_counters(t->service);
	pump_fini(&t->pump);
	t->fd = close_fd(t->fd);
}

void service_take_pipes(struct service *s, int *fds, unsigned n_fds)
{
	struct engine *e = s->engine;

	for (unsigned i = 0; i < n_fds; i++) {
		struct stream *t = i < s->n_streams ? &s->streams[i] : NULL;
		int r;

		/* Told again after the engine's restart or a REFETCH: the one we have will do. */
		if (!t || t->fd >= 0 || fds[i] < 0) {
			fds[i] = close_fd(fds[i]);
			continue;
		}
		r = pump_init(&t->pump, &e->pumps, fds[i], &t->sink, on_pipe_ended);
		if (r < 0) {
			log_error(
				"service '%s': cannot watch its output: %s", s->name, strerror(-r));
			fds[i] = close_fd(fds[i]);
			continue;
		}
		t->fd = TAKE_FD(fds[i]);
	}
}

void service_drain(struct service *s)
{
	for (unsigned i = 0; i < s->n_streams; i++) {
		struct stream *t = &s->streams[i];

		if (t->fd >= 0 && pump_drain(&t->pump, PUMP_DRAIN_MAX) == PUMP_ENDED)
			on_pipe_ended(&t->pump);
	}
	service_commit_counters(s);
}

void service_close_pipes(struct service *s)
{
	service_drain(s);
	for (unsigned i = 0; i < s->n_streams; i++) {
		if (s->streams[i].fd >= 0)
			on_pipe_ended(&s->streams[i].pump);
	}
	if (s->told_generation == 0)
		return; /* its spawn never got to the launcher */
	/* Not the core's: a restart has gone on to the next generation already. */
	s->outbox.release_generation = s->told_generation;
	uplink_tell(s, UPLINK_RELEASE);
}

void service_spawn_failed(struct service *s, int error)
{
	struct link_message m = {.type = LINK_EXITED,
		.id = s->id,
		.generation = core_record(s->engine->core, s->id)->generation,
		.exit = {.error = -error,
			.stage = LINK_STAGE_RESOURCES,
			.monotonic_usec = s->engine->loop.now_usec}};

	engine_note_ended(s->engine, s, &m);
}

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
		.op = r->op,
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
		.since_realtime_usec = s->since_realtime_usec,
		.started_realtime_usec = s->started_realtime_usec,
	};

	snprintf(record.name, sizeof(record.name), "%s", s->name);
	memcpy(record.invocation, s->invocation, sizeof(record.invocation));
	memcpy(record.starts_msec, r->starts_msec, sizeof(r->starts_msec));
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

bool service_restore(struct service *s, struct core_record *ret_record)
{
	const struct recovery *area = &s->engine->store.area;
	const struct recovery_slot *slot;
	const struct recovery_record *r;

	if (s->id >= area->head->capacity)
		return false;
	slot = recovery_slot(area, s->id);
	r = &slot->record;
	if (strcmp(r->name, s->name) != 0)
		return false;
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
		.n_starts = r->n_starts,
		.pid = r->pid,
		.end_status = r->end_status,
		.restarts = r->restarts,
		.streak = r->streak,
		.signal_op = r->signal_op,
		.generation = r->generation,
		.start_order = r->start_order,
		.ready_order = r->ready_order,
		.op = r->op,
		.since_usec = r->since_usec,
		.started_usec = r->started_usec,
		.ended_usec = r->ended_usec,
		.deadline_usec = r->deadline_usec,
	};
	memcpy(ret_record->starts_msec, r->starts_msec, sizeof(ret_record->starts_msec));
	s->last_serial = r->last_serial;
	s->pidfd_inode = r->pidfd_inode;
	s->main_pid = r->main_pid;
	s->cgroup_generation = r->cgroup_generation;
	s->cgroup_spent = r->cgroup_spent;
	s->since_realtime_usec = r->since_realtime_usec;
	s->started_realtime_usec = r->started_realtime_usec;
	memcpy(s->invocation, r->invocation, sizeof(s->invocation));
	for (unsigned i = 0; i < s->n_streams; i++) {
		const struct recovery_counters *c = &slot->counters[i];

		s->streams[i].sink.counters = (struct log_counters){
			c->bytes, c->lines, c->dropped_bytes, c->dropped_lines};
	}
	return core_record_is_valid(ret_record);
}

static const char *error_text(int error)
{
	return strerror(error);
}

const char *service_reason(const struct service *s, char ret_text[static CORE_REASON_SIZE])
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	const char *stage = r->stage < LINK_STAGE_MAX
				    ? link_stage_to_string((enum link_stage)r->stage)
				    : "cannot start";

	return core_reason(s->engine->core, s->id, stage, error_text, ret_text);
}

void service_invocation(const struct service *s, char ret_text[static SERVICE_INVOCATION_SIZE])
{
	for (unsigned i = 0; i < sizeof(s->invocation); i++)
		snprintf(ret_text + 2 * i, 3, "%02x", s->invocation[i]);
}
