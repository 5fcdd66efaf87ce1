/* The section log. */
#pragma once

#include "conf/keys/making.h"

int output_set(struct making *m, const struct value *v);
void output_check(struct making *m);
