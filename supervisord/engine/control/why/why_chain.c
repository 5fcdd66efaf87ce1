/*
 * What led there, from the journal: the service's own events, back to the one that set it in
 * motion, and from there the events that were the causes of that, one after the other. All of it is
 * bounded: by events, and by how much of the journal is looked at for one reply (a few hundred
 * microseconds).
 */
#include <errno.h>
#include <string.h>

#include "engine/control/why/why_internal.h"
#include "engine/events/journal.h"
#include "engine/service.h"

#define MAX_EVENTS 48 /* of the service, the newest ones */
#define MAX_CAUSES 8
#define MAX_CALLS  8 /* of journal_prev() that come back without an event, in one search */
#define MAX_STEPS  512 /* records looked at in search of causes */

struct walk {
	const struct journal *journal;
	struct journal_cursor cursor;
	struct journal_entry entry;
	const char *name; /* of the service */
	json_t *events; /* owned; the newest first */
	json_t *causes; /* owned: events of others, in no order */
	unsigned steps; /* records looked at in search of them */
};

static const char *member(json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "";
}

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* The next older event of the service: a new reference, or NULL. */
static json_t *next_event(struct walk *w, unsigned *calls)
{
	while (*calls < MAX_CALLS) {
		int r = journal_prev(w->journal, &w->cursor, &w->entry);
		json_t *event;

		if (r == 0)
			return NULL;
		(*calls)++;
		if (r < 0)
			continue; /* its share of work is done */
		event = json_loadb(w->entry.body, w->entry.length, 0, NULL);
		if (event && is(member(event, "service"), w->name)) {
			(*calls)--;
			return event;
		}
		json_decref(event); /* the hash of another one's name, or damaged */
	}
	return NULL;
}

/* It does not run, and nothing is going to start it but somebody's wish. */
static bool is_rest(const char *state)
{
	return is(state, "stopped") || is(state, "exited") || is(state, "failed");
}

/* The change that began what is now: of one that is down by request, its stop. */
static bool is_origin(json_t *event, bool down)
{
	if (!is(member(event, "type"), "state"))
		return false;
	if (!down)
		return is_rest(member(event, "previous"));
	return is(member(event, "state"), "stopping") ||
	       (is(member(event, "state"), "stopped") &&
		       !is(member(event, "previous"), "stopping"));
}

static json_int_t seq_of(json_t *object)
{
	return json_integer_value(json_object_get(object, "seq"));
}

static bool has_seq(json_t *events, json_int_t seq)
{
	json_t *event;
	size_t i;

	json_array_foreach(events, i, event)
	{
		if (seq_of(event) == seq)
			return true;
	}
	return false;
}

/* The record with this number, which is before the cursor, and mostly near: 1 or 0. */
static bool find_back(struct walk *w, struct journal_cursor *c, json_int_t seq)
{
	while (w->steps++ < MAX_STEPS) {
		int r = journal_prev(w->journal, c, &w->entry);

		if (r == 1 && w->entry.seq == (uint64_t)seq)
			return true;
		if (r == 0 || (r == 1 && w->entry.seq < (uint64_t)seq))
			return false;
	}
	return false;
}

/* What caused an event, what caused that, and so on; cursor: from where to look back for them. */
static void follow_causes(struct walk *w, struct journal_cursor from, json_int_t seq)
{
	from.subject = 0;
	from.kinds = 0;
	for (unsigned n = 0; n < MAX_CAUSES && seq > 0 && !has_seq(w->causes, seq); n++) {
		json_t *event = find_back(w, &from, seq)
					? json_loadb(w->entry.body, w->entry.length, 0, NULL)
					: NULL;

		if (!event)
			return;
		json_array_append(w->causes, event);
		seq = seq_of(json_object_get(event, "cause"));
		json_decref(event);
	}
}

static void walk_back(struct walk *w, bool down)
{
	unsigned calls = 0;
	bool origin = false, start = false;
	json_t *event;

	journal_seek_before(UINT64_MAX, &w->cursor);
	w->cursor.subject = journal_subject(w->name);
	while (!(origin && start) && (event = next_event(w, &calls))) {
		bool begins = !origin && is_origin(event, down);
		bool starts = !start && is(member(event, "type"), "start");

		origin |= begins;
		start |= starts;
		if (json_array_size(w->events) < MAX_EVENTS || begins || starts) {
			json_array_append(w->events, event);
			follow_causes(w, w->cursor, seq_of(json_object_get(event, "cause")));
		}
		json_decref(event);
	}
}

/* The newest event of a kind up to this number, and what caused it. */
static void find_newest(struct walk *w, enum journal_kind kind, uint64_t seq)
{
	int r = -EAGAIN;
	json_t *event;

	journal_seek_before(seq, &w->cursor);
	w->cursor.kinds = UINT64_C(1) << kind;
	for (unsigned calls = 0; r == -EAGAIN && calls < MAX_CALLS; calls++)
		r = journal_prev(w->journal, &w->cursor, &w->entry);
	event = r == 1 ? json_loadb(w->entry.body, w->entry.length, 0, NULL) : NULL;
	if (!event)
		return;
	json_array_append(w->causes, event);
	follow_causes(w, w->cursor, seq_of(json_object_get(event, "cause")));
	json_decref(event);
}

/* The oldest first. */
static json_t *sorted(json_t *events)
{
	json_t *array = json_array();

	while (array && json_array_size(events) > 0) {
		size_t oldest = 0;

		for (size_t i = 1; i < json_array_size(events); i++) {
			if (seq_of(json_array_get(events, i)) <
				seq_of(json_array_get(events, oldest)))
				oldest = i;
		}
		json_array_append(array, json_array_get(events, oldest));
		json_array_remove(events, oldest);
	}
	return array;
}

json_t *why_chain(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	struct walk w = {.journal = journal_file_ring(s->engine), .name = s->name};
	json_t *chain, *event;
	struct event_asked asked = event_asked_of(s);
	size_t i;

	if (!w.journal)
		return json_array();
	w.events = json_array();
	w.causes = json_array();
	/* else the journal has forgotten it, and need not be searched */
	if (s->event_seq >= w.journal->first_seq)
		walk_back(&w,
			r->state == CORE_STOPPED || (r->state == CORE_STOPPING && !r->desired_up));
	if (core_is_shutting_down(s->engine->core))
		find_newest(&w, JOURNAL_SHUTDOWN, UINT64_MAX);
	if (asked.seq > 0)
		find_newest(&w, JOURNAL_REQUEST, asked.seq + 1);
	json_array_foreach(w.causes, i, event)
	{
		if (!has_seq(w.events, seq_of(event)))
			json_array_append(w.events, event);
	}
	chain = sorted(w.events);
	json_decref(w.events);
	json_decref(w.causes);
	return chain;
}

json_t *why_request(const struct service *s)
{
	const struct event_asked a = event_asked_of(s);

	if (a.seq == 0 || a.verb == EVENT_VERB_NONE)
		return json_null();
	return json_pack("{s:I,s:s,s:I,s:o}", "seq", (json_int_t)a.seq, "verb",
		event_verb_to_string(a.verb), "uid", (json_int_t)a.uid, "client_pid",
		a.pid > 0 ? json_integer((json_int_t)a.pid) : json_null());
}
