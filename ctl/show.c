/*
 * show: everything known about one service, in blocks. Lists (environment, processes, logs)
 * come last, as they may be long.
 */
#include "ctl/show.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/output/render.h"
#include "ctl/output/render_json.h"
#include "ctl/output/text.h"
#include "ctl/status/status.h"
#include "ctl/verbs.h"
#include "wire/control.h"

#define SHOW_MAX_DEPTH 64 /* of the tree of processes; deeper ones come after it */
#define SHOW_MAX_TREE  1024 /* processes; more are a plain list */
#define TOLD	       "" /* marks a process in our copy */

struct page {
	struct table fields; /* key, value */
	struct buf text; /* of the value at hand */
	unsigned n_processes; /* told so far */
	int error; /* the first one; everything after it does nothing */
};

static void page_fini(struct page *p)
{
	table_fini(&p->fields);
	buf_fini(&p->text);
}

/* The value at hand becomes a line, and the next one begins. */
static void add_value(struct page *p, const char *key, const char *colour)
{
	if (p->error == 0)
		p->error = buf_append(&p->text, SIZE_MAX, "", 1);
	if (p->error == 0)
		p->error = table_add(&p->fields, key, RENDER_FAINT);
	if (p->error == 0)
		p->error = table_add(&p->fields, p->text.data, colour);
	p->text.len = 0;
}

#define value_printf(p, ...)                                              \
	do {                                                              \
		if ((p)->error == 0)                                      \
			(p)->error = buf_printf(&(p)->text, __VA_ARGS__); \
	} while (0)

static void add_text(struct page *p, const char *key, const char *text)
{
	if (*text == '\0')
		return;
	value_printf(p, "%s", text);
	add_value(p, key, "");
}

/* A list on one line, each word as a shell would need it. */
static void add_words(struct page *p, const char *key, json_t *words)
{
	json_t *word;
	size_t i;

	if (json_array_size(words) == 0)
		return;
	json_array_foreach(words, i, word)
	{
		const char *text = json_string_value(word);

		if (i > 0)
			value_printf(p, " ");
		if (p->error == 0)
			p->error = text_append_quoted(&p->text, text ? text : "");
	}
	add_value(p, key, "");
}

static void add_state(struct page *p, json_t *service)
{
	const char *state = render_string(service, "state");
	const char *desired = render_string(service, "desired");
	int64_t pid = render_integer(service, "pid", 0);
	int64_t uptime = render_integer(service, "uptime_ms", -1);
	char span[USEC_SPAN_SIZE];

	value_printf(p, "%s", state);
	if (pid > 0)
		value_printf(p, " (pid %" PRIi64 ")", pid);
	if (uptime >= 0)
		value_printf(p, " for %s", usec_span((usec_t)uptime * USEC_PER_MSEC, span));
	add_value(p, "state", render_state_colour(state));
	if (p->error == 0)
		p->error = render_reason(render_string(service, "reason"), state,
			render_integer(service, "next_start_ms", -1), &p->text);
	if (p->text.len > 0)
		add_value(p, "reason", "");
	add_text(p, "since", render_string(service, "since"));
	value_printf(p, "%s%s", desired,
		json_is_true(json_object_get(service, "ready")) ? ", ready" : "");
	add_value(p, "wanted", "");
	add_text(p, "status", render_string(service, "status_text"));
	if (json_is_true(json_object_get(service, "reloading")))
		add_text(p, "reloading", "so it says");
	add_text(p, "health", render_string(service, "health"));
	value_printf(p, "%" PRIi64, render_integer(service, "restarts", 0));
	add_value(p, "restarts", "");
}

/* What tells that it is ready; and how it was last asked how it is, with what came back. */
static void add_checks(struct page *p, json_t *reply)
{
	json_t *readiness = json_object_get(reply, "readiness");
	json_t *probe = json_object_get(reply, "probe");
	const char *problem = render_string(readiness, "problem");
	const char *message = render_string(probe, "message");
	const char *output = render_string(probe, "output");
	bool ok = json_is_true(json_object_get(probe, "ok"));
	bool forgiven = json_is_true(json_object_get(probe, "forgiven"));

	if (*render_string(readiness, "on") != '\0') {
		value_printf(p, "%s%s%s", render_string(readiness, "on"),
			*problem != '\0' ? "; not yet: " : "", problem);
		add_value(p, "ready by", "");
	}
	if (!json_is_object(probe))
		return;
	value_printf(p, "%s  %s%s%s%s", render_string(probe, "time"), ok ? "good" : "bad",
		*message != '\0' ? ": " : "", message,
		forgiven ? " (forgiven, as it has just become ready)" : "");
	add_value(p, "last probe", ok ? "" : RENDER_RED);
	for (bool first = true; *output != '\0'; first = false) {
		size_t n = strcspn(output, "\n");

		value_printf(p, "%.*s", (int)n, output);
		add_value(p, first ? "it said" : "", "");
		output += n + (output[n] == '\n');
	}
}

static void add_span(struct page *p, const char *before, int64_t msec)
{
	char span[USEC_SPAN_SIZE];

	value_printf(p, "%s%s", before, usec_span((usec_t)msec * USEC_PER_MSEC, span));
}

/* When it runs, in the words of the configuration. */
static void add_schedule(struct page *p, json_t *reply)
{
	json_t *schedule = json_object_get(reply, "schedule");
	int64_t every = render_integer(schedule, "every_ms", 0);
	int64_t jitter = render_integer(schedule, "jitter_ms", 0);
	const char *next = render_string(schedule, "next_run");

	if (!json_is_object(schedule))
		return;
	if (every > 0)
		add_span(p, "every ", every);
	else
		value_printf(p, "%s", render_string(schedule, "cron"));
	if (jitter > 0)
		add_span(p, ", jitter ", jitter);
	value_printf(p, ", overlap %s", render_string(schedule, "overlap"));
	add_value(p, "schedule", "");
	add_text(p, "next run", *next != '\0' ? next : "none");
}

/* The last ends, the newest first. */
static void add_ends(struct page *p, json_t *reply)
{
	json_t *end;
	size_t i;

	json_array_foreach(json_object_get(reply, "exits"), i, end)
	{
		usec_t ran = (usec_t)render_integer(end, "ran_ms", 0) * USEC_PER_MSEC;
		char span[USEC_SPAN_SIZE];

		value_printf(p, "%s  %s after %s", render_string(end, "time"),
			render_string(end, "how"), usec_span(ran, span));
		add_value(p, i == 0 ? "last ends" : "", "");
	}
}

/* How they went, each with the end of what it wrote. */
static void add_hooks(struct page *p, json_t *reply)
{
	json_t *hook;
	size_t i;

	json_array_foreach(json_object_get(reply, "hooks"), i, hook)
	{
		const char *name = render_string(hook, "hook"),
			   *output = render_string(hook, "output");
		bool bad = json_is_false(json_object_get(hook, "ok"));

		value_printf(p, "%s %s %s, %s", name,
			strcmp(name, "stop") == 0 ? "command" : "hook", render_string(hook, "how"),
			render_string(hook, "time"));
		if (render_integer(hook, "pid", 0) > 0)
			value_printf(p, " (pid %" PRIi64 ")", render_integer(hook, "pid", 0));
		add_value(p, i == 0 ? "hooks" : "", bad ? RENDER_RED : "");
		while (*output != '\0') {
			size_t n = strcspn(output, "\n");

			value_printf(p, "  %.*s", (int)n, output);
			add_value(p, "", "");
			output += n + (output[n] == '\n');
		}
	}
}

static void add_ids(struct page *p, json_t *reply)
{
	json_t *ids = json_object_get(reply, "ids"), *group;
	size_t i;

	if (!ids)
		return;
	value_printf(p, "uid %" PRIi64 ", gid %" PRIi64, render_integer(ids, "uid", 0),
		render_integer(ids, "gid", 0));
	json_array_foreach(json_object_get(ids, "groups"), i, group) value_printf(p,
		"%s%" JSON_INTEGER_FORMAT, i == 0 ? ", groups " : " ", json_integer_value(group));
	add_value(p, "ids", "");
}

/* The keys that were given, but for those which have lines of their own. */
static void add_settings(struct page *p, json_t *reply)
{
	static const char *const told[] = {"command", "type", "directory", "user", "groups",
		"schedule.every", "schedule.cron", "schedule.jitter", "schedule.overlap"};
	json_t *setting;
	bool first = true;
	size_t i;

	json_array_foreach(json_object_get(reply, "settings"), i, setting)
	{
		const char *key = render_string(setting, "key");
		bool skip = !json_is_string(json_object_get(setting, "file"));

		for (size_t k = 0; k < ELEMENTSOF(told); k++)
			skip |= strcmp(key, told[k]) == 0;
		if (skip)
			continue;
		value_printf(p, "%s = %s", key, render_string(setting, "value"));
		add_value(p, first ? "settings" : "", "");
		first = false;
	}
}

/* "command "a" -> "b"": what its process does not go by yet. */
static void add_pending_key(struct page *p, json_t *key)
{
	const char *before = render_string(key, "before"), *after = render_string(key, "after");

	value_printf(p, "  %s ", render_string(key, "key"));
	if (*before == '\0' && *after == '\0')
		value_printf(p, "changed");
	else
		value_printf(p, "%s -> %s", *before != '\0' ? before : "not given",
			*after != '\0' ? after : "not given");
	add_value(p, "", "");
}

static void add_pending(struct page *p, json_t *reply)
{
	const char *pending = render_string(reply, "pending");
	bool stale = json_is_true(json_object_get(json_object_get(reply, "service"), "stale"));
	json_t *key;
	size_t i;

	if (strcmp(pending, "changed") == 0)
		add_text(p, stale ? "stale" : "pending",
			"its configuration has changed; the next start goes by it");
	else
		add_text(p, "pending", pending);
	json_array_foreach(json_object_get(reply, "pending_keys"), i, key) add_pending_key(p, key);
}

/* "db (requires; running)", a line each. */
static void add_links(struct page *p, json_t *reply, const char *member, const char *title)
{
	json_t *link, *kind;
	bool first = true;
	size_t i, k;

	json_array_foreach(json_object_get(reply, member), i, link)
	{
		value_printf(p, "%s (", render_string(link, "name"));
		json_array_foreach(json_object_get(link, "kinds"), k, kind)
		{
			const char *text = json_string_value(kind);

			value_printf(p, "%s%s", k > 0 ? ", " : "", text ? text : "");
		}
		value_printf(p, "; %s)", render_string(link, "state"));
		add_value(p, first ? title : "", "");
		first = false;
	}
}

static void add_definition(struct page *p, json_t *reply)
{
	json_t *definition = json_object_get(reply, "definition");

	value_printf(p, "%s:%" PRIi64, render_string(definition, "file"),
		render_integer(definition, "line", 0));
	add_value(p, "defined in", "");
	add_text(p, "type", render_string(reply, "type"));
	add_words(p, "command", json_object_get(reply, "command"));
	add_text(p, "directory", render_string(reply, "directory"));
	add_text(p, "user", render_string(reply, "user"));
	add_ids(p, reply);
	add_words(p, "groups", json_object_get(reply, "groups"));
	value_printf(p, "%" PRIi64, render_integer(reply, "generation", 0));
	add_value(p, "generation", "");
	add_text(p, "invocation", render_string(reply, "invocation"));
	add_text(p, "started", render_string(reply, "started"));
}

static void add_log(struct page *p, json_t *log)
{
	const char *sink = render_string(log, "sink"), *path = render_string(log, "path");
	int64_t lines = render_integer(log, "lines", 0);
	int64_t dropped = render_integer(log, "dropped_bytes", 0);
	int64_t dropped_lines = render_integer(log, "dropped_lines", 0);
	const char *waits_for = render_string(log, "waits_for");
	char bytes[RENDER_BYTES_SIZE];

	value_printf(p, "%s", *path != '\0' ? path : sink);
	value_printf(p, "; %s in %" PRIi64 " line%s",
		render_bytes((uint64_t)render_integer(log, "bytes", 0), bytes), lines,
		lines == 1 ? "" : "s");
	if (dropped > 0)
		value_printf(p, "; dropped %s in %" PRIi64 " line%s",
			render_bytes((uint64_t)dropped, bytes), dropped_lines,
			dropped_lines == 1 ? "" : "s");
	if (*waits_for != '\0')
		value_printf(p, "; held up by %s", waits_for);
	add_value(p, strcmp(render_string(log, "stream"), "error") == 0 ? "log of stderr" : "log",
		"");
}

static void add_process(struct page *p, json_t *process, unsigned depth)
{
	value_printf(p, "%*s%" PRIi64 " %s", (int)(2 * depth), "",
		render_integer(process, "pid", 0), render_string(process, "command"));
	add_value(p, p->n_processes++ == 0 ? "processes" : "", "");
	json_object_set_new(process, TOLD, json_true());
}

/* The children of a process, further in than it is. Each is told once, whatever they claim. */
static void add_children(struct page *p, json_t *processes, int64_t parent, unsigned depth)
{
	json_t *item;
	size_t i;

	if (depth > SHOW_MAX_DEPTH)
		return;
	json_array_foreach(processes, i, item)
	{
		if (!json_is_object(item) || json_object_get(item, TOLD) ||
			render_integer(item, "parent", 0) != parent)
			continue;
		add_process(p, item, depth);
		add_children(p, processes, render_integer(item, "pid", 0), depth + 1);
	}
}

static bool has_pid(json_t *processes, int64_t pid)
{
	json_t *item;
	size_t i;

	json_array_foreach(processes, i, item)
	{
		if (render_integer(item, "pid", 0) == pid)
			return true;
	}
	return false;
}

/* First the tree below those whose parent is none of the service's, then what is left. */
static void add_processes(struct page *p, json_t *processes)
{
	bool tree = json_array_size(processes) <= SHOW_MAX_TREE;
	json_t *item;
	size_t i;

	json_array_foreach(processes, i, item)
	{
		if (!tree || !json_is_object(item) || json_object_get(item, TOLD) ||
			has_pid(processes, render_integer(item, "parent", 0)))
			continue;
		add_process(p, item, 0);
		add_children(p, processes, render_integer(item, "pid", 0), 1);
	}
	json_array_foreach(processes, i, item)
	{
		if (json_is_object(item) && !json_object_get(item, TOLD))
			add_process(p, item, 0);
	}
}

static void add_lists(struct page *p, json_t *reply)
{
	json_t *item, *processes = json_deep_copy(json_object_get(reply, "processes"));
	size_t i;

	json_array_foreach(json_object_get(reply, "logs"), i, item) add_log(p, item);
	add_processes(p, processes);
	json_decref(processes);
	json_array_foreach(json_object_get(reply, "environment"), i, item)
	{
		const char *text = json_string_value(item);

		value_printf(p, "%s", text ? text : "");
		add_value(p, i == 0 ? "environment" : "", "");
	}
}

int show_render(json_t *reply, const struct term *term, struct buf *out)
{
	_cleanup_(page_fini) struct page p = {
		.fields = {.n_columns = 2, .text_flags = term_text_flags(term)},
	};
	/* Nothing is cut here: who asks for all of it gets all of it. */
	struct term unlimited = *term;
	json_t *service = json_object_get(reply, "service");

	unlimited.width = 0;
	value_printf(&p, "%s", render_string(service, "name"));
	add_value(&p, "name", RENDER_BOLD);
	add_state(&p, service);
	add_schedule(&p, reply);
	add_links(&p, reply, "dependencies", "depends on");
	add_links(&p, reply, "dependents", "needed by");
	add_pending(&p, reply);
	add_checks(&p, reply);
	add_ends(&p, reply);
	add_hooks(&p, reply);
	add_definition(&p, reply);
	add_settings(&p, reply);
	add_lists(&p, reply);
	return p.error < 0 ? p.error : table_render(&p.fields, &unlimited, out);
}

json_t *show_flatten(json_t *reply)
{
	json_t *service = json_object_get(reply, "service");
	json_t *flat = status_fields(service), *value;
	const char *key;

	if (!flat)
		return NULL;
	json_object_update_missing(flat, service);
	json_object_foreach(reply, key, value)
	{
		if (strcmp(key, "service") != 0)
			json_object_set(flat, key, value);
	}
	return flat;
}

int verb_show(struct ctl *ctl)
{
	_cleanup_buf_ struct buf text = {0};
	json_t *names = ctl_names(ctl, 0), *reply = NULL;
	int status;

	if (!names)
		return CTL_USAGE;
	status = ctl_call_once(ctl, CONTROL_INTERFACE ".Show",
		json_pack("{s:O}", "name", json_array_get(names, 0)), 0, &reply);
	json_decref(names);
	if (status != 0)
		return status;
	if (ctl->json) {
		if (ctl_write_json(ctl, show_flatten(reply)) < 0)
			status = CTL_FAILED;
	} else if (show_render(reply, &ctl->term, &text) < 0) {
		ctl_error(ctl, "out of memory");
		status = CTL_FAILED;
	}
	ctl_write(ctl, &text);
	json_decref(reply);
	return status;
}
