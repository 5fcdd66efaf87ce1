/*
 * The call belongs to the server, the request to us; either may go first. If the client
 * goes, what it asked for happens all the same and only the answer is dropped.
 */
#include "engine/control/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/control/rolling.h"
#include "engine/control/status.h"
#include "engine/reload/links.h"
#include "engine/service.h"

struct request;

struct item {
	struct request_waiter waiter;
	struct request *request;
};

struct request {
	struct server_call *call; /* borrowed from the server */
	json_t *results; /* owned; without `more` */
	json_t *first; /* owned; likewise */
	uint32_t n_pending, n_items;
	struct item items[];
};

static void free_request(struct request *q)
{
	for (uint32_t i = 0; i < q->n_items; i++)
		request_unwatch(&q->items[i].waiter);
	json_decref(q->results);
	json_decref(q->first);
	free(q);
}

static void on_cancelled(struct server_call *call)
{
	free_request(call->userdata);
}

/* Why it is where it is, and where that is not what was wanted, what comes next. */
static const char *tell_reason(const struct service *s, bool ok, char *ret_text, size_t size)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	char span[USEC_SPAN_SIZE];
	size_t n;

	service_reason(s, ret_text);
	n = strlen(ret_text);
	if (!ok && s->removed)
		snprintf(ret_text, size, "removed from the configuration");
	else if (!ok && r->state == CORE_BACKOFF)
		snprintf(ret_text + n, size - n, "; trying again in %s",
			usec_span(usec_sub(r->deadline_usec, s->engine->loop.now_usec), span));
	return ret_text;
}

json_t *request_result(const struct service *s, bool ok, const char *message)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	char reason[CORE_REASON_SIZE + USEC_SPAN_SIZE + 32];

	if (!message)
		message = tell_reason(s, ok, reason, sizeof(reason));
	return json_pack("{s:s,s:b,s:s,s:o,s:s}", "name", s->name, "ok", ok, "state",
		core_state_to_string((enum core_state)r->state), "pid",
		r->pid > 0 ? json_integer(r->pid) : json_null(), "message", message);
}

static void answer(struct request *q, const struct request_wish *w, bool ok)
{
	const struct service *s = w->service;
	const struct reload_outcome *r = part_find(s, PART_RELOAD_OUTCOME);
	bool told = w->command > 0 && r && r->serial == w->command;
	char failure[128];
	json_t *result;

	if (w->failure)
		snprintf(failure, sizeof(failure), "%s: %s", w->failure, strerror(-w->error));
	result = request_result(s, ok, w->failure ? failure : told ? r->text : NULL);
	if (q->call->more)
		server_reply(q->call, json_pack("{s:[o]}", "results", result), true);
	else
		json_array_append_new(q->results, result);
	q->n_pending--;
}

/* Ends the call once nothing is pending, and the request with it. */
static void finish(struct request *q)
{
	json_t *last;

	if (q->n_pending > 0)
		return;
	last = q->first ? json_incref(q->first) : json_object();
	json_object_set(last, "results", q->results);
	q->call->cancelled = NULL;
	server_reply(q->call, last, false);
	free_request(q);
}

static enum core_outcome judge_command(const struct request_wish *w)
{
	const struct reload_outcome *r = part_find(w->service, PART_RELOAD_OUTCOME);

	if (command_serial(w->service, COMMAND_RELOAD) == w->command)
		return CORE_PENDING;
	return r && r->serial == w->command && r->ok ? CORE_DONE : CORE_NOT_DONE;
}

static enum core_outcome judge(const struct request_wish *w)
{
	const struct service *s = w->service;
	enum core_outcome outcome =
		w->failure	 ? CORE_NOT_DONE
		: w->command > 0 ? judge_command(w)
				 : core_judge(s->engine->core, s->id, w->event, w->before);

	/* What is removed is still listed for a moment after its end: not for who asked for that.
	 */
	if (s->removed && w->event == CORE_EVENT_STOP && outcome == CORE_DONE)
		return s->forgotten ? CORE_DONE : CORE_PENDING;
	return s->forgotten && outcome == CORE_PENDING ? CORE_NOT_DONE : outcome;
}

void request_judge(struct service *s)
{
	for (struct request_waiter *w = part_find(s, PART_WAITER), *next; w; w = next) {
		enum core_outcome outcome = judge(&w->wish);

		next = part_next(&w->part);
		if (outcome == CORE_PENDING)
			continue;
		request_unwatch(w);
		w->told(w, outcome == CORE_DONE);
	}
}

enum core_outcome request_watch(struct request_waiter *w)
{
	enum core_outcome outcome = judge(&w->wish);

	w->waits = outcome == CORE_PENDING;
	if (w->waits)
		part_attach(w->wish.service, &w->part, PART_WAITER);
	return outcome;
}

void request_unwatch(struct request_waiter *w)
{
	if (w->waits)
		part_detach(w->wish.service, &w->part);
	w->waits = false;
}

static void on_told(struct request_waiter *w, bool ok)
{
	struct item *i = CONTAINER_OF(w, struct item, waiter);

	answer(i->request, &w->wish, ok);
	finish(i->request);
}

/* --- wishes --- */

void request_wishes_fini(struct request_wishes *w)
{
	free(w->wishes);
	*w = (struct request_wishes){0};
}

static void add(struct request_wishes *w, const struct request_wish *wish)
{
	if (w->n == w->room) {
		uint32_t room = w->room ? 2 * w->room : 16;
		struct request_wish *bigger = reallocarray(w->wishes, room, sizeof(*bigger));

		if (!bigger)
			return;
		w->wishes = bigger;
		w->room = room;
	}
	w->wishes[w->n++] = *wish;
}

static struct request_wish fresh_wish(struct service *s, enum core_event_type event)
{
	return (struct request_wish){.service = s,
		.event = event,
		.before = core_record(s->engine->core, s->id)->generation};
}

/*
 * A repeated request is judged by what was there when it took effect: that the service is being
 * stopped just now may have another reason by now, another client's among them.
 */
struct request_wish request_make_wish(struct service *s, enum core_event_type event, uint64_t op)
{
	struct request_wish wish = fresh_wish(s, event);

	wish.before = core_generation_at(s->engine->core, s->id, op);
	return wish;
}

void request_wish(struct request_wishes *w, struct service *s, enum core_event_type event)
{
	struct request_wish wish = fresh_wish(s, event);

	if (w)
		add(w, &wish);
}

void request_wish_command(struct request_wishes *w, struct service *s, uint64_t serial)
{
	struct request_wish wish = {.service = s, .command = serial};

	add(w, &wish);
}

void request_wish_failed(struct request_wishes *w, struct service *s, const char *what, int error)
{
	struct request_wish wish = {.service = s, .failure = what, .error = error};

	if (w)
		add(w, &wish);
}

/* --- beginning --- */

void request_await(
	struct server_call *call, json_t *first, const struct request_wishes *wishes, bool wait)
{
	uint32_t n = wishes->n;
	struct request *q = calloc(1, sizeof(*q) + (size_t)n * sizeof(q->items[0]));

	if (q && call->more && first) {
		server_reply(call, first, true);
		first = NULL;
	}
	/* what is known already may be among the results of the one reply */
	if (q && json_is_array(json_object_get(first, "results")))
		q->results = json_incref(json_object_get(first, "results"));
	else if (q)
		q->results = json_array();
	if (!q || !q->results) {
		free(q);
		json_decref(first);
		server_error_message(call, CONTROL_ERROR_FAILED,
			"out of memory; it is under way, but nobody waits for it");
		return;
	}
	q->call = call;
	q->first = first;
	q->n_items = q->n_pending = n;
	call->userdata = q;
	call->cancelled = on_cancelled;
	json_object_clear(call->parameters); /* up to megabytes, and it may wait for long */
	for (uint32_t i = 0; i < n; i++) {
		struct item *item = &q->items[i];
		enum core_outcome outcome;

		item->request = q;
		item->waiter.wish = wishes->wishes[i];
		item->waiter.told = on_told;
		outcome = request_watch(&item->waiter);
		if (wait && outcome == CORE_PENDING)
			continue;
		request_unwatch(&item->waiter);
		answer(q, &item->waiter.wish, outcome != CORE_NOT_DONE);
	}
	finish(q);
}

/* Nobody starts what the configuration does not have any more. */
static bool is_allowed(const struct service *s, enum core_event_type event)
{
	return !s->removed || (event != CORE_EVENT_START && event != CORE_EVENT_RESTART);
}

void request_begin(struct engine *e, struct server_call *call, enum core_event_type event,
	struct service **services, uint32_t n, bool wait, uint64_t op)
{
	_cleanup_wishes_ struct request_wishes wishes = {0};
	bool down = event == CORE_EVENT_STOP || event == CORE_EVENT_KILL;

	for (uint32_t i = 0; i < n; i++) {
		struct request_wish wish = request_make_wish(services[i], event, op);

		add(&wishes, &wish);
	}
	/* First all events, so that services stop and start side by side; then the answers. */
	tree_hold(e);
	links_sort(e, services, n, down);
	for (uint32_t i = 0; i < n; i++) {
		struct core_event ev = {.type = event, .service = services[i]->id, .op = op};

		if (core_remembers(e->core, services[i]->id, op) || !is_allowed(services[i], event))
			continue;
		if (down || event == CORE_EVENT_RESTART)
			rolling_leave(services[i]);
		engine_event(e, &ev);
	}
	tree_release(e);
	request_await(call, NULL, &wishes, wait);
}
