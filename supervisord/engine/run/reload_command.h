/*
 * supctl reload by a command in place of a signal: reload.command.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/part.h"
#include "engine/run/result.h"

struct engine;
struct service;

/* How the last one of a service ended. */
struct reload_outcome {
	struct part part;
	uint64_t serial;
	bool ok;
	char text[RESULT_TEXT_SIZE + 16]; /* "reload command exited with code 1: last line" */
};

void reload_command_init(struct engine *e);
/*
 * Notes for good that the request op is to be served, and then begins the command, so that whoever
 * comes after this engine does so where it could not. The service has a process. 0, and *ret_serial
 * tells this run from others; -EBUSY: one is under way; -errno.
 */
int reload_command_start(struct service *s, uint64_t op, uint64_t *ret_serial);
/* Begins what an engine before this one had noted, once the launcher has told what it knows of. */
void reload_command_resume(struct service *s);
