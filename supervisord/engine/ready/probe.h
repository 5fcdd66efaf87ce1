/*
 * One question to a service's socket: does it accept (tcp, unix), and does it answer well
 * (http)? Never waits; the answer comes from the loop.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "conf/spec.h"
#include "engine/loop.h"
#include "engine/ready/http.h"

#define PROBE_TEXT_SIZE	   256
#define PROBE_OUTPUT_SIZE  1024 /* so much of the end of an answer is kept */
#define PROBE_MAX_RECEIVED (64 * 1024) /* more of an answer is not waited for */

enum probe_outcome {
	PROBE_GOOD,
	PROBE_BAD,
	PROBE_NOT_ASKED, /* for want of descriptors or memory, which is not the service's fault */
};

union probe_socket {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

/* What http needs beside a connection. */
struct probe_talk {
	char *request; /* owned */
	size_t n_request, n_sent, n_received;
	struct http_answer answer;
};

struct probe {
	struct loop *loop;
	/* The outcome is there; the probe may be started anew, or be freed with its owner. */
	void (*done)(struct probe *p);
	void *userdata;

	enum probe_outcome outcome;
	char text[PROBE_TEXT_SIZE]; /* why it is bad, for people: "connection refused" */
	char output[PROBE_OUTPUT_SIZE]; /* of http: the end of what came */
	size_t n_output;

	/* its own */
	struct loop_source source; /* fd is owned */
	struct loop_timer timer;
	usec_t timeout_usec, deadline_usec;
	union probe_socket sockets[2]; /* localhost is two, tried in this order */
	socklen_t sizes[2];
	unsigned n_sockets, at;
	int first_error;
	bool running, decided, connected;
	struct probe_talk *talk; /* owned; NULL: to be connected is enough */
};

/* -ENOMEM, and nothing is to be undone. */
int probe_init(struct probe *p, struct loop *loop, void (*done)(struct probe *p), void *userdata);
void probe_fini(struct probe *p);

/*
 * Asks at an address of this kind, as spec_check has it (%{} replaced). Afterwards done() is
 * called once, never from within. An address that makes no sense is a bad outcome.
 */
void probe_start(struct probe *p, enum spec_probe kind, const char *address, usec_t timeout_usec);
/* Ends it without done(). */
void probe_cancel(struct probe *p);
