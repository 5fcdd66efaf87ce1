/*
 * Plan and Apply, and SIGHUP: files are read in a process of their own (loader.h), compared
 * with what is in force, and put in force (apply.h). Scale: what is in force is put in force
 * again, with another number of instances. Requests come one after the other, each reads the
 * files anew.
 */
#pragma once

#include <jansson.h>

#include "base/list.h"
#include "engine/reload/loader.h"

struct engine;
struct server_call;

struct reload {
	struct list requests; /* the first one is being worked on */
	struct loader loader;
	int memfd; /* owned: what the loader has read for it; -1 */
	bool waits; /* it does, until there is a place for one more configuration */
	struct loop_timer again; /* a place has become free */
};

/* A signal has asked for a reload that is not over: nobody has told that it was seen. */
bool reload_owes_signal(const struct engine *e);
int reload_init(struct engine *e);
void reload_fini(struct engine *e);

/* Requests that came before the launcher had told all that it knows have their turn. */
void reload_resume(struct engine *e);
/* A configuration has been left by all services: one that waits for a place has its turn. */
void reload_place_is_free(struct engine *e);

/* Answers the call with what would change. no_restart: if nothing were started again. */
void reload_plan(struct engine *e, struct server_call *call, bool no_restart);
/*
 * Puts the files in force; call NULL: by SIGHUP. With wait it is answered once all that
 * follows has happened. op: the request's id, 0 for none; a repeated one joins the first.
 * no_restart: what would have to be started again goes on by its old definition.
 */
void reload_apply(
	struct engine *e, struct server_call *call, bool no_restart, bool wait, uint64_t op);
/* Gives a definition so many instances (<= SPEC_MAX_INSTANCES); likewise. */
void reload_scale(struct engine *e, struct server_call *call, const char *name, unsigned n,
	bool wait, uint64_t op);
