/*
 * Each follower hears first which engine it speaks to, then, if it wants that, of every
 * service as it is and that this was all; from there on of every change. All of that stands in
 * its output in one order, so nothing can happen unseen between the snapshot and the rest.
 * After an engine's death a client calls again, and the greeting tells it of the new engine.
 *
 * A change's seq is its number on the status queue; other events carry the last one given.
 */
#include "engine/control/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/control/names.h"
#include "engine/engine.h"
#include "engine/service.h"

struct watcher {
	struct follower follower;
	/* What it named; all NULL: everything. Owned. */
	json_t *names, *groups; /* objects, as sets */
	json_t *globs; /* an array */
};

/* --- what an event looks like --- */

struct event {
	const char *type;
	uint64_t seq;
	usec_t realtime_usec;
	const char *previous; /* NULL for none */
	const char *text; /* NULL: why the service is in its state */
	uint64_t count; /* "lost" */
};

static json_t *pack(const struct event *ev, const struct service *s)
{
	const struct core_record *r = s ? core_record(s->engine->core, s->id) : NULL;
	pid_t pid = r ? r->pid : getpid();
	char time[USEC_RFC3339_SIZE], reason[CORE_REASON_SIZE];
	const char *text = ev->text ? ev->text : service_reason(s, reason);

	usec_rfc3339(ev->realtime_usec, time);
	return json_pack("{s:{s:s,s:I,s:s,s:s?,s:s?,s:s?,s:o,s:o,s:s,s:o}}", "event", "type",
		ev->type, "seq", (json_int_t)ev->seq, "time", time, "service", s ? s->name : NULL,
		"state", r ? core_state_to_string((enum core_state)r->state) : NULL, "previous",
		ev->previous, "pid", pid > 0 ? json_integer(pid) : json_null(), "restarts",
		r ? json_integer((json_int_t)r->restarts) : json_null(), "reason", text, "count",
		ev->count > 0 ? json_integer((json_int_t)ev->count) : json_null());
}

static json_t *pack_now(struct engine *e, const char *type, const char *text, uint64_t count)
{
	const struct event ev = {.type = type,
		.seq = e->queue_seq,
		.realtime_usec = usec_now(CLOCK_REALTIME),
		.text = text,
		.count = count};

	return pack(&ev, NULL);
}

static json_t *make_lost(struct broadcast *b, uint64_t n)
{
	return pack_now(CONTAINER_OF(b, struct engine, events.broadcast), "lost",
		"not read fast enough", n);
}

/* --- who hears of it --- */

static bool hears_of(const struct watcher *w, const struct service *s)
{
	const json_t *glob;
	size_t i;

	if (!w->names)
		return true;
	if (json_object_get(w->names, s->name) || json_object_get(w->names, s->spec->name))
		return true;
	for (char **g = service_definition(s)->groups; g && *g; g++) {
		if (json_object_get(w->groups, *g))
			return true;
	}
	json_array_foreach(w->globs, i, glob)
	{
		if (names_match_glob(s, json_string_value(glob)))
			return true;
	}
	return false;
}

static void tell(struct service *s, const struct event *ev)
{
	struct broadcast *b = &s->engine->events.broadcast;
	_cleanup_buf_ struct buf message = {0};
	bool tried = false;

	list_foreach (it, &b->followers) {
		struct follower *f = list_entry(it, struct follower, node);

		if (!hears_of(CONTAINER_OF(f, struct watcher, follower), s))
			continue;
		if (!tried)
			server_encode(pack(ev, s), &message);
		tried = true;
		broadcast_give(f, &message);
	}
}

void events_state(struct service *s, enum core_state previous, uint64_t seq)
{
	const struct event ev = {.type = "state",
		.seq = seq,
		.realtime_usec = s->since_realtime_usec,
		.previous = core_state_to_string(previous)};

	tell(s, &ev);
}

void events_health(struct service *s, const char *text)
{
	const struct event ev = {.type = "health",
		.seq = s->engine->queue_seq,
		.realtime_usec = usec_now(CLOCK_REALTIME),
		.text = text};

	tell(s, &ev);
}

void events_removed(struct service *s)
{
	const struct event ev = {.type = "removed",
		.seq = s->engine->queue_seq,
		.realtime_usec = usec_now(CLOCK_REALTIME)};

	tell(s, &ev);
}

void events_supervisor(struct engine *e, const char *type, const char *text)
{
	_cleanup_buf_ struct buf message = {0};

	if (list_empty(&e->events.broadcast.followers))
		return;
	server_encode(pack_now(e, type, text, 0), &message);
	list_foreach (it, &e->events.broadcast.followers)
		broadcast_give(list_entry(it, struct follower, node), &message);
}

/* --- a new follower --- */

static void watcher_free(struct watcher *w)
{
	json_decref(w->names);
	json_decref(w->groups);
	json_decref(w->globs);
	free(w);
}

static void on_gone(struct follower *f)
{
	watcher_free(CONTAINER_OF(f, struct watcher, follower));
}

/* Sorts what it named: 0, -ENOMEM, or -E2BIG for too many globs. */
static int take_patterns(struct watcher *w, const json_t *patterns)
{
	json_t *pattern;
	size_t i;

	if (json_array_size(patterns) == 0)
		return 0;
	w->names = json_object();
	w->groups = json_object();
	w->globs = json_array();
	json_array_foreach(patterns, i, pattern)
	{
		const char *text = json_string_value(pattern);
		int r;

		if (text[0] == '@')
			r = json_object_set_new(w->groups, text + 1, json_true());
		else if (names_is_glob(text))
			r = json_array_append(w->globs, pattern);
		else
			r = json_object_set_new(w->names, text, json_true());
		if (r < 0)
			return -ENOMEM;
	}
	return json_array_size(w->globs) > EVENTS_MAX_GLOBS ? -E2BIG : 0;
}

static int append_snapshot(struct service *const *services, uint32_t n, struct buf *messages)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < n; i++) {
		const struct event ev = {.type = "snapshot",
			.seq = services[i]->engine->queue_seq,
			.realtime_usec = services[i]->since_realtime_usec};

		r = server_encode(pack(&ev, services[i]), messages);
	}
	return r;
}

/* What a follower hears before anything happens. */
static int greet(struct engine *e, bool snapshot, struct service *const *services, uint32_t n,
	struct buf *messages)
{
	const struct event ev = {.type = e->recovering ? "recovered" : "started",
		.seq = e->queue_seq,
		.realtime_usec = e->events.since_realtime_usec,
		.text = "supervisord " SUPERVISORD_VERSION};
	int r = server_encode(pack(&ev, NULL), messages);

	if (r == 0 && core_is_shutting_down(e->core))
		r = server_encode(pack_now(e, "shutdown", "", 0), messages);
	if (r == 0 && snapshot)
		r = append_snapshot(services, n, messages);
	if (r == 0 && snapshot)
		r = server_encode(pack_now(e, "live", "", 0), messages);
	return r;
}

void events_init(struct engine *e)
{
	broadcast_init(&e->events.broadcast, make_lost);
	e->events.since_realtime_usec = usec_now(CLOCK_REALTIME);
}

void events_follow(
	struct engine *e, struct server_call *call, struct service *const *services, uint32_t n)
{
	bool snapshot = json_is_true(json_object_get(call->parameters, "snapshot"));
	struct watcher *w = calloc(1, sizeof(*w));
	_cleanup_buf_ struct buf messages = {0};
	int r = w ? take_patterns(w, json_object_get(call->parameters, "names")) : -ENOMEM;

	if (r == 0)
		r = greet(e, snapshot, services, n, &messages);
	if (r == 0) {
		w->follower.gone = on_gone;
		broadcast_add(&e->events.broadcast, &w->follower, call, &messages);
		return;
	}
	if (w)
		watcher_free(w);
	if (r == -E2BIG)
		server_error_message(call, CONTROL_ERROR_LIMIT,
			"names: at most %d patterns with wildcards are allowed here",
			EVENTS_MAX_GLOBS);
	else
		server_error_message(call, CONTROL_ERROR_FAILED, "%s", strerror(-r));
}
