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
#include "engine/systemd.h"

struct reload_request {
	struct list node;
	struct server_call *call; /* borrowed; NULL: nobody waits for the answer */
	uint64_t op;
	bool apply, wait, by_signal;
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
	if (q->by_signal)
		uplink_send_plain(e, LINK_SEEN, 0, SIGHUP);
	if (q->apply)
		systemd_reloaded(e);
	list_remove(&q->node);
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
	if (q->apply)
		log_refusal(errors);
	if (q->call)
		server_error(q->call, CONTROL_ERROR_BAD_CONFIGURATION,
			json_pack("{s:o}", "errors", errors));
	else
		json_decref(errors);
	q->call = NULL;
}

static void fail(struct reload_request *q, int error)
{
	const char *text = strerror(-error);

	if (error == -ETIMEDOUT)
		text = "reading the files takes too long; is a file system or a name service down?";
	else if (error == -ECANCELED)
		text = "supervisord is shutting down";
	if (q->apply)
		log_error("cannot apply the configuration: %s", text);
	if (q->call)
		server_error_message(q->call, CONTROL_ERROR_FAILED, "%s", text);
	q->call = NULL;
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

static bool sees_environment(const struct reload_request *q)
{
	return q->call && q->call->right >= PEER_RIGHT_OWN;
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

/* -EBUSY: not now, nothing has been answered; otherwise it has. */
static int proceed_apply(struct engine *e, struct reload_request *q, struct spec *spec, int memfd)
{
	_cleanup_wishes_ struct request_wishes wishes = {0};
	json_t *plan = plan_make(e, spec, sees_environment(q));
	int r;

	if (!plan) {
		spec_free(spec);
		fail(q, -ENOMEM);
		return 0;
	}
	r = apply_spec(e, spec, memfd, q->op, &wishes);
	if (r < 0) {
		json_decref(plan);
		if (r != -EBUSY)
			fail(q, r);
		return r;
	}
	log_summary(plan);
	events_supervisor(e, "reloaded", "a configuration was applied");
	if (q->call)
		request_await(q->call, json_pack("{s:o}", "plan", plan), &wishes, q->wait);
	else
		json_decref(plan);
	return 0;
}

static void proceed_plan(struct engine *e, struct reload_request *q, struct spec *spec)
{
	json_t *plan = plan_make(e, spec, sees_environment(q));

	spec_free(spec);
	if (!plan)
		fail(q, -ENOMEM);
	else if (q->call)
		server_reply(q->call, json_pack("{s:o}", "plan", plan), false);
	else
		json_decref(plan);
}

/* The files say this, and it is right in itself. -EBUSY: it has to wait. */
static int proceed(struct engine *e, struct reload_request *q, int memfd)
{
	struct spec *spec = NULL;
	json_t *refusals;
	int r = config_parse(e, memfd, &spec);

	if (r < 0) {
		fail(q, r);
		return 0;
	}
	refusals = plan_refusals(e, spec);
	if (refusals) {
		spec_free(spec);
		refuse(q, refusals);
		return 0;
	}
	if (q->apply)
		return proceed_apply(e, q, spec, memfd);
	proceed_plan(e, q, spec);
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
			request_wish_again(&wishes, s, up ? CORE_EVENT_START : CORE_EVENT_STOP);
	}
	request_await(call, NULL, &wishes, wait);
}

static bool is_repeated(struct engine *e, uint64_t op)
{
	return op != 0 && e->store.area.head->config_op[e->config] == op;
}

/* Starts what is at the head of the line, if nothing is under way. */
static void begin(struct engine *e)
{
	struct reload_request *q;
	int r;

	while (e->synced && (q = first(e))) {
		if (!q->call && !q->apply) { /* nobody wants to see the plan any more */
			end(e, q);
			continue;
		}
		if (q->call && q->apply && is_repeated(e, q->op)) {
			join(e, q->call, q->wait, q->op);
			end(e, q);
			continue;
		}
		r = loader_start(&e->reload.loader, e->options.config, &e->context);
		if (r == 0)
			return;
		fail(q, r == -EBUSY ? -ETIMEDOUT : r); /* busy: one that hangs is not dead yet */
		end(e, q);
	}
}

/*
 * What it takes to put one more configuration in force is bounded (see config.h). Where
 * services are still being stopped for so many earlier changes, this one waits for them.
 */
static void try_it(struct engine *e)
{
	struct reload_request *q = first(e);
	int r = 0;

	if (core_is_shutting_down(e->core) && q->apply)
		fail(q, -ECANCELED);
	else
		r = proceed(e, q, e->reload.memfd);
	if (r == -EBUSY) {
		log_warning("services are still being stopped for earlier changes; the "
			    "configuration is applied after that");
		return;
	}
	e->reload.memfd = close_fd(e->reload.memfd);
	end(e, q);
	begin(e);
}

static void on_free_place(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, reload.again);

	if (e->reload.memfd >= 0)
		try_it(e);
}

void reload_place_is_free(struct engine *e)
{
	if (e->reload.memfd >= 0)
		loop_timer_set(&e->loop, &e->reload.again, e->loop.now_usec);
}

static void on_loaded(struct loader *l, int result, int memfd, struct conf_errors *errors)
{
	struct engine *e = CONTAINER_OF(l, struct engine, reload.loader);
	struct reload_request *q = first(e);

	if (result == 0) {
		e->reload.memfd = memfd;
		try_it(e);
		return;
	}
	if (result == -EINVAL)
		refuse(q, list_errors(errors));
	else
		fail(q, result);
	end(e, q);
	begin(e);
}

/* --- requests --- */

static struct reload_request *new_request(
	struct server_call *call, bool apply, bool wait, uint64_t op)
{
	struct reload_request *q = calloc(1, sizeof(*q));

	if (!q) {
		if (call)
			server_error_message(
				call, CONTROL_ERROR_FAILED, "out of memory; nothing was done");
		return NULL;
	}
	*q = (struct reload_request){.call = call, .apply = apply, .wait = wait, .op = op};
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

	list_append(&e->reload.requests, &q->node);
	if (idle)
		begin(e);
}

void reload_resume(struct engine *e)
{
	begin(e);
}

void reload_plan(struct engine *e, struct server_call *call)
{
	struct reload_request *q = new_request(call, false, false, 0);

	if (q)
		submit(e, q);
}

void reload_apply(struct engine *e, struct server_call *call, bool wait, uint64_t op)
{
	struct reload_request *q = new_request(call, true, wait, op);

	if (!q) {
		if (!call)
			log_error("out of memory; the configuration is not reloaded");
		return;
	}
	q->by_signal = !call;
	systemd_reloading(e);
	submit(e, q);
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
		free(q);
	}
}
