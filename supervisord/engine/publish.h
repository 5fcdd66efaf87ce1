/*
 * What the rest of the world is told when a state changes: the System V queue.
 */
#pragma once

#include "engine/engine.h"

/* Publishes a change under its number, which the recovery area has as pending. */
void publish_change(struct service *s, enum core_state previous, uint64_t seq);
/* SIGUSR1: every service as it is, as far as the queue takes them. */
void publish_snapshot(struct engine *e);
/* Publishes what an engine before us had committed but maybe not sent. */
void publish_pending(struct engine *e);
