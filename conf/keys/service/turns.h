/* Hooks, the stop command, and the schedule. */
#pragma once

#include "conf/keys/service/making.h"

int turns_set_hook(struct making *m, const struct value *v);
int turns_set_hook_timeout(struct making *m, const struct value *v);
int turns_set_schedule(struct making *m, const struct value *v);
void turns_check(struct making *m);
