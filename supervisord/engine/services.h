/*
 * All services: found by name and by id, in the order of the configuration. Ids are places
 * in the recovery area, which grows and whose free places are used again.
 */
#pragma once

#include "engine/engine.h"
#include "engine/reload/roster.h"

/*
 * Makes the services that the configuration in force names; after another engine also those
 * that its records tell of, each going by the configuration that its record says. 0 or -errno.
 */
int services_init(struct engine *e);
void services_fini(struct engine *e);

/* The service of exactly this name, or NULL. */
struct service *services_find(const struct engine *e, const char *name);
/* The service with this id, or NULL. */
struct service *services_by_id(const struct engine *e, uint32_t id);

/* --- changing what there is --- */

/* Services that are about to be added, made but not known to anybody. */
struct services_addition {
	struct service **services; /* owned, with what is in it */
	uint32_t n;
};

/*
 * Makes what the roster, of configs[config], names and what is not there, and all the room
 * that taking it in needs. 0, or -errno with nothing changed.
 */
int services_prepare(struct engine *e, const struct roster *r, uint8_t config,
	struct services_addition *ret_addition);
/* Frees what was not taken in. */
void services_addition_fini(struct services_addition *a);
/*
 * Takes them in and brings all into the order of the roster; services[i] is then the one of
 * entry i, and those that the roster does not name come last. Can't fail.
 */
void services_take_in(struct engine *e, const struct roster *r, struct services_addition *a);
/* Has services_sweep() called shortly, for all that come to their end until then. */
void services_sweep_soon(struct engine *e);
/* Forgets services that came to their end: those with removed set and nothing left to tell. */
void services_sweep(struct engine *e);
