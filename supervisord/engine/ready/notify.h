/*
 * The socket that services speak to us on: NOTIFY_SOCKET of those with ready.on = notify or a
 * watchdog. One for all, open to everybody (services run as anybody), kept by the launcher
 * while engines come and go; who has sent something, the kernel tells.
 */
#pragma once

#include <stdbool.h>

#include "engine/loop.h"

struct engine;
struct service;

#define NOTIFY_SOCKET_NAME "notify"

struct notify {
	int fd; /* owned; -1: there is none */
	struct loop_source source;
	bool busy; /* one is being handled: no other is taken in between */
	usec_t told_usec; /* when something was last said about what is ignored */
	unsigned n_ignored; /* since then */
};

/* Makes the socket in the runtime directory: its fd, the caller's, or -errno. */
int notify_open(const char *runtime_dir);
/* Takes one that is open; nothing is read yet. */
void notify_init(struct engine *e, int fd);
/* Listens, now that it can be told whose a sender is. 0 or -errno. */
int notify_listen(struct engine *e);
/* Where somebody has removed its name, makes another one; what happens is told in the log. */
void notify_mend(struct engine *e);
/* The end of supervisord: closes it and removes its file. */
void notify_fini(struct engine *e);

/*
 * Takes in what has been sent until now, for the moment before an end is judged: what a
 * process said last is acted on before what has become of it. May give events to the core.
 */
void notify_drain(struct engine *e);

/* Whether a service is given NOTIFY_SOCKET, and heard. */
bool notify_is_for(const struct service *s);
