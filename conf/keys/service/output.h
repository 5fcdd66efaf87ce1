/* The section log. */
#pragma once

#include "conf/keys/service/making.h"

int output_set(struct making *m, const struct value *v);
void output_check(struct making *m);
