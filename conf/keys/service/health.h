/* The section health, and the watchdog. */
#pragma once

#include "conf/keys/service/making.h"

int health_set(struct making *m, const struct value *v);
void health_check(struct making *m);
