/*
 * Puts a new configuration in force. First everything that can fail; then one store makes it
 * so; then each service is brought in line with it. An engine that dies after that store is
 * followed by one that finds services which are not, and goes on: apply_finish().
 */
#pragma once

#include "base/cleanup.h"
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

/* A configuration that is to be put in force. */
struct apply {
	struct spec *spec; /* owned; NULL once it was taken over */
	int text; /* its sources in a memfd; likewise, -1 */
	uint64_t op; /* the request's id, 0 for none */
	uint8_t flags; /* enum recovery_config_flags */
};
void apply_fini(struct apply *a);
#define _cleanup_apply_ _cleanup_(apply_fini)

/* 0, or -errno with nothing changed. Adds to wishes what is to become of which service. */
int apply_spec(struct engine *e, struct apply *a, struct request_wishes *wishes);
/* Brings services in line that are not; wishes may be NULL. */
void apply_finish(struct engine *e, uint64_t op, struct request_wishes *wishes);
