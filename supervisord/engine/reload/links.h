/*
 * Who depends on whom, from names in the configuration to the core's graph; and services in the
 * order that follows from it.
 */
#pragma once

#include "engine/engine.h"
#include "engine/reload/roster.h"
#include "engine/services.h"

/*
 * The graph of all services that there are, and of those that are about to be added (NULL: none),
 * as spec, with its roster, says; what it does not name keeps its links until it has gone. 0 or
 * -ENOMEM; the caller owns *ret_graph, which is NULL where there is nothing to say.
 */
int links_make(const struct engine *e, const struct spec *spec, const struct roster *roster,
	const struct services_addition *addition, struct core_graph **ret_graph);

/* In the order to start them, or, down, to stop them; otherwise as they stood. */
void links_sort(const struct engine *e, struct service **services, uint32_t n, bool down);
