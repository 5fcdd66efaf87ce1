/*
 * What status and show have in common.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/usec.h"

struct ctl;
struct status_row;

/* A new object with the promised fields of a service, in their order; absent ones null. */
json_t *status_fields(json_t *service);

/* The row borrows from the object, whose members may be absent, or null. */
void status_row_of_json(json_t *service, struct status_row *ret_row);

/* What a call returned means that nobody answers there. */
bool status_is_nobody(int result);

/* That what was shown is what the board last said. */
void status_tell_age(struct ctl *ctl, usec_t changed_usec);
