/*
 * What a new configuration would change, as the control interface tells it.
 */
#pragma once

#include <jansson.h>

#include "engine/engine.h"

struct plan_options {
	bool with_environment; /* with the values of environment variables */
	bool no_restart; /* as if nothing were started again */
};

/* The Plan of the interface; NULL for lack of memory. */
json_t *plan_make(struct engine *e, const struct spec *spec, const struct plan_options *options);
/*
 * What a service does not go by yet, of the configuration in force: Keys of the interface, none
 * where it goes by all of it. NULL for lack of memory.
 */
json_t *plan_pending(const struct service *s, bool with_environment);
/* Keys that can't change while supervisord runs, as BadConfiguration tells errors; or NULL. */
json_t *plan_refusals(const struct engine *e, const struct spec *spec);
