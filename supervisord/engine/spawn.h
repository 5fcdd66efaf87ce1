/*
 * From a service's spec to a spawn plan: its environment, where its program is, the ids,
 * all resolved, in a sealed memfd.
 */
#pragma once

#include "engine/engine.h"

/* Sends SPAWN for the current generation. 0, -EAGAIN, -errno. */
int spawn_send(struct service *s);

/*
 * The same for a command beside the process: with MAINPID in its environment, and one pipe for
 * stdout and stderr.
 */
int spawn_send_command(struct service *s, char *const *command, uint64_t generation);

/* The environment it gets: "K=V", NULL terminated; *ret is the caller's. -ENOMEM. */
int spawn_environment(const struct service *s, char ***ret_environment);
void spawn_environment_free(char **environment);

/* argv with %{} expanded, NULL terminated; the caller's. -ENOMEM. */
int spawn_arguments(const struct service *s, char ***ret_arguments);
