/*
 * status: one line a service, or the same as JSON with exactly the fields that are
 * promised, whatever else a newer server may send.
 */
#include "ctl/status.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/render.h"
#include "ctl/verbs.h"
#include "wire/control.h"

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

int verb_status(struct ctl *ctl)
{
	json_t *names = ctl_names(ctl, 0), *reply = NULL, *services, *service;
	size_t i;
	int status;

	if (!names)
		return CTL_USAGE;
	status = ctl_call_once(
		ctl, CONTROL_INTERFACE ".List", json_pack("{s:o}", "names", names), 0, &reply);
	if (status != 0)
		return status;
	services = json_object_get(reply, "services");
	status = ctl->json ? write_json(ctl, services) : write_table(ctl, services);
	json_array_foreach(services, i, service)
	{
		if (status == CTL_DONE && ctl->n_args > 0 && !status_is_up(service))
			status = CTL_NOT_UP;
	}
	json_decref(reply);
	return status;
}
