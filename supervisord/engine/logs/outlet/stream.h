/*
 * An outlet that sends each line as a frame of a byte stream, over a connection that may break
 * at any time: what was begun is sent whole by the next one. What kernels had taken by then is
 * lost, if it didn't arrive; nobody tells.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "engine/logs/outlet/message.h"
#include "engine/logs/outlet/outlet.h"

#define STREAM_MAX_PENDING	    (64 * 1024)
#define STREAM_CONNECT_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define STREAM_ANSWER_TIMEOUT_USEC  (30 * USEC_PER_SEC) /* over TCP, for what was sent */

struct stream {
	struct outlet outlet;
	const struct message_form *form;
	bool counted; /* each frame begins with its length (RFC 6587); else it ends with a NUL */
	struct sockaddr_storage address;
	socklen_t n_address;
	size_t n_sent; /* of the first frame pending */
	usec_t since_usec; /* of the present or last connection, or the attempt at it */
	int fd; /* owned; -1: not connected */
	bool connecting;
};

/* The outlet is initialised; the rest is set here. */
void stream_init(struct stream *s, const struct message_form *form, bool counted,
	const void *address, socklen_t n_address);
void stream_close(struct stream *s);

/* As the ops of an outlet have it; the outlet is a stream's. */
size_t stream_take(struct outlet *o, struct outlet_writer *w, const struct log_origin *origin,
	const char *data, size_t n, usec_t now);
size_t stream_end(
	struct outlet *o, struct outlet_writer *w, const struct log_origin *origin, usec_t now);
void stream_ready(struct outlet *o, uint32_t events, usec_t now);
