/*
 * Between the files that make events: a body on its way. No one else includes this.
 */
#pragma once

#include "engine/engine.h"
#include "wire/body.h"

struct event_draft {
	struct engine *engine;
	const struct service *service; /* NULL: about supervisord itself */
	enum journal_kind kind;
	uint64_t seq;
	struct journal_stamp stamp;
	struct body body;
	char data[JOURNAL_MAX_BODY];
};

/* What all events have in common, to be told before anything of its own. */
struct event_common {
	enum journal_kind kind;
	uint64_t seq; /* 0: the next one */
	usec_t realtime_usec, monotonic_usec; /* 0: now */
	const char *previous; /* NULL: none */
	const char *text; /* NULL: why the service is in its state */
	pid_t pid; /* 0: the service's, as it is now */
};

void event_begin(struct event_draft *d, struct engine *e, const struct service *s,
	const struct event_common *common);
/* Appends it to the journal and tells it to those who follow these services too. */
void event_end(struct event_draft *d, const struct service *const *services, uint32_t n);

/* Fields in use by several kinds. */
void event_put_cause(struct event_draft *d);
void event_put_asked(struct event_draft *d, const char *key, const struct event_asked *asked);
void event_put_time(struct event_draft *d, const char *key, usec_t realtime);
/* What follows is caused by this one, which has ended. */
void event_is_cause(const struct event_draft *d, const struct event_asked *asked, int signo);
