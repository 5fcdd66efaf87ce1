/*
 * What strangers can make us log, again and again: each of them has so many lines in a window
 * of time, and when that is over, it is told how often what was left out had happened.
 */
#pragma once

#include <sys/types.h>

#include "engine/control/server/peer.h"
#include "engine/loop.h"

#define SERVER_MAX_REFUSED_LINES 20 /* of one user, in one window */
#define SERVER_MAX_CLOSED_LINES	 20 /* of all together */
#define SERVER_LOG_UIDS		 16 /* users with a count of their own; the others share one */
#define SERVER_LOG_WINDOW	 (10 * USEC_PER_SEC)

struct server_quota {
	uid_t uid;
	usec_t since_usec;
	unsigned n; /* since then; 0: nobody's */
};

struct server_log {
	struct loop *loop; /* borrowed */
	usec_t window_usec;
	struct loop_timer timer; /* the end of a window with something left out */
	struct server_quota refused[SERVER_LOG_UIDS], others, closed;
};

/* 0 or -errno */
int server_log_init(struct server_log *l, struct loop *loop, usec_t window_usec);

/* Tells at once what was left out. */
void server_log_fini(struct server_log *l);

/* Logs that a request was refused. False: it was left out. */
bool server_log_refused(struct server_log *l, const struct peer *peer, const char *method);

/* Logs why a connection is closed: "uid 1 pid 2 is too slow; connection closed". */
void server_log_closed(struct server_log *l, const struct peer *peer, const char *why);
