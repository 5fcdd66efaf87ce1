/*
 * Events as lines: when, who, and what. The columns stand below each other as far as names allow.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "ctl/events/events.h"
#include "ctl/output/render.h"
#include "ctl/output/render_json.h"
#include "ctl/output/text.h"

#define NAME_WIDTH  12 /* at least: most names fit, and the columns don't move */
#define STATE_WIDTH 8 /* "starting", "stopping" */
#define PID_WIDTH   7

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

/* Something about a service that is no change of its state. */
static int append_word(json_t *event, const char *type, const struct term *term, struct buf *out)
{
	size_t width = STATE_WIDTH;
	int64_t ran = render_integer(event, "ran_ms", -1);
	char span[USEC_SPAN_SIZE];
	int r = append_column(out, type, &width, "", term);

	if (r == 0)
		r = buf_printf(out, "    ");
	if (r == 0)
		r = append_safe(out, render_string(event, "reason"), term);
	if (r < 0 || ran < 0 || strcmp(type, "exit") != 0)
		return r;
	return buf_printf(out, ", ran %s", usec_span((usec_t)ran * USEC_PER_MSEC, span));
}

static int append_service(json_t *event, const char *type, const struct term *term, struct buf *out)
{
	/* its last state was told before */
	if (strcmp(type, "removed") == 0)
		return buf_printf(out, "removed");
	if (strcmp(type, "state") == 0 || strcmp(type, "snapshot") == 0 ||
		strcmp(type, "health") == 0)
		return append_state(event, term, out);
	return append_word(event, type, term, out);
}

/* A greeting that is not the first one: the connection was made again. */
static int append_return(const struct events_view *v, json_t *event, struct buf *out)
{
	int64_t pid = render_integer(event, "pid", 0);

	if (pid == v->engine_pid)
		return buf_printf(out, "connected again");
	if (strcmp(render_string(event, "type"), "started") == 0)
		return buf_printf(out, "started anew, engine %" PRIi64, pid);
	return buf_printf(out, "recovered, engine %" PRIi64, pid);
}

/* "restart web, db" */
static int append_names(json_t *event, const struct term *term, struct buf *out)
{
	json_t *names = json_object_get(event, "names"), *name;
	int64_t n = render_integer(event, "n_services", 0);
	size_t i;
	int r = 0;

	json_array_foreach(names, i, name)
	{
		if (r == 0)
			r = buf_printf(out, i > 0 ? ", " : " ");
		if (r == 0 && json_is_string(name))
			r = append_safe(out, json_string_value(name), term);
	}
	if (r == 0 && n > (int64_t)json_array_size(names))
		r = buf_printf(out, " and %" PRIi64 " more", n - (int64_t)json_array_size(names));
	return r;
}

static int append_peer(json_t *event, struct buf *out)
{
	int64_t uid = render_integer(event, "uid", -1),
		pid = render_integer(event, "client_pid", 0);
	int r = uid < 0 ? 0 : buf_printf(out, " by uid %" PRIi64, uid);

	return r < 0 || pid <= 0 ? r : buf_printf(out, ", pid %" PRIi64, pid);
}

/* What somebody did: the word for it is in one of these fields. */
static int append_deed(json_t *event, const char *type, const struct term *term, struct buf *out)
{
	bool request = strcmp(type, "request") == 0;
	const char *field = request			   ? "verb"
			    : strcmp(type, "signal") == 0  ? "signal"
			    : strcmp(type, "refused") == 0 ? "method"
							   : "";
	int r = request ? 0 : buf_printf(out, *field != '\0' ? "%s " : "%s", type);

	if (r == 0 && *field != '\0')
		r = append_safe(out, render_string(event, field), term);
	if (r == 0 && request)
		r = append_names(event, term, out);
	if (r == 0)
		r = append_peer(event, out);
	if (r < 0 || strcmp(type, "note") != 0)
		return r;
	r = buf_printf(out, ": ");
	return r < 0 ? r : append_safe(out, render_string(event, "text"), term);
}

static int append_lost(json_t *event, const struct term *term, struct buf *out)
{
	int r = buf_printf(
		out, "%" PRIi64 " events were lost: ", render_integer(event, "count", 0));

	return r < 0 ? r : append_safe(out, render_string(event, "reason"), term);
}

static int append_own(const struct events_view *v, json_t *event, bool is_greeting,
	const struct term *term, struct buf *out)
{
	const char *type = render_string(event, "type"), *reason = render_string(event, "reason");
	int r;

	if (is_greeting)
		return append_return(v, event, out);
	if (strcmp(type, "lost") == 0)
		return append_lost(event, term, out);
	if (json_is_integer(json_object_get(event, "uid")))
		return append_deed(event, type, term, out);
	r = append_safe(out, type, term);
	if (r == 0 && strcmp(type, "engine") == 0)
		r = buf_printf(out, " %" PRIi64, render_integer(event, "pid", 0));
	if (r == 0 && *reason != '\0')
		r = buf_printf(out, ": ");
	return r < 0 ? r : append_safe(out, reason, term);
}

/* Nothing new to a reader: the first greeting, and what a later one has told already. */
static bool is_silent(
	const struct events_view *v, json_t *event, const char *type, bool is_greeting)
{
	if (is_greeting)
		return v->engine_pid == 0;
	return strcmp(type, "engine") == 0 && render_integer(event, "pid", 0) == v->told_pid;
}

static int append_line(struct events_view *v, json_t *event, const char *type, bool is_greeting,
	const struct term *term, struct buf *out)
{
	const char *name = render_string(event, "service");
	bool is_own = *name == '\0';
	int r = append_safe(out, render_string(event, "time"), term);

	v->name_width = MAX_OF(v->name_width, (size_t)NAME_WIDTH);
	if (r == 0)
		r = buf_printf(out, "  ");
	if (r == 0)
		r = append_column(out, is_own ? "supervisord" : name, &v->name_width,
			is_own ? RENDER_BOLD : "", term);
	if (r == 0)
		r = buf_printf(out, "  ");
	if (r == 0)
		r = is_own ? append_own(v, event, is_greeting, term, out)
			   : append_service(event, type, term, out);
	return r < 0 ? r : end_line(out);
}

int events_render(struct events_view *v, json_t *event, const struct term *term, struct buf *out)
{
	const char *type = render_string(event, "type");
	bool is_greeting = strcmp(type, "started") == 0 || strcmp(type, "recovered") == 0;
	int64_t pid = render_integer(event, "pid", 0);
	int r = 0;

	if (!is_silent(v, event, type, is_greeting)) {
		r = append_line(v, event, type, is_greeting, term, out);
		if (is_greeting)
			v->told_pid = pid;
	}
	if (is_greeting)
		v->engine_pid = pid;
	return r;
}
