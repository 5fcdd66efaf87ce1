/*
 * One service: made for an instance that the configuration names, and given new settings while
 * it lives. What it goes by is borrowed from a configuration, which is kept
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
#include "engine/streams/streams.h"
#include "engine/succession.h"
#include "engine/uplink/uplink_outbox.h"

/* There are thousands of them: what not all of them need is a part (part.h). */
_Static_assert(sizeof(struct service) <= 256, "struct service has grown");

/* That the launcher is behind with what it was told to start can't be held against a service. */
static void allow_for_launcher(struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	usec_t now = s->engine->loop.now_usec;
	usec_t later = usec_add(uplink_behind_usec(s->engine), s->spec->policy->ready_timeout_usec);
	struct core_event event = {.type = CORE_EVENT_EXTEND,
		.service = s->id,
		.generation = r->generation,
		.span_usec = usec_sub(later, now)};

	if (r->state == CORE_STARTING && r->phase == CORE_PHASE_EXEC && later > now)
		engine_event(s->engine, &event);
}

static void on_deadline(struct loop_timer *t)
{
	struct service *s = CONTAINER_OF(t, struct service, timer);
	struct core_event event = {.type = CORE_EVENT_DEADLINE, .service = s->id};

	allow_for_launcher(s);
	engine_event(s->engine, &event);
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
	core_set_policy(e->core, s->id, spec->policy);
	schedule_adopt(s, old_spec);
	streams_configure(s);
	if (services_by_id(e, s->id) == s)
		input_follow(s);
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
		core_set_next_policy(e->core, s->id, spec->policy);
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
	size_t name_size = strlen(spec_instance_name(spec, instance, name)) + 1;
	struct service *s = calloc(1, sizeof(*s) + name_size);
	int r;

	if (!s)
		return -ENOMEM;
	s->name = memcpy(s + 1, name, name_size);
	s->engine = e;
	s->id = id;
	s->spec = spec;
	s->instance = instance;
	s->pidfd = -1;
	s->timer.dispatch = on_deadline;
	s->since_realtime_usec = usec_now(CLOCK_REALTIME);
	r = loop_timer_add(&e->loop, &s->timer);
	if (r < 0) {
		free(s);
		return r;
	}
	s->config = config;
	e->configs[config].n_users++;
	r = streams_new(s);
	if (r == 0)
		r = schedule_new(s);
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
	service_drop_made_pipes(s);
	tree_unwatch(s);
	ready_free(s);
	health_free(s);
	mainpid_cancel(s);
	command_free_all(s);
	input_free(s);
	streams_free(s);
	uplink_outbox_drop(s);
	succession_end(s);
	loop_timer_remove(&e->loop, &s->timer);
	schedule_free(s);
	part_drop_all(s);
	if (s->next)
		config_unref(e, s->next_config);
	config_unref(e, s->config);
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

	return spec && spec->links->pool ? spec->links->pool : "";
}

const char *service_reason(const struct service *s, char ret_text[static CORE_REASON_SIZE])
{
	struct core_words words = {stage_text(core_record(s->engine->core, s->id)->stage),
		error_text, name_of, pool_of, s->engine};

	return core_reason(s->engine->core, s->id, &words, ret_text);
}

struct exits {
	struct part part;
	struct service_exit last[SERVICE_EXITS];
};

const struct service_exit *service_exits(const struct service *s)
{
	const struct exits *x = part_find(s, PART_EXITS);

	return x ? x->last : NULL;
}

struct service_exit *service_exits_get(struct service *s)
{
	struct exits *x = part_get(s, PART_EXITS, sizeof(*x));

	return x ? x->last : NULL;
}

const char *service_exit_text(const struct service_exit *x, char ret_text[static CORE_REASON_SIZE])
{
	return core_end_to_text(
		(enum core_end)x->end, x->status, stage_text(x->stage), error_text, ret_text);
}

void service_invocation(const struct service *s, char ret_text[static SERVICE_INVOCATION_SIZE])
{
	static const char hex[] = "0123456789abcdef";

	for (unsigned i = 0; i < sizeof(s->invocation); i++) {
		*ret_text++ = hex[s->invocation[i] >> 4];
		*ret_text++ = hex[s->invocation[i] & 15];
	}
	*ret_text = '\0';
}
