/*
 * Where a service stands among others: what it waits for, what it needs, who needs it.
 */
#pragma once

#include <jansson.h>

#include "engine/engine.h"

#define SITUATION_MAX_LINKS 1000 /* that are told, in each direction */

/* Adds its part to a Service of the interface, which it returns; NULL stays NULL. */
json_t *situation_add(const struct service *s, json_t *service);

/* The same for the reply of Show. */
json_t *situation_add_links(const struct service *s, bool with_environment, json_t *show);
