/*
 * One service in the engine: its names, its pipes and sinks, and its part of the
 * recovery area. What it should do is the core's to say.
 */
#pragma once

#include "engine/engine.h"

/*
 * Makes a service with this id, for an instance of a definition in configs[config]; with its
 * sinks, and of no state. -ENOMEM.
 */
int service_new(struct engine *e, uint32_t id, const struct spec_service *spec, unsigned instance,
	uint8_t config, struct service **ret_service);
/* Gives back all that it has; the caller has taken it out of every list but its own. */
void service_free(struct service *s);

/*
 * From now on it goes by another definition; what the process was started with stays as it is
 * until the next one. With another number of pipes: only while none is open.
 */
void service_adopt(struct service *s, const struct spec_service *spec, uint8_t config);
/* The same, as soon as its generation is over: perform.c sees to that. */
void service_adopt_later(struct service *s, const struct spec_service *spec, uint8_t config);

/*
 * Its process was started by an older definition than the one in force, and goes on: somebody
 * wanted no restart.
 */
bool service_is_stale(const struct service *s);
/* What the configuration in force says of it, whatever its process goes by. */
const struct spec_service *service_definition(const struct service *s);

/* A generation of it was begun; what is told of the last one is not empty. */
bool service_has_run(const struct service *s);

/* Its generation lives and has, or has had, or is to have processes: it is more than a hook. */
bool service_has_process(const struct service *s);

/*
 * Takes the read ends of a generation's pipes (owned from now on); -1 fds are skipped. Those that
 * were left to it are the same ones.
 */
void service_take_pipes(struct service *s, int *fds, unsigned n_fds);
/*
 * The launcher has died without a word of this generation, and no process of it was found: what
 * one that has ended may have written is logged.
 */
void service_drain_untold(struct service *s);
/*
 * The same for a generation that is over: what is in them is logged, or left to the next one, which
 * may be the one that the launcher has been asked for.
 */
void service_take_rest(struct service *s, uint64_t generation, int *fds, unsigned n_fds);
/* Reads what is in the pipes now, for a process that has ended. */
void service_drain(struct service *s);
/*
 * A generation and its tree are over: reads the rest, closes, and releases at the launcher. Where
 * the rest has to wait for a log, the pipe is left to the next generation.
 */
void service_close_pipes(struct service *s);

/* Those that were made for a generation, until its process is told of; borrowed. */
const struct pipes *service_made_pipes(const struct service *s);
/* The same, with room for them, to be given back at once if none are made; NULL: no memory. */
struct pipes *service_make_pipes(struct service *s);
void service_drop_made_pipes(struct service *s);

/* A spawn that failed before the launcher heard of it; error is a negative errno. */
void service_spawn_failed(struct service *s, int error);

/* --- record.c --- */

/* Writes the service's record to the recovery area; publish as in wire/recovery.h. */
void service_commit(struct service *s, bool publish_pending, uint8_t previous, uint64_t seq);
/* Stores the counters of its logs there. */
void service_commit_counters(struct service *s);
/* What the recovery area has under its id. False: nothing that makes sense. */
bool service_restore(struct service *s, struct core_record *ret_record, struct core_past *ret_past);
/* The generation that a slot has come to, whoever has had it. */
uint64_t service_last_generation(const struct engine *e, uint32_t id);
/* The slot is nobody's from now on. */
void service_commit_removal(struct engine *e, uint32_t id, uint64_t generation);

/* --- service.c --- */

/* "service 'web': ..." in words, from the core. */
const char *service_reason(const struct service *s, char ret_text[static CORE_REASON_SIZE]);

/* How its last generations ended: SERVICE_EXITS, newest first; NULL: none has. */
const struct service_exit *service_exits(const struct service *s);
/* The same, with room made for them; NULL for lack of memory. */
struct service_exit *service_exits_get(struct service *s);

/* How one of its last generations ended, in words. Returns ret_text. */
const char *service_exit_text(const struct service_exit *x, char ret_text[static CORE_REASON_SIZE]);

/* 32 hex digits of the current generation's SUPERVISOR_INVOCATION. */
#define SERVICE_INVOCATION_SIZE 33
void service_invocation(const struct service *s, char ret_text[static SERVICE_INVOCATION_SIZE]);
