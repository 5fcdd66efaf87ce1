/*
 * What commands have come to, for a launcher that takes the place of one that died.
 */
#pragma once

#include "engine/run/command.h"

enum command_stage {
	COMMAND_UNDER_WAY, /* the launcher was to start it, and has not said whether it did */
	COMMAND_RUNS,
	COMMAND_ENDED /* and something of it is waited for: its end is not acknowledged */
};

struct command_situation {
	enum command_kind kind;
	enum command_stage stage;
	uint64_t generation, serial; /* serial: of its end */
	pid_t pid;
	int pidfd, output; /* borrowed; -1 */
	const struct pipes *pipes; /* borrowed; of one that is under way */
	usec_t began_usec;
	struct link_exit end;
};

/* The i-th that a launcher has to know of. False: there are no more. */
bool command_situation(const struct service *s, unsigned i, struct command_situation *ret);
