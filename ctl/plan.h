/*
 * How a plan is shown: what a changed configuration means for services.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "ctl/output/term.h"

/* Appends the plan for people, one sentence where nothing is to be done. -ENOMEM. */
int plan_render(json_t *plan, const struct term *term, struct buf *out);
