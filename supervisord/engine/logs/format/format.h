/*
 * What a line looks like in a log: its head ("2026-11-23T06:36:53.123456Z ", "web[123] stdout: ",
 * or {"time":…,"message":"), its text, as it is or as JSON has it, and its tail ("} in JSON).
 *
 * A format is made once for a batch, from numbers and texts that do not change: whoever makes
 * it again from the same ones, and the same source bytes, has the same output. Output has
 * no need to end with a line: the state tells where it stands. It is the same however a
 * text is cut into batches.
 *
 * In JSON, valid UTF-8 passes, control characters are escaped, and what is not UTF-8 becomes
 * U+FFFD, once for each piece of a character, as the Unicode Standard recommends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"
#include "conf/spec.h"
#include "engine/logs/origin.h"
#include "wire/intent.h"

#define FORMAT_HEAD_SIZE   320
#define FORMAT_END_SIZE	   8
#define FORMAT_ATOM_SIZE   6 /* what comes of one byte in a line, at most */
#define FORMAT_MARKER_SIZE 1024

/* What a format is made from. */
struct format_about {
	enum spec_format kind;
	enum spec_timestamps timestamps; /* JSON has its own */
	usec_t realtime;
	int utc_offset_sec; /* for local time */
	struct log_origin origin; /* name and stream for PREFIX; service, too, for JSON */
};

struct format {
	bool json;
	size_t n; /* of the head; 0: lines stay as they are */
	char head[FORMAT_HEAD_SIZE]; /* no NUL */
};

/* Where a stream stands in its log; all zero at first, and after a newline. */
struct format_state {
	uint8_t line; /* enum intent_line */
	uint8_t decoder; /* FORMAT_*, and how many bytes are held */
	uint8_t held[3]; /* the beginning of a character of UTF-8 that is not written yet */
};

#define FORMAT_HELD 3u /* mask: how many */
#define FORMAT_JSON 4u /* the line is one of JSON */
#define FORMAT_TORN 8u /* what was held is not to be had any more: U+FFFD is due */

/* Seconds that local time is ahead of UTC at that moment, in whole minutes. */
int format_utc_offset(usec_t realtime);

/* Whether it matters what time it is. */
static inline bool format_has_time(enum spec_format kind, enum spec_timestamps timestamps)
{
	return kind == SPEC_FORMAT_JSON || timestamps != SPEC_TIMESTAMPS_NONE;
}

/* Whether lines get anything at all. */
static inline bool format_has_head(enum spec_format kind, enum spec_timestamps timestamps)
{
	return kind != SPEC_FORMAT_PLAIN || timestamps != SPEC_TIMESTAMPS_NONE;
}

void format_make(struct format *f, const struct format_about *about);

/* The output is the source: it needs no format_lines(). */
static inline bool format_is_identity(const struct format *f)
{
	return f->n == 0;
}

/* Nothing is in the way between where the state is and what comes next in this format. */
bool format_is_ready(const struct format *f, const struct format_state *s);

/* What is not ready is made so by this ("\n", "\"}\n"). How much it is; of what is ready, 0. */
size_t format_end(
	const struct format *f, struct format_state *s, char ret_end[static FORMAT_END_SIZE]);

/* The same for a line of any kind, before one that is not the stream's. */
size_t format_end_line(struct format_state *s, char ret_end[static FORMAT_END_SIZE]);

/*
 * Turns data into lines, as far as the size allows, which is more than FORMAT_HEAD_SIZE; needs
 * the state to be ready. Returns how much there is in out, and how much of data that took,
 * which may be all for no output (of a character that is not whole), and moves the state on.
 * A newline can have the tail before it.
 *
 * With a smaller size, the output is the beginning of that with a larger one. So where k bytes
 * of it have been written, the same call with the size k, any size now, tells which of data
 * are in that wholly, and where the output is to be cut off for the next to go on.
 */
size_t format_lines(const struct format *f, struct format_state *s, const char *data, size_t n,
	char *out, size_t size, size_t *ret_taken);

/* That call: out is that of format_lines(), and stays as it is. Returns where to cut it. */
static inline size_t format_measure(const struct format *f, struct format_state *s,
	const char *data, size_t n, char *out, size_t k, size_t *ret_taken)
{
	return format_lines(f, s, data, n, out, k, ret_taken);
}

/* Where the state is after source bytes that went through as they are. */
void format_pass(struct format_state *s, const char *data, size_t n);

/* Where a stream is after source bytes, with what a format of JSON would hold of them. */
void format_follow(struct format_state *s, const char *data, size_t n);

/* Such a state, from what was stored of it. */
struct format_state format_restore(uint8_t line, const uint8_t held[static 3]);

/* What comes next is not the rest of the present line. */
void format_cut(struct format_state *s);

/* The present line is to go on as another one; only of JSON, and in the middle of it. */
void format_split(struct format_state *s);

/* What comes next is the first in its file: the present line stays behind, or needs no end. */
void format_leave(enum spec_format kind, struct format_state *s);

/* A line, with its newline, that tells of output that was dropped; why: "rate limit". */
size_t format_marker(const struct format_about *about, uint64_t bytes, uint64_t lines,
	const char *why, char ret_marker[static FORMAT_MARKER_SIZE]);
