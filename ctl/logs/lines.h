/*
 * Log lines on their way out: cut from a stream of bytes, made harmless, given a prefix.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "ctl/ctl.h"

/* A line longer than this comes in pieces, so that an endless one costs no more memory. */
#define LINES_MAX_LINE 65536

struct lines {
	struct ctl *ctl; /* borrowed */
	bool prefixed;
	size_t label_width;
};

/* One file that lines come from. */
struct source {
	char *name, *label, *path; /* owned; label is "web" or "web/err" */
	const char *stream; /* "output" or "error" */
	const char *colour; /* static, "" for none */
	struct buf partial; /* the beginning of a line */
	bool continued; /* pieces of the line are out already */
};

void source_fini(struct source *s);

/* Takes bytes and writes the lines that they complete. -ENOMEM. */
int lines_feed(const struct lines *l, struct source *s, const char *data, size_t n);

/* Writes what is left without a newline as a line. -ENOMEM. */
int lines_end(const struct lines *l, struct source *s);
