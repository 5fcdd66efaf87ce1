/*
 * How the reply of Show is shown.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "ctl/output/term.h"

/* Appends the page for people. -ENOMEM. */
int show_render(json_t *reply, const struct term *term, struct buf *out);

/* A new object: the fields of the service, as in status, and beside them all the rest. */
json_t *show_flatten(json_t *reply);
