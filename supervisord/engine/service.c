/*
 * One service: made for an instance that the configuration names, given new settings while
 * it lives, and its pipes. What it goes by is borrowed from a configuration, which is kept
 * as long as somebody does (config_unref()): a process that still runs is stopped, and its
 * output logged, as the configuration said that it was started with.
 */
#include "engine/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/reload/config.h"
#include "engine/services.h"

static void on_deadline(struct loop_timer *t)
{
	struct service *s = CONTAINER_OF(t, struct service, timer);
	struct core_event event = {.type = CORE_EVENT_DEADLINE, .service = s->id};

	engine_event(s->engine, &event);
}

/* The absolute path that a stream is logged to, for SPEC_SINK_FILE; NULL for lack of memory. */
static char *log_path(const struct service *s, const struct spec_target *target)
{
	_cleanup_free_
	char *name = spec_expand(target->address, s->spec, s->instance);
	char *path;

	if (!name || name[0] == '/')
		return TAKE_PTR(name);
	return asprintf(&path, "%s/%s", s->engine->spec->log_dir, name) < 0 ? NULL : path;
}

static const struct spec_target *target_of(const struct service *s, unsigned stream)
{
	return stream == 0 ? &s->spec->log.file : &s->spec->log.error;
}

static int init_sink(struct service *s, struct sink *sink, const struct spec_target *target)
{
	_cleanup_free_
	char *path = NULL;

	if (target->sink == SPEC_SINK_FILE) {
		path = log_path(s, target);
		if (!path)
			return -ENOMEM;
	}
	return sink_init(sink, &s->engine->sinks, s->name, &s->spec->log, target, path);
}

static void fini_streams(struct service *s)
{
	for (unsigned k = 0; k < s->n_streams; k++) {
		struct stream *t = &s->streams[k];

		if (t->fd >= 0) {
			pump_stop(&t->pump);
			t->fd = close_fd(t->fd);
		}
		sink_fini(&t->sink);
	}
	free(s->streams);
	s->streams = NULL;
	s->n_streams = 0;
}

static void on_pipe_ended(struct pump *p)
{
	struct stream *t = CONTAINER_OF(p, struct stream, pump);

	sink_end(&t->sink, t->service->engine->loop.now_usec);
	service_commit_counters(t->service);
	pump_stop(&t->pump);
	t->fd = close_fd(t->fd);
}

static int init_streams(struct service *s)
{
	unsigned n = s->spec->split_stderr ? 2 : 1;

	s->streams = calloc(n, sizeof(*s->streams));
	if (!s->streams)
		return -ENOMEM;
	for (; s->n_streams < n; s->n_streams++) {
		struct stream *t = &s->streams[s->n_streams];
		int r;

		t->service = s;
		t->fd = -1;
		pump_init(
			&t->pump, &s->engine->pumps, &t->sink, s->id, s->n_streams, on_pipe_ended);
		r = init_sink(s, &t->sink, target_of(s, s->n_streams));
		if (r < 0)
			return r;
	}
	return 0;
}

/* New settings for the streams that are there. For lack of memory one goes where it did. */
static void configure_streams(struct service *s)
{
	for (unsigned i = 0; i < s->n_streams; i++) {
		struct sink *sink = &s->streams[i].sink;
		const struct spec_target *target = target_of(s, i);
		_cleanup_free_
		char *path = target->sink == SPEC_SINK_FILE ? log_path(s, target) : NULL;

		if (sink_configure(sink, &s->spec->log, target, path, s->engine->loop.now_usec) < 0)
			log_error("service '%s': no memory to log elsewhere", s->name);
	}
	service_commit_counters(s);
}

/* Another number of pipes: only between two generations, with none open. */
static void renew_streams(struct service *s)
{
	struct stream *old = s->streams;
	uint8_t n_old = s->n_streams;

	s->streams = NULL;
	s->n_streams = 0;
	if (init_streams(s) < 0) {
		fini_streams(s);
		s->streams = old; /* what comes through a pipe too many is read by nobody */
		s->n_streams = n_old;
		log_error("service '%s': no memory for its logs", s->name);
		return;
	}
	s->streams[0].sink.counters = old[0].sink.counters;
	s->streams[0].sink.line = old[0].sink.line;
	for (unsigned i = 0; i < n_old; i++)
		sink_fini(&old[i].sink);
	free(old);
}

void service_adopt(struct service *s, const struct spec_service *spec, uint8_t config)
{
	struct engine *e = s->engine;
	const struct spec_service *old_spec = s->spec;
	uint8_t old = s->config;

	service_adopt_later(s, spec, config);
	s->spec = spec;
	s->config = config;
	s->next = NULL;
	core_set_policy(e->core, s->id, &spec->policy);
	schedule_adopt(s, old_spec);
	if (s->n_streams != (spec->split_stderr ? 2 : 1))
		renew_streams(s);
	else
		configure_streams(s);
	ready_configure(s);
	health_configure(s);
	config_unref(e, old); /* last: it owns what was in use until here */
}

void service_adopt_later(struct service *s, const struct spec_service *spec, uint8_t config)
{
	struct engine *e = s->engine;

	e->configs[config].n_users++;
	if (s->next)
		config_unref(e, s->next_config);
	s->next = spec;
	s->next_config = config;
	s->undecided = false;
	if (services_by_id(e, s->id) == s) /* else it is not known to the core yet */
		core_set_next_policy(e->core, s->id, &spec->policy);
}

bool service_is_stale(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	return s->next && !s->undecided && (r->state == CORE_STARTING || r->state == CORE_RUNNING);
}

const struct spec_service *service_definition(const struct service *s)
{
	return s->next ? s->next : s->spec;
}

int service_new(struct engine *e, uint32_t id, const struct spec_service *spec, unsigned instance,
	uint8_t config, struct service **ret_service)
{
	char name[SPEC_INSTANCE_NAME_MAX];
	struct service *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->engine = e;
	s->id = id;
	s->spec = spec;
	s->instance = instance;
	s->pidfd = -1;
	s->timer.dispatch = on_deadline;
	schedule_init(&s->schedule);
	list_init(&s->outbox.node);
	list_init(&s->waiters);
	list_init(&s->successors);
	list_init(&s->predecessor);
	list_init(&s->commands);
	s->since_realtime_usec = usec_now(CLOCK_REALTIME);
	s->name = strdup(spec_instance_name(spec, instance, name));
	r = s->name ? loop_timer_add(&e->loop, &s->timer) : -ENOMEM;
	if (r < 0) {
		free(s->name);
		free(s);
		return r;
	}
	s->config = config;
	e->configs[config].n_users++;
	r = init_streams(s);
	if (r < 0) {
		service_free(s);
		return r;
	}
	*ret_service = s;
	return 0;
}

void service_free(struct service *s)
{
	struct engine *e = s->engine;

	close_fd(s->pidfd);
	pipes_close(&s->pipes);
	tree_unwatch(s);
	ready_free(s);
	health_free(s);
	mainpid_cancel(s);
	command_free_all(s);
	free(s->hook_outcomes);
	free(s->reload_outcome);
	fini_streams(s);
	list_remove(&s->outbox.node);
	list_remove(&s->predecessor);
	loop_timer_remove(&e->loop, &s->timer);
	schedule_fini(&s->schedule);
	if (s->next)
		config_unref(e, s->next_config);
	config_unref(e, s->config);
	free(s->name);
	free(s);
}

bool service_has_run(const struct service *s)
{
	static const uint8_t none[sizeof(s->invocation)];

	return memcmp(s->invocation, none, sizeof(none)) != 0;
}

bool service_has_process(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	switch ((enum core_phase)r->phase) {
	case CORE_PHASE_PRE_START:
	case CORE_PHASE_CANCELLED:
	case CORE_PHASE_POST_STOP:
		return false;
	default:
		break;
	}
	return r->state == CORE_STARTING || r->state == CORE_RUNNING || r->state == CORE_STOPPING;
}

void service_take_pipes(struct service *s, int *fds, unsigned n_fds)
{
	for (unsigned i = 0; i < n_fds; i++) {
		struct stream *t = i < s->n_streams ? &s->streams[i] : NULL;
		struct stat st;
		int r;

		/* Told again after the engine's restart or a REFETCH: the one we have will do. */
		if (!t || t->fd >= 0 || fds[i] < 0) {
			fds[i] = close_fd(fds[i]);
			continue;
		}
		r = pump_start(&t->pump, fds[i]);
		if (r < 0) {
			log_error(
				"service '%s': cannot watch its output: %s", s->name, strerror(-r));
			fds[i] = close_fd(fds[i]);
			continue;
		}
		t->fd = TAKE_FD(fds[i]);
		s->pipe_inodes[i] = sys_fstat(t->fd, &st) == 0 ? st.st_ino : 0;
	}
	ready_attach(s);
}

void service_drain_untold(struct service *s)
{
	struct pipes *p = &s->pipes;

	if (p->generation == 0 || p->generation != core_record(s->engine->core, s->id)->generation)
		return;
	service_take_pipes(s, p->read, MIN_OF((unsigned)s->n_streams, (unsigned)PLAN_PIPE_READY));
	service_drain(s);
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
	pipes_close(&s->pipes); /* its process was never told of */
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

static const char *error_text(int error)
{
	return strerror(error);
}

static const char *stage_text(uint8_t stage)
{
	return stage < LINK_STAGE_MAX ? link_stage_to_string((enum link_stage)stage)
				      : "cannot start";
}

static const char *name_of(const void *userdata, uint32_t id)
{
	const struct service *s = services_by_id(userdata, id);

	return s ? s->name : "";
}

static const char *pool_of(const void *userdata, uint32_t id)
{
	const struct service *s = services_by_id(userdata, id);
	const struct spec_service *spec = s ? service_definition(s) : NULL;

	return spec && spec->pool ? spec->pool : "";
}

const char *service_reason(const struct service *s, char ret_text[static CORE_REASON_SIZE])
{
	struct core_words words = {stage_text(core_record(s->engine->core, s->id)->stage),
		error_text, name_of, pool_of, s->engine};

	return core_reason(s->engine->core, s->id, &words, ret_text);
}

const char *service_exit_text(const struct service_exit *x, char ret_text[static CORE_REASON_SIZE])
{
	return core_end_to_text(
		(enum core_end)x->end, x->status, stage_text(x->stage), error_text, ret_text);
}

void service_invocation(const struct service *s, char ret_text[static SERVICE_INVOCATION_SIZE])
{
	for (unsigned i = 0; i < sizeof(s->invocation); i++)
		snprintf(ret_text + 2 * i, 3, "%02x", s->invocation[i]);
}
