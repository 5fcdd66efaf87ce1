/*
 * What the files behind ready.h share.
 */
#pragma once

#include "engine/engine.h"
#include "engine/ready/probe.h"
#include "engine/ready/ready.h"
#include "engine/ready/watch.h"
#include "wire/notify.h"

struct readiness {
	struct part part;
	struct service *service;
	/* what it has said of itself, and which generation that was */
	uint64_t said_generation;
	enum ready_doing doing;
	char status[NOTIFY_STATUS_SIZE];
	/* what is being done to find out */
	bool asking;
	uint8_t on; /* enum spec_ready, since ready_begin() */
	bool seen; /* the line was written: to be told to the core */
	uint64_t generation; /* that is asked */
	struct loop_timer timer; /* the next attempt; or to tell what was seen */
	usec_t delay_usec;
	char problem[PROBE_TEXT_SIZE]; /* of the last one */
	struct probe *probe; /* owned; tcp, unix */
	struct watch *watch; /* owned; log */
	struct matcher *matcher; /* owned; kept from start to start, while the expression stays */
	char *regex; /* owned; that one */
	struct loop_source pipe; /* fd:N; fd is owned */
	uint64_t pipe_generation;
	size_t n_read;
};

/* That of the service; NULL: nothing is asked or known. */
struct readiness *readiness_find(const struct service *s);
/* The same, made where there is none; NULL for lack of memory. */
struct readiness *readiness_get(struct service *s);
/*
 * Tells the core that this generation is ready. The last thing that the caller does: much may
 * follow from it.
 */
void readiness_tell(struct service *s, uint64_t generation);

/* --- ready_pipe.c: fd:N --- */

void ready_pipe_init(struct readiness *r);
void ready_pipe_close(struct readiness *r);
/* Reads what is there, and tells if that was it. True: it was. */
bool ready_pipe_settle(struct readiness *r);

/* --- ready_attempt.c: tcp, unix, command --- */

/* Asks once, and again later where the answer is not good. */
void ready_attempt(struct readiness *r);
void ready_attempt_end(struct readiness *r);

/* --- ready_log.c: log:REGEX --- */

/* 0 or -errno; -EINVAL with r->problem set. */
int ready_log_begin(struct readiness *r);
/* Right after that, where another engine was here: takes in what it had seen. r may be NULL. */
void ready_log_resume(struct readiness *r);
void ready_log_end(struct readiness *r);
void ready_log_free(struct readiness *r);
