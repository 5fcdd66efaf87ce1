/* Which function takes which key. */
#pragma once

#include "conf/keys/service/making.h"

#define SERVICE_MAX_LIST 1000 /* names in environment and groups: they are compared pairwise */

/*
 * Takes over a key that stands for itself; others change nothing. 0, also for a value that is
 * refused, which is then told in errors; -ENOMEM.
 */
int service_set(struct making *m, enum service_key key, const struct value *v);
