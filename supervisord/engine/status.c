/*
 * Points in time are told as the real clock showed them when they happened; durations are
 * monotonic, so a clock that is set does not change them.
 */
#include "engine/status.h"

#include <string.h>

#include "base/parse.h"
#include "engine/service.h"
#include "engine/spawn.h"

#define SHOW_MAX_PROCESSES 256

static json_t *time_of(usec_t realtime)
{
	char text[USEC_RFC3339_SIZE];

	usec_rfc3339(realtime, text);
	return json_string(text);
}

static json_t *integer_if(bool condition, uint64_t value)
{
	return condition ? json_integer((json_int_t)value) : json_null();
}

json_t *status_text(const char *text)
{
	json_t *s = json_string(text);
	char copy[4096];
	size_t n = 0;

	if (s)
		return s;
	for (; *text && n + 1 < sizeof(copy); text++)
		copy[n++] = (unsigned char)*text < 0x80 ? *text : '?';
	copy[n] = '\0';
	return json_string(copy);
}

json_t *status_service(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	enum core_state state = (enum core_state)r->state;
	usec_t now = usec_now(CLOCK_MONOTONIC);
	char reason[CORE_REASON_SIZE], signal[SIGNAL_NAME_SIZE];
	bool signalled = r->end == CORE_END_SIGNALLED || r->end == CORE_END_DUMPED;

	return json_pack("{s:s,s:s,s:s,s:b,s:o,s:o,s:o,s:I,s:o,s:o,s:o,s:o,s:n}", "name", s->name,
		"state", core_state_to_string(state), "desired", r->desired_up ? "up" : "down",
		"ready", r->ready, "pid", integer_if(r->pid > 0, (uint64_t)r->pid), "since",
		time_of(s->since_realtime_usec), "uptime_ms",
		integer_if(r->pid > 0, usec_sub(now, r->started_usec) / USEC_PER_MSEC), "restarts",
		(json_int_t)r->restarts, "exit_code",
		integer_if(r->end == CORE_END_EXITED, (uint64_t)r->end_status), "exit_signal",
		signalled ? json_string(signal_name(r->end_status, signal)) : json_null(), "reason",
		status_text(service_reason(s, reason)), "next_start_ms",
		integer_if(state == CORE_BACKOFF, usec_sub(r->deadline_usec, now) / USEC_PER_MSEC),
		"health");
}

json_t *status_logs(const struct service *s)
{
	json_t *logs = json_array();

	for (unsigned i = 0; i < s->n_streams; i++) {
		const struct sink *k = &s->streams[i].sink;
		const struct log_counters *c = &k->counters;

		json_array_append_new(logs,
			json_pack("{s:s,s:s,s:o,s:I,s:I,s:I,s:I}", "stream",
				i == 0 ? "output" : "error", "sink",
				spec_sink_to_string((enum spec_sink)k->kind), "path",
				k->kind == SPEC_SINK_FILE ? status_text(k->file.path) : json_null(),
				"bytes", (json_int_t)c->bytes, "lines", (json_int_t)c->lines,
				"dropped_bytes", (json_int_t)c->dropped_bytes, "dropped_lines",
				(json_int_t)c->dropped_lines));
	}
	return logs;
}

static json_t *log_sum(const struct service *s)
{
	struct log_counters sum = {0};

	for (unsigned i = 0; i < s->n_streams; i++) {
		const struct log_counters *c = &s->streams[i].sink.counters;

		sum.bytes += c->bytes;
		sum.lines += c->lines;
		sum.dropped_bytes += c->dropped_bytes;
		sum.dropped_lines += c->dropped_lines;
	}
	return json_pack("{s:I,s:I,s:I,s:I}", "bytes", (json_int_t)sum.bytes, "lines",
		(json_int_t)sum.lines, "dropped_bytes", (json_int_t)sum.dropped_bytes,
		"dropped_lines", (json_int_t)sum.dropped_lines);
}

static json_t *strings(char *const *items)
{
	json_t *array = json_array();

	for (; items && *items; items++)
		json_array_append_new(array, status_text(*items));
	return array;
}

static json_t *processes(struct service *s)
{
	pid_t pids[SHOW_MAX_PROCESSES];
	json_t *array = json_array();
	int n = 0;

	if (s->main_pid > 0)
		n = tree_list(s->engine, s, pids, SHOW_MAX_PROCESSES);
	for (int i = 0; i < n; i++) {
		struct proc_stat stat;
		char command[256];

		if (proc_stat_get(pids[i], &stat) < 0)
			continue;
		proc_command(pids[i], command, sizeof(command));
		json_array_append_new(
			array, json_pack("{s:i,s:i,s:o}", "pid", (int)pids[i], "parent",
				       (int)stat.parent, "command", status_text(command)));
	}
	return array;
}

json_t *status_show(struct service *s, bool with_environment)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	const struct spec_service *spec = s->spec;
	char invocation[SERVICE_INVOCATION_SIZE];
	char **argv = NULL, **environment = NULL;
	char *directory = spec_expand(spec->directory, spec, s->instance);
	json_t *show;

	service_invocation(s, invocation);
	spawn_arguments(s, &argv);
	if (with_environment)
		spawn_environment(s, &environment);
	show = json_pack("{s:o,s:{s:o,s:i},s:s,s:o,s:o,s:o,s:o,s:o,s:s,s:I,s:o,s:o,s:o,s:o,s:o}",
		"service", status_service(s), "definition", "file", status_text(spec->place.file),
		"line", (int)spec->place.line, "type", spec_type_to_string(spec->policy.type),
		"command", strings(argv), "directory", status_text(directory ? directory : ""),
		"user",
		spec->identity.user_name ? status_text(spec->identity.user_name) : json_null(),
		"groups", strings(spec->groups), "environment",
		environment ? strings(environment) : json_null(), "restart",
		spec_restart_to_string(spec->policy.restart), "generation",
		(json_int_t)r->generation, "invocation",
		service_has_run(s) ? json_string(invocation) : json_null(), "started",
		s->started_realtime_usec > 0 ? time_of(s->started_realtime_usec) : json_null(),
		"processes", processes(s), "log", log_sum(s), "logs", status_logs(s));
	spawn_environment_free(argv);
	spawn_environment_free(environment);
	free(directory);
	return show;
}
