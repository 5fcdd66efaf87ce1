/*
 * events: what has happened, and what happens, a line for each. The client makes a broken
 * connection again by itself, and then asks for what came after the last event that was seen, so
 * that nothing is missed; the first event of every call tells which engine answers.
 */
#include "ctl/events/events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/events/past.h"
#include "ctl/logs/where/where.h"
#include "ctl/output/render_json.h"
#include "ctl/verbs.h"
#include "wire/control.h"

struct watch {
	struct ctl *ctl;
	struct events_view view;
	json_t *parameters; /* borrowed: of the call */
	bool live; /* all that was has been told, or is not asked for */
	bool told_problem;
	int status;
};

static bool is_type(json_t *event, const char *type)
{
	return strcmp(render_string(event, "type"), type) == 0;
}

static bool is_greeting(json_t *event)
{
	return is_type(event, "started") || is_type(event, "recovered");
}

/* Where a call that has to be repeated goes on. */
static int remember(struct watch *w, json_t *event)
{
	/* What stands before history has the number of what stands behind it. */
	if (!w->live && (is_greeting(event) || is_type(event, "lost")))
		return 0;
	json_object_del(w->parameters, "since_us");
	return json_object_set_new(w->parameters, "after",
		       json_integer((json_int_t)render_integer(event, "seq", 0))) < 0
		       ? -ENOMEM
		       : 0;
}

/* The end of what was; its reason says why there is no journal, where there is none. */
static void on_live(struct watch *w, json_t *event)
{
	const char *problem = render_string(event, "reason");

	w->live = true;
	if (*problem == '\0' || w->told_problem)
		return;
	w->told_problem = true;
	ctl_error(w->ctl, "no journal is kept: %s", problem);
	if (!w->ctl->follow)
		w->status = CTL_FAILED;
}

/* Whether it is for the reader, beside what it means to us. */
static bool is_shown(const struct watch *w, json_t *event)
{
	if (w->ctl->follow)
		return w->ctl->json || !is_type(event, "live");
	return !is_greeting(event) && !is_type(event, "live");
}

static int show(struct watch *w, json_t *event)
{
	_cleanup_buf_ struct buf line = {0};
	int r;

	if (w->ctl->json)
		return ctl_write_json_line(w->ctl, json_incref(event));
	r = events_render(&w->view, event, &w->ctl->term, &line);
	ctl_write(w->ctl, &line);
	return r;
}

static int on_event(json_t *parameters, void *userdata)
{
	struct watch *w = userdata;
	struct ctl *ctl = w->ctl;
	json_t *event = json_object_get(parameters, "event");
	int r = 0;

	if (!json_is_object(event))
		return -EBADMSG;
	if (is_greeting(event))
		w->live = !json_object_get(w->parameters, "after") &&
			  !json_object_get(w->parameters, "since_us");
	/* One that is of the past was followed by another beginning. */
	if (is_type(event, "shutdown"))
		ctl->client.ending = true;
	else if (is_type(event, "engine") && json_is_false(json_object_get(event, "recovered")))
		ctl->client.ending = false;
	if (is_type(event, "live"))
		on_live(w, event);
	if (is_shown(w, event))
		r = show(w, event);
	if (r == 0)
		r = remember(w, event);
	if (r < 0)
		return r;
	/* History comes in large pieces. */
	if (!w->live && !ctl->follow)
		return 0;
	return ctl_flush(ctl) < 0 ? -ECANCELED : 0;
}

static json_t *make_parameters(const struct ctl *ctl, json_t *names)
{
	json_t *parameters = json_pack("{s:o}", "names", names);
	int r = 0;

	if (!parameters)
		return NULL;
	if (ctl->since.realtime_usec > 0)
		r |= json_object_set_new(
			parameters, "since_us", json_integer((json_int_t)ctl->since.realtime_usec));
	else if ((ctl->given & VERB_SINCE) || !ctl->follow)
		r |= json_object_set_new(
			parameters, "after", json_integer((json_int_t)ctl->since.after));
	if (!ctl->follow)
		r |= json_object_set_new(parameters, "follow", json_false());
	if (r == 0)
		return parameters;
	json_decref(parameters);
	return NULL;
}

static int on_past(json_t *event, void *userdata)
{
	return show(userdata, event);
}

/* From where a call got, if one was made. */
static int read_past(struct watch *w, json_t *names)
{
	const struct journal_range range = {
		.after = (uint64_t)render_integer(w->parameters, "after", 0),
		.since_usec = (usec_t)render_integer(w->parameters, "since_us", 0),
	};

	return past_events(w->ctl, names, &range, on_past, w);
}

int verb_events(struct ctl *ctl)
{
	static const char method[] = CONTROL_INTERFACE ".Events";
	struct watch w = {.ctl = ctl};
	json_t *names = ctl_names(ctl, 0), *error = NULL;
	int r = ctl->config ? -ENOENT : -ENOMEM, status;

	if (!names)
		return CTL_USAGE;
	if (ctl->config && ctl->follow) {
		json_decref(names);
		ctl_error(ctl, "-c and -f do not go together: nothing happens in a file");
		return CTL_USAGE;
	}
	w.parameters = make_parameters(ctl, json_incref(names));
	ctl->client.watch_fd = fileno(ctl->out);
	if (!ctl->follow)
		ctl->client.refused_usec = WHERE_REFUSED_USEC;
	if (w.parameters && !ctl->config)
		r = client_call(&ctl->client, method, w.parameters,
			CLIENT_MORE | (ctl->follow ? CLIENT_WAITS : 0), on_event, &w, &error);
	if (w.parameters && !ctl->follow && where_is_silence(r))
		status = read_past(&w, names);
	else /* whoever reads us has gone, or ctl_flush() tells at the end */
		status = r == -ECANCELED ? CTL_DONE : ctl_explain(ctl, method, r, error);
	json_decref(w.parameters);
	json_decref(names);
	return status != 0 ? status : w.status;
}
