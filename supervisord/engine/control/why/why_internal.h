/*
 * What the files of why share: each makes members of its reply.
 */
#pragma once

#include "core/core.h"
#include "engine/control/why/why.h"

#define WHY_MAX_DEPTH 16 /* services in a row, each waiting for the next */
#define WHY_MAX_NAMES 16 /* that are told of any list of services */

/* One moment on both clocks, for a whole reply. */
struct why_now {
	usec_t monotonic_usec, realtime_usec;
};

/* Milliseconds, or null where there is no such time. */
json_t *why_msec(usec_t duration);
/* {time, in_ms} of a point on the monotonic clock; null for USEC_INFINITY. */
json_t *why_when(const struct why_now *now, usec_t monotonic);
/* Type End of what the record tells last; null where nothing has ended. */
json_t *why_end(const struct service *s);

/* --- why_rules.c: what the configuration says, with the counters that it is held against --- */

json_t *why_restart(const struct service *s, const struct why_now *now);
json_t *why_stop(const struct service *s);
json_t *why_ready(const struct service *s);
/* null where nobody asks for its health */
json_t *why_health(const struct service *s);

/* --- why_others.c: other services --- */

/* Type Pool; null where it has none. */
json_t *why_pool(const struct service *s);
/* Type Line: whom max-starting lets start; null where there is no limit. */
json_t *why_starting(const struct service *s);
/* Type Cause: each waits for the next, the root comes last. */
json_t *why_causes(const struct service *s, const struct why_now *now);
/* Names of those that have to stop before it does; null where it does not wait for any. */
json_t *why_dependents(const struct service *s);

/* --- why_chain.c: the journal --- */

/* The events that led there, the oldest first; empty where the journal has none of them. */
json_t *why_chain(const struct service *s);
/* {seq, verb, uid, client_pid} of the last request that wanted something of it; or null. */
json_t *why_request(const struct service *s);
