/*
 * Messages on the System V status queue. The body is one JSON object of at most
 * QUEUE_MAX_BODY bytes without a NUL; mtype is the urgency, so that a reader's
 * msgrcv(type -3) gets alerts first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"

#define QUEUE_VERSION  1
#define QUEUE_MAX_BODY 1024

enum queue_type { QUEUE_ALERT = 1, QUEUE_CHANGE = 2, QUEUE_SNAPSHOT = 3, QUEUE_TYPE_MAX };

struct queue_message {
	uint64_t seq;
	usec_t realtime_usec;
	const char *service;
	const char *state, *previous; /* previous: NULL for none */
	int32_t pid; /* 0: null */
	uint32_t restarts;
	/* Cut where the body would become too long, at a character's end; '?' for what is no UTF-8.
	 */
	const char *reason;
};

/* What msgsnd() and msgrcv() take. */
struct queue_buffer {
	long type;
	char body[QUEUE_MAX_BODY];
};

/* Writes the body and returns its length; -EINVAL if it can't be made to fit. */
int queue_encode(const struct queue_message *m, char ret_body[static QUEUE_MAX_BODY]);
