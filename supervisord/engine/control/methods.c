/*
 * One function for each method; the server has checked names, types and rights. Whatever
 * acts leaves a line in the log that says who asked.
 */
#include "engine/control/methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/sys.h"
#include "base/utf8.h"
#include "engine/control/directory.h"
#include "engine/control/names.h"
#include "engine/control/passed.h"
#include "engine/control/request.h"
#include "engine/control/rolling.h"
#include "engine/control/status.h"
#include "engine/control/why/why.h"
#include "engine/service.h"
#include "engine/services.h"

struct selection {
	struct service **services; /* owned */
	uint32_t n;
};

static void selection_fini(struct selection *s)
{
	free(s->services);
}

#define _cleanup_selection_ _cleanup_(selection_fini)

/* What the names mean, which are released. False: the call has been answered with an error. */
static bool select_names(
	struct engine *e, struct server_call *call, json_t *names, struct selection *ret)
{
	const char *unknown = NULL;
	int r = names ? names_resolve(e, names, &ret->services, &ret->n, &unknown) : -ENOMEM;

	if (r == -ENOENT)
		server_error(
			call, CONTROL_ERROR_NO_SUCH_SERVICE, json_pack("{s:s}", "name", unknown));
	else if (r == -E2BIG)
		server_error_message(call, CONTROL_ERROR_LIMIT,
			"too many globs and groups in one request; use fewer, or full names");
	else if (r < 0)
		server_error_message(call, CONTROL_ERROR_FAILED, "%s", strerror(-r));
	json_decref(names);
	return r == 0;
}

/* The same for the call's own list. */
static bool select_services(
	struct engine *e, struct server_call *call, bool none_is_all, struct selection *ret)
{
	json_t *names = json_incref(json_object_get(call->parameters, "names"));

	if (json_array_size(names) == 0 && none_is_all) {
		json_decref(names);
		names = e->n_services > 0 ? json_pack("[s]", "*") : json_array();
	}
	return select_names(e, call, names, ret);
}

/* Leaves a line in the log and an event; what follows is caused by that, until finished(). */
static void note(struct engine *e, const struct server_call *call, enum event_verb verb,
	struct service *const *services, uint32_t n)
{
	char what[256] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < n && used < sizeof(what) - 80; i++)
		used += (size_t)snprintf(
			what + used, sizeof(what) - used, " %s", services[i]->name);
	if (n > 0 && used >= sizeof(what) - 80)
		snprintf(what + used, sizeof(what) - used, " … (%u services)", n);
	log_info("uid %u pid %d: %s%s", (unsigned)call->peer->uid, (int)call->peer->pid,
		call->method->name, what);
	event_request(e, call->peer, verb,
		json_string_value(json_object_get(call->parameters, "id")), services, n);
}

static void finished(struct engine *e)
{
	event_forget_cause(e);
}

/* Replies with what make() says of each service that is meant. */
static void list(
	struct engine *e, struct server_call *call, json_t *(*make)(const struct service *s))
{
	_cleanup_selection_ struct selection sel = {0};
	json_t *services;

	if (!select_services(e, call, true, &sel))
		return;
	services = json_array();
	for (uint32_t i = 0; i < sel.n; i++)
		json_array_append_new(services, make(sel.services[i]));
	server_reply(call, json_pack("{s:o}", "services", services), false);
}

static void do_list(void *userdata, struct server_call *call)
{
	board_check(userdata);
	list(userdata, call, status_service);
}

static json_t *name_and_logs(const struct service *s)
{
	return json_pack("{s:s,s:o,s:b}", "name", s->name, "logs", status_logs(s), "pending",
		s->next != NULL);
}

static void do_logs(void *userdata, struct server_call *call)
{
	list(userdata, call, name_and_logs);
}

static void do_names(void *userdata, struct server_call *call)
{
	server_reply(call, directory(userdata), false);
}

static void do_events(void *userdata, struct server_call *call)
{
	struct engine *e = userdata;
	_cleanup_selection_ struct selection sel = {0};

	if (select_services(e, call, true, &sel))
		events_follow(e, call, sel.services, sel.n);
}

/* The one service that the call's name means, by any way to name it; NULL after an error. */
static struct service *select_one(struct engine *e, struct server_call *call)
{
	json_t *name = json_object_get(call->parameters, "name");
	_cleanup_selection_ struct selection sel = {0};

	if (!select_names(e, call, json_pack("[O]", name), &sel))
		return NULL;
	if (sel.n == 1)
		return sel.services[0];
	server_error_message(call, CONTROL_ERROR_FAILED,
		"%s means %u services, such as %s; name one of them", json_string_value(name),
		sel.n, sel.services[0]->name);
	return NULL;
}

static void do_show(void *userdata, struct server_call *call)
{
	struct service *s = select_one(userdata, call);

	if (s)
		server_reply(call, status_show(s, call->right >= PEER_RIGHT_OWN), false);
}

static void do_why(void *userdata, struct server_call *call)
{
	struct service *s = select_one(userdata, call);

	if (s)
		server_reply(call, why(s), false);
}

/* 64 bits of a client's id; 0 stands for none. */
static uint64_t op_of(const struct server_call *call)
{
	const char *id = json_string_value(json_object_get(call->parameters, "id"));
	uint64_t hash = UINT64_C(14695981039346656037);

	if (!id)
		return 0;
	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * UINT64_C(1099511628211);
	return hash ? hash : 1;
}

/* A request that took effect already, and is only joined. */
static bool is_repeated(const struct engine *e, const struct selection *sel, uint64_t op)
{
	uint32_t n = 0;

	while (n < sel->n && core_remembers(e->core, sel->services[n]->id, op))
		n++;
	return n > 0 && n == sel->n;
}

static void act(struct engine *e, struct server_call *call, enum core_event_type event,
	enum event_verb verb)
{
	_cleanup_selection_ struct selection sel = {0};
	const json_t *wait = json_object_get(call->parameters, "wait");
	bool up = event == CORE_EVENT_START || event == CORE_EVENT_RESTART;

	if (up && core_is_shutting_down(e->core)) {
		server_error(call, CONTROL_ERROR_SHUTTING_DOWN, NULL);
		return;
	}
	if (!select_services(e, call, false, &sel))
		return;
	if (!is_repeated(e, &sel, op_of(call)))
		note(e, call, verb, sel.services, sel.n);
	if (json_is_true(json_object_get(call->parameters, "rolling")))
		rolling_begin(e, call, sel.services, sel.n, !json_is_false(wait), op_of(call));
	else
		request_begin(
			e, call, event, sel.services, sel.n, !json_is_false(wait), op_of(call));
	finished(e);
}

static void do_start(void *userdata, struct server_call *call)
{
	act(userdata, call, CORE_EVENT_START, EVENT_VERB_START);
}

static void do_stop(void *userdata, struct server_call *call)
{
	act(userdata, call, CORE_EVENT_STOP, EVENT_VERB_STOP);
}

static void do_restart(void *userdata, struct server_call *call)
{
	act(userdata, call, CORE_EVENT_RESTART, EVENT_VERB_RESTART);
}

static void do_reset(void *userdata, struct server_call *call)
{
	act(userdata, call, CORE_EVENT_RESET, EVENT_VERB_RESET);
}

/*
 * By way of the core and the launcher: only while the process is not reaped, and once, also
 * if the engine dies and the request is repeated.
 */
static json_t *signal_one(struct service *s, int signo, uint64_t op)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	struct core_event event = {
		.type = CORE_EVENT_SIGNAL, .service = s->id, .op = op, .signo = signo};
	char name[SIGNAL_NAME_SIZE], message[128];

	if (core_remembers(s->engine->core, s->id, op))
		return request_result(s, true, "sent");
	if (r->pid == 0)
		return request_result(s, false, "not running");
	/* One signal has a place on the link at a time. */
	if (s->outbox.marks & UPLINK_SIGNAL)
		return request_result(s, false, "the launcher is busy; try again");
	engine_event(s->engine, &event);
	snprintf(message, sizeof(message), "%s sent to pid %d", signal_name(signo, name),
		(int)r->pid);
	return request_result(s, true, message);
}

static void do_signal(void *userdata, struct server_call *call)
{
	struct engine *e = userdata;
	_cleanup_selection_ struct selection sel = {0};
	json_t *results;
	int signo;

	if (parse_signal(json_string_value(json_object_get(call->parameters, "signal")), &signo) <
		0) {
		server_error_parameter(call, "signal");
		return;
	}
	if (!select_services(e, call, false, &sel))
		return;
	if (!is_repeated(e, &sel, op_of(call)))
		note(e, call, EVENT_VERB_SIGNAL, sel.services, sel.n);
	results = json_array();
	for (uint32_t i = 0; i < sel.n; i++)
		json_array_append_new(results, signal_one(sel.services[i], signo, op_of(call)));
	finished(e);
	server_reply(call, json_pack("{s:o}", "results", results), false);
}

/* By its command, which is then awaited; 0, or what came in between. */
static const char *run_reload_command(struct service *s, uint64_t op, struct request_wishes *wishes)
{
	uint64_t serial;
	int r;

	if (core_remembers(s->engine->core, s->id, op)) {
		serial = command_serial(s, COMMAND_RELOAD);
		if (serial == 0)
			return ""; /* it has ended, and how is forgotten */
		request_wish_command(wishes, s, serial);
		return NULL;
	}
	r = reload_command_start(s, op, &serial);
	if (r < 0)
		return r == -EBUSY ? "a reload is under way" : strerror(-r);
	request_wish_command(wishes, s, serial);
	return NULL;
}

/* The result, if it is known at once. */
static json_t *reload_one(struct service *s, uint64_t op, struct request_wishes *wishes)
{
	const char *problem;

	if (s->spec->contact->reload_command && s->spec->contact->reload_command[0]) {
		if (core_record(s->engine->core, s->id)->pid == 0)
			return request_result(s, false, "not running");
		problem = run_reload_command(s, op, wishes);
		return problem ? request_result(s, *problem == '\0', problem) : NULL;
	}
	return signal_one(s, s->spec->contact->reload_signal, op);
}

static void do_reload(void *userdata, struct server_call *call)
{
	struct engine *e = userdata;
	const json_t *wait = json_object_get(call->parameters, "wait");
	_cleanup_selection_ struct selection sel = {0};
	_cleanup_wishes_ struct request_wishes wishes = {0};
	json_t *results = json_array();

	if (select_services(e, call, false, &sel)) {
		if (!is_repeated(e, &sel, op_of(call)))
			note(e, call, EVENT_VERB_RELOAD, sel.services, sel.n);
		for (uint32_t i = 0; i < sel.n; i++) {
			json_t *result = reload_one(sel.services[i], op_of(call), &wishes);

			if (result)
				json_array_append_new(results, result);
		}
		request_await(call, json_pack("{s:O}", "results", results), &wishes,
			!json_is_false(wait));
		finished(e);
	}
	json_decref(results);
}

static bool wants_no_restart(const struct server_call *call)
{
	return json_is_false(json_object_get(call->parameters, "restart"));
}

static void do_plan(void *userdata, struct server_call *call)
{
	reload_plan(userdata, call, wants_no_restart(call));
}

static void do_apply(void *userdata, struct server_call *call)
{
	struct engine *e = userdata;
	const json_t *wait = json_object_get(call->parameters, "wait");

	if (core_is_shutting_down(e->core)) {
		server_error(call, CONTROL_ERROR_SHUTTING_DOWN, NULL);
		return;
	}
	note(e, call, EVENT_VERB_APPLY, NULL, 0);
	reload_apply(e, call, wants_no_restart(call), !json_is_false(wait), op_of(call));
	finished(e);
}

static void do_scale(void *userdata, struct server_call *call)
{
	struct engine *e = userdata;
	const json_t *wait = json_object_get(call->parameters, "wait");
	const char *name = json_string_value(json_object_get(call->parameters, "name"));
	json_int_t n = json_integer_value(json_object_get(call->parameters, "instances"));

	if (n < 0 || n > SPEC_MAX_INSTANCES) {
		server_error_message(call, CONTROL_ERROR_FAILED,
			"there can be 0 to %d instances of a service", SPEC_MAX_INSTANCES);
		return;
	}
	if (core_is_shutting_down(e->core)) {
		server_error(call, CONTROL_ERROR_SHUTTING_DOWN, NULL);
		return;
	}
	note(e, call, EVENT_VERB_SCALE, NULL, 0);
	reload_scale(e, call, name, (unsigned)n, !json_is_false(wait), op_of(call));
	finished(e);
}

static void do_queue(void *userdata, struct server_call *call)
{
	const struct engine *e = userdata;
	const char *problem = queue_problem(&e->queue);

	server_reply(call,
		json_pack("{s:I,s:o,s:s}", "key", (json_int_t)(uint32_t)e->queue.key, "id",
			e->queue.id >= 0 ? json_integer(e->queue.id) : json_null(), "message",
			problem ? problem : ""),
		false);
}

static void do_reopen(void *userdata, struct server_call *call)
{
	note(userdata, call, EVENT_VERB_REOPEN, NULL, 0);
	engine_reopen_logs(userdata);
	finished(userdata);
	server_reply(call, json_object(), false);
}

static void do_version(void *userdata, struct server_call *call)
{
	const struct engine *e = userdata;
	char started[USEC_RFC3339_SIZE];

	usec_rfc3339(e->store.head.started_realtime_usec, started);
	server_reply(call,
		json_pack("{s:s,s:i,s:i,s:s,s:s,s:b}", "version", SUPERVISORD_VERSION, "pid",
			(int)getppid(), "engine_pid", (int)getpid(), "started", started,
			"configuration", e->spec->files[0], "socket_passed",
			passed_is(e, e->server.listener.fd)),
		false);
}

static void do_upgrade(void *userdata, struct server_call *call)
{
	struct engine *e = userdata;

	note(e, call, EVENT_VERB_UPGRADE, NULL, 0);
	finished(e);
	if (core_is_shutting_down(e->core))
		server_error(call, CONTROL_ERROR_SHUTTING_DOWN, NULL);
	else
		upgrade_ask(e, call, op_of(call));
}

static void do_shutdown(void *userdata, struct server_call *call)
{
	struct engine *e = userdata;

	note(e, call, EVENT_VERB_SHUTDOWN, NULL, 0);
	server_reply(call, json_object(), false);
	engine_shutdown(e, false);
	finished(e);
}

static void do_note(void *userdata, struct server_call *call)
{
	const char *text = json_string_value(json_object_get(call->parameters, "text"));
	char clean[EVENT_MAX_NOTE + 1];

	utf8_clean(text, strlen(text), clean, sizeof(clean));
	if (strlen(text) > EVENT_MAX_NOTE)
		server_error_message(call, CONTROL_ERROR_LIMIT,
			"a note has at most %d bytes, and this one has %zu", EVENT_MAX_NOTE,
			strlen(text));
	else if (strcmp(text, clean) != 0)
		server_error_message(call, CONTROL_ERROR_FAILED,
			"a note is one line of text, without control characters");
	else if (text[strspn(text, " ")] == '\0')
		server_error_message(call, CONTROL_ERROR_FAILED, "the note is empty");
	else
		server_reply(call,
			json_pack(
				"{s:I}", "seq", (json_int_t)event_note(userdata, call->peer, text)),
			false);
}

static void on_refused(void *userdata, const struct peer *peer, const char *method)
{
	event_refused(userdata, peer, method);
}

#define NAMES_OPTIONAL                        \
	{                                     \
		"names", SERVER_STRINGS, true \
	}
#define NAMES                                  \
	{                                      \
		"names", SERVER_STRINGS, false \
	}
#define WAIT                              \
	{                                 \
		"wait", SERVER_BOOL, true \
	}
#define NO_RESTART                           \
	{                                    \
		"restart", SERVER_BOOL, true \
	}
#define ID                                \
	{                                 \
		"id", SERVER_STRING, true \
	}

static const struct server_method methods[] = {
	{.name = "List",
		.needs = PEER_RIGHT_OBSERVE,
		.parameters = {NAMES_OPTIONAL},
		.call = do_list},
	{.name = "Names", .needs = PEER_RIGHT_OBSERVE, .call = do_names},
	{.name = "Logs",
		.needs = PEER_RIGHT_OBSERVE,
		.parameters = {NAMES_OPTIONAL},
		.call = do_logs},
	{.name = "Events",
		.needs = PEER_RIGHT_OBSERVE,
		.needs_more = true,
		.parameters = {NAMES_OPTIONAL, {"snapshot", SERVER_BOOL, true},
			{"after", SERVER_INT, true}, {"since_us", SERVER_INT, true},
			{"follow", SERVER_BOOL, true}},
		.call = do_events},
	{.name = "Show",
		.needs = PEER_RIGHT_OBSERVE,
		.parameters = {{"name", SERVER_STRING, false}},
		.call = do_show},
	{.name = "Why",
		.needs = PEER_RIGHT_OBSERVE,
		.parameters = {{"name", SERVER_STRING, false}},
		.call = do_why},
	{.name = "Start",
		.needs = PEER_RIGHT_ACT,
		.parameters = {NAMES, WAIT, ID},
		.call = do_start},
	{.name = "Stop", .needs = PEER_RIGHT_ACT, .parameters = {NAMES, WAIT, ID}, .call = do_stop},
	{.name = "Restart",
		.needs = PEER_RIGHT_ACT,
		.parameters = {NAMES, {"rolling", SERVER_BOOL, true}, WAIT, ID},
		.call = do_restart},
	{.name = "Reset", .needs = PEER_RIGHT_ACT, .parameters = {NAMES}, .call = do_reset},
	{.name = "Signal",
		.needs = PEER_RIGHT_ACT,
		.parameters = {NAMES, {"signal", SERVER_STRING, false}, ID},
		.call = do_signal},
	{.name = "Reload",
		.needs = PEER_RIGHT_ACT,
		.parameters = {NAMES, WAIT, ID},
		.call = do_reload},
	{.name = "Plan", .needs = PEER_RIGHT_OBSERVE, .parameters = {NO_RESTART}, .call = do_plan},
	{.name = "Apply",
		.needs = PEER_RIGHT_ACT,
		.parameters = {NO_RESTART, WAIT, ID},
		.call = do_apply},
	{.name = "Scale",
		.needs = PEER_RIGHT_ACT,
		.parameters = {{"name", SERVER_STRING, false}, {"instances", SERVER_INT, false},
			WAIT, ID},
		.call = do_scale},
	{.name = "Queue", .needs = PEER_RIGHT_OBSERVE, .call = do_queue},
	{.name = "Note",
		.needs = PEER_RIGHT_ACT,
		.parameters = {{"text", SERVER_STRING, false}},
		.call = do_note},
	{.name = "Reopen", .needs = PEER_RIGHT_ACT, .call = do_reopen},
	{.name = "Version", .needs = PEER_RIGHT_OBSERVE, .call = do_version},
	{.name = "Upgrade", .needs = PEER_RIGHT_OWN, .parameters = {ID}, .call = do_upgrade},
	{.name = "Shutdown", .needs = PEER_RIGHT_OWN, .call = do_shutdown},
};

const struct server_service *methods_service(struct engine *e, struct server_service *ret_service)
{
	*ret_service = (struct server_service){
		.methods = methods,
		.n_methods = ELEMENTSOF(methods),
		.userdata = e,
		.refused = on_refused,
		.vendor = "supervisord",
		.product = "supervisord",
		.version = SUPERVISORD_VERSION,
		.url = "https://varlink.org",
	};
	return ret_service;
}
