/*
 * A number is used up when its record is committed, and the head's queue_seq follows once
 * the message is out. So after a crash the pending ones are sent again under their own
 * numbers: a reader may see one twice, and never a gap that nobody explains.
 */
#include "engine/status/publish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "engine/service.h"

/* reason NULL: why it is in its state. */
static int send(struct service *s, enum queue_type type, const char *previous, uint64_t seq,
	const char *reason)
{
	struct engine *e = s->engine;
	const struct core_record *r = core_record(e->core, s->id);
	char why[CORE_REASON_SIZE], body[QUEUE_MAX_BODY];
	struct queue_message m = {.seq = seq,
		.realtime_usec = usec_now(CLOCK_REALTIME),
		.service = s->name,
		.state = core_state_to_string((enum core_state)r->state),
		.previous = previous,
		.pid = r->pid,
		.restarts = r->restarts,
		.reason = reason ? reason : service_reason(s, why)};
	int n = queue_encode(&m, body);

	if (n < 0)
		return n;
	return queue_publish(&e->queue, type, body, (size_t)n);
}

/* A message that the recovery area has as pending is out. */
static void note_sent(struct service *s, uint64_t seq)
{
	struct store *store = &s->engine->store;

	if (store->head.queue_seq < seq)
		store_set(store, queue_seq, seq);
	/* Only then: a number that neither of the two remembers would be given out again. */
	recovery_record(&store->area, s->id)->publish_pending = 0;
}

void publish_change(struct service *s, enum core_state previous, uint64_t seq, const char *reason)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	send(s, r->state == CORE_FAILED ? QUEUE_ALERT : QUEUE_CHANGE,
		core_state_to_string(previous), seq, reason);
	note_sent(s, seq);
}

bool publish_is_health_told(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	return r->health == CORE_HEALTH_BAD ||
	       (r->health == CORE_HEALTH_GOOD && health_is_alerted(s));
}

static void describe_health(
	const struct service *s, bool again, char ret_text[static CORE_REASON_SIZE])
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	const struct health_outcome *last = health_last(s);
	char text[HEALTH_TEXT_SIZE + 16];

	if (r->health == CORE_HEALTH_GOOD)
		snprintf(text, sizeof(text), "%s", again ? "healthy again" : "healthy");
	else
		snprintf(text, sizeof(text), "unhealthy%s%s", last && !last->ok ? ": " : "",
			last && !last->ok ? last->text : "");
	utf8_clean(text, strlen(text), ret_text, CORE_REASON_SIZE); /* and cut */
}

void publish_health(struct service *s, uint64_t seq)
{
	struct engine *e = s->engine;
	const struct core_record *r = core_record(e->core, s->id);
	bool bad = r->health == CORE_HEALTH_BAD, pending = seq > 0;
	bool told = pending || publish_is_health_told(s);
	const char *state = core_state_to_string((enum core_state)r->state);
	char text[CORE_REASON_SIZE];

	describe_health(s, told, text);
	if (told) {
		log_write(bad ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "service '%s': %s", s->name,
			text);
		/* One of its own is taken first, as that of a snapshot. */
		if (!pending)
			seq = ++e->queue_seq;
		send(s, bad ? QUEUE_ALERT : QUEUE_CHANGE, state, seq, text);
		if (pending)
			note_sent(s, seq);
		else
			store_set(&e->store, queue_seq, seq);
	}
	health_set_alerted(s, bad);
	event_health(s, text, told ? seq : 0);
}

void publish_snapshot(struct engine *e)
{
	uint32_t told = 0;

	for (uint32_t i = 0; i < e->n_services; i++) {
		/* The number is taken first: a crash in between repeats it, and that is allowed. */
		uint64_t seq = e->queue_seq + 1;
		int r = send(e->services[i], QUEUE_SNAPSHOT, NULL, seq, NULL);

		if (r == -ENOBUFS || r == -ENXIO)
			break;
		if (r < 0)
			continue;
		e->queue_seq = seq;
		store_set(&e->store, queue_seq, seq);
		told++;
	}
	log_info("snapshot: %u of %u services published", told, e->n_services);
}

void publish_pending(struct engine *e)
{
	e->queue_seq = e->store.head.queue_seq;
	for (uint32_t i = 0; i < e->store.head.capacity; i++) {
		const struct recovery_record *r = recovery_record(&e->store.area, i);

		if (r->name[0] && r->publish_pending && r->publish_seq > e->queue_seq)
			e->queue_seq = r->publish_seq;
	}
	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];
		const struct recovery_record *r = recovery_record(&e->store.area, s->id);

		if (!r->name[0] || !r->publish_pending || r->publish_previous >= CORE_STATE_MAX)
			continue;
		if (r->publish_previous == r->state && r->health != CORE_HEALTH_UNKNOWN) {
			publish_health(s, r->publish_seq);
			continue;
		}
		hooks_changed(s, (enum core_state)r->publish_previous);
		publish_change(s, (enum core_state)r->publish_previous, r->publish_seq, NULL);
	}
}
