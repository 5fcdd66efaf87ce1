/*
 * What is known of a service by asking it, and by what it says of itself.
 */
#pragma once

#include <jansson.h>

#include "engine/engine.h"

/* Adds its part to the reply of Show, which it returns; NULL stays NULL. */
json_t *checks_add_details(const struct service *s, json_t *show);

/* What tells that it is ready, and why it isn't so far; type Probe of its last answer, or null. */
json_t *checks_readiness(const struct service *s);
json_t *checks_probe(const struct service *s);
