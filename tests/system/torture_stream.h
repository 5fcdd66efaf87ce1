/*
 * What a writer of the torture writes: a stream of bytes that follows from the service's seed and
 * the number of its run alone, so that a log can be compared byte for byte with what was written
 * by whoever knows how many bytes of each run that was. Writer and checker share this.
 *
 * A run's stream begins with a head, "\036RRRRRRRR NAME\n", and goes on with numbered lines:
 * "RRRRRRRR NNNNNNNN payload CCCCCCCC\n", the run, the line and a checksum in hex. The byte 036
 * is nowhere else in a stream: in a log it is where a run begins.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_MARK	   '\036'
#define STREAM_MAX_PAYLOAD 24000
#define STREAM_MAX_LINE	   (STREAM_MAX_PAYLOAD + 64)
#define STREAM_MAX_NAME	   64

enum stream_style {
	STREAM_TEXT, /* printable bytes */
	STREAM_BINARY, /* all but the mark: NULs, newlines and what is no UTF-8 */
	STREAM_STYLE_MAX
};

struct stream {
	const char *name; /* borrowed */
	uint64_t seed;
	enum stream_style style;
	uint32_t run, line; /* line: how many were made; the head is none */
	bool begun;
	char data[STREAM_MAX_LINE]; /* the present line */
	size_t n, done; /* its length, and how much of it was taken */
};

/* A fast generator; the same everywhere. */
uint64_t stream_random(uint64_t *state);

/* name: at most STREAM_MAX_NAME bytes. */
void stream_init(
	struct stream *s, const char *name, uint64_t seed, enum stream_style style, uint32_t run);

/* The rest of the present line, or the next one, never empty. Valid until the next call. */
const char *stream_peek(struct stream *s, size_t *ret_n);
/* Takes n bytes of what peek gave. */
void stream_take(struct stream *s, size_t n);
