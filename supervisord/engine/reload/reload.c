/*
 * A request outlives its caller: who asked for a change and went away has asked for it all
 * the same. Whatever fails, what is in force stays so as a whole, and the reason is told to
 * the caller and in the log.
 */
#include "engine/reload/reload.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/control/status.h"
#include "engine/engine.h"
#include "engine/reload/apply.h"
#include "engine/reload/config.h"
#include "engine/reload/plan.h"
#include "engine/reload/scale.h"
#include "engine/status/systemd.h"

enum kind { PLAN, APPLY, SCALE };

struct reload_request {
	struct list node;
	struct server_call *call; /* borrowed; NULL: nobody waits for the answer */
	uint64_t op;
	enum kind kind;
	bool wait, by_signal, no_restart;
	char *name; /* owned; SCALE: which definition, to have so many instances */
	unsigned instances;
	struct event_cause cause; /* of all that follows: a request, or a signal */
};

static struct reload_request *first(struct engine *e)
{
	return list_first(&e->reload.requests, struct reload_request, node);
}

static void on_cancelled(struct server_call *call)
{
	struct reload_request *q = call->userdata;

	q->call = NULL;
}

/*
 * The request is over, and its call answered or in other hands. A signal has been seen only
 * now: if the engine had died on the way, the launcher would have told the next one.
 */
static void end(struct engine *e, struct reload_request *q)
{
	if (q->by_signal) {
		uplink_send_plain(e, LINK_SEEN, 0, SIGHUP);
		if (e->store.head.flags & RECOVERY_RENEW)
			store_set(
				&e->store, flags, e->store.head.flags & ~(uint32_t)RECOVERY_RENEW);
	}
	if (q->kind == APPLY)
		systemd_reloaded(e);
	list_remove(&q->node);
	free(q->name);
	free(q);
}

/* --- what went wrong --- */

/* The log is for what somebody has tried to put in force; who only looks is answered. */
static void log_refusal(const json_t *errors)
{
	const json_t *error;
	size_t i;

	json_array_foreach(errors, i, error) log_error("%s", json_string_value(error));
	log_error("the configuration that was in force stays in force");
}

/* errors are stolen: what is told for each file and line. */
static void refuse(struct reload_request *q, json_t *errors)
{
	if (q->kind != PLAN)
		log_refusal(errors);
	if (q->call)
		server_error(q->call, CONTROL_ERROR_BAD_CONFIGURATION,
			json_pack("{s:o}", "errors", errors));
	else
		json_decref(errors);
	q->call = NULL;
}

static void fail_text(struct reload_request *q, const char *text)
{
	if (q->kind == APPLY)
		log_error("cannot apply the configuration: %s", text);
	else if (q->kind == SCALE)
		log_error("service '%s': cannot scale it: %s", q->name, text);
	if (q->call)
		server_error_message(q->call, CONTROL_ERROR_FAILED, "%s", text);
	q->call = NULL;
}

static void fail(struct reload_request *q, int error)
{
	if (error == -ETIMEDOUT)
		fail_text(q, "reading the files takes too long; is a file system or a name "
			     "service down?");
	else if (error == -ECANCELED)
		fail_text(q, "supervisord is shutting down");
	else
		fail_text(q, strerror(-error));
}

static json_t *list_errors(const struct conf_errors *errors)
{
	json_t *list = json_array();

	for (size_t i = 0; i < errors->n; i++)
		json_array_append_new(list, status_text(errors->messages[i]));
	if (errors->truncated)
		json_array_append_new(list, json_string("(there are more errors)"));
	return list;
}

/* --- what is new --- */

static struct plan_options plan_options(const struct reload_request *q)
{
	return (struct plan_options){
		.with_environment = q->call && q->call->right >= PEER_RIGHT_OWN,
		.no_restart = q->no_restart,
	};
}

static void log_summary(const json_t *plan)
{
	const json_t *services = json_object_get(plan, "services"), *c;
	unsigned added = 0, removed = 0, changed = 0;
	size_t i;

	json_array_foreach(services, i, c)
	{
		const char *what = json_string_value(json_object_get(c, "change"));

		added += strcmp(what, "added") == 0;
		removed += strcmp(what, "removed") == 0;
		changed += strcmp(what, "changed") == 0 || strcmp(what, "renamed") == 0;
	}
	if (json_is_true(json_object_get(plan, "changed")))
		log_info("configuration applied: %u added, %u removed, %u changed", added, removed,
			changed);
	else
		log_info("configuration read: nothing has changed");
}

/* The names of services that were changed in one of these ways. */
static void list_changes(const json_t *plan, const char *kind, const char *or_kind,
	const char *ret_names[static EVENT_MAX_NAMES + 1])
{
	const json_t *services = json_object_get(plan, "services"), *c;
	size_t i, n = 0;

	json_array_foreach(services, i, c)
	{
		const char *what = json_string_value(json_object_get(c, "change"));

		if (n < EVENT_MAX_NAMES && (strcmp(what, kind) == 0 || strcmp(what, or_kind) == 0))
			ret_names[n++] = json_string_value(json_object_get(c, "name"));
	}
	ret_names[n] = NULL;
}

static void tell_changes(struct engine *e, const json_t *plan)
{
	const char *added[EVENT_MAX_NAMES + 1], *removed[EVENT_MAX_NAMES + 1],
		*changed[EVENT_MAX_NAMES + 1];
	const struct event_changes changes = {added, removed, changed};

	list_changes(plan, "added", "added", added);
	list_changes(plan, "removed", "removed", removed);
	list_changes(plan, "changed", "renamed", changed);
	event_reloaded(e, JOURNAL_RELOADED, "a configuration was applied", &changes);
}

/* first is stolen: what is known at once. */
static void answer(
	struct reload_request *q, const char *what, json_t *first, struct request_wishes *wishes)
{
	if (q->call)
		request_await(q->call, json_pack("{s:o}", what, first), wishes, q->wait);
	else
		json_decref(first);
}

/* -EBUSY: not now, nothing has been answered; otherwise it has. */
static int proceed_apply(struct engine *e, struct reload_request *q, struct apply *a)
{
	_cleanup_wishes_ struct request_wishes wishes = {0};
	const struct plan_options options = plan_options(q);
	json_t *plan = plan_make(e, a->spec, &options);
	char reason[STALE_REASON_SIZE];
	int r = plan ? 0 : -ENOMEM;

	if (r == 0 && q->no_restart && stale_is_too_much(e, plan, reason)) {
		json_decref(plan);
		fail_text(q, reason);
		return 0;
	}
	a->flags = q->no_restart ? RECOVERY_NO_RESTART : 0;
	if (r == 0)
		r = apply_spec(e, a, &wishes);
	if (r < 0) {
		json_decref(plan);
		if (r != -EBUSY)
			fail(q, r);
		return r;
	}
	log_summary(plan);
	tell_changes(e, plan);
	answer(q, "plan", plan, &wishes);
	return 0;
}

static void proceed_plan(struct engine *e, struct reload_request *q, const struct spec *spec)
{
	const struct plan_options options = plan_options(q);
	json_t *plan = plan_make(e, spec, &options);

	if (!plan)
		fail(q, -ENOMEM);
	else if (q->call)
		server_reply(q->call, json_pack("{s:o}", "plan", plan), false);
	else
		json_decref(plan);
}

static int proceed_scale(struct engine *e, struct reload_request *q, struct apply *a, unsigned was)
{
	_cleanup_wishes_ struct request_wishes wishes = {0};
	char text[SPEC_NAME_MAX + 64];
	int r = 0;

	/* What there is goes on as it is: nobody has asked for more. */
	a->flags = RECOVERY_NO_RESTART | RECOVERY_START_NEW;
	if (was != q->instances)
		r = apply_spec(e, a, &wishes);
	if (r < 0) {
		if (r != -EBUSY)
			fail(q, r);
		return r;
	}
	log_info("service '%s': scaled from %u to %u instances", q->name, was, q->instances);
	snprintf(text, sizeof(text), "'%s' was scaled from %u to %u instances", q->name, was,
		q->instances);
	event_reloaded(e, JOURNAL_SCALED, text, NULL);
	answer(q, "scaled",
		json_pack("{s:s,s:i,s:i}", "name", q->name, "was", (int)was, "instances",
			(int)q->instances),
		&wishes);
	return 0;
}

/* What it wants in force: from files that were read, or from what is in force already. */
static int make(struct engine *e, const struct reload_request *q, struct apply *a,
	struct conf_errors *errors)
{
	const struct spec_service *s = q->kind == SCALE ? scale_find(e->spec, q->name) : NULL;
	struct conf_sources *sources = NULL;
	int r = config_read(s ? e->configs[e->config].text : e->reload.memfd, &sources);

	if (r == 0)
		r = s ? conf_sources_scale(sources, s, q->instances)
		      : conf_sources_scale_as(sources, e->spec);
	if (r == 0)
		r = conf_parse(sources, &e->context, &a->spec, errors);
	if (r == 0 && q->kind != PLAN) {
		a->text = config_write(sources);
		r = a->text < 0 ? a->text : 0;
	}
	conf_sources_free(sources);
	return r;
}

/* -EBUSY: it has to wait, and nothing has been answered. */
static int proceed(struct engine *e, struct reload_request *q)
{
	_cleanup_apply_ struct apply a = {.text = -1, .op = q->op};
	struct conf_errors errors = {0};
	unsigned was = 0;
	json_t *refusals;
	int r;

	if (q->kind == SCALE && !scale_check(e, q->call, q->name, &was)) {
		q->call = NULL;
		return 0;
	}
	r = make(e, q, &a, &errors);
	refusals = r == -EINVAL ? list_errors(&errors) : r == 0 ? plan_refusals(e, a.spec) : NULL;
	conf_errors_fini(&errors);
	if (refusals)
		refuse(q, refusals);
	else if (r < 0)
		fail(q, r);
	else if (q->kind == APPLY)
		return proceed_apply(e, q, &a);
	else if (q->kind == SCALE)
		return proceed_scale(e, q, &a, was);
	else
		proceed_plan(e, q, a.spec);
	return 0;
}

/* It took effect before an engine died: what it set off is all there is to wait for. */
static void join(struct engine *e, struct server_call *call, bool wait, uint64_t op)
{
	_cleanup_wishes_ struct request_wishes wishes = {0};

	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];
		bool up = core_record(e->core, s->id)->desired_up;

		if (core_remembers(e->core, s->id, op))
			request_wish(&wishes, s, up ? CORE_EVENT_START : CORE_EVENT_STOP);
	}
	request_await(call, NULL, &wishes, wait);
}

/*
 * What it takes to put one more configuration in force is bounded (see config.h). Where
 * services are still being stopped for so many earlier changes, this one waits for them.
 */
static void try_it(struct engine *e)
{
	struct reload_request *q = first(e);
	int r = 0;

	e->cause = q->cause;
	if (core_is_shutting_down(e->core) && q->kind != PLAN)
		fail(q, -ECANCELED);
	else
		r = proceed(e, q);
	event_forget_cause(e);
	e->reload.waits = r == -EBUSY;
	if (e->reload.waits) {
		log_warning("services are still being stopped for earlier changes; the "
			    "configuration is applied after that");
		return;
	}
	e->reload.memfd = close_fd(e->reload.memfd);
	end(e, q);
}

/* True where it is under way; else it is over. */
static bool begin_one(struct engine *e, struct reload_request *q)
{
	int r = 0;

	if (q->kind == PLAN && !q->call) { /* nobody wants to see it any more */
		end(e, q);
		return false;
	}
	if (q->call && q->kind != PLAN && config_remembers(e, q->op)) {
		join(e, q->call, q->wait, q->op);
		end(e, q);
		return false;
	}
	if (q->kind == SCALE) {
		try_it(e);
		return e->reload.waits;
	}
	r = loader_start(&e->reload.loader, e->options.config, &e->context);
	if (r == 0)
		return true;
	fail(q, r == -EBUSY ? -ETIMEDOUT : r); /* busy: one that hangs is not dead yet */
	end(e, q);
	return false;
}

static void begin(struct engine *e)
{
	struct reload_request *q;

	while (e->synced && (q = first(e)) && !begin_one(e, q))
		;
}

static void on_free_place(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, reload.again);

	if (!e->reload.waits)
		return;
	try_it(e);
	if (!e->reload.waits)
		begin(e);
}

void reload_place_is_free(struct engine *e)
{
	if (e->reload.waits)
		loop_timer_set(&e->loop, &e->reload.again, e->loop.now_usec);
}

static void on_loaded(struct loader *l, int result, int memfd, struct conf_errors *errors)
{
	struct engine *e = CONTAINER_OF(l, struct engine, reload.loader);
	struct reload_request *q = first(e);

	if (result == 0) {
		e->reload.memfd = memfd;
		try_it(e);
	} else {
		if (result == -EINVAL)
			refuse(q, list_errors(errors));
		else
			fail(q, result);
		end(e, q);
	}
	if (!e->reload.waits)
		begin(e);
}

/* --- requests --- */

static void tell_no_memory(struct server_call *call)
{
	if (call)
		server_error_message(call, CONTROL_ERROR_FAILED, "out of memory; nothing was done");
	else
		log_error("out of memory; the configuration is not reloaded");
}

static struct reload_request *new_request(
	enum kind kind, struct server_call *call, bool wait, uint64_t op)
{
	struct reload_request *q = calloc(1, sizeof(*q));

	if (!q) {
		tell_no_memory(call);
		return NULL;
	}
	*q = (struct reload_request){.call = call, .kind = kind, .wait = wait, .op = op};
	list_init(&q->node);
	if (call) {
		call->userdata = q;
		call->cancelled = on_cancelled;
	}
	return q;
}

static void submit(struct engine *e, struct reload_request *q)
{
	bool idle = list_empty(&e->reload.requests);

	q->cause = e->cause;
	list_append(&e->reload.requests, &q->node);
	if (idle)
		begin(e);
}

void reload_resume(struct engine *e)
{
	begin(e);
}

void reload_plan(struct engine *e, struct server_call *call, bool no_restart)
{
	struct reload_request *q = new_request(PLAN, call, false, 0);

	if (!q)
		return;
	q->no_restart = no_restart;
	submit(e, q);
}

void reload_apply(
	struct engine *e, struct server_call *call, bool no_restart, bool wait, uint64_t op)
{
	struct reload_request *q = new_request(APPLY, call, wait, op);

	if (!q)
		return;
	q->no_restart = no_restart;
	q->by_signal = !call;
	systemd_reloading(e);
	submit(e, q);
}

void reload_scale(struct engine *e, struct server_call *call, const char *name, unsigned n,
	bool wait, uint64_t op)
{
	char *copy = strdup(name);
	struct reload_request *q;

	if (!copy) {
		tell_no_memory(call);
		return;
	}
	q = new_request(SCALE, call, wait, op);
	if (!q) {
		free(copy);
		return;
	}
	q->name = copy;
	q->instances = n;
	submit(e, q);
}

bool reload_owes_signal(const struct engine *e)
{
	list_foreach (node, &e->reload.requests) {
		if (list_entry(node, struct reload_request, node)->by_signal)
			return true;
	}
	return false;
}

int reload_init(struct engine *e)
{
	int r;

	list_init(&e->reload.requests);
	e->reload.memfd = -1;
	e->reload.again.dispatch = on_free_place;
	r = loop_timer_add(&e->loop, &e->reload.again);
	if (r < 0)
		return r;
	e->reload.loader.done = on_loaded;
	return loader_init(&e->reload.loader, &e->loop);
}

void reload_fini(struct engine *e)
{
	struct reload_request *q;

	loader_fini(&e->reload.loader);
	loop_timer_remove(&e->loop, &e->reload.again);
	e->reload.memfd = close_fd(e->reload.memfd);
	while ((q = first(e))) {
		if (q->call)
			q->call->cancelled = NULL;
		list_remove(&q->node);
		free(q->name);
		free(q);
	}
}
