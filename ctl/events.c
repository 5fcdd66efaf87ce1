/*
 * events: the stream of what happens, a line for each. The client makes a broken connection
 * again by itself, and the first event of every call tells which engine answers: from that
 * a reader learns that there was a break, and from the numbers what it has missed.
 */
#include "ctl/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "ctl/render.h"
#include "ctl/text.h"
#include "ctl/verbs.h"
#include "wire/control.h"

#define NAME_WIDTH  12 /* at least: most names fit, and the columns don't move */
#define STATE_WIDTH 8 /* "starting", "stopping" */
#define PID_WIDTH   7

struct watch {
	struct ctl *ctl;
	struct events_view view;
};

static int append_safe(struct buf *out, const char *text, const struct term *term)
{
	return text_append_safe(out, text, strlen(text), term_text_flags(term));
}

/* A column of text made harmless, in a colour, and blanks up to its width. */
static int append_column(struct buf *out, const char *text, size_t *width, const char *colour,
	const struct term *term)
{
	_cleanup_buf_ struct buf safe = {0};
	const char *reset = *colour != '\0' && term->colours ? RENDER_RESET : "";
	size_t n = 0;
	int r = append_safe(&safe, text, term);

	if (r == 0 && safe.len > 0)
		n = text_width(safe.data, safe.len);
	*width = MAX_OF(*width, n);
	return r < 0 ? r
		     : buf_printf(out, "%s%.*s%s%*s", term->colours ? colour : "", (int)safe.len,
			       safe.data ? safe.data : "", reset, (int)(*width - n), "");
}

/* Blanks at the end of the line go; a colour is never open there. */
static int end_line(struct buf *out)
{
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->len--;
	return buf_append(out, SIZE_MAX, "\n", 1);
}

static int append_state(json_t *event, const struct term *term, struct buf *out)
{
	const char *previous = render_string(event, "previous");
	const char *state = render_string(event, "state");
	int64_t pid = render_integer(event, "pid", 0);
	size_t previous_width = STATE_WIDTH, state_width = STATE_WIDTH;
	char text[24] = "";
	int r = append_column(out, previous, &previous_width, "", term);

	if (pid > 0)
		snprintf(text, sizeof(text), "%" PRIi64, pid);
	if (r == 0)
		r = buf_printf(out, "%s", *previous != '\0' ? " -> " : "    ");
	if (r == 0)
		r = append_column(out, state, &state_width, render_state_colour(state), term);
	if (r == 0)
		r = buf_printf(out, "  %*s  ", PID_WIDTH, text);
	return r < 0 ? r : append_safe(out, render_string(event, "reason"), term);
}

/* A greeting that is not the first one: the connection was made again. */
static int append_return(const struct events_view *v, json_t *event, struct buf *out)
{
	int64_t pid = render_integer(event, "pid", 0), seq = render_integer(event, "seq", 0);
	int r;

	if (pid == v->engine_pid)
		r = buf_printf(out, "connected again");
	else if (strcmp(render_string(event, "type"), "started") == 0)
		r = buf_printf(out, "started anew, engine %" PRIi64, pid);
	else
		r = buf_printf(out, "recovered, engine %" PRIi64, pid);
	if (r < 0 || seq <= v->seq)
		return r;
	return seq == v->seq + 1 ? buf_printf(out, "; not seen: change %" PRIi64, seq)
				 : buf_printf(out, "; not seen: changes %" PRIi64 " to %" PRIi64,
					   v->seq + 1, seq);
}

static int append_own(const struct events_view *v, json_t *event, bool is_greeting,
	const struct term *term, struct buf *out)
{
	const char *type = render_string(event, "type"), *reason = render_string(event, "reason");
	int r;

	if (is_greeting)
		return append_return(v, event, out);
	if (strcmp(type, "lost") == 0)
		return buf_printf(out, "%" PRIi64 " events were lost: not read fast enough",
			render_integer(event, "count", 0));
	r = append_safe(out, type, term);
	if (r == 0 && *reason != '\0')
		r = buf_printf(out, ": ");
	return r < 0 ? r : append_safe(out, reason, term);
}

int events_render(struct events_view *v, json_t *event, const struct term *term, struct buf *out)
{
	const char *type = render_string(event, "type"), *name = render_string(event, "service");
	bool is_greeting = strcmp(type, "started") == 0 || strcmp(type, "recovered") == 0;
	bool is_own = *name == '\0';
	int64_t seq = render_integer(event, "seq", 0);
	int r = 0;

	v->name_width = MAX_OF(v->name_width, (size_t)NAME_WIDTH);
	if (!is_greeting || v->engine_pid != 0) {
		r = append_safe(out, render_string(event, "time"), term);
		if (r == 0)
			r = buf_printf(out, "  ");
		if (r == 0)
			r = append_column(out, is_own ? "supervisord" : name, &v->name_width,
				is_own ? RENDER_BOLD : "", term);
		if (r == 0)
			r = buf_printf(out, "  ");
		if (r == 0 && strcmp(type, "removed") == 0)
			r = buf_printf(out, "removed"); /* its last state was told before */
		else if (r == 0)
			r = is_own ? append_own(v, event, is_greeting, term, out)
				   : append_state(event, term, out);
		if (r == 0)
			r = end_line(out);
	}
	if (is_greeting)
		v->engine_pid = render_integer(event, "pid", 0);
	/* Another supervisord in its place counts anew. */
	v->seq = is_greeting ? seq : MAX_OF(v->seq, seq);
	return r;
}

static int on_event(json_t *parameters, void *userdata)
{
	struct watch *w = userdata;
	struct ctl *ctl = w->ctl;
	json_t *event = json_object_get(parameters, "event");
	_cleanup_buf_ struct buf line = {0};
	int r;

	if (!json_is_object(event))
		return -EBADMSG;
	if (strcmp(render_string(event, "type"), "shutdown") == 0)
		ctl->client.ending = true;
	if (ctl->json) {
		r = ctl_write_json_line(ctl, json_incref(event));
	} else {
		r = events_render(&w->view, event, &ctl->term, &line);
		ctl_write(ctl, &line);
	}
	if (r < 0)
		return r;
	return ctl_flush(ctl) < 0 ? -ECANCELED : 0;
}

int verb_events(struct ctl *ctl)
{
	static const char method[] = CONTROL_INTERFACE ".Events";
	struct watch w = {.ctl = ctl};
	json_t *names, *parameters, *error = NULL;
	int r = -ENOMEM;

	if (!ctl->follow) {
		ctl_error(ctl, "without -f there is nothing to show: this version keeps no journal "
			       "of what was; usage: supctl events -f [NAME...]");
		return CTL_USAGE;
	}
	names = ctl_names(ctl, 0);
	if (!names)
		return CTL_USAGE;
	parameters = json_pack("{s:o}", "names", names);
	ctl->client.watch_fd = fileno(ctl->out);
	if (parameters)
		r = client_call(&ctl->client, method, parameters, CLIENT_MORE | CLIENT_WAITS,
			on_event, &w, &error);
	json_decref(parameters);
	/* Whoever reads us has gone, or ctl_flush() tells at the end. */
	return r == -ECANCELED ? CTL_DONE : ctl_explain(ctl, method, r, error);
}
