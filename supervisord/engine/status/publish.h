/*
 * What the rest of the world is told when a state changes: the System V queue.
 */
#pragma once

#include "engine/engine.h"

/*
 * Publishes a change under its number, which the recovery area has as pending. reason: by
 * service_reason(), or NULL.
 */
void publish_change(struct service *s, enum core_state previous, uint64_t seq, const char *reason);
/*
 * Its health has changed: an alert where it is unhealthy, a message where it is no more, and an
 * event. seq is a number that the recovery area has as pending, with its own state as the
 * previous one; 0: none, one is taken here.
 */
void publish_health(struct service *s, uint64_t seq);
/* Whether the queue is told of that: not of a service that is healthy from the start. */
bool publish_is_health_told(const struct service *s);
/* SIGUSR1: every service as it is, as far as the queue takes them. */
void publish_snapshot(struct engine *e);
/* Publishes what an engine before us had committed but maybe not sent. */
void publish_pending(struct engine *e);
