/*
 * Between the files of the control server: server.c (who gets in), server_conn.c (bytes),
 * server_call.c (requests and replies). No one else includes this.
 */
#pragma once

#include "base/buf.h"
#include "engine/control/server/server.h"

struct server_conn {
	struct list node; /* server.conns or server.doomed */
	struct list ready; /* server.ready */
	struct server *server;
	struct loop_source source; /* fd is owned; -1: closed, in server.doomed */
	struct loop_timer timer;
	struct peer peer;
	struct server_call *call; /* owned; the one in flight */
	struct buf in, out;
	size_t scanned; /* bytes of in without a NUL */
	long message; /* length of the whole request at the start of in, -1: none */
	size_t sent; /* bytes of out that are gone */
	usec_t request_usec; /* when the unfinished request began; USEC_INFINITY: none */
	usec_t output_usec; /* when the reader took something last; USEC_INFINITY: out is empty */
	bool eof; /* nothing more will come */
	bool hung_up; /* no one is there to read */
	bool closing; /* once out is sent */
};

/* server_conn.c */

/* Takes fd, on success only; -errno. peer is moved from. */
int server_conn_new(struct server *s, int fd, struct peer *peer);
/* A call is in flight or ready to be taken. */
bool server_conn_is_busy(const struct server_conn *c);
/* Closes it; what it holds is freed from the loop later. May be called at any time. */
void server_conn_drop(struct server_conn *c);
/* Frees a closed one, cancelling its call. */
void server_conn_free(struct server_conn *c);
/* Takes requests, as many as one round allows. Only from the loop. */
void server_conn_run(struct server_conn *c);
/* Queues a message (borrowed) and sends what can be sent: 0, -ENOTCONN, -ENOBUFS, -ENOMEM. */
int server_conn_send(struct server_conn *c, const json_t *message);
/* The same with encoded messages, which are sent from the loop. */
int server_conn_queue(struct server_conn *c, const struct buf *messages);
/* Bytes that the reader has not taken. */
size_t server_conn_unread(const struct server_conn *c);
/* Sends what can be sent now. */
void server_conn_flush(struct server_conn *c);
/* Brings the loop in line with what the connection waits for, or closes it if it is done. */
void server_conn_settle(struct server_conn *c);

/* server.c */

/* server_conn_run() and the freeing of what is doomed will be called from the loop. */
void server_schedule(struct server *s);
/* This round has had its share of work; what is left waits for the next. */
bool server_round_is_over(const struct server *s);
/* Puts a connection where server_conn_run() will be called for it. */
void server_make_ready(struct server *s, struct server_conn *c);
/* Logs a refusal and tells the service. */
void server_refused(struct server *s, const struct peer *peer, const char *method);
/* Drops the connection with most unread output. */
void server_shed_output(struct server *s);
/* Drops the connection with most of an unfinished request, of those with the least rights. */
void server_shed_input(struct server *s);

/* server_call.c */

/* Starts a call, or answers with an error. request is stolen; NULL: was not JSON. */
void server_call_begin(struct server_conn *c, json_t *request);
/* Counts the values in JSON text without parsing it; never less than there are. */
size_t server_call_count_values(const char *data, size_t n);
/* Refuses a request that has more bytes or values than it may. */
void server_call_too_long(struct server_conn *c);
/* Tells the method and frees it. */
void server_call_cancel(struct server_conn *c);
