/*
 * Where a service stands among others: what it needs, who needs it.
 */
#pragma once

#include <jansson.h>

#include "engine/engine.h"

#define SITUATION_MAX_LINKS 1000 /* that are told, in each direction */

/* Adds its part to the reply of Show, which it returns; NULL stays NULL. */
json_t *situation_add_links(const struct service *s, bool with_environment, json_t *show);
