/*
 * The call belongs to the server, the request to us; either may go first. If the client
 * goes, what it asked for happens all the same and only the answer is dropped.
 */
#include "engine/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/service.h"
#include "engine/status.h"

struct request;

struct item {
	struct list node; /* in service.waiters */
	struct request *request;
	struct service *service;
	uint64_t before; /* its generation when the request took effect */
};

struct request {
	struct server_call *call; /* borrowed from the server */
	enum core_event_type event;
	json_t *results; /* owned; without `more` */
	uint32_t n_pending, n_items;
	struct item items[];
};

static void free_request(struct request *q)
{
	for (uint32_t i = 0; i < q->n_items; i++)
		list_remove(&q->items[i].node);
	json_decref(q->results);
	free(q);
}

static void on_cancelled(struct server_call *call)
{
	free_request(call->userdata);
}

static json_t *make_result(const struct service *s, bool ok)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	char reason[CORE_REASON_SIZE];

	return json_pack("{s:s,s:b,s:s,s:o,s:s}", "name", s->name, "ok", ok, "state",
		core_state_to_string((enum core_state)r->state), "pid",
		r->pid > 0 ? json_integer(r->pid) : json_null(), "message",
		service_reason(s, reason));
}

static void answer(struct request *q, const struct service *s, bool ok)
{
	json_t *result = make_result(s, ok);

	if (q->call->more)
		server_reply(q->call, json_pack("{s:[o]}", "results", result), true);
	else
		json_array_append_new(q->results, result);
	q->n_pending--;
}

/* Ends the call once nothing is pending, and the request with it. */
static void finish(struct request *q)
{
	if (q->n_pending > 0)
		return;
	q->call->cancelled = NULL;
	server_reply(q->call, json_pack("{s:O}", "results", q->results), false);
	free_request(q);
}

static enum core_outcome judge(const struct item *i)
{
	return core_judge(i->service->engine->core, i->service->id, i->request->event, i->before);
}

void request_judge(struct service *s)
{
	list_foreach_safe (node, &s->waiters) {
		struct item *i = list_entry(node, struct item, node);
		struct request *q = i->request;
		enum core_outcome outcome = judge(i);

		if (outcome == CORE_PENDING)
			continue;
		list_remove(&i->node);
		answer(q, s, outcome == CORE_DONE);
		finish(q);
	}
}

/* A repeated request joins the one that has taken effect already. */
static bool joins(
	const struct service *s, enum core_event_type event, uint64_t op, uint64_t *ret_before)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	if (op == 0 || r->op != op)
		return false;
	*ret_before = r->generation;
	if (event == CORE_EVENT_RESTART && r->state != CORE_STOPPING && r->generation > 0)
		*ret_before = r->generation - 1;
	return true;
}

void request_begin(struct engine *e, struct server_call *call, enum core_event_type event,
	struct service **services, uint32_t n, bool wait, uint64_t op)
{
	struct request *q = calloc(1, sizeof(*q) + (size_t)n * sizeof(q->items[0]));

	if (!q || !(q->results = json_array())) {
		free(q);
		server_error_message(call, CONTROL_ERROR_FAILED, "out of memory; nothing was done");
		return;
	}
	q->call = call;
	q->event = event;
	q->n_items = q->n_pending = n;
	for (uint32_t i = 0; i < n; i++) {
		struct item *item = &q->items[i];

		item->request = q;
		item->service = services[i];
		list_init(&item->node);
	}
	/* First all events, so that services stop and start side by side; then the answers. */
	tree_hold(e);
	for (uint32_t i = 0; i < n; i++) {
		struct item *item = &q->items[i];
		struct core_event ev = {.type = event, .service = services[i]->id, .op = op};

		item->before = core_record(e->core, services[i]->id)->generation;
		if (!joins(services[i], event, op, &item->before))
			engine_event(e, &ev);
	}
	tree_release(e);
	call->userdata = q;
	call->cancelled = on_cancelled;
	json_object_clear(call->parameters); /* up to megabytes, and the call may wait for long */
	for (uint32_t i = 0; i < n; i++) {
		enum core_outcome outcome = judge(&q->items[i]);

		if (wait && outcome == CORE_PENDING)
			list_append(&services[i]->waiters, &q->items[i].node);
		else
			answer(q, services[i], outcome != CORE_NOT_DONE);
	}
	finish(q);
}
