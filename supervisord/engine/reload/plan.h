/*
 * What a new configuration would change, as the control interface tells it.
 */
#pragma once

#include <jansson.h>

#include "engine/engine.h"

/*
 * The Plan of the interface. Values of environment variables only with_environment. NULL for
 * lack of memory.
 */
json_t *plan_make(struct engine *e, const struct spec *spec, bool with_environment);
/* Keys that can't change while supervisord runs, as BadConfiguration tells errors; or NULL. */
json_t *plan_refusals(const struct engine *e, const struct spec *spec);
