/*
 * status: one line a service, or the same as JSON with exactly the fields that are
 * promised, whatever else a newer server may send. It is read from the status board where that
 * can be done, so that no engine is woken; and where none lives, that is all there is.
 */
#include "ctl/status.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/board.h"
#include "ctl/render.h"
#include "ctl/verbs.h"
#include "wire/board_json.h"
#include "wire/control.h"

#define METHOD CONTROL_INTERFACE ".List"

static const char *const fields[] = {
	"name",
	"state",
	"desired",
	"ready",
	"pid",
	"since",
	"uptime_ms",
	"restarts",
	"exit_code",
	"exit_signal",
	"reason",
	"next_start_ms",
	"health",
	"status_text",
	"reloading",
	"phase",
	"waiting_for",
	"stale",
};

json_t *status_fields(json_t *service)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < ELEMENTSOF(fields); i++) {
		json_t *value = json_object_get(service, fields[i]);

		json_object_set_new(object, fields[i], value ? json_incref(value) : json_null());
	}
	return object;
}

bool status_is_up(json_t *service)
{
	const char *state = render_string(service, "state");

	return strcmp(state, "running") == 0 || strcmp(state, "exited") == 0;
}

/* What else is to be known of a process that lives: "stale; unhealthy; reloading; 3 of 7 loaded".
 */
static int append_remarks(json_t *service, struct buf *out)
{
	bool unhealthy = strcmp(render_string(service, "health"), "unhealthy") == 0;
	bool reloading = json_is_true(json_object_get(service, "reloading"));
	bool stale = json_is_true(json_object_get(service, "stale"));
	const char *remarks[] = {stale ? "stale" : "", unhealthy ? "unhealthy" : "",
		reloading ? "reloading" : "", render_string(service, "status_text")};
	int r = 0;

	if (render_integer(service, "pid", 0) == 0)
		return 0;
	for (size_t i = 0; r == 0 && i < ELEMENTSOF(remarks); i++) {
		if (*remarks[i] != '\0')
			r = buf_printf(out, "%s%s", out->len > 0 ? "; " : "", remarks[i]);
	}
	return r;
}

static int add_service(struct table *t, json_t *service)
{
	_cleanup_buf_ struct buf reason = {0};
	const char *state = render_string(service, "state");
	int64_t pid = render_integer(service, "pid", 0);
	int64_t uptime = render_integer(service, "uptime_ms", -1);
	char number[24], span[USEC_SPAN_SIZE];
	int r = table_add(t, render_string(service, "name"), "");

	if (r == 0)
		r = table_add(t, state, render_state_colour(state));
	snprintf(number, sizeof(number), "%" PRIi64, pid);
	if (r == 0)
		r = table_add(t, pid > 0 ? number : "-", "");
	if (r == 0)
		r = table_add(
			t, uptime < 0 ? "-" : usec_span((usec_t)uptime * USEC_PER_MSEC, span), "");
	snprintf(number, sizeof(number), "%" PRIi64, render_integer(service, "restarts", 0));
	if (r == 0)
		r = table_add(t, number, "");
	if (r == 0)
		r = render_reason(service, &reason);
	if (r == 0)
		r = append_remarks(service, &reason);
	if (r == 0)
		r = buf_append(&reason, SIZE_MAX, "", 1);
	return r < 0 ? r : table_add(t, reason.data, "");
}

int status_render(json_t *services, const struct term *term, struct buf *out)
{
	static const char *const heads[] = {"NAME", "STATE", "PID", "UPTIME", "RESTARTS", "REASON"};
	_cleanup_table_ struct table t = {
		.n_columns = ELEMENTSOF(heads),
		.right = 1 << 2 | 1 << 4,
		.text_flags = term_text_flags(term),
	};
	size_t i;
	json_t *service;
	int r = 0;

	for (i = 0; r == 0 && i < ELEMENTSOF(heads); i++)
		r = table_add(&t, heads[i], RENDER_BOLD);
	json_array_foreach(services, i, service)
	{
		if (r == 0)
			r = add_service(&t, service);
	}
	return r < 0 ? r : table_render(&t, term, out);
}

static int write_json(struct ctl *ctl, json_t *services)
{
	json_t *array = json_array(), *service;
	size_t i;

	json_array_foreach(services, i, service)
		json_array_append_new(array, status_fields(service));
	return ctl_write_json(ctl, array) < 0 ? CTL_FAILED : CTL_DONE;
}

static int write_table(struct ctl *ctl, json_t *services)
{
	_cleanup_buf_ struct buf text = {0};

	if (status_render(services, &ctl->term, &text) < 0) {
		ctl_error(ctl, "out of memory");
		return CTL_FAILED;
	}
	ctl_write(ctl, &text);
	return CTL_DONE;
}

/* What the board shows of them, as the engine would answer it; NULL for lack of memory. */
static json_t *to_json(const struct board_services *s)
{
	usec_t now = usec_now(CLOCK_MONOTONIC);
	json_t *array = json_array();

	for (size_t i = 0; i < s->n && array; i++) {
		if (json_array_append_new(array, board_json(&s->services[i].slot, now)) < 0) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

static int show(struct ctl *ctl, json_t *services)
{
	json_t *service;
	size_t i;
	int status = ctl->json ? write_json(ctl, services) : write_table(ctl, services);

	json_array_foreach(services, i, service)
	{
		if (status == CTL_DONE && ctl->n_args > 0 && !status_is_up(service))
			status = CTL_NOT_UP;
	}
	return status;
}

/* The exit status; or -1: ask the engine. */
static int show_board(struct ctl *ctl, const json_t *names, bool attended)
{
	_cleanup_board_services_ struct board_services s = {0};
	const char *unknown = NULL;
	json_t *services;
	int status, r = board_get(ctl->client.path, attended, names, &s, &unknown);

	if (r == -ENOENT && unknown && !attended) {
		ctl_error(ctl, "%s: no such service", unknown);
		status_tell_age(ctl, s.changed_usec);
		return CTL_NOTHING_THERE;
	}
	services = r < 0 ? NULL : to_json(&s);
	if (!services)
		return -1;
	status = show(ctl, services);
	json_decref(services);
	if (attended)
		return status;
	status_tell_age(ctl, s.changed_usec);
	return CTL_NOTHING_THERE;
}

void status_tell_age(struct ctl *ctl, usec_t changed_usec)
{
	usec_t age = usec_sub(usec_now(CLOCK_MONOTONIC), changed_usec);
	char span[USEC_SPAN_SIZE];

	ctl_error(ctl, "no engine is alive; this is as last seen, %s ago",
		usec_span(age < USEC_PER_SEC ? age : age / USEC_PER_SEC * USEC_PER_SEC, span));
}

static int keep_reply(json_t *parameters, void *userdata)
{
	*(json_t **)userdata = json_incref(parameters);
	return 0;
}

static int ask_engine(struct ctl *ctl, json_t *names)
{
	json_t *parameters = json_pack("{s:O}", "names", names), *reply = NULL, *error = NULL;
	int status, r = -ENOMEM;

	if (parameters)
		r = client_call(&ctl->client, METHOD, parameters, 0, keep_reply, &reply, &error);
	json_decref(parameters);
	if (status_is_nobody(r)) {
		status = show_board(ctl, names, false);
		if (status >= 0)
			return status;
	}
	if (r != 0)
		return ctl_explain(ctl, METHOD, r, error);
	status = show(ctl, json_object_get(reply, "services"));
	json_decref(reply);
	return status;
}

bool status_is_nobody(int result)
{
	return result == -ENOENT || result == -ECONNREFUSED || result == -ECONNRESET ||
	       result == -ETIMEDOUT || result == -ESHUTDOWN;
}

int verb_status(struct ctl *ctl)
{
	json_t *names = ctl_names(ctl, 0);
	int status;

	if (!names)
		return CTL_USAGE;
	status = show_board(ctl, names, true);
	if (status < 0)
		status = ask_engine(ctl, names);
	json_decref(names);
	return status;
}
