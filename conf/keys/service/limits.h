/* The section limits. */
#pragma once

#include "conf/keys/service/making.h"

int limits_set(struct making *m, const struct value *v);
