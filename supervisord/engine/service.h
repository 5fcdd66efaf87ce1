/*
 * One service in the engine: its names, its pipes and sinks, and its part of the
 * recovery area. What it should do is the core's to say.
 */
#pragma once

#include "engine/engine.h"

/* Makes the services of the spec, with sinks, and an index by name. 0 or -ENOMEM. */
int service_init_all(struct engine *e);
void service_fini_all(struct engine *e);

/* The service of exactly this name, or NULL. */
struct service *service_find(const struct engine *e, const char *name);

/* Takes the read ends of a generation's pipes (owned from now on); -1 fds are skipped. */
void service_take_pipes(struct service *s, int *fds, unsigned n_fds);
/* Reads what is in the pipes now, for a process that has ended. */
void service_drain(struct service *s);
/* A generation and its tree are over: reads the rest, closes, and releases at the launcher. */
void service_close_pipes(struct service *s);

/* A spawn that failed before the launcher heard of it; error is a negative errno. */
void service_spawn_failed(struct service *s, int error);

/* Writes the service's record to the recovery area; publish as in wire/recovery.h. */
void service_commit(struct service *s, bool publish_pending, uint8_t previous, uint64_t seq);
/* Stores the counters of its logs there. */
void service_commit_counters(struct service *s);
/* What the recovery area has of it: false where it holds nothing for this name. */
bool service_restore(struct service *s, struct core_record *ret_record);

/* "service 'web': ..." in words, from the core. */
const char *service_reason(const struct service *s, char ret_text[static CORE_REASON_SIZE]);

/* 32 hex digits of the current generation's SUPERVISOR_INVOCATION. */
#define SERVICE_INVOCATION_SIZE 33
void service_invocation(const struct service *s, char ret_text[static SERVICE_INVOCATION_SIZE]);
