/*
 * How an event is made, and those about requests and supervisord itself.
 *
 * The order matters after a death: an event is in the journal first, and then the recovery area's
 * head has its number. So what the head has not come to know is the newest record of the
 * journal, and nothing else.
 */
#include "engine/events/event.h"

#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/parse.h"
#include "engine/events/event_draft.h"
#include "engine/service.h"
#include "engine/services.h"

static const char *const verb_names[EVENT_VERB_MAX] = {
	[EVENT_VERB_NONE] = "none",
	[EVENT_VERB_START] = "start",
	[EVENT_VERB_STOP] = "stop",
	[EVENT_VERB_RESTART] = "restart",
	[EVENT_VERB_RESET] = "reset",
	[EVENT_VERB_SIGNAL] = "signal",
	[EVENT_VERB_RELOAD] = "reload",
	[EVENT_VERB_APPLY] = "apply",
	[EVENT_VERB_SCALE] = "scale",
	[EVENT_VERB_REOPEN] = "reopen",
	[EVENT_VERB_SHUTDOWN] = "shutdown",
	[EVENT_VERB_UPGRADE] = "upgrade",
};

const char *event_verb_to_string(enum event_verb v)
{
	return v < EVENT_VERB_MAX ? verb_names[v] : verb_names[EVENT_VERB_NONE];
}

/* --- making one --- */

uint64_t event_take_seq(struct engine *e)
{
	journal_file_tend(e);
	return ++e->event_seq;
}

void event_put_time(struct event_draft *d, const char *key, usec_t realtime)
{
	char time[USEC_RFC3339_SIZE];

	usec_rfc3339(realtime, time);
	body_string(&d->body, key, time);
}

static void put_service(struct event_draft *d, const struct event_common *common)
{
	const struct service *s = d->service;
	const struct core_record *r = s ? core_record(s->engine->core, s->id) : NULL;
	char reason[CORE_REASON_SIZE];
	pid_t pid = common->pid ? common->pid : r ? r->pid : getpid();

	body_string(&d->body, "service", s ? s->name : NULL);
	body_string(&d->body, "state", r ? core_state_to_string((enum core_state)r->state) : NULL);
	body_string(&d->body, "previous", common->previous);
	if (pid > 0)
		body_integer(&d->body, "pid", pid);
	else
		body_null(&d->body, "pid");
	if (r)
		body_integer(&d->body, "restarts", r->restarts);
	else
		body_null(&d->body, "restarts");
	body_string(&d->body, "reason",
		common->text ? common->text
		: s	     ? service_reason(s, reason)
			     : "");
}

void event_begin(struct event_draft *d, struct engine *e, const struct service *s,
	const struct event_common *common)
{
	d->engine = e;
	d->service = s;
	d->kind = common->kind;
	d->seq = common->seq ? common->seq : event_take_seq(e);
	d->stamp = (struct journal_stamp){.kind = common->kind,
		.subject = journal_subject(s ? s->name : NULL),
		.realtime_usec =
			common->realtime_usec ? common->realtime_usec : usec_now(CLOCK_REALTIME),
		.monotonic_usec = common->monotonic_usec ? common->monotonic_usec
							 : usec_now(CLOCK_MONOTONIC)};
	body_begin(&d->body, d->data, sizeof(d->data));
	body_string(&d->body, "type", journal_kind_to_string(common->kind));
	body_integer(&d->body, "seq", (int64_t)d->seq);
	event_put_time(d, "time", d->stamp.realtime_usec);
	body_integer(&d->body, "monotonic_us", (int64_t)d->stamp.monotonic_usec);
	put_service(d, common);
}

void event_end(struct event_draft *d, const struct service *const *services, uint32_t n)
{
	struct engine *e = d->engine;
	size_t length = body_end(&d->body);

	journal_file_append(e, d->seq, &d->stamp, d->data, length);
	if (e->store.area.head && e->store.head.event_seq < d->seq)
		store_set(&e->store, event_seq, d->seq);
	/* Before whatever notes that this one was told. */
	atomic_signal_fence(memory_order_seq_cst);
	if (d->service)
		events_tell(e, d->seq, &d->service, 1, d->data, length);
	else
		events_tell(e, d->seq, services, n, d->data, length);
}

/* --- causes --- */

void event_forget_cause(struct engine *e)
{
	e->cause = (struct event_cause){.service = CORE_NO_SERVICE};
}

void event_is_cause(const struct event_draft *d, const struct event_asked *asked, int signo)
{
	d->engine->cause = (struct event_cause){.seq = d->seq,
		.kind = d->kind,
		.service = d->service ? d->service->id : CORE_NO_SERVICE,
		.signo = signo};
	if (asked)
		d->engine->cause.asked = *asked;
	d->engine->cause.asked.seq = d->seq;
}

static void put_peer(struct event_draft *d, uid_t uid, pid_t pid)
{
	body_integer(&d->body, "uid", uid);
	if (pid > 0)
		body_integer(&d->body, "client_pid", pid);
	else
		body_null(&d->body, "client_pid");
}

void event_put_asked(struct event_draft *d, const char *key, const struct event_asked *asked)
{
	if (asked->seq == 0 || asked->verb == EVENT_VERB_NONE)
		return;
	body_open(&d->body, key, '{');
	body_integer(&d->body, "seq", (int64_t)asked->seq);
	body_string(&d->body, "verb", event_verb_to_string(asked->verb));
	put_peer(d, asked->uid, asked->pid);
	body_close(&d->body);
}

void event_put_cause(struct event_draft *d)
{
	const struct event_cause *c = &d->engine->cause;
	const struct service *s;
	char name[SIGNAL_NAME_SIZE];

	if (c->seq == 0 || c->seq == d->seq)
		return;
	s = services_by_id(d->engine, c->service);
	body_open(&d->body, "cause", '{');
	body_integer(&d->body, "seq", (int64_t)c->seq);
	body_string(&d->body, "type", journal_kind_to_string(c->kind));
	if (s)
		body_string(&d->body, "service", s->name);
	if (c->kind == JOURNAL_REQUEST)
		body_string(&d->body, "verb", event_verb_to_string(c->asked.verb));
	if (c->kind == JOURNAL_SIGNAL)
		body_string(&d->body, "signal", signal_name(c->signo, name));
	if (c->kind == JOURNAL_REQUEST || c->kind == JOURNAL_SIGNAL)
		put_peer(d, c->asked.uid, c->asked.pid);
	body_close(&d->body);
}

/* --- requests --- */

struct asked {
	struct part part;
	struct event_asked last;
};

struct event_asked event_asked_of(const struct service *s)
{
	const struct asked *a = part_find(s, PART_ASKED);

	return a ? a->last : (struct event_asked){0};
}

void event_note_asked(struct service *s, const struct event_asked *asked)
{
	struct asked *a = part_get(s, PART_ASKED, sizeof(*a));

	if (a)
		a->last = *asked;
	else
		log_error("service '%s': no memory to remember who has asked", s->name);
}

void event_request(struct engine *e, const struct peer *peer, enum event_verb verb, const char *id,
	struct service *const *services, uint32_t n)
{
	const struct event_asked asked = {.verb = verb, .uid = peer->uid, .pid = peer->pid};
	struct event_draft d;
	char cut[65];

	event_begin(&d, e, NULL, &(struct event_common){.kind = JOURNAL_REQUEST, .text = ""});
	body_string(&d.body, "verb", event_verb_to_string(verb));
	put_peer(&d, peer->uid, peer->pid);
	if (id) {
		snprintf(cut, sizeof(cut), "%s", id);
		body_string(&d.body, "id", cut);
	}
	body_open(&d.body, "names", '[');
	for (uint32_t i = 0; i < MIN_OF(n, (uint32_t)EVENT_MAX_NAMES); i++)
		body_string(&d.body, NULL, services[i]->name);
	body_close(&d.body);
	body_integer(&d.body, "n_services", n);
	event_end(&d, (const struct service *const *)services, n);
	event_is_cause(&d, &asked, 0);
	for (uint32_t i = 0; i < n; i++)
		event_note_asked(services[i], &e->cause.asked);
}

void event_refused(struct engine *e, const struct peer *peer, const char *method)
{
	struct event_draft d;

	event_begin(&d, e, NULL, &(struct event_common){.kind = JOURNAL_REFUSED, .text = ""});
	body_string(&d.body, "method", method);
	put_peer(&d, peer->uid, peer->pid);
	event_end(&d, NULL, 0);
}

uint64_t event_note(struct engine *e, const struct peer *peer, const char *text)
{
	struct event_draft d;

	event_begin(&d, e, NULL, &(struct event_common){.kind = JOURNAL_NOTE, .text = ""});
	put_peer(&d, peer->uid, peer->pid);
	body_string(&d.body, "text", text);
	event_end(&d, NULL, 0);
	return d.seq;
}

/* --- supervisord itself --- */

void event_signal(struct engine *e, int signo, pid_t pid, uid_t uid)
{
	const struct event_asked asked = {.uid = uid, .pid = pid};
	struct event_draft d;
	char name[SIGNAL_NAME_SIZE];

	event_begin(&d, e, NULL, &(struct event_common){.kind = JOURNAL_SIGNAL, .text = ""});
	body_string(&d.body, "signal", signal_name(signo, name));
	put_peer(&d, uid, pid);
	event_end(&d, NULL, 0);
	event_is_cause(&d, &asked, signo);
}

void event_engine(struct engine *e, const char *text)
{
	struct event_draft d;

	event_begin(&d, e, NULL, &(struct event_common){.kind = JOURNAL_ENGINE, .text = text});
	body_boolean(&d.body, "recovered", e->recovering);
	body_integer(&d.body, "launcher_pid", getppid());
	body_string(&d.body, "version", SUPERVISORD_VERSION);
	event_end(&d, NULL, 0);
}

static void put_names(struct event_draft *d, const char *key, const char *const *names)
{
	body_open(&d->body, key, '[');
	for (unsigned i = 0; names && names[i] && i < EVENT_MAX_NAMES; i++)
		body_string(&d->body, NULL, names[i]);
	body_close(&d->body);
}

void event_reloaded(struct engine *e, enum journal_kind kind, const char *text,
	const struct event_changes *changes)
{
	struct event_draft d;

	event_begin(&d, e, NULL, &(struct event_common){.kind = kind, .text = text});
	if (changes) {
		put_names(&d, "added", changes->added);
		put_names(&d, "removed", changes->removed);
		put_names(&d, "changed", changes->changed);
	}
	event_put_cause(&d);
	event_end(&d, NULL, 0);
}

/* The launcher tells each engine of the last one. */
static bool is_known_upgrade(const struct engine *e, uint32_t op)
{
	const struct journal *j = journal_file_ring(e);
	struct journal_cursor c;
	struct journal_entry entry;
	json_t *body;
	bool known;

	journal_seek_before(UINT64_MAX, &c);
	c.kinds = UINT64_C(1) << JOURNAL_UPGRADE;
	if (!j || journal_prev(j, &c, &entry) != 1)
		return false;
	body = json_loadb(entry.body, entry.length, 0, NULL);
	known = json_integer_value(json_object_get(body, "op")) == (json_int_t)op;
	json_decref(body);
	return known;
}

void event_upgrade(struct engine *e, uint32_t op, const char *text)
{
	struct event_draft d;

	if (is_known_upgrade(e, op))
		return;
	event_begin(&d, e, NULL, &(struct event_common){.kind = JOURNAL_UPGRADE, .text = text});
	body_integer(&d.body, "op", op);
	event_end(&d, NULL, 0);
}

void event_supervisor(struct engine *e, enum journal_kind kind, const char *text)
{
	struct event_draft d;

	event_begin(&d, e, NULL, &(struct event_common){.kind = kind, .text = text});
	event_put_cause(&d);
	event_end(&d, NULL, 0);
}
