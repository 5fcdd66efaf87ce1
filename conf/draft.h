/* A service in the making: it owns all that its definition points to, and may change it. */
#pragma once

#include "conf/share.h"
#include "conf/spec.h"

struct draft {
	struct spec_service service;
	/* what the definition's members of these names point to */
	struct spec_policy policy;
	struct spec_links links;
	struct spec_contact contact;
	struct spec_process process;
	struct spec_log log;
	/* and those of these */
	struct spec_check ready_check, health;
	struct spec_schedule schedule;
	struct spec_identity identity;
	char **hooks[SPEC_HOOK_MAX];
};

/* A draft stays where it is. */
void draft_init(struct draft *d);
void draft_fini(struct draft *d);

/* The same service, all of it in that memory. 0 or -ENOMEM. */
int draft_keep(const struct draft *d, struct share *share, struct spec_service *ret_service);
