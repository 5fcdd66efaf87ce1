/*
 * The situation of one service, from the core's record and what this engine knows beside it. Where
 * a point in time is on the monotonic clock, it is told as the real one would show it now.
 */
#include "engine/control/why/why.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/parse.h"
#include "engine/control/status.h"
#include "engine/control/why/why_internal.h"
#include "engine/schedule.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/uplink/spawn.h"

json_t *why_msec(usec_t duration)
{
	return duration == USEC_INFINITY ? json_null()
					 : json_integer((json_int_t)(duration / USEC_PER_MSEC));
}

json_t *why_when(const struct why_now *now, usec_t monotonic)
{
	if (monotonic == USEC_INFINITY)
		return json_null();
	return json_pack("{s:o,s:o}", "time",
		status_time(now->realtime_usec + monotonic - now->monotonic_usec), "in_ms",
		why_msec(usec_sub(monotonic, now->monotonic_usec)));
}

/* --- ends --- */

static const char *kind_of(enum core_end end)
{
	static const char *const kinds[CORE_END_MAX] = {
		[CORE_END_EXITED] = "exited",
		[CORE_END_SIGNALLED] = "signalled",
		[CORE_END_DUMPED] = "dumped",
		[CORE_END_SPAWN_FAILED] = "not_started",
		[CORE_END_UNKNOWN] = "unknown",
	};

	return end < CORE_END_MAX && kinds[end] ? kinds[end] : "unknown";
}

static const char *stage_of(uint8_t stage)
{
	static const char *const stages[LINK_STAGE_MAX] = {
		[LINK_STAGE_PLAN] = "plan",
		[LINK_STAGE_RESOURCES] = "resources",
		[LINK_STAGE_CGROUP] = "cgroup",
		[LINK_STAGE_FORK] = "fork",
		[LINK_STAGE_STDIO] = "stdio",
		[LINK_STAGE_PRIORITY] = "priority",
		[LINK_STAGE_GROUP] = "group",
		[LINK_STAGE_USER] = "user",
		[LINK_STAGE_DIRECTORY] = "directory",
		[LINK_STAGE_EXEC] = "exec",
		[LINK_STAGE_LIMITS] = "limits",
		[LINK_STAGE_STDIN] = "stdin",
		[LINK_STAGE_STDIN_FIFO] = "stdin",
	};

	return stage < LINK_STAGE_MAX && stages[stage] ? stages[stage] : "unknown";
}

/* at: 0 where that is not known. */
static json_t *pack_end(enum core_end end, int status, uint8_t stage, usec_t at, json_t *ran)
{
	bool signalled = end == CORE_END_SIGNALLED || end == CORE_END_DUMPED;
	bool failed = end == CORE_END_SPAWN_FAILED;
	char name[SIGNAL_NAME_SIZE];

	return json_pack("{s:s,s:i,s:s?,s:s?,s:s?,s:o,s:o,s:o}", "kind", kind_of(end), "status",
		status, "signal", signalled ? signal_name(status, name) : NULL, "stage",
		failed ? stage_of(stage) : NULL, "problem",
		failed && stage < LINK_STAGE_MAX ? link_stage_to_string((enum link_stage)stage)
						 : NULL,
		"error", failed ? status_text(strerror(status)) : json_null(), "time",
		at > 0 ? status_time(at) : json_null(), "ran_ms", ran);
}

json_t *why_end(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	const struct service_exit *x = s->exits;
	/* A daemon's end that nobody has seen is not among those noted. */
	bool noted = x && x->end == r->end && x->status == (int16_t)r->end_status;

	if (r->end == CORE_END_NONE)
		return json_null();
	return pack_end((enum core_end)r->end, (int)r->end_status, r->stage,
		noted ? x->realtime_msec * USEC_PER_MSEC : 0,
		noted ? json_integer((json_int_t)x->ran_msec) : json_null());
}

static json_t *ends(const struct service *s)
{
	json_t *array = json_array();

	for (unsigned i = 0; s->exits && i < SERVICE_EXITS && s->exits[i].realtime_msec > 0; i++) {
		const struct service_exit *x = &s->exits[i];

		json_array_append_new(array, pack_end((enum core_end)x->end, x->status, x->stage,
						     x->realtime_msec * USEC_PER_MSEC,
						     json_integer((json_int_t)x->ran_msec)));
	}
	return array;
}

/* --- parts of the reply --- */

static const char *name_of(const struct engine *e, uint32_t id)
{
	const struct service *s = id == CORE_NO_SERVICE ? NULL : services_by_id(e, id);

	return s ? s->name : NULL;
}

/* What the record says of how it has come here. */
static json_t *reasons(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	bool stopping = r->state == CORE_STOPPING;
	char sent[SIGNAL_NAME_SIZE], asked[SIGNAL_NAME_SIZE];

	return json_pack("{s:s,s:s?,s:b,s:s,s:s,s:s?,s:s?,s:s?,s:b,s:b,s:b}", "why",
		core_why_to_string((enum core_why)r->why), "other", name_of(s->engine, r->blocker),
		"stuck", core_is_stuck(s->engine->core, s->id), "cause",
		core_cause_to_string((enum core_cause)r->cause), "previous_cause",
		core_cause_to_string((enum core_cause)r->last_cause), "then",
		stopping ? core_then_to_string((enum core_then)r->then) : NULL, "sent",
		r->signo > 0 ? signal_name(r->signo, sent) : NULL, "asked",
		r->user_signo > 0 ? signal_name(r->user_signo, asked) : NULL, "killed", r->killed,
		"main_ended", r->main_ended, "queued", r->queued);
}

/* As the configuration has it, for this instance. */
static json_t *stdin_of(const struct service *s)
{
	const struct spec_service *spec = s->spec;
	char *name = spec->stdin_name ? spec_expand(spec->stdin_name, spec, s->instance) : NULL;
	json_t *text = name ? status_text(name) : NULL, *all;

	free(name);
	if (!text)
		return json_null();
	all = json_sprintf(
		"%s:%s", spec_stdin_to_string(spec->stdin_kind), json_string_value(text));
	json_decref(text);
	return all;
}

/* What it is, as far as an explanation needs that. */
static json_t *definition(const struct service *s)
{
	const struct spec_service *spec = s->spec;
	char **argv = NULL;
	char *directory = spec_expand(spec->process->directory, spec, s->instance);
	json_t *part;

	spawn_arguments(s, &argv);
	part = json_pack("{s:s,s:o,s:o,s:o,s:o,s:b,s:o,s:o,s:s?}", "type",
		spec_type_to_string(spec->policy->type), "program",
		argv && argv[0] ? status_text(argv[0]) : json_null(), "directory",
		status_text(directory ? directory : ""), "user",
		spec->process->identity->user_name ? status_text(spec->process->identity->user_name)
						   : json_null(),
		"stdin", stdin_of(s), "autostart", spec->policy->autostart, "hook_timeout_ms",
		why_msec(spec->policy->hook_timeout_usec), "watchdog_ms",
		spec->policy->watchdog_usec > 0 ? why_msec(spec->policy->watchdog_usec)
						: json_null(),
		"pending", status_pending(s));
	spawn_environment_free(argv);
	free(directory);
	return part;
}

/* The next run by the clock it is planned by, which is no sum of two others: midnight is that. */
static json_t *next_run(const struct service *s, const struct why_now *now)
{
	json_t *when = why_when(now, core_record(s->engine->core, s->id)->due_usec);
	usec_t due = schedule_next_realtime(s);

	if (json_is_object(when) && due > 0)
		json_object_set_new(when, "time", status_time(due));
	return when;
}

/* When something is going to happen by itself. */
static json_t *times(const struct service *s, const struct why_now *now)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "now", status_time(now->realtime_usec),
		"for_ms", why_msec(usec_sub(now->monotonic_usec, r->since_usec)), "started",
		s->started_realtime_usec > 0 ? status_time(s->started_realtime_usec) : json_null(),
		"deadline", why_when(now, r->deadline_usec), "run", next_run(s, now), "schedule",
		status_schedule(s));
}

static json_t *rules(const struct service *s, const struct why_now *now)
{
	return json_pack("{s:o,s:o,s:o,s:o}", "restart", why_restart(s, now), "stop", why_stop(s),
		"readiness", why_ready(s), "health", why_health(s));
}

static json_t *others(struct service *s, const struct why_now *now)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	bool stopping = r->state == CORE_STOPPING && r->phase != CORE_PHASE_POST_STOP;
	uint32_t essential = CORE_NO_SERVICE;

	core_essential_end(s->engine->core, &essential);
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:b,s:s?}", "pool", why_pool(s), "starting",
		why_starting(s), "causes", why_causes(s, now), "dependents", why_dependents(s),
		"survivors", stopping ? status_processes(s) : json_null(), "shutting_down",
		core_is_shutting_down(s->engine->core), "essential_end",
		name_of(s->engine, essential));
}

/* Takes the part; false, and nothing is left of it, where it could not be made. */
static bool take(json_t *reply, json_t *part)
{
	bool ok = part && json_object_update(reply, part) == 0;

	json_decref(part);
	return ok;
}

json_t *why(struct service *s)
{
	const struct why_now now = {usec_now(CLOCK_MONOTONIC), usec_now(CLOCK_REALTIME)};
	json_t *reply = json_pack("{s:o,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "service", status_service(s),
		"generation", (json_int_t)core_record(s->engine->core, s->id)->generation, "end",
		why_end(s), "ends", ends(s), "hooks", status_hooks(s), "logs", status_logs(s),
		"chain", why_chain(s), "request", why_request(s));

	if (reply && take(reply, reasons(s)) && take(reply, definition(s)) &&
		take(reply, times(s, &now)) && take(reply, rules(s, &now)) &&
		take(reply, others(s, &now)))
		return reply;
	json_decref(reply);
	return NULL;
}
