/*
 * What a command is inside of this room: command.c begins and ends it, command_news.c takes what
 * the launcher tells of it. Nobody else includes this.
 */
#pragma once

#include "engine/engine.h"
#include "engine/run/command.h"
#include "engine/streams/pipes.h"

enum stage {
	STAGE_BEGUN, /* the launcher has not been told */
	STAGE_SENT,
	STAGE_HELD, /* it has ended, and something of it is left */
	STAGE_OVER /* done was called; only the launcher has to be told */
};

/*
 * In the order in which they are told. The acknowledgement is last: a run that was acknowledged and
 * not released would be told to the next engine as one that was started, and never as ended.
 */
enum mark { MARK_SPAWN = 1 << 0, MARK_KILL = 1 << 1, MARK_RELEASE = 1 << 2, MARK_ACK = 1 << 3 };

struct command {
	struct part part;
	struct list line; /* in commands.outbox or .waiting */
	struct service *service;
	enum command_kind kind;
	enum stage stage;
	unsigned marks; /* enum mark */
	uint64_t generation, service_generation;
	usec_t timeout_usec, began_usec;
	char **argv, **environment; /* owned; until it is sent */
	command_done *done;
	struct loop_timer timer; /* its timeout; kill, or look, again */
	struct loop_source source; /* the read end of its pipe, owned */
	struct pipes pipes; /* the same, until the launcher has told that it runs */
	struct output output;
	pid_t pid;
	int pidfd; /* owned, until its end; -1 */
	bool counted; /* among the probes that are under way */
	bool timed_out, cancelled;
	unsigned n_kills;
	int failure; /* errno, where it could not be sent */
	usec_t held_usec;
	uint64_t serial; /* of its end; 0: the launcher has not told */
	struct link_exit end;
};

static inline struct commands *commands_of(const struct command *c)
{
	return &c->service->engine->commands;
}

static inline struct loop *loop_of(const struct command *c)
{
	return &c->service->engine->loop;
}

/* NULL for lack of memory. */
struct command *command_new(struct service *s, enum command_kind kind);
void command_free(struct command *c);
/* The one that is under way, or NULL. */
struct command *command_find(const struct service *s, enum command_kind kind);
/* That very run, also where it is over; or NULL. */
struct command *command_find_run(
	const struct service *s, enum command_kind kind, uint64_t generation);
/* The launcher has told its end; serial 0: it knows nothing of it. */
void command_end(struct command *c, const struct link_exit *x, uint64_t serial);
bool command_is_probe(enum command_kind kind);
