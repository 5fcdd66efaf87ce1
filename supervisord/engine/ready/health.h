/*
 * Asking services that run how they are, again and again, and keeping the last answer. What
 * follows from it is the core's to say.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/usec.h"

struct engine;
struct service;

#define HEALTH_MAX_AT_ONCE 64 /* of all services together; others wait in line */
#define HEALTH_TEXT_SIZE   256
#define HEALTH_OUTPUT_SIZE 1024

struct health_set {
	struct list waiting; /* services whose turn to be asked has come, in that order */
	unsigned n_running;
};

/* How the last question was answered. */
struct health_outcome {
	usec_t realtime_usec; /* 0: there was none yet */
	bool ok;
	bool forgiven; /* a failure within health.grace */
	char text[HEALTH_TEXT_SIZE]; /* in words: "connection refused" */
	char output[HEALTH_OUTPUT_SIZE]; /* the end of what was written or sent; unsafe text */
	size_t n_output;
};

/* Before the launcher is listened to. */
void health_init(struct engine *e);

/* It runs: asks, if its health is asked for. May be repeated. */
void health_begin(struct service *s);
/* It runs no more. */
void health_end(struct service *s);
/* It goes by other settings from now on. */
void health_configure(struct service *s);
void health_free(struct service *s);

/* The last answer, also of an earlier generation; NULL: there was none. */
const struct health_outcome *health_last(const struct service *s);
/* Whether it was last told to be unhealthy, as far as this engine knows. */
bool health_is_alerted(const struct service *s);
void health_set_alerted(struct service *s, bool alerted);
