/* Limits of resources: as a plan has them, and for a process that runs. */
#pragma once

#include "engine/engine.h"
#include "wire/plan.h"

/* Those that the spec sets, in a plan's order. Returns how many. */
unsigned rlimits_list(
	const struct spec_service *spec, struct plan_limit ret[static SPEC_LIMIT_MAX]);

/*
 * Gives the main process, if there is one, the limits of `after` where they are others than those
 * it has been given. 0, or -errno of the first that can't be set; the rest is set all the same.
 */
int rlimits_change(struct service *s, const struct spec_service *after);

/* The process has started just now; a change may have come while it did. */
void rlimits_started(struct service *s);
