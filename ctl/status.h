/*
 * What status and show have in common.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/usec.h"
#include "ctl/term.h"

struct ctl;

/* A new object with the promised fields of a service, in their order; absent ones null. */
json_t *status_fields(json_t *service);

/* Running, or ended as it should: what makes `status NAME` exit 0. */
bool status_is_up(json_t *service);

/* Appends the table of services. -ENOMEM. */
int status_render(json_t *services, const struct term *term, struct buf *out);

/* What a call returned means that nobody answers there. */
bool status_is_nobody(int result);

/* That what was shown is what the board last said. */
void status_tell_age(struct ctl *ctl, usec_t changed_usec);
