/* The lines of a range, through all of its pieces, and those of several ranges in order of time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ctl/logs/file/feed.h"
#include "ctl/logs/range/range.h"
#include "ctl/logs/show/lines.h"

struct cursor {
	struct range *range; /* borrowed */
	struct source *source; /* borrowed: whose lines these are */
	size_t piece; /* the one that is read, or the next one */
	size_t chunk; /* bytes at a time */
	bool open;
	struct feed feed;

	struct feed_line line; /* when merging: what comes next */
	usec_t realtime; /* of that, or of the last one before it that told its time */
	bool at_end;
};

/* Told of a piece that can't be read, with -errno; the rest goes on. */
typedef void cursor_error_fn(
	const struct source *s, const struct piece *p, int error, void *userdata);

struct cursor_context {
	const struct lines *lines;
	cursor_error_fn *on_error;
	void *userdata;
};

void cursor_init(struct cursor *c, struct range *range, struct source *source, size_t chunk);
void cursor_fini(struct cursor *c);

/* Writes all of a range. 0 (the output may be gone), -ENOMEM. */
int cursor_show(struct cursor *c, const struct cursor_context *context);

/*
 * Writes the lines of several in order of their times; one that tells none comes with the one
 * before it. Of the same time, the first in the array goes first. As cursor_show().
 */
int cursor_merge(struct cursor *cursors, size_t n, const struct cursor_context *context);
