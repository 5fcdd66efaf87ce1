/*
 * Events as lines.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ctl/ctl.h"

/* What the lines before have been like. Zero initialised is the beginning. */
struct events_view {
	size_t name_width; /* of the longest name so far */
	int64_t engine_pid; /* of the last greeting; 0: none yet */
	int64_t told_pid; /* of the last greeting that was shown */
};

/*
 * Appends the line of an event; nothing for one that says nothing new to a reader of lines.
 * -ENOMEM.
 */
int events_render(struct events_view *v, json_t *event, const struct term *term, struct buf *out);
