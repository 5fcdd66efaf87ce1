/*
 * Puts a new configuration in force. First everything that can fail; then one store makes it
 * so; then each service is brought in line with it. An engine that dies after that store is
 * followed by one that finds services which are not, and goes on: apply_finish().
 */
#pragma once

#include "engine/control/request.h"
#include "engine/engine.h"

/* What bringing a service in line with another definition takes, as it is now. */
enum apply_step {
	APPLY_NOTHING,
	APPLY_LIVE, /* it goes by the new one at once */
	APPLY_RESTART, /* stopped, if it runs, and started */
	APPLY_LATER, /* goes by it when it is started the next time */
};
enum apply_step apply_step(const struct service *s, const struct spec_service *spec);

/*
 * Takes over spec (also on failure), whose text memfd (borrowed) holds. 0, or -errno with
 * nothing changed. Adds to wishes what is to become of which service.
 */
int apply_spec(
	struct engine *e, struct spec *spec, int memfd, uint64_t op, struct request_wishes *wishes);
/* Brings services in line that are not; wishes may be NULL. */
void apply_finish(struct engine *e, uint64_t op, struct request_wishes *wishes);
