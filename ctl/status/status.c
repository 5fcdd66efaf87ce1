/*
 * status: one line a service, or the same as JSON with exactly the fields that are
 * promised, whatever else a newer server may send. It is read from the status board where that
 * can be done, so that no engine is woken; and where none lives, that is all there is.
 */
#include "ctl/status/status.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/output/render_json.h"
#include "ctl/status/board.h"
#include "ctl/status/status_row.h"
#include "ctl/verbs.h"
#include "wire/board_json.h"
#include "wire/control.h"

#define METHOD	      CONTROL_INTERFACE ".List"
#define MANY_SERVICES 10000u

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

static int write_json(struct ctl *ctl, json_t *services)
{
	json_t *array = json_array(), *service;
	size_t i;

	json_array_foreach(services, i, service)
		json_array_append_new(array, status_fields(service));
	return ctl_write_json(ctl, array);
}

/* Whether a service that was named is where it should be decides the exit status. */
static int status_of(const struct ctl *ctl, bool all_up)
{
	return ctl->n_args > 0 && !all_up ? CTL_NOT_UP : CTL_DONE;
}

static int show_json(struct ctl *ctl, json_t *services)
{
	bool all_up = true;
	json_t *service;
	size_t i;

	json_array_foreach(services, i, service) all_up =
		all_up && status_row_is_up(render_string(service, "state"));
	return write_json(ctl, services) < 0 ? CTL_FAILED : status_of(ctl, all_up);
}

static void write_piece(const struct buf *piece, void *userdata)
{
	ctl_write(userdata, piece);
}

static int show_table(struct ctl *ctl, struct status_table *t)
{
	if (table_write(&t->table, &ctl->term, write_piece, ctl) < 0) {
		ctl_error(ctl, "out of memory");
		return CTL_FAILED;
	}
	return status_of(ctl, t->all_up);
}

void status_row_of_json(json_t *service, struct status_row *ret_row)
{
	*ret_row = (struct status_row){
		.name = render_string(service, "name"),
		.state = render_string(service, "state"),
		.reason = render_string(service, "reason"),
		.status_text = render_string(service, "status_text"),
		.pid = render_integer(service, "pid", 0),
		.uptime_msec = render_integer(service, "uptime_ms", -1),
		.next_start_msec = render_integer(service, "next_start_ms", -1),
		.restarts = render_integer(service, "restarts", 0),
		.unhealthy = strcmp(render_string(service, "health"), "unhealthy") == 0,
		.reloading = json_is_true(json_object_get(service, "reloading")),
		.stale = json_is_true(json_object_get(service, "stale")),
	};
}

static int show_reply(struct ctl *ctl, json_t *services)
{
	_cleanup_status_table_ struct status_table t = {0};
	json_t *service;
	size_t i;
	int r;

	if (ctl->json)
		return show_json(ctl, services);
	r = status_table_init(&t, &ctl->term);
	json_array_foreach(services, i, service)
	{
		struct status_row row;

		status_row_of_json(service, &row);
		if (r == 0)
			r = status_table_add(&t, &row);
	}
	if (r < 0) {
		ctl_error(ctl, "out of memory");
		return CTL_FAILED;
	}
	return show_table(ctl, &t);
}

/* --- from the board --- */

/* What is shown of its slots: lines, or objects as the engine would answer them. */
struct shown {
	bool json;
	usec_t now_usec;
	struct status_table table;
	json_t *services; /* owned */
};

static void shown_fini(struct shown *s)
{
	status_table_fini(&s->table);
	json_decref(s->services);
}

static void begin(void *userdata)
{
	struct shown *s = userdata;

	s->now_usec = usec_now(CLOCK_MONOTONIC);
	if (s->json)
		json_array_clear(s->services);
	else
		status_table_clear(&s->table);
}

static int add_slot(const struct supervisord_board_slot *slot, uint32_t id, void *userdata)
{
	struct shown *s = userdata;
	struct status_row row;
	struct status_row_texts texts;

	(void)id;
	if (s->json)
		return json_array_append_new(s->services, board_json(slot, s->now_usec)) < 0
			       ? -ENOMEM
			       : 0;
	status_row_of_slot(slot, s->now_usec, &texts, &row);
	return status_table_add(&s->table, &row);
}

/* 0, -ENOENT, or a negative errno: ask the engine. */
static int read_board(struct ctl *ctl, bool attended, struct shown *s, usec_t *ret_changed,
	const char **ret_unknown)
{
	_cleanup_board_ struct board b = BOARD_INIT;
	const struct board_visitor v = {.begin = begin, .visit = add_slot, .userdata = s};
	const struct board_names names = {ctl->args, ctl->n_args};
	int r = board_open_if(&b, ctl->client.path, attended);

	if (r < 0)
		return r;
	s->json = ctl->json;
	if (s->json)
		s->services = json_array();
	else
		r = status_table_init(&s->table, &ctl->term);
	if (r == 0 && !s->json)
		r = table_reserve(
			&s->table.table, MIN_OF(supervisord_board_slots(&b.view), MANY_SERVICES));
	if (r < 0 || (s->json && !s->services))
		return -ENOMEM;
	r = board_visit(&b, &names, &v, ret_unknown);
	*ret_changed = board_changed_usec(&b);
	return r;
}

/* The exit status; or -1: ask the engine. */
static int show_board(struct ctl *ctl, bool attended)
{
	_cleanup_(shown_fini) struct shown s = {0};
	const char *unknown = NULL;
	usec_t changed = 0;
	int status, r = read_board(ctl, attended, &s, &changed, &unknown);

	if (r < 0 && (!unknown || attended))
		return -1;
	if (unknown) {
		ctl_no_such(ctl, unknown);
		status_tell_age(ctl, changed);
		return CTL_NOTHING_THERE;
	}
	status = s.json ? show_json(ctl, s.services) : show_table(ctl, &s.table);
	if (attended)
		return status;
	status_tell_age(ctl, changed);
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
		status = show_board(ctl, false);
		if (status >= 0)
			return status;
	}
	if (r != 0)
		return ctl_explain(ctl, METHOD, r, error);
	status = show_reply(ctl, json_object_get(reply, "services"));
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
	status = show_board(ctl, true);
	if (status < 0)
		status = ask_engine(ctl, names);
	json_decref(names);
	return status;
}
