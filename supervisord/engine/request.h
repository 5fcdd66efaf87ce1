/*
 * Acting requests that wait until what they asked for has happened. One item for each
 * service that is asked; after every change of a service its items are judged by the core.
 */
#pragma once

#include "engine/engine.h"

/*
 * Applies an event to services and answers the call: at once without wait, else when each
 * of them got there or can't any more. op: the request's id, 0 for none.
 */
void request_begin(struct engine *e, struct server_call *call, enum core_event_type event,
	struct service **services, uint32_t n, bool wait, uint64_t op);

/* Judges the items that wait for this service. */
void request_judge(struct service *s);
