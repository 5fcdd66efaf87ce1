/*
 * A turn is over when the core judges the restart: done, and the next one has its turn; or not,
 * and the sequence ends there, with the rest left as it is. A service whose record says that it
 * has its turn and which remembers the request is the one whose turn it is; so an engine that
 * recovers needs nothing else to go on.
 *
 * Services may be removed meanwhile, or be stopped or restarted by a later request: they are told
 * of and passed over.
 * So services are known by their names here, and looked up when it is their turn.
 */
#include "engine/control/rolling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/control/request.h"
#include "engine/service.h"
#include "engine/services.h"

struct rolling {
	struct list node; /* in engine.rollings */
	struct engine *engine;
	uint64_t op;
	struct list calls; /* server_call.node: those who wait for its end */
	json_t *results; /* owned: so far */
	char **names; /* owned, n of them, in turn */
	uint32_t n, next;
	struct request_waiter waiter; /* of the one whose turn it is */
	enum core_outcome outcome; /* of its restart; CORE_PENDING until that is known */
	struct loop_timer
		timer; /* for what may not be done from within the performing of changes */
};

struct turn {
	struct part part;
	struct rolling_turn turn;
};

struct rolling_turn rolling_turn(const struct service *s)
{
	const struct turn *t = part_find(s, PART_ROLL);

	return t ? t->turn : (struct rolling_turn){0};
}

int rolling_set_turn(struct service *s, const struct rolling_turn *turn)
{
	struct turn *t = part_get(s, PART_ROLL, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->turn = *turn;
	return 0;
}

static void rolling_free(struct rolling *r)
{
	list_remove(&r->node);
	request_unwatch(&r->waiter);
	loop_timer_remove(&r->engine->loop, &r->timer);
	for (uint32_t i = 0; i < r->n; i++)
		free(r->names[i]);
	free(r->names);
	json_decref(r->results);
	free(r);
}

/* --- who waits for the end --- */

static void on_cancelled(struct server_call *call)
{
	list_remove(&call->node);
}

static void reply(struct server_call *call, json_t *results, bool continues)
{
	server_reply(call, json_pack("{s:O}", "results", results), continues);
}

/* Whoever comes later hears first what there is to tell so far. */
static void add_call(struct rolling *r, struct server_call *call)
{
	call->cancelled = on_cancelled;
	list_append(&r->calls, &call->node);
	if (call->more && json_array_size(r->results) > 0)
		reply(call, r->results, true);
}

/* result is stolen. */
static void tell(struct rolling *r, json_t *result)
{
	json_t *one = json_pack("[O]", result);

	list_foreach (it, &r->calls) {
		struct server_call *call = list_entry(it, struct server_call, node);

		if (call->more)
			reply(call, one, true);
	}
	json_decref(one);
	json_array_append_new(r->results, result);
}

static void finish(struct rolling *r)
{
	json_t *none = json_array();

	list_foreach_safe (it, &r->calls) {
		struct server_call *call = list_entry(it, struct server_call, node);

		list_remove(&call->node);
		call->cancelled = NULL;
		reply(call, call->more ? none : r->results, false);
	}
	json_decref(none);
	rolling_free(r);
}

/* --- turns --- */

/* The service whose turn it is, if it still wants it; NULL where it does not. */
static struct service *find(const struct rolling *r, uint32_t i)
{
	struct service *s = services_find(r->engine, r->names[i]);

	return s && rolling_turn(s).op == r->op ? s : NULL;
}

static void leave(struct service *s)
{
	part_drop(s, PART_ROLL);
	service_commit(s, false, 0, 0);
}

/* The last ones first: an engine that dies meanwhile leaves the one that has failed in it. */
static void give_up(struct rolling *r)
{
	for (uint32_t i = r->n; i-- > r->next;) {
		struct service *s = find(r, i);

		if (s)
			leave(s);
	}
}

static void tell_passed_over(struct rolling *r)
{
	const char *name = r->names[r->next];
	const struct service *s = services_find(r->engine, name);

	if (s)
		tell(r, request_result(s, false, "a later request came before its turn"));
	else
		tell(r, json_pack("{s:s,s:b,s:s,s:n,s:s}", "name", name, "ok", 0, "state",
				"stopped", "pid", "message", "removed from the configuration"));
}

static void tell_failure(struct rolling *r, const struct service *s)
{
	json_t *result = request_result(s, false, NULL);
	const char *message = json_string_value(json_object_get(result, "message"));
	uint32_t left = r->n - r->next - 1;

	log_error("rolling restart: service '%s' did not get there: %s; %u after it left as they "
		  "are",
		s->name, message ? message : "", left);
	if (left > 0 && message)
		json_object_set_new(result, "message",
			json_sprintf("%s; %u after it left as they are", message, left));
	tell(r, result);
}

static void on_told(struct request_waiter *w, bool ok)
{
	struct rolling *r = CONTAINER_OF(w, struct rolling, waiter);

	r->outcome = ok ? CORE_DONE : CORE_NOT_DONE;
	loop_timer_set(&r->engine->loop, &r->timer, r->engine->loop.now_usec);
}

/* The turn of a service begins, or is found begun. */
static enum core_outcome restart(struct rolling *r, struct service *s)
{
	struct core_event event = {.type = CORE_EVENT_RESTART, .service = s->id, .op = r->op};
	bool begun = core_remembers(r->engine->core, s->id, r->op);

	r->waiter.wish = request_make_wish(s, CORE_EVENT_RESTART, r->op);
	if (!begun && core_is_shutting_down(r->engine->core))
		return CORE_NOT_DONE;
	if (!begun)
		engine_event(r->engine, &event);
	return request_watch(&r->waiter);
}

/* False: the sequence is over. */
static bool end_turn(struct rolling *r, struct service *s)
{
	if (r->outcome == CORE_NOT_DONE) {
		tell_failure(r, s);
		give_up(r);
		return false;
	}
	tell(r, request_result(s, true, NULL));
	leave(s);
	return true;
}

/* As far as it goes without waiting. */
static void go_on(struct rolling *r)
{
	for (; r->next < r->n; r->next++, r->outcome = CORE_PENDING) {
		struct service *s = find(r, r->next);

		if (!s || s->removed) {
			tell_passed_over(r);
			continue;
		}
		if (r->outcome == CORE_PENDING)
			r->outcome = restart(r, s);
		if (r->outcome == CORE_PENDING)
			return;
		if (!end_turn(r, s)) {
			finish(r);
			return;
		}
	}
	log_info("rolling restart: all of %u have had their turn", r->n);
	finish(r);
}

static void on_timer(struct loop_timer *t)
{
	go_on(CONTAINER_OF(t, struct rolling, timer));
}

/* --- beginning --- */

static struct rolling *rolling_new(
	struct engine *e, struct service *const *services, uint32_t n, uint64_t op)
{
	struct rolling *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->engine = e;
	r->op = op;
	list_init(&r->node);
	list_init(&r->calls);
	r->waiter.told = on_told;
	r->timer.dispatch = on_timer;
	r->results = json_array();
	r->names = calloc(n ? n : 1, sizeof(*r->names));
	for (; r->names && r->n < n; r->n++) {
		r->names[r->n] = strdup(services[r->n]->name);
		if (!r->names[r->n])
			break;
	}
	if (!r->results || !r->names || r->n < n || loop_timer_add(&e->loop, &r->timer) < 0) {
		rolling_free(r);
		return NULL;
	}
	list_append(&e->rollings, &r->node);
	return r;
}

static struct rolling *find_rolling(struct engine *e, uint64_t op)
{
	list_foreach (it, &e->rollings) {
		struct rolling *r = list_entry(it, struct rolling, node);

		if (op != 0 && r->op == op)
			return r;
	}
	return NULL;
}

/* Nobody is to have turns in two of them. */
static const struct service *find_busy(struct service *const *services, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (part_find(services[i], PART_ROLL))
			return services[i];
	}
	return NULL;
}

/* All or nobody. -ENOMEM */
static int give_turns(struct service *const *services, uint32_t n, uint64_t op)
{
	for (uint32_t i = 0; i < n; i++) {
		if (rolling_set_turn(services[i], &(struct rolling_turn){op, i}) == 0)
			continue;
		while (i-- > 0)
			part_drop(services[i], PART_ROLL);
		return -ENOMEM;
	}
	return 0;
}

/* Those that come after one which is under way, or has failed, have not begun. */
static void enlist(struct rolling *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		service_commit(services_find(r->engine, r->names[i]), false, 0, 0);
	}
}

static json_t *names_in(const struct rolling *r)
{
	json_t *names = json_object(), *result;
	size_t i;

	for (uint32_t k = 0; k < r->n; k++)
		json_object_set_new(names, r->names[k], json_true());
	json_array_foreach(r->results, i, result) json_object_set_new(
		names, json_string_value(json_object_get(result, "name")), json_true());
	return names;
}

/*
 * Those whose turn was over before an engine died, of which the next one has no results. They
 * come before those that it has.
 */
static void add_earlier(struct rolling *r, struct service *const *services, uint32_t n)
{
	json_t *names = names_in(r);
	size_t n_earlier = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct service *s = services[i];

		if (core_remembers(r->engine->core, s->id, r->op) &&
			!json_object_get(names, s->name))
			json_array_insert_new(
				r->results, n_earlier++, request_result(s, true, NULL));
	}
	json_decref(names);
}

static void answer_at_once(struct server_call *call, struct service *const *services, uint32_t n)
{
	json_t *results = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(results, request_result(services[i], true, "its turn comes"));
	server_reply(call, json_pack("{s:o}", "results", results), false);
}

static uint64_t make_op(void)
{
	uint64_t op;

	/* Without entropy, at boot, it only has to differ from what clients choose. */
	if (getrandom(&op, sizeof(op), GRND_NONBLOCK) < 0 || op == 0)
		op = usec_now(CLOCK_MONOTONIC) | UINT64_C(1) << 63;
	return op;
}

void rolling_begin(struct engine *e, struct server_call *call, struct service **services,
	uint32_t n, bool wait, uint64_t op)
{
	struct rolling *r = find_rolling(e, op);
	const struct service *busy = r ? NULL : find_busy(services, n);

	if (busy) {
		server_error_message(call, CONTROL_ERROR_FAILED,
			"'%s' waits for its turn in another rolling restart", busy->name);
		return;
	}
	if (r) {
		add_earlier(r, services, n);
	} else {
		r = rolling_new(e, services, n, op ? op : make_op());
		if (r && give_turns(services, n, r->op) < 0) {
			rolling_free(r);
			r = NULL;
		}
		if (!r) {
			server_error_message(
				call, CONTROL_ERROR_FAILED, "out of memory; nothing was done");
			return;
		}
		enlist(r);
		if (e->synced)
			loop_timer_set(&e->loop, &r->timer, e->loop.now_usec);
	}
	if (wait)
		add_call(r, call);
	else
		answer_at_once(call, services, n);
}

void rolling_leave(struct service *s)
{
	if (!core_remembers(s->engine->core, s->id, rolling_turn(s).op))
		part_drop(s, PART_ROLL);
}

/* --- after another engine --- */

static int compare(const void *a, const void *b)
{
	struct rolling_turn x = rolling_turn(*(struct service *const *)a),
			    y = rolling_turn(*(struct service *const *)b);

	if (x.op != y.op)
		return x.op < y.op ? -1 : 1;
	return x.place < y.place ? -1 : x.place > y.place;
}

static int recover(struct engine *e, struct service **services)
{
	uint32_t n = 0, first = 0;

	for (uint32_t i = 0; i < e->n_services; i++) {
		if (part_find(e->services[i], PART_ROLL))
			services[n++] = e->services[i];
	}
	qsort(services, n, sizeof(struct service *), compare);
	for (uint32_t i = 1; i <= n; i++) {
		if (i < n && rolling_turn(services[i]).op == rolling_turn(services[first]).op)
			continue;
		if (!rolling_new(e, services + first, i - first, rolling_turn(services[first]).op))
			return -ENOMEM;
		first = i;
	}
	return 0;
}

int rollings_init(struct engine *e)
{
	_cleanup_free_
	struct service **services = calloc(e->n_services + 1, sizeof(struct service *));

	list_init(&e->rollings);
	return services ? recover(e, services) : -ENOMEM;
}

void rollings_resume(struct engine *e)
{
	list_foreach (it, &e->rollings) {
		struct rolling *r = list_entry(it, struct rolling, node);

		loop_timer_set(&e->loop, &r->timer, e->loop.now_usec);
	}
}

void rollings_fini(struct engine *e)
{
	struct rolling *r;

	while ((r = list_first(&e->rollings, struct rolling, node))) {
		list_foreach_safe (it, &r->calls)
			list_remove(it);
		rolling_free(r);
	}
}
