/*
 * Events for whoever follows over the control socket: what happens, as it happens, and what was.
 * What an event says is made elsewhere (engine/events/event.h).
 */
#pragma once

#include "base/usec.h"
#include "core/core.h"
#include "engine/control/events/broadcast.h"

struct engine;
struct service;

struct events {
	struct broadcast broadcast;
	struct loop_timer history; /* the turn of those who are told what was */
	usec_t since_realtime_usec; /* when this engine began */
};

void events_init(struct engine *e);

/*
 * The method Events: makes the call a follower, or ends it with an error. services are those
 * that its parameter names means now, for a snapshot.
 */
void events_follow(
	struct engine *e, struct server_call *call, struct service *const *services, uint32_t n);

/*
 * Tells an event, a JSON object of so many bytes with this number, to who wants to hear of one of
 * these services; n = 0: to everybody. It is in the journal already.
 */
void events_tell(struct engine *e, uint64_t seq, const struct service *const *services, uint32_t n,
	const char *data, size_t length);

/* The same as a reply, appended to messages; -ENOMEM, and nothing is appended. */
int events_encode(const char *data, size_t length, struct buf *messages);

/* What only one follower is told: the parameters of a reply, owned by the caller; NULL. */
json_t *events_make_lost(struct engine *e, const char *text, uint64_t n);
/* That all that was has been told; with the reason, where no journal is kept. */
json_t *events_make_live(struct engine *e);
