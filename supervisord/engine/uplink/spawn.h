/*
 * From a service's spec to a spawn plan: its environment, where its program is, the ids,
 * all resolved, behind the message or, a large one, in a sealed memfd.
 */
#pragma once

#include "engine/engine.h"
#include "engine/streams/pipes.h"

/* Sends SPAWN for the current generation; service_made_pipes() are its then. 0, -EAGAIN, -errno. */
int spawn_send(struct service *s);

/* A command beside the process, with one pipe for stdout and stderr. */
struct spawn_command {
	uint32_t id; /* on the link */
	uint64_t generation;
	char *const *argv;
	char *const *environment; /* "K=V" beside the service's */
	bool apart; /* not in the service's cgroup */
};
/* pipes: owned by the caller; made anew for a generation that they are not of. */
int spawn_send_command(struct service *s, const struct spawn_command *c, struct pipes *pipes);

/* The environment it gets: "K=V", NULL terminated; *ret is the caller's. -ENOMEM. */
int spawn_environment(const struct service *s, char ***ret_environment);
void spawn_environment_free(char **environment);

/* argv with %{} expanded, NULL terminated; the caller's. -ENOMEM. */
int spawn_arguments(const struct service *s, char ***ret_arguments);
/* The same of other words. */
int spawn_expand(const struct service *s, char *const *words, char ***ret_words);
