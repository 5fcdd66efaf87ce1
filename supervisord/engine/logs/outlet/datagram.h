/*
 * An outlet that sends each line as a datagram, as many as there are with one system call. One
 * goes wholly or not at all, so nothing is ever pending.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "engine/logs/outlet/message.h"
#include "engine/logs/outlet/outlet.h"

struct datagram {
	struct outlet outlet;
	const struct message_form *form;
	/*
	 * Sends one that is too long for a datagram in another way. 0 or -errno; -EMSGSIZE: it
	 * can't be sent at all. NULL: there is no other way.
	 */
	int (*send_large)(struct datagram *d, const struct message *m);
	struct sockaddr_storage address;
	socklen_t n_address;
	int fd; /* owned; -1: not connected */
	bool fresh; /* nothing has been sent by it yet */
};

/* As the ops of an outlet have it; the outlet is a datagram's. */
size_t datagram_take(struct outlet *o, struct outlet_writer *w, const struct log_origin *origin,
	const char *data, size_t n, usec_t now);
size_t datagram_end(
	struct outlet *o, struct outlet_writer *w, const struct log_origin *origin, usec_t now);

/* Connects, if it isn't yet: 0 or -errno. */
int datagram_connect(struct datagram *d);
void datagram_close(struct datagram *d);
