/*
 * Events for whoever follows over the control socket: what happens, as it happens. Without a
 * follower an event costs nothing.
 */
#pragma once

#include "base/usec.h"
#include "core/core.h"
#include "engine/control/broadcast.h"

struct engine;
struct service;

/* Patterns with wildcards of one follower: each is tried on every event. */
#define EVENTS_MAX_GLOBS 64

struct events {
	struct broadcast broadcast;
	usec_t since_realtime_usec; /* when this engine began */
};

void events_init(struct engine *e);

/*
 * The method Events: makes the call a follower, or ends it with an error. services are those
 * that its parameter names means now, for a snapshot.
 */
void events_follow(
	struct engine *e, struct server_call *call, struct service *const *services, uint32_t n);

/* A service's state has changed from previous, with this number. */
void events_state(struct service *s, enum core_state previous, uint64_t seq);

/* A service's health has changed; text says to what, for people. */
void events_health(struct service *s, const char *text);

/* A service has come to its end and is known no more. */
void events_removed(struct service *s);

/* Something about supervisord itself: a type, and a few words for people. Goes to everybody. */
void events_supervisor(struct engine *e, const char *type, const char *text);
