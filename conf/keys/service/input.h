/* stdin. Whether there is the service that it names is seen in links/links_input.c. */
#pragma once

#include "conf/keys/service/making.h"

int input_set(struct making *m, const struct value *v);
