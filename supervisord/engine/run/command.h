/*
 * Commands that are run for a service beside its process: hooks, reload.command, probes. Each
 * is a child of the launcher, under an id of its own kind, so that the next engine takes it over;
 * one of each kind at a time.
 *
 * They run as the service's user, in its directory, with its environment and what
 * engine/run/environment.h adds. While the service lives they belong to its processes, and end
 * with them; what is run when it has ended (post-stop, on-failed) is kept apart from those.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/usec.h"
#include "engine/run/result.h"
#include "wire/link.h"

struct engine;
struct service;

/* The order is that of ids on the link, which outlive an engine: only append. */
enum command_kind {
	COMMAND_RELOAD,
	COMMAND_HOOK_PRE_START,
	COMMAND_HOOK_POST_START,
	COMMAND_HOOK_PRE_STOP,
	COMMAND_HOOK_STOP,
	COMMAND_HOOK_POST_STOP,
	COMMAND_HOOK_ON_FAILED,
	COMMAND_READY,
	COMMAND_HEALTH,
	COMMAND_KIND_MAX
};
_Static_assert(COMMAND_KIND_MAX <= (int)LINK_COMMANDS, "every kind has its ids on the link");

/*
 * So many of COMMAND_READY and COMMAND_HEALTH run at once, of all services; others wait for
 * their turn, first come, first served. The other kinds never wait.
 */
#define COMMAND_MAX_PROBES 64

#define COMMAND_RELOAD_TIMEOUT_USEC (30 * USEC_PER_SEC)

typedef void command_done(
	struct service *s, enum command_kind kind, const struct command_result *result);

struct command_request {
	enum command_kind kind;
	char *const *argv; /* %{} is expanded */
	/*
	 * On the link: a run of a generation that the launcher has seen is not begun again. 0: the
	 * clock, for runs that may be repeated within one generation of the service.
	 */
	uint64_t generation;
	usec_t timeout_usec; /* then its process group is killed; USEC_INFINITY: by the caller */
	char *const *environment; /* "K=V" beside the service's own; NULL */
	command_done *done; /* NULL: the handler of its kind */
};

/* What is to be done at the end of a run that was begun by another engine, or without done. */
struct command_handler {
	command_done *done; /* NULL: nothing */
	/*
	 * Asked at its end, before done: is there anything of it left that has to go first? Then it
	 * is asked again shortly. NULL: no.
	 */
	bool (*is_held)(
		struct service *s, enum command_kind kind, const struct command_result *result);
	/*
	 * That run has ended, and done was called: what the launcher tells of it again, because it
	 * was asked for again meanwhile, is no news. NULL: no run is ever asked for again.
	 */
	bool (*is_over)(const struct service *s, enum command_kind kind, uint64_t serial);
};

struct commands {
	struct list outbox; /* what the launcher has yet to be told of */
	struct list waiting; /* probes whose turn has not come */
	unsigned n_probes; /* that are under way */
	unsigned n_alive; /* commands that have not ended */
	uint64_t last_serial; /* of the last exit that was looked at */
	struct command_handler handlers[COMMAND_KIND_MAX];
};

void command_init(struct engine *e);
/* To be set before the launcher is listened to. */
void command_set_handler(
	struct engine *e, enum command_kind kind, const struct command_handler *handler);

/* Nothing of the request is needed afterwards. 0; -EBUSY: that kind is under way; -errno. */
int command_start(struct service *s, const struct command_request *q);
/* Until done was called. */
bool command_is_running(const struct service *s, enum command_kind kind);
/* The run that is under way, 0 for none. */
uint64_t command_serial(const struct service *s, enum command_kind kind);
/* A process of a command that is under way. */
bool command_has_pid(const struct service *s, pid_t pid);
/* Its pid and since when (monotonic) it runs; 0 where it does not (yet). */
pid_t command_pid(const struct service *s, enum command_kind kind, usec_t *ret_since_usec);
/* KILL to its group; done is called when it has ended, never from within. */
void command_kill(struct service *s, enum command_kind kind);
void command_kill_all(struct service *s);
/* Kills what is left of the service's processes, where nothing of that is to go on. */
void command_kill_tree(struct service *s, enum command_kind kind);

/* Forgets all, at the end of the service. */
void command_free_all(struct service *s);

/* What the launcher tells of an id with LINK_ID_COMMAND; fds[0] may be taken. */
void command_message(struct service *s, const struct link_message *m, int *fds, unsigned n_fds);
/* Tells the launcher what is due. 0; -EAGAIN: the link is full. */
int command_flush(struct engine *e);
