/*
 * What a stream wrote, line by line: the first may have begun in the writer's partial, one that
 * is too long comes in several, cut between characters of UTF-8, and "<N>" at its beginning says
 * how urgent it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/logs/origin.h"
#include "engine/logs/outlet/outlet.h"

/* Syslog's numbers, which the journal and "<N>" have too. */
enum priority {
	PRIORITY_ERR = 3, /* stderr with a pipe of its own */
	PRIORITY_WARNING = 4, /* what the supervisor itself has to say */
	PRIORITY_INFO = 6, /* stdout */
};
#define PRIORITY_MAX 7

/* Borrowed from writer and data. */
struct line {
	const char *head, *text; /* one after the other; without its newline */
	size_t n_head, n_text;
	size_t n_data; /* bytes of data that it takes, newline included */
	size_t n_own; /* and those of partial */
	size_t n_kept; /* bytes at the end of partial that belong to the next one */
	uint8_t priority;
	bool ended; /* there was a newline */
	bool cut; /* more of the same line is to come */
};

/* A walk through data. The writer stays as it is until lines_take(). */
struct lines {
	const struct outlet_writer *writer;
	const char *data;
	size_t n, done;
	size_t n_head; /* what is left of partial */
	size_t max; /* the longest line, without its newline */
	uint8_t priority; /* of the stream */
	uint8_t cut; /* as the writer's */
	bool levels; /* "<N>" is looked for */
};

/* origin: NULL: "<N>" stays where it is. All are borrowed. */
void lines_init(struct lines *l, const struct outlet_writer *w, const struct log_origin *origin,
	const char *data, size_t n, size_t max);

/* The next one; false: what is left has no end yet, and fits into partial. */
bool lines_next(struct lines *l, struct line *ret);

/*
 * The line has gone: to be called for each, in order. Where it keeps something, there is no
 * next one before this.
 */
void lines_take(struct lines *l, struct outlet_writer *w, const struct line *line);

/* What is left goes to partial: how much that was, all or (without memory) nothing. */
size_t lines_keep(const struct lines *l, struct outlet_writer *w);

/* What is in partial, as if it had ended. */
void lines_last(const struct outlet_writer *w, const struct log_origin *origin, struct line *ret);
