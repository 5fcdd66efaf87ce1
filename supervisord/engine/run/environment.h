/*
 * What a command is told of its service, beside the environment that the service has.
 */
#pragma once

#include "engine/run/command.h"

/* "reload", "pre-start", …, "stop", "ready", "health". */
const char *command_kind_to_string(enum command_kind kind);

/*
 * "K=V", NULL terminated, the caller's: MAINPID, SUPERVISOR_HOOK, _STATE, _REASON, _RESTARTS,
 * _EXIT_CODE and _EXIT_SIGNAL as they are now, then more (may be NULL). -ENOMEM.
 */
int environment_make(const struct service *s, enum command_kind kind, char *const *more,
	char ***ret_environment);
