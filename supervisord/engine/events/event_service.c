/*
 * Events about services. A change of state is committed under its number before it is told, so
 * that the next engine can tell it if this one does not come to that. An end and a start are
 * told first, and then noted in the recovery area by serial and generation: the launcher tells
 * them again until they are acknowledged, and what is noted, or is the newest record of the
 * journal, is not told twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/parse.h"
#include "base/sys.h"
#include "engine/events/event_draft.h"
#include "engine/service.h"
#include "engine/services.h"
#include "wire/link.h"

/* --- changes of state --- */

static void put_blocker(struct event_draft *d, const struct core_record *r)
{
	const struct service *other = services_by_id(d->engine, r->blocker);

	if (r->why == CORE_WHY_POOL)
		body_string(&d->body, "blocker", d->service->spec->links->pool);
	else if (r->blocker != CORE_NO_SERVICE && other)
		body_string(&d->body, "blocker", other->name);
}

static void put_next_start(struct event_draft *d, const struct core_record *r)
{
	usec_t wait;

	if (r->state != CORE_BACKOFF || r->deadline_usec == USEC_INFINITY)
		return;
	wait = usec_sub(r->deadline_usec, d->stamp.monotonic_usec);
	event_put_time(d, "next_start", usec_add(usec_now(CLOCK_REALTIME), wait));
	body_integer(&d->body, "next_start_ms", (int64_t)(wait / USEC_PER_MSEC));
}

void event_state(struct service *s, enum core_state previous, uint64_t seq, uint64_t queue_seq,
	const char *reason)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	const struct event_asked asked = event_asked_of(s);
	struct event_draft d;

	event_begin(&d, s->engine, s,
		&(struct event_common){.kind = JOURNAL_STATE,
			.seq = seq,
			.realtime_usec = s->since_realtime_usec,
			.monotonic_usec = r->since_usec,
			.previous = core_state_to_string(previous),
			.text = reason});
	body_string(&d.body, "why", core_why_to_string((enum core_why)r->why));
	put_blocker(&d, r);
	body_string(&d.body, "desired", r->desired_up ? "up" : "down");
	body_integer(&d.body, "generation", (int64_t)r->generation);
	if (queue_seq > 0)
		body_integer(&d.body, "queue_seq", (int64_t)queue_seq);
	put_next_start(&d, r);
	if (r->state == CORE_FAILED)
		body_boolean(&d.body, "alert", true);
	event_put_cause(&d);
	if (r->why == CORE_WHY_OPERATOR || r->why == CORE_WHY_RESTART)
		event_put_asked(&d, "asked", &asked);
	event_end(&d, NULL, 0);
	/* What it brings about for others, in the same step. */
	if (s->engine->cause.seq == 0)
		event_is_cause(&d, NULL, 0);
}

/* --- starts --- */

static void put_log(struct event_draft *d, const struct stream *stream, const char *name)
{
	const struct sink *k = &stream->sink;
	struct stat st;
	int r;

	/* Whoever reads the log of a service takes the first file as well. */
	while (k && k->kind != SPEC_SINK_FILE)
		k = k->next;
	if (!k)
		return;
	r = logfile_is_open(&k->file) ? sys_fstat(k->file.held->fd, &st)
				      : sys_fstatat(AT_FDCWD, k->file.path, &st, 0);
	body_open(&d->body, NULL, '{');
	body_string(&d->body, "stream", name);
	body_string(&d->body, "path", k->file.path);
	if (logfile_is_open(&k->file))
		body_integer(&d->body, "offset", (int64_t)k->file.held->offset);
	else
		body_integer(&d->body, "offset", r < 0 ? 0 : (int64_t)st.st_size);
	if (r == 0) {
		body_integer(&d->body, "device", (int64_t)st.st_dev);
		body_integer(&d->body, "inode", (int64_t)st.st_ino);
	}
	body_close(&d->body);
}

void event_start(struct service *s, uint64_t generation, pid_t pid)
{
	struct event_draft d;
	char invocation[SERVICE_INVOCATION_SIZE], text[48];

	if (generation <= s->event_generation)
		return;
	s->oom_kills = tree_oom_kills(s);
	snprintf(text, sizeof(text), "started, pid %d", (int)pid);
	event_begin(&d, s->engine, s,
		&(struct event_common){.kind = JOURNAL_START, .text = text, .pid = pid});
	body_integer(&d.body, "generation", (int64_t)generation);
	service_invocation(s, invocation);
	body_string(&d.body, "invocation", invocation);
	body_open(&d.body, "logs", '[');
	for (unsigned i = 0; i < s->n_streams; i++)
		put_log(&d, &s->streams[i], i == 0 ? "output" : "error");
	body_close(&d.body);
	event_end(&d, NULL, 0);
	event_is_cause(&d, NULL, 0);
	s->event_generation = generation;
	recovery_record(&s->engine->store.area, s->id)->event_generation = generation;
}

/* --- ends --- */

/* Whose signal it was, as far as can be known. */
static const char *by_whom(const struct service *s, int signo)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	if (r->user_signo == signo)
		return "operator";
	if (r->signo == signo && r->state == CORE_STOPPING)
		return "supervisord";
	return signo == SIGKILL && tree_oom_kills(s) > s->oom_kills ? "oom-killer" : "other";
}

static const char *const end_names[CORE_END_MAX] = {
	[CORE_END_NONE] = "unknown",
	[CORE_END_EXITED] = "exited",
	[CORE_END_SIGNALLED] = "signalled",
	[CORE_END_DUMPED] = "dumped",
	[CORE_END_SPAWN_FAILED] = "spawn-failed",
};

static void put_end(struct event_draft *d, const struct core_event *end, const char *by)
{
	char name[SIGNAL_NAME_SIZE];

	body_string(&d->body, "end", end_names[end->end] ? end_names[end->end] : "unknown");
	switch (end->end) {
	case CORE_END_EXITED:
		body_integer(&d->body, "exit_code", end->status);
		break;
	case CORE_END_SIGNALLED:
	case CORE_END_DUMPED:
		body_string(&d->body, "exit_signal", signal_name(end->status, name));
		body_string(&d->body, "by", by);
		break;
	case CORE_END_SPAWN_FAILED:
		body_integer(&d->body, "errno", end->status);
		body_string(&d->body, "stage", link_stage_to_string((enum link_stage)end->stage));
		break;
	default:
		break;
	}
}

static void put_usage(
	struct event_draft *d, const struct core_event *end, const struct link_exit *x)
{
	const struct core_record *r = core_record(d->engine->core, d->service->id);
	usec_t ran = usec_sub(end->at_usec, r->started_usec);

	if (end->generation == r->generation && !r->main_ended && r->pid > 0)
		body_integer(&d->body, "ran_ms", (int64_t)(ran / USEC_PER_MSEC));
	if (x->max_rss_kib == 0) /* no process has had none: it was not ours to wait for */
		return;
	body_integer(&d->body, "user_us", (int64_t)x->user_usec);
	body_integer(&d->body, "system_us", (int64_t)x->system_usec);
	body_integer(&d->body, "max_rss_kib", (int64_t)x->max_rss_kib);
}

static void describe_end(
	const struct core_event *end, const char *by, char ret_text[static 2 * CORE_REASON_SIZE])
{
	const struct service_exit x = {
		.end = (uint8_t)end->end, .stage = end->stage, .status = (int16_t)end->status};
	char text[CORE_REASON_SIZE];
	const char *more = strcmp(by, "oom-killer") == 0 ? ": out of memory"
			   : strcmp(by, "other") == 0	 ? ", not by supervisord"
							 : "";

	service_exit_text(&x, text);
	snprintf(ret_text, 2 * CORE_REASON_SIZE, "%s%s", text, more);
}

void event_exit(struct service *s, const struct core_event *end, uint64_t serial, pid_t pid,
	const struct link_exit *x)
{
	const char *by = "";
	char text[2 * CORE_REASON_SIZE];
	struct event_draft d;

	if (serial > 0 && serial <= s->event_serial)
		return;
	if (end->end == CORE_END_SIGNALLED || end->end == CORE_END_DUMPED)
		by = by_whom(s, end->status);
	describe_end(end, by, text);
	event_begin(&d, s->engine, s,
		&(struct event_common){.kind = JOURNAL_EXIT,
			.realtime_usec = x->realtime_usec,
			.monotonic_usec = end->at_usec,
			.text = text,
			.pid = pid});
	body_integer(&d.body, "generation", (int64_t)end->generation);
	body_integer(&d.body, "serial", (int64_t)serial);
	put_end(&d, end, by);
	if (end->end != CORE_END_SPAWN_FAILED)
		put_usage(&d, end, x);
	event_end(&d, NULL, 0);
	event_is_cause(&d, NULL, 0);
	if (serial == 0)
		return;
	s->event_serial = serial;
	recovery_record(&s->engine->store.area, s->id)->event_serial = serial;
}

/* --- all the rest --- */

void event_health(struct service *s, const char *text, uint64_t queue_seq)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	struct event_draft d;

	event_begin(&d, s->engine, s, &(struct event_common){.kind = JOURNAL_HEALTH, .text = text});
	body_string(&d.body, "health", core_health_to_string((enum core_health)r->health));
	if (queue_seq > 0)
		body_integer(&d.body, "queue_seq", (int64_t)queue_seq);
	if (r->health == CORE_HEALTH_BAD)
		body_boolean(&d.body, "alert", true);
	event_end(&d, NULL, 0);
}

void event_hook(struct service *s, enum spec_hook hook, const struct command_result *r)
{
	struct event_draft d;
	char text[RESULT_TEXT_SIZE + 64];

	snprintf(text, sizeof(text), "%s %s", hooks_title(hook), r->text);
	event_begin(&d, s->engine, s, &(struct event_common){.kind = JOURNAL_HOOK, .text = text});
	body_string(&d.body, "hook", spec_hook_to_string(hook));
	body_integer(&d.body, "generation", (int64_t)r->generation);
	body_boolean(&d.body, "ok", r->ok);
	body_integer(&d.body, "ran_ms", (int64_t)(r->ran_usec / USEC_PER_MSEC));
	event_end(&d, NULL, 0);
	event_is_cause(&d, NULL, 0);
}

void event_schedule(struct service *s, const char *outcome, usec_t due_usec)
{
	struct event_draft d;
	usec_t late = usec_sub(usec_now(CLOCK_MONOTONIC), due_usec);
	char text[64];

	snprintf(text, sizeof(text), "a run was due: %s", outcome);
	event_begin(
		&d, s->engine, s, &(struct event_common){.kind = JOURNAL_SCHEDULE, .text = text});
	body_string(&d.body, "outcome", outcome);
	event_put_time(&d, "due", usec_sub(usec_now(CLOCK_REALTIME), late));
	event_end(&d, NULL, 0);
}

void event_removed(struct service *s)
{
	struct event_draft d;

	event_begin(&d, s->engine, s, &(struct event_common){.kind = JOURNAL_REMOVED});
	event_put_cause(&d);
	event_end(&d, NULL, 0);
}

/* --- after a death --- */

/* The newest record may be of an end or a start that was not noted any more. */
static void note_newest(struct engine *e)
{
	const struct recovery_head *head = e->store.area.head;
	const struct journal *j = journal_file_ring(e);
	struct journal_cursor c;
	struct journal_entry entry;
	struct service *s;
	json_t *body;

	journal_seek_before(UINT64_MAX, &c);
	c.kinds = UINT64_C(1) << JOURNAL_EXIT | UINT64_C(1) << JOURNAL_START;
	if (!j || journal_prev(j, &c, &entry) != 1 || entry.seq != j->last_seq ||
		entry.seq < head->event_seq)
		return;
	/* Then this supervisord has written nothing. */
	if (entry.seq == head->event_seq && entry.realtime_usec < head->started_realtime_usec)
		return;
	body = json_loadb(entry.body, entry.length, 0, NULL);
	s = services_find(e, json_string_value(json_object_get(body, "service"))
				     ? json_string_value(json_object_get(body, "service"))
				     : "");
	if (s && entry.kind == JOURNAL_EXIT && !e->adopting) /* else by another launcher's serial */
		s->event_serial = MAX_OF(s->event_serial,
			(uint64_t)json_integer_value(json_object_get(body, "serial")));
	if (s && entry.kind == JOURNAL_START)
		s->event_generation = MAX_OF(s->event_generation,
			(uint64_t)json_integer_value(json_object_get(body, "generation")));
	json_decref(body);
}

/* The service with the lowest number that was committed, and not told: NULL for none. */
static struct service *next_pending(struct engine *e)
{
	struct service *next = NULL;

	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];

		if (s->event_seq > e->event_seq && (!next || s->event_seq < next->event_seq))
			next = s;
	}
	return next;
}

void event_recover(struct engine *e)
{
	struct service *s;

	note_newest(e);
	e->event_seq = MAX_OF(e->event_seq, e->store.head.event_seq);
	while ((s = next_pending(e))) {
		const struct recovery_record *r = recovery_record(&e->store.area, s->id);
		enum core_state previous = (enum core_state)r->publish_previous;

		e->event_seq = s->event_seq;
		if (previous < CORE_STATE_MAX)
			event_state(s, previous, s->event_seq,
				r->publish_pending ? r->publish_seq : 0, NULL);
	}
}
