/*
 * Log lines on their way out: cut from a stream of bytes, made harmless, given a prefix.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "conf/values/matcher.h"
#include "ctl/ctl.h"

/* A line longer than this comes in pieces, so that an endless one costs no more memory. */
#define LINES_MAX_LINE 65536

struct lines {
	struct ctl *ctl; /* borrowed */
	struct matcher *matcher; /* borrowed; lines that don't match are left out. NULL: none are */
	bool prefixed;
	size_t label_width;
};

/* One file that lines come from. */
struct source {
	char *name, *label, *path; /* owned; label is "web" or "web/err" */
	bool is_error;
	const char *stream; /* "output" or "error" */
	const char *colour; /* static, "" for none */
	struct buf partial; /* the beginning of a line */
	bool continued; /* the line has come in pieces so far */
	bool hidden; /* it is left out */
	uint64_t n_given_up; /* lines that it would have cost too much to match */
};

void source_fini(struct source *s);

/* Takes bytes and writes the lines that they complete. -ENOMEM. */
int lines_feed(const struct lines *l, struct source *s, const char *data, size_t n);

/* Writes what is left without a newline as a line. -ENOMEM. */
int lines_end(const struct lines *l, struct source *s);
