/*
 * A log may go to several places: the first that is a file is read. Where there is none, the first
 * place that keeps anything is told, with the command that reads it.
 */
#include "ctl/logs/where/sources.h"

#include <errno.h>
#include <string.h>

#include "ctl/output/render_json.h"
#include "ctl/output/text.h"
#include "ctl/verbs.h"

void source_fini(struct source *s)
{
	free(s->name);
	free(s->label);
	free(s->path);
	buf_fini(&s->partial);
}

void sources_fini(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		source_fini(&s->items[i]);
	free(s->items);
	*s = (struct sources){0};
}

size_t sources_width(const struct sources *s)
{
	size_t width = 0;

	for (size_t i = 0; i < s->n; i++)
		width = MAX_OF(width, text_width(s->items[i].label, strlen(s->items[i].label)));
	return width;
}

static const char *pick_colour(size_t i)
{
	static const char *const colours[] = {
		"\033[36m", "\033[33m", "\033[32m", "\033[35m", "\033[34m", "\033[31m"};

	return colours[i % ELEMENTSOF(colours)];
}

static int add(struct sources *all, const struct ctl *ctl, const char *name, bool is_error,
	const char *path)
{
	_cleanup_buf_ struct buf label = {0};
	struct source *s;

	if (all->n == all->size) {
		size_t size = all->size ? all->size * 2 : 8;
		struct source *items = reallocarray(all->items, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		all->items = items;
		all->size = size;
	}
	if (text_append_safe(&label, name, strlen(name), term_text_flags(&ctl->term)) < 0 ||
		buf_printf(&label, "%s", is_error ? "/err" : "") < 0 ||
		buf_append(&label, SIZE_MAX, "", 1) < 0)
		return -ENOMEM;
	s = &all->items[all->n];
	*s = (struct source){
		.name = strdup(name),
		.label = TAKE_PTR(label.data),
		.path = strdup(path),
		.is_error = is_error,
		.stream = is_error ? "error" : "output",
		.colour = ctl->term.colours ? pick_colour(all->n) : "",
	};
	label = (struct buf){0};
	all->n++;
	return s->name && s->path ? 0 : -ENOMEM;
}

/* A sink among those of a log; where there are none, the log tells of its only one itself. */
static const char *kind_of(json_t *sink)
{
	const char *kind = render_string(sink, "kind");

	return *kind != '\0' ? kind : render_string(sink, "sink");
}

static const char *address_of(json_t *sink)
{
	const char *address = render_string(sink, "address");

	return *address != '\0' ? address : render_string(sink, "path");
}

/* "web@2" in the fields that the systemd journal has. */
static void tell_journal(struct ctl *ctl, const char *name, const char *stream)
{
	const char *at = strrchr(name, '@');
	int n = at ? (int)(at - name) : (int)strlen(name);

	ctl_error(ctl, "%s%s: goes to the journal: journalctl SUPERVISOR_SERVICE=%.*s%s%s", name,
		stream, n, name, at ? " SUPERVISOR_INSTANCE=" : "", at ? at + 1 : "");
}

static void tell_elsewhere(struct ctl *ctl, const char *name, bool is_error, json_t *sink)
{
	const char *kind = kind_of(sink), *address = address_of(sink);
	const char *stream = is_error ? "/err" : "";

	if (strcmp(kind, "inherit") == 0)
		ctl_error(ctl, "%s%s: goes to supervisord's own output (log.file = inherit)", name,
			stream);
	else if (strcmp(kind, "journal") == 0)
		tell_journal(ctl, name, stream);
	else if (strcmp(kind, "syslog") == 0)
		ctl_error(ctl, "%s%s: goes to syslog%s%s, as %s", name, stream,
			*address != '\0' ? " at " : "", address, name);
	else if (strcmp(kind, "service") == 0)
		ctl_error(ctl, "%s%s: is not kept, but read by %s", name, stream, address);
	else
		ctl_error(ctl, "%s%s: is not kept (log.file = %s)", name, stream,
			*kind != '\0' ? kind : "unknown");
}

static bool is_file(json_t *sink)
{
	return strcmp(kind_of(sink), "file") == 0 && *address_of(sink) != '\0';
}

/* The first file among a log's sinks, else the first that keeps anything, else the first. */
static json_t *choose(json_t *log)
{
	json_t *sinks = json_object_get(log, "sinks"), *best = NULL, *sink;
	size_t i;

	json_array_foreach(sinks, i, sink)
	{
		if (is_file(sink))
			return sink;
		if (!best || strcmp(kind_of(best), "none") == 0)
			best = sink;
	}
	return best ? best : log;
}

static bool is_error_log(json_t *log)
{
	return strcmp(render_string(log, "stream"), "error") == 0;
}

/* Whether standard error has a log of its own; if not and one stream was asked for, that is told.
 */
static bool is_split(struct ctl *ctl, const char *name, json_t *logs)
{
	json_t *log;
	size_t i;

	json_array_foreach(logs, i, log)
	{
		if (is_error_log(log))
			return true;
	}
	if (ctl->given & (VERB_STDOUT | VERB_STDERR))
		ctl_error(ctl,
			"%s: its standard output and error share one log, without log.stderr; all "
			"of it is shown",
			name);
	return false;
}

static int add_service(struct sources *s, struct ctl *ctl, json_t *service)
{
	const char *name = render_string(service, "name");
	json_t *logs = json_object_get(service, "logs"), *log;
	bool split = is_split(ctl, name, logs);
	size_t i;
	int r = 0;

	json_array_foreach(logs, i, log)
	{
		bool is_error = is_error_log(log);
		json_t *sink = choose(log);

		if (r < 0 || (split && (ctl->given & (is_error ? VERB_STDOUT : VERB_STDERR))))
			continue;
		if (is_file(sink))
			r = add(s, ctl, name, is_error, address_of(sink));
		else
			tell_elsewhere(ctl, name, is_error, sink);
	}
	return r;
}

int sources_add(struct sources *s, struct ctl *ctl, json_t *services)
{
	json_t *service;
	size_t i;
	int r = 0;

	json_array_foreach(services, i, service)
	{
		if (r == 0)
			r = add_service(s, ctl, service);
	}
	return r;
}

const char *sources_find(json_t *services, const struct source *s)
{
	json_t *service, *log;
	size_t i, k;

	json_array_foreach(services, i, service)
	{
		if (strcmp(render_string(service, "name"), s->name) != 0)
			continue;
		json_array_foreach(json_object_get(service, "logs"), k, log)
		{
			json_t *sink = choose(log);

			if (is_error_log(log) == s->is_error && is_file(sink))
				return address_of(sink);
		}
	}
	return NULL;
}
