/*
 * Log lines on their way out: cut from a stream of bytes, made harmless, given a prefix. One longer
 * than FEED_MAX_LINE comes in pieces.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/values/matcher.h"
#include "ctl/ctl.h"
#include "ctl/logs/where/sources.h"

struct lines {
	struct ctl *ctl; /* borrowed */
	struct matcher *matcher; /* borrowed; lines that don't match are left out. NULL: none are */
	bool prefixed;
	size_t label_width;
};

/* Takes bytes and writes the lines that they complete. -ENOMEM. */
int lines_feed(const struct lines *l, struct source *s, const char *data, size_t n);

/* Writes what is left without a newline as a line. -ENOMEM. */
int lines_end(const struct lines *l, struct source *s);
