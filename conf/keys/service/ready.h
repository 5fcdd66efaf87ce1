/* The section ready. */
#pragma once

#include "conf/keys/service/making.h"

int ready_set(struct making *m, const struct value *v);
void ready_check(struct making *m);
