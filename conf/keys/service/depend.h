/* Lists of other services, and the pool. */
#pragma once

#include "conf/keys/service/making.h"

int depend_set_links(struct making *m, const struct value *v);
int depend_set_pool(struct making *m, const struct value *v);
/* Is it of the form of a service's name, or of an instance's, "web@2"? */
bool depend_is_link(const char *text);
