/*
 * The control server: varlink connections without the methods. It accepts, judges who may
 * what, reads whole requests within limits, checks them against a table of methods, and
 * sends replies. What a method does is behind the table.
 *
 * One call at a time per connection, answered in order: while a call waits for its reply
 * or a reply for its reader, nothing more is read from that connection.
 *
 * Nothing here calls back from within server_reply(), server_send() or server_error(): a
 * next request, a cancelled() and a drained() come from the loop only. So a method may walk
 * its list of waiting calls and reply to them as it goes.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/macro.h"
#include "base/usec.h"
#include "engine/control/server/peer.h"
#include "engine/control/server/server_log.h"
#include "engine/loop.h"
#include "wire/control.h"

#define SERVER_MAX_CLIENTS	   256
#define SERVER_MAX_CLIENTS_PER_UID 64 /* root and the owner apart */
#define SERVER_MAX_OUTPUT	   CONTROL_MAX_REPLY
#define SERVER_MAX_OUTPUT_TOTAL	   (4u * CONTROL_MAX_REPLY) /* of all connections together */
#define SERVER_MAX_INPUT_TOTAL	   (32u * CONTROL_MAX_REQUEST) /* of unfinished requests */
#define SERVER_REQUEST_TIMEOUT	   (10 * USEC_PER_SEC) /* from a request's first byte to its last */
#define SERVER_OUTPUT_TIMEOUT	   (10 * USEC_PER_SEC) /* in which a reader must take something */
#define SERVER_ACCEPT_PAUSE	   (250 * USEC_PER_MSEC) /* after EMFILE and the like */
#define SERVER_REQUESTS_PER_ROUND  8 /* of one connection, so that others get their turn */
#define SERVER_CHUNK		   16384u /* bytes read from one connection per round */
/* Work per round: of one connection, and of all. Requests differ in cost a thousandfold. */
#define SERVER_TURN  (2 * USEC_PER_MSEC)
#define SERVER_ROUND (20 * USEC_PER_MSEC)
/* JSON values in a request: a mebibyte of "{}," would take 80 MB and 0.2 s to parse. */
#define SERVER_MAX_VALUES (CONTROL_MAX_NAMES + 256)

#define SERVER_MAX_PARAMETERS 8

struct server_call;
struct server_conn;

enum server_kind {
	SERVER_STRING,
	SERVER_STRINGS, /* an array of at most CONTROL_MAX_NAMES strings */
	SERVER_BOOL,
	SERVER_INT,
	SERVER_KIND_MAX
};

struct server_parameter {
	const char *name; /* NULL ends the list */
	enum server_kind kind;
	bool optional; /* may be missing or null; a null is taken out before the call */
};

struct server_method {
	const char *name; /* without the interface */
	enum peer_right needs;
	bool needs_more; /* ExpectedMore without the flag */
	struct server_parameter parameters[SERVER_MAX_PARAMETERS + 1];
	/*
	 * Must either end the call (one server_reply() without continues, or one
	 * server_error()) or set call->cancelled and end it later.
	 */
	void (*call)(void *userdata, struct server_call *call);
};

/* One request being worked on. Owned by the server; gone once it is ended or cancelled. */
struct server_call {
	const struct server_method *method;
	json_t *parameters; /* an object, checked; json_incref() to keep more than borrow */
	const struct peer *peer; /* borrowed, as long as the call */
	enum peer_right right; /* of the peer when it called */
	bool more, oneway; /* never both */

	/* For a method that ends the call later. The server never looks at the first two. */
	struct list node; /* initialised */
	void *userdata;
	/*
	 * The client is gone, or the server ends: forget the call (list_remove(&call->node)).
	 * It is freed on return; neither replies nor errors may be sent to it any more.
	 */
	void (*cancelled)(struct server_call *call);
	/* Optional, for who uses server_send(): the reader has taken all that was sent so far. */
	void (*drained)(struct server_call *call);

	struct server_conn *conn; /* the server's own */
};

/* All borrowed; must outlive the server. */
struct server_service {
	const struct server_method *methods; /* of CONTROL_INTERFACE */
	size_t n_methods;
	void *userdata; /* given to methods and to refused() */
	/*
	 * Optional: a peer was refused a method for lack of a right, and the server has logged
	 * it: it is not told of those that are left out there.
	 */
	void (*refused)(void *userdata, const struct peer *peer, const char *method);
	const char *vendor, *product, *version, *url; /* for GetInfo */
};

struct server_settings {
	uid_t owner; /* may do all, beside root */
	unsigned max_clients, max_clients_per_uid;
	size_t max_request_bytes; /* the NUL included */
	size_t max_output_bytes, max_output_total_bytes; /* not yet taken by readers */
	size_t max_input_total_bytes;
	usec_t request_timeout_usec, output_timeout_usec, accept_pause_usec;
	usec_t log_window_usec;
	unsigned requests_per_round;
	usec_t turn_usec, round_usec; /* after them, the next: one request is always taken */
	int (*get_peer)(int fd, struct peer *ret_peer);
};

struct server {
	struct loop *loop;
	const struct server_service *service;
	struct server_settings settings;
	const struct spec_role *operators, *observers;

	struct loop_source listener; /* fd is owned */
	struct loop_timer pause; /* until accepting is tried again */
	bool starved; /* the last accept failed for want of resources */
	struct loop_timer work; /* due where ready or doomed is not empty */
	struct list conns; /* oldest first */
	struct list ready; /* connections with a whole request that may be taken */
	struct list doomed; /* closed, to be freed from the loop */
	unsigned n_conns;
	size_t output_bytes, input_bytes; /* of all connections */
	struct server_log log;
};

/* The named limits, owner = geteuid(), get_peer = peer_get. */
void server_settings_default(struct server_settings *ret_settings);

/* loop and service are borrowed; settings (NULL: the default ones) are copied. 0 or -errno. */
int server_init(struct server *s, struct loop *loop, const struct server_service *service,
	const struct server_settings *settings);

/*
 * Cancels all calls and closes all connections and the listening socket. No file is removed.
 * What readers have room for is sent before.
 */
void server_fini(struct server *s);

/* The socket's address keeps this suffix, though its file is renamed to path. */
#define SERVER_FRESH_SUFFIX ".new"

/*
 * Makes a listening socket at path, in a directory that only the owner can write to, and
 * returns its fd (the caller's). It appears with its owner, mode and backlog in place, in
 * one step. gid (gid_t)-1: leave the group. A socket that no one answers on is replaced;
 * -EADDRINUSE where someone does, -EEXIST where path is something else than a socket,
 * -ENAMETOOLONG, -errno.
 */
int server_open(const char *path, mode_t mode, gid_t gid);

/*
 * Takes a listening socket, new or inherited, and accepts from now on. The fd is the
 * server's on success (others may keep duplicates; it is made non-blocking for all).
 */
int server_adopt(struct server *s, int fd);
/*
 * Listens on another socket instead, and owns that. 0, or -errno: then it is the caller's, and the
 * old one goes on if it can.
 */
int server_replace(struct server *s, int fd);

/* Borrowed until replaced; NULL for none. Counts from the next request of every peer. */
void server_set_roles(
	struct server *s, const struct spec_role *operators, const struct spec_role *observers);

/*
 * Sends a reply; parameters are stolen. Without continues it is the last one and call is
 * gone. With continues: only sent where the client called with `more`, else dropped. Nothing
 * is sent to a oneway call. parameters NULL (they could not be built: lack of memory, a
 * string that is not UTF-8) ends the call with CONTROL_ERROR_FAILED.
 * 0, or where the client will not get it: -ENOTCONN (gone), -ENOBUFS (has too much unread),
 * -ENOMEM. Those may be ignored: cancelled() follows for a call that has not ended.
 */
int server_reply(struct server_call *call, json_t *parameters, bool continues);

/*
 * For what goes to many: a reply with continues is encoded once and appended to *messages
 * (parameters are stolen, and may be NULL as above), then given to each call that has `more`.
 * -ENOMEM, and nothing is appended.
 */
int server_encode(json_t *parameters, struct buf *messages);

/*
 * Queues encoded replies; they are sent from the loop, those of one round together. Errors as
 * those of server_reply().
 */
int server_send(struct server_call *call, const struct buf *messages);

/* Bytes that were sent to the caller, and that it has not taken yet. */
size_t server_unread(const struct server_call *call);

/* Ends the call with an error (a full name); parameters are stolen, NULL for none. */
int server_error(struct server_call *call, const char *name, json_t *parameters);

/* Ends it with an error that has the parameter `message`. */
int server_error_message(struct server_call *call, const char *name, const char *format, ...)
	_printf_(3, 4);

/* Ends it with InvalidParameter, naming the parameter. */
int server_error_parameter(struct server_call *call, const char *parameter);
