/*
 * Commands that are run for a service beside its process: what its reload.command says. They
 * are children of the launcher, under the service's id with LINK_ID_COMMAND set, so that the
 * next engine takes them over; they belong to the service's processes, and end with them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/link.h"

struct engine;
struct service;
struct command;

#define COMMAND_TIMEOUT_USEC (30 * USEC_PER_SEC) /* then it is killed */
#define COMMAND_TEXT_SIZE    160

/* How the last command of a service ended. */
struct command_result {
	uint64_t serial;
	bool ok;
	char text[COMMAND_TEXT_SIZE]; /* for people; its last line of output is part of it */
};

/*
 * Runs the service's reload.command. 0, and *ret_serial tells this run from others; -EBUSY: one is
 * under way; -EAGAIN, -errno.
 */
int command_run(struct service *s, uint64_t *ret_serial);
/* The run that is under way, 0 for none. */
uint64_t command_serial(const struct service *s);
/* Forgets it, at the end of the service. */
void command_free(struct service *s);

/* What the launcher tells of an id with LINK_ID_COMMAND; fds are taken or closed. */
void command_message(struct engine *e, struct service *s, const struct link_message *m, int *fds,
	unsigned n_fds);
