/*
 * A varlink client over one connection at a time, which outlives the server's engine: a
 * connection that breaks in the middle of a call is made again and the call repeated.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/usec.h"

/* How long a call that waits for nothing may stay without an answer. */
#define CLIENT_REPLY_USEC (10 * USEC_PER_SEC)
/* How long a broken connection is tried again. */
#define CLIENT_BRIDGE_USEC (10 * USEC_PER_SEC)
/* How long a first connection is tried again that is refused: a server that is starting. */
#define CLIENT_REFUSED_USEC USEC_PER_SEC

enum client_flag {
	CLIENT_MORE = 1 << 0, /* a stream of replies */
	CLIENT_WAITS = 1 << 1, /* the reply takes as long as it takes */
	CLIENT_ONCE = 1 << 2 /* not to be repeated once it may have been received */
};

struct client {
	char *path; /* owned */
	int fd; /* -1 while there is no connection */
	struct buf in;
	usec_t reply_usec, bridge_usec, refused_usec; /* the limits above; tests shorten them */

	/* Called about once a second while a reply is waited for; NULL for not. */
	void (*on_tick)(void *userdata);
	void *tick_userdata;

	/* For calls that wait; may be changed while one does. */
	usec_t until_usec; /* it ends with -ETIME then (monotonic); USEC_INFINITY for never */
	int watch_fd; /* it ends with -ECANCELED once nobody reads this one any more; -1: none */
	bool ending; /* the server has said that it ends: its end is not bridged, -ESHUTDOWN */
};

/* Takes a copy of path; -ENOMEM. Connects at the first call. */
int client_init(struct client *c, const char *path);
void client_fini(struct client *c);
/* Ends the connection; the next call makes another one. */
void client_hang_up(struct client *c);

/* parameters are borrowed. A negative value ends the call and is its result. */
typedef int client_reply_fn(json_t *parameters, void *userdata);

#define CLIENT_ERROR 1

/*
 * Calls a method; parameters are borrowed, and on_reply, where not NULL, gets each reply. It may
 * change the parameters: for the time when the call has to be repeated.
 * 0, or CLIENT_ERROR with the server's error reply (owned by the caller: "error",
 * "parameters"), or a negative errno:
 *     -ENOENT, -ECONNREFUSED   nobody listens there
 *     -EACCES, -EPERM          connecting is not permitted
 *     -ECONNRESET              broken, and did not come back in time
 *     -EINPROGRESS             broken, with CLIENT_ONCE: nobody knows whether it was done
 *     -ETIMEDOUT               no answer in time
 *     -ETIME, -ECANCELED, -ESHUTDOWN  see struct client
 *     -EBADMSG, -ENOBUFS       the answer is no varlink reply, or too long
 *     -EMSGSIZE                the request is too long
 *     -EILSEQ                  a parameter is no UTF-8
 */
int client_call(struct client *c, const char *method, json_t *parameters, unsigned flags,
	client_reply_fn *on_reply, void *userdata, json_t **ret_error);

/*
 * Waits until the server is gone: the connection ends and no new one can be made. 0, or
 * -EALREADY where another server (by Version's pid) has taken its place.
 */
int client_wait_gone(struct client *c, json_int_t server_pid);

/*
 * The same where another connection might start a new server: waits for the end of its
 * process, or, where pidfd is -1, of the connection.
 */
void client_wait_ended(struct client *c, int pidfd);

/* 128 random bits in hex: names an acting request, so that a repeat joins it. */
#define CLIENT_ID_SIZE 33
int client_make_id(char ret_id[static CLIENT_ID_SIZE]);
