/*
 * Numbers tell what is missing: before the oldest record that there is, and where the journal
 * could not be written.
 */
#include "engine/control/events/history.h"

#include <errno.h>
#include <string.h>

#include "engine/engine.h"

static bool names_one(const struct engine *e, const struct watcher *w, const json_t *body)
{
	const json_t *names = json_object_get(body, "names"), *name;
	json_int_t n = json_integer_value(json_object_get(body, "n_services"));
	size_t i;

	/* It is about supervisord, or lists no more than some of them. */
	if (n == 0 || (size_t)n > json_array_size(names))
		return true;
	json_array_foreach(names, i, name)
	{
		const char *text = json_string_value(name);

		if (text && watcher_hears(e, w, text))
			return true;
	}
	return false;
}

/* By the body alone, as events_tell() does by what is there now. */
static bool is_wanted(
	const struct engine *e, const struct watcher *w, const struct journal_entry *entry)
{
	const char *service;
	json_t *body;
	bool wanted;

	if (!w->names)
		return true;
	body = json_loadb(entry->body, entry->length, 0, NULL);
	service = json_string_value(json_object_get(body, "service"));
	if (!body)
		wanted = false;
	else
		wanted = service ? watcher_hears(e, w, service) : names_one(e, w, body);
	json_decref(body);
	return wanted;
}

static void tell_gap(struct engine *e, uint64_t n, struct buf *messages)
{
	if (n > 0)
		server_encode(events_make_lost(e, "not in the journal any more", n), messages);
}

static void seek(struct engine *e, struct watcher *w, uint64_t after, usec_t since)
{
	journal_seek_after(after, &w->cursor);
	w->cursor.since_usec = since;
	w->opened = e->journal.opened;
}

/* 0: there is more; 1: that was all; what is to be sent is in messages. */
static int collect(struct engine *e, struct watcher *w, struct buf *messages)
{
	const struct journal *j = journal_file_ring(e);
	struct journal_entry entry;

	/* Another file: the number is still good, the place is not. */
	if (w->opened != e->journal.opened)
		seek(e, w, w->cursor.seq, w->cursor.since_usec);
	for (unsigned i = 0; i < HISTORY_MAX_EVENTS && messages->len < HISTORY_MAX_BYTES; i++) {
		uint64_t before = w->cursor.seq;
		int r = j ? journal_next(j, &w->cursor, &entry) : 0;

		if (r == -EAGAIN)
			return 0;
		if (r == 0)
			return 1;
		/* Numbers that were given once, and what they stood for was overwritten. */
		if (before > 0 && w->cursor.since_usec == 0 && entry.seq > before + 1)
			tell_gap(e, entry.seq - before - 1, messages);
		/* From the first one on it is by number, however the clock was set since. */
		w->cursor.since_usec = 0;
		if (is_wanted(e, w, &entry))
			events_encode(entry.body, entry.length, messages);
	}
	return 0;
}

static void leave(struct engine *e, struct watcher *w)
{
	struct server_call *call = w->follower.call;

	list_remove(&w->follower.node);
	call->cancelled = NULL;
	call->drained = NULL;
	watcher_free(w);
	server_reply(call, events_make_live(e), false);
}

static void feed(struct engine *e, struct watcher *w)
{
	_cleanup_buf_ struct buf messages = {0};
	int done = collect(e, w, &messages);

	if (messages.len > 0)
		server_send(w->follower.call, &messages);
	if (!done && messages.len == 0)
		loop_timer_set(&e->loop, &e->events.history, e->loop.now_usec);
	if (!done)
		return;
	if (w->leaves) {
		leave(e, w);
		return;
	}
	messages.len = 0;
	if (w->cursor.seq < e->event_seq && w->cursor.since_usec == 0 && w->cursor.seq > 0)
		tell_gap(e, e->event_seq - w->cursor.seq, &messages);
	if (!w->quiet)
		server_encode(events_make_live(e), &messages);
	w->follower.held = false;
	w->seen = e->event_seq;
	if (messages.len > 0)
		server_send(w->follower.call, &messages);
}

static void on_turn(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, events.history);

	list_foreach_safe (it, &e->events.broadcast.followers) {
		struct follower *f = list_entry(it, struct follower, node);

		if (f->held && server_unread(f->call) == 0)
			feed(e, CONTAINER_OF(f, struct watcher, follower));
	}
}

/* Its reader has taken all that it was sent. */
static void on_ready(struct follower *f)
{
	struct engine *e = CONTAINER_OF(f->broadcast, struct engine, events.broadcast);

	loop_timer_set(&e->loop, &e->events.history, e->loop.now_usec);
}

void history_begin(struct engine *e, struct watcher *w, uint64_t after, usec_t since)
{
	/* Of a journal that was before the one that there is. */
	if (after > e->event_seq)
		after = 0;
	seek(e, w, after, since);
	w->follower.held = true;
	w->follower.ready = on_ready;
	loop_timer_set(&e->loop, &e->events.history, e->loop.now_usec);
}

void history_catch_up(struct engine *e, struct watcher *w)
{
	seek(e, w, w->seen, 0);
	w->quiet = true;
	w->follower.held = true;
	w->follower.ready = on_ready;
}

int history_init(struct engine *e)
{
	e->events.history.dispatch = on_turn;
	return loop_timer_add(&e->loop, &e->events.history);
}

void history_fini(struct engine *e)
{
	loop_timer_remove(&e->loop, &e->events.history);
}
