/*
 * Whose output it is, as prefixes, JSON lines, the journal and syslog tell it.
 */
#pragma once

#include <sys/types.h>

/* All borrowed, for the call. */
struct log_origin {
	const char *name; /* "web", or "web@2" */
	const char *service; /* its definition: "web" */
	unsigned instance; /* counts from 1; 0: the definition has no instances */
	pid_t pid; /* of the main process of this or the last generation; 0: none yet */
	const char *invocation; /* 32 hex digits */
	const char *stream; /* "stdout", or "stderr" with a pipe of its own */
};
