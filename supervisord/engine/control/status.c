/*
 * What the board shows, too, is made from what the board is told; the rest is for those who ask
 * the engine.
 */
#include "engine/control/status.h"

#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "conf/diff/diff.h"
#include "engine/control/checks.h"
#include "engine/control/situation.h"
#include "engine/service.h"
#include "engine/streams/stream_sinks.h"
#include "engine/uplink/spawn.h"
#include "wire/board_json.h"

#define SHOW_MAX_PROCESSES 256
#define NGROUPS_SHOWN	   1024

json_t *status_time(usec_t realtime)
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

json_t *status_bytes(const char *data, size_t n)
{
	char copy[OUTPUT_SIZE + 1];

	n = MIN_OF(n, sizeof(copy) - 1);
	for (size_t i = 0; i < n; i++)
		copy[i] = data[i] ? data[i] : ' ';
	copy[n] = '\0';
	return status_text(copy);
}

json_t *status_service(const struct service *s)
{
	struct supervisord_board_slot slot;

	board_describe(s, &slot);
	return board_json(&slot, usec_now(CLOCK_MONOTONIC));
}

static json_t *optional_text(const char *text)
{
	return text ? status_text(text) : json_null();
}

/* All sinks of a stream, its own first. */
static json_t *sinks_of(const struct stream *t)
{
	json_t *array = json_array();

	for (const struct sink *k = &t->sink; k; k = k->next)
		json_array_append_new(
			array, json_pack("{s:s,s:o,s:I,s:I}", "kind",
				       spec_sink_to_string((enum spec_sink)k->kind), "address",
				       optional_text(stream_sinks_address(k)), "dropped_bytes",
				       (json_int_t)k->counters.dropped_bytes, "dropped_lines",
				       (json_int_t)k->counters.dropped_lines));
	return array;
}

static const char *awaited_by(const struct pump *p)
{
	enum gate_reason reason = gate_reason(p);

	if (reason == GATE_NONE)
		return NULL;
	return reason == GATE_RATE ? "rate"
				   : spec_sink_to_string((enum spec_sink)(reason - GATE_SINK));
}

json_t *status_logs(const struct service *s)
{
	json_t *logs = json_array();

	for (unsigned i = 0; i < s->n_streams; i++) {
		const struct sink *k = &s->streams[i].sink;
		const struct log_counters *c = &k->counters;

		json_array_append_new(logs,
			json_pack("{s:s,s:s,s:o,s:I,s:I,s:I,s:I,s:s?,s:o}", "stream",
				i == 0 ? "output" : "error", "sink",
				spec_sink_to_string((enum spec_sink)k->kind), "path",
				k->kind == SPEC_SINK_FILE ? status_text(k->file.path) : json_null(),
				"bytes", (json_int_t)c->bytes, "lines", (json_int_t)c->lines,
				"dropped_bytes", (json_int_t)c->dropped_bytes, "dropped_lines",
				(json_int_t)c->dropped_lines, "waits_for",
				awaited_by(&s->streams[i].pump), "sinks",
				sinks_of(&s->streams[i])));
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

json_t *status_strings(char *const *items)
{
	json_t *array = json_array();

	for (; items && *items; items++)
		json_array_append_new(array, status_text(*items));
	return array;
}

json_t *status_processes(struct service *s)
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

static json_t *hook_that_runs(enum spec_hook hook, pid_t pid, usec_t since)
{
	usec_t ran = usec_sub(usec_now(CLOCK_MONOTONIC), since);

	return json_pack("{s:s,s:o,s:n,s:s,s:i,s:s}", "hook", spec_hook_to_string(hook), "time",
		status_time(usec_now(CLOCK_REALTIME) - ran), "ok", "how", "runs", "pid", (int)pid,
		"output", "");
}

/* Those that run, or have ended since this engine is there. */
json_t *status_hooks(const struct service *s)
{
	json_t *array = json_array();

	for (unsigned h = 0; h < SPEC_HOOK_MAX; h++) {
		enum spec_hook hook = (enum spec_hook)h;
		const struct hook_outcome *o = hooks_outcome(s, hook);
		usec_t since = 0;
		pid_t pid = hooks_pid(s, hook, &since);

		if (pid > 0)
			json_array_append_new(array, hook_that_runs(hook, pid, since));
		else if (o)
			json_array_append_new(array,
				json_pack("{s:s,s:o,s:b,s:s,s:n,s:o}", "hook",
					spec_hook_to_string(hook), "time",
					status_time(o->realtime_usec), "ok", o->ok, "how", o->how,
					"pid", "output", status_bytes(o->output, o->n_output)));
	}
	return array;
}

static json_t *ids(const struct spec_identity *i)
{
	json_t *groups = json_array();
	gid_t ours[NGROUPS_SHOWN];
	int n = i->set ? 0 : getgroups(NGROUPS_SHOWN, ours);

	for (size_t k = 0; i->set && k < i->n_groups; k++)
		json_array_append_new(groups, json_integer((json_int_t)i->groups[k]));
	for (int k = 0; k < n; k++)
		json_array_append_new(groups, json_integer((json_int_t)ours[k]));
	return json_pack("{s:I,s:I,s:o}", "uid", (json_int_t)(i->set ? i->uid : geteuid()), "gid",
		(json_int_t)(i->set ? i->gid : getegid()), "groups", groups);
}

static json_t *exits(const struct service *s)
{
	const struct service_exit *x = service_exits(s);
	json_t *array = json_array();

	for (unsigned i = 0; x && i < SERVICE_EXITS && x->realtime_msec > 0; i++, x++) {
		char text[CORE_REASON_SIZE];

		json_array_append_new(array, json_pack("{s:o,s:I,s:o}", "time",
						     status_time(x->realtime_msec * USEC_PER_MSEC),
						     "ran_ms", (json_int_t)x->ran_msec, "how",
						     status_text(service_exit_text(x, text))));
	}
	return array;
}

static bool is_given(const struct spec_service *spec, const char *key)
{
	for (size_t i = 0; i < spec->n_origins; i++) {
		if (strcmp(spec->origins[i].key, key) == 0)
			return true;
	}
	return false;
}

/* Every key, given or not, as the configuration writes it. */
static json_t *settings(const struct spec_service *spec)
{
	_cleanup_diff_keys_ struct diff_keys keys = {0};
	json_t *array = json_array();

	if (diff_describe(spec, &keys) < 0)
		return array;
	for (size_t i = 0; i < keys.n; i++) {
		const struct diff_key *k = &keys.keys[i];
		bool given = is_given(spec, k->key);

		json_array_append_new(
			array, json_pack("{s:s,s:o,s:o,s:o}", "key", k->key, "value",
				       k->after ? status_text(k->after) : json_null(), "file",
				       given ? status_text(k->place.file) : json_null(), "line",
				       integer_if(given, k->place.line)));
	}
	return array;
}

/* What its next process will go by, if that is not what it goes by now. */
const char *status_pending(const struct service *s)
{
	if (s->removed)
		return "removed";
	return s->next ? "changed" : NULL;
}

/* When it runs, and when next: jitter is in that already. */
json_t *status_schedule(const struct service *s)
{
	const struct spec_service *spec = s->spec;
	usec_t next = schedule_next_realtime(s);

	if (!spec->policy->scheduled)
		return json_null();
	return json_pack("{s:o,s:o,s:I,s:s,s:o}", "every_ms",
		integer_if(spec->contact->schedule->every_usec > 0,
			spec->contact->schedule->every_usec / USEC_PER_MSEC),
		"cron",
		spec->contact->schedule->cron_text ? status_text(spec->contact->schedule->cron_text)
						   : json_null(),
		"jitter_ms", (json_int_t)(spec->contact->schedule->jitter_usec / USEC_PER_MSEC),
		"overlap", spec_overlap_to_string(spec->policy->overlap), "next_run",
		next > 0 ? status_time(next) : json_null());
}

/* What it is configured to be. */
static json_t *definition(const struct service *s, json_t *environment)
{
	const struct spec_service *spec = s->spec;
	char **argv = NULL;
	char *directory = spec_expand(spec->process->directory, spec, s->instance);
	json_t *part;

	spawn_arguments(s, &argv);
	part = json_pack("{s:{s:o,s:i},s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:o,s:s?}", "definition",
		"file", status_text(spec->place.file), "line", (int)spec->place.line, "type",
		spec_type_to_string(spec->policy->type), "command", status_strings(argv),
		"directory", status_text(directory ? directory : ""), "user",
		spec->process->identity->user_name ? status_text(spec->process->identity->user_name)
						   : json_null(),
		"ids", ids(spec->process->identity), "groups", status_strings(spec->links->groups),
		"environment", environment, "restart",
		spec_restart_to_string(spec->policy->restart), "settings", settings(spec),
		"pending", status_pending(s));
	spawn_environment_free(argv);
	free(directory);
	return part;
}

/* What has become of it. */
static json_t *history(struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	char invocation[SERVICE_INVOCATION_SIZE];

	service_invocation(s, invocation);
	return json_pack("{s:o,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "service", status_service(s),
		"generation", (json_int_t)r->generation, "invocation",
		service_has_run(s) ? json_string(invocation) : json_null(), "started",
		s->started_realtime_usec > 0 ? status_time(s->started_realtime_usec) : json_null(),
		"schedule", status_schedule(s), "processes", status_processes(s), "exits", exits(s),
		"log", log_sum(s), "logs", status_logs(s));
}

json_t *status_show(struct service *s, bool with_environment)
{
	char **environment = NULL;
	json_t *show, *part;

	if (with_environment)
		spawn_environment(s, &environment);
	show = history(s);
	part = definition(s, environment ? status_strings(environment) : json_null());
	if (!show || !part || json_object_update(show, part) < 0) {
		json_decref(show);
		show = NULL;
	}
	if (show)
		json_object_set_new(show, "hooks", status_hooks(s));
	json_decref(part);
	spawn_environment_free(environment);
	return checks_add_details(s, situation_add_links(s, with_environment, show));
}
