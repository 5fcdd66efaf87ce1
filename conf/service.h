/* A service in the making. Only service.c and service_keys.c use it. */
#pragma once

#include "conf/build.h"

#define SERVICE_MAX_LIST 1000 /* names in environment and groups: they are compared pairwise */

struct making {
	struct build *b;
	struct spec_service *s;
	const struct section *own; /* NULL: only defaults are looked at */
	const struct section *defaults; /* NULL: none are given */
};

/*
 * conf/service_keys.c: takes over a key that stands for itself; others change nothing.
 * 0, also for a value that is refused, which is then told in errors; -ENOMEM.
 */
int service_set(struct making *m, enum service_key key, const struct value *v);
