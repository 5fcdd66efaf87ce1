/*
 * What status and show have in common.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/usec.h"

struct ctl;

/* A new object with the promised fields of a service, in their order; absent ones null. */
json_t *status_fields(json_t *service);

/* What a call returned means that nobody answers there. */
bool status_is_nobody(int result);

/* That what was shown is what the board last said. */
void status_tell_age(struct ctl *ctl, usec_t changed_usec);
