/*
 * What a service reads whose stdin is another one's output: a pipe that is its own, and lasts as
 * long as its definition says so, whatever becomes of its process, the other's, the engine or the
 * launcher. The launcher keeps it as LINK_KEEP_INPUT.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "engine/part.h"

struct engine;
struct service;

/* What the launcher has kept for a service. */
struct input_kept {
	uint32_t id;
	int fd; /* owned; -1: it was taken */
};

struct inputs {
	struct list all; /* of struct input */
	struct input_kept *kept; /* owned: n_kept */
	size_t n_kept;
};

/* There is no end of it while one of those who have it lives: nobody has less than both ends. */
struct input {
	struct part part;
	struct service *service;
	struct list node; /* of inputs.all */
	char *from; /* owned: the service or instance that it reads */
	int fd; /* owned: both ends, O_NONBLOCK, shared with no process; -1: it is yet to be made */
	uint64_t inode; /* of the pipe, or of the one that the last engine had; 0: not known */
};

/* Takes over what the launcher tells as kept, before input_init(). -ENOMEM, and it is closed. */
int input_note_kept(struct engine *e, uint32_t id, int fd);
/* Before there are services. */
void input_init(struct engine *e);
/* All services that there were are there: nobody wants the rest. */
void input_drop_kept(struct engine *e);

/*
 * Makes what the definition that its generation goes by asks for, or drops what it doesn't: for
 * one that the engine has just taken in, or that goes by another definition. A new pipe is the one
 * that the launcher has kept, or that the process has, where there is such a one. What fails is
 * told, and tried again at the next start.
 */
void input_follow(struct service *s);
/* Another one may read what this one writes, which the engine has just taken in. */
void input_offer(struct service *s);
/* Before a process is started: it is there, and the launcher has it. As uplink_post(). */
int input_prepare(struct service *s);
/* The service is no more. */
void input_free(struct service *s);

/* It has such a pipe. */
bool input_is_there(const struct service *s);
/* What is known of the pipe, for the next engine, and by it. 0 or -ENOMEM. */
uint64_t input_inode(const struct service *s);
int input_restore(struct service *s, uint64_t inode);

/* Both ends, as a process has them: owned by the caller. -1: it has none; -errno. */
int input_open(const struct service *s);
