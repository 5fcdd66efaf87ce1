/*
 * Each follower hears first which engine it speaks to, then, if it wants that, of every
 * service as it is and that this was all, or what was, out of the journal; from there on of all
 * that happens. All of that stands in its output in one order, so nothing can happen unseen
 * between the snapshot and the rest. After an engine's death a client calls again, with the last
 * number that it has seen, and gets what it has missed.
 */
#include "engine/control/events/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/control/events/history.h"
#include "engine/control/events/watcher.h"
#include "engine/engine.h"
#include "engine/service.h"

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
		.seq = e->event_seq,
		.realtime_usec = usec_now(CLOCK_REALTIME),
		.text = text,
		.count = count};

	return pack(&ev, NULL);
}

json_t *events_make_lost(struct engine *e, const char *text, uint64_t n)
{
	return pack_now(e, "lost", text, n);
}

json_t *events_make_live(struct engine *e)
{
	const char *problem = e->journal.problem;

	return pack_now(e, "live", problem, 0);
}

static json_t *make_lost(struct broadcast *b, uint64_t n)
{
	return events_make_lost(
		CONTAINER_OF(b, struct engine, events.broadcast), "not read fast enough", n);
}

/* --- who hears of it --- */

int events_encode(const char *data, size_t length, struct buf *messages)
{
	static const char head[] = "{\"parameters\":{\"event\":", tail[] = "},\"continues\":true}";

	if (buf_reserve(messages, sizeof(head) + sizeof(tail) + length) < 0)
		return -ENOMEM;
	buf_append(messages, SIZE_MAX, head, sizeof(head) - 1);
	buf_append(messages, SIZE_MAX, data, length);
	return buf_append(messages, SIZE_MAX, tail, sizeof(tail)); /* with its NUL */
}

static bool hears_of(const struct engine *e, const struct watcher *w,
	const struct service *const *services, uint32_t n)
{
	/* As many as the event lists: a later reader of the journal knows no more. */
	if (n == 0 || n > EVENT_MAX_NAMES)
		return true;
	for (uint32_t i = 0; i < n; i++) {
		if (watcher_hears(e, w, services[i]->name))
			return true;
	}
	return false;
}

void events_tell(struct engine *e, uint64_t seq, const struct service *const *services, uint32_t n,
	const char *data, size_t length)
{
	_cleanup_buf_ struct buf message = {0};

	list_foreach (it, &e->events.broadcast.followers) {
		struct follower *f = list_entry(it, struct follower, node);
		struct watcher *w = CONTAINER_OF(f, struct watcher, follower);

		if (!f->held && hears_of(e, w, services, n)) {
			if (message.len == 0)
				events_encode(data, length, &message);
			broadcast_give(f, &message);
		}
		w->seen = seq;
	}
}

/* --- a new follower --- */

static void on_gone(struct follower *f)
{
	watcher_free(CONTAINER_OF(f, struct watcher, follower));
}

/* All that it has no room for is in the journal. */
static bool on_behind(struct follower *f)
{
	struct engine *e = CONTAINER_OF(f->broadcast, struct engine, events.broadcast);

	if (!journal_file_ring(e))
		return false;
	history_catch_up(e, CONTAINER_OF(f, struct watcher, follower));
	return true;
}

static int append_snapshot(struct service *const *services, uint32_t n, struct buf *messages)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < n; i++) {
		const struct event ev = {.type = "snapshot",
			.seq = services[i]->engine->event_seq,
			.realtime_usec = services[i]->since_realtime_usec};

		r = server_encode(pack(&ev, services[i]), messages);
	}
	return r;
}

/* What a follower hears before anything happens. */
static int greet(struct engine *e, bool history, bool snapshot, struct service *const *services,
	uint32_t n, struct buf *messages)
{
	const struct event ev = {.type = e->recovering ? "recovered" : "started",
		.seq = e->event_seq,
		.realtime_usec = e->events.since_realtime_usec,
		.text = "supervisord " SUPERVISORD_VERSION};
	int r = server_encode(pack(&ev, NULL), messages);

	/* What was tells of it as well, in its place. */
	if (r == 0 && core_is_shutting_down(e->core) && !history)
		r = server_encode(pack_now(e, "shutdown", "", 0), messages);
	if (r == 0 && snapshot)
		r = append_snapshot(services, n, messages);
	if (r == 0 && snapshot && !history)
		r = server_encode(events_make_live(e), messages);
	return r;
}

void events_init(struct engine *e)
{
	broadcast_init(&e->events.broadcast, make_lost);
	e->events.since_realtime_usec = usec_now(CLOCK_REALTIME);
}

/* What the call says about what was: true where there is something to be told. */
static bool wants_history(const struct server_call *call, uint64_t *ret_after, usec_t *ret_since)
{
	const json_t *after = json_object_get(call->parameters, "after");
	const json_t *since = json_object_get(call->parameters, "since_us");

	*ret_after = (uint64_t)MAX_OF(json_integer_value(after), (json_int_t)0);
	*ret_since = (uint64_t)MAX_OF(json_integer_value(since), (json_int_t)0);
	return after || since || json_is_false(json_object_get(call->parameters, "follow"));
}

static void refuse(struct server_call *call, int error)
{
	if (error == -E2BIG)
		server_error_message(call, CONTROL_ERROR_LIMIT,
			"names: at most %d patterns with wildcards are allowed here",
			EVENTS_MAX_GLOBS);
	else
		server_error_message(call, CONTROL_ERROR_FAILED, "%s", strerror(-error));
}

void events_follow(
	struct engine *e, struct server_call *call, struct service *const *services, uint32_t n)
{
	bool snapshot = json_is_true(json_object_get(call->parameters, "snapshot"));
	struct watcher *w = NULL;
	_cleanup_buf_ struct buf messages = {0};
	uint64_t after;
	usec_t since;
	bool history = wants_history(call, &after, &since);
	int r = watcher_new(json_object_get(call->parameters, "names"), &w);

	if (r == 0)
		r = greet(e, history, snapshot, services, n, &messages);
	if (r < 0) {
		watcher_free(w);
		refuse(call, r);
		return;
	}
	w->follower.gone = on_gone;
	w->follower.behind = on_behind;
	w->seen = e->event_seq;
	w->leaves = json_is_false(json_object_get(call->parameters, "follow"));
	if (history)
		history_begin(e, w, after, since);
	broadcast_add(&e->events.broadcast, &w->follower, call, &messages);
}
