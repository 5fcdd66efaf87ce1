/*
 * Acting requests that wait until what they asked for has happened. One wish for each
 * service that is asked; after every change of a service its wishes are judged by the core.
 */
#pragma once

#include "engine/engine.h"

/* What is to become of a service: as if this event had been asked for. */
struct request_wish {
	struct service *service;
	enum core_event_type event;
	uint64_t before; /* its generation when that took effect */
	uint64_t command; /* instead of all that: until this run of its reload command has ended */
	const char *failure; /* instead of all that: it has failed; static */
	int error; /* why, negative errno */
};

/*
 * Somebody who waits for a wish. told() comes from within the performing of changes, once, and
 * may step neither core nor engine; or it never comes, because of request_unwatch().
 */
struct request_waiter {
	struct part part;
	bool waits; /* it is one of the service's */
	struct request_wish wish;
	void (*told)(struct request_waiter *w, bool ok);
};

/* What has become of the wish; as long as that is CORE_PENDING, it is waited for. */
enum core_outcome request_watch(struct request_waiter *w);
/* Nobody waits any more; nor maybe before. */
void request_unwatch(struct request_waiter *w);

struct request_wishes {
	struct request_wish *wishes; /* owned */
	uint32_t n, room;
};

void request_wishes_fini(struct request_wishes *w);
#define _cleanup_wishes_ _cleanup_(request_wishes_fini)

/*
 * Adds one, to be called before the event. Where w is NULL or memory lacks, nothing is noted:
 * the event happens all the same.
 */
void request_wish(struct request_wishes *w, struct service *s, enum core_event_type event);
/* That a command which is under way ends, and ends well. */
void request_wish_command(struct request_wishes *w, struct service *s, uint64_t serial);
/* What has failed already: "WHAT: errno" is told. */
void request_wish_failed(struct request_wishes *w, struct service *s, const char *what, int error);
/* For a request that may have taken effect already, and is repeated then. */
struct request_wish request_make_wish(struct service *s, enum core_event_type event, uint64_t op);

/*
 * Answers the call: at once without wait, else when each wish has come true or can't any
 * more. first (stolen, may be NULL): parameters of a reply of its own before all others, or
 * without `more` of the only one.
 */
void request_await(
	struct server_call *call, json_t *first, const struct request_wishes *wishes, bool wait);

/* Applies an event to services and awaits it. op: the request's id, 0 for none. */
void request_begin(struct engine *e, struct server_call *call, enum core_event_type event,
	struct service **services, uint32_t n, bool wait, uint64_t op);

/* Judges the wishes that wait for this service. */
void request_judge(struct service *s);

/* One Result of the interface. message NULL: the service's reason. */
json_t *request_result(const struct service *s, bool ok, const char *message);
