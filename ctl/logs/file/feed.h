/*
 * Lines out of an input, one after the other. One longer than FEED_MAX_LINE comes in pieces, so
 * that no file costs more memory than that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ctl/logs/file/input.h"

#define FEED_MAX_LINE 65536

struct feed {
	struct input in; /* owned, but for what is borrowed there */
	char *data; /* owned */
	size_t size, chunk; /* chunk: how much is read at a time */
	size_t begin, end; /* what of data has not been handed out */
	off_t limit; /* bytes from there on are none of ours */
	bool within; /* what comes next belongs to a line that began before */
};

struct feed_line {
	const char *text; /* borrowed from the feed until the next call; with the newline */
	size_t n;
	off_t offset;
	bool begins, ends; /* false: a piece of a line */
};

/* Reads in at chunks of so many bytes up to limit; the input's offset is at a line's beginning. */
void feed_init(struct feed *f, struct input in, off_t limit, size_t chunk);
void feed_fini(struct feed *f);

/* 1, 0 at the end, -errno. */
int feed_next(struct feed *f, struct feed_line *ret_line);
