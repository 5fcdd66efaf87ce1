/*
 * What the log pump is about to do, in the recovery area's room for it: enough for whoever
 * comes after a pump that was killed to write the same bytes to the same place. The bytes
 * themselves are in the holding pipe.
 *
 *     FETCH    up to `total` bytes of a stream are being moved to the holding pipe; the last
 *              `refused` of them are to be dropped
 *     WRITE    the first `batch` bytes there are being written: `done` of them are in files for
 *              good; what follows, with time stamps `length` bytes, goes to `offset` of a file
 *     ROTATE   the same, but the file is being renamed, and a new one is begun
 *     DONE     the batch is in files and counted: all of the holding pipe but its last
 *              `total` - `batch` bytes is to be thrown away
 *     IDLE     the holding pipe is empty
 *
 * There are two places in the room, and a number that says which one counts: a commit fills
 * the other one first. So what is read is always one that was committed whole. The struct may
 * only grow at its end, with zero for "not told"; the version changes where that won't do.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define INTENT_VERSION	 1
#define INTENT_ROOM_SIZE 512
#define INTENT_MAX_BYTES (1u << 30) /* in the holding pipe */

enum intent_phase {
	INTENT_IDLE,
	INTENT_FETCH,
	INTENT_WRITE,
	INTENT_ROTATE,
	INTENT_DONE,
	INTENT_PHASE_MAX
};

/* Where a stream stands in its log. */
enum intent_line {
	INTENT_LINE_START, /* what comes next begins a line */
	INTENT_LINE_OPEN, /* it goes on in one */
	INTENT_LINE_CUT, /* the last line has no end, and what comes next is not of it */
	INTENT_LINE_MAX
};

struct intent {
	uint8_t phase; /* enum intent_phase */
	uint8_t stream; /* 0: stdout, 1: stderr */
	uint8_t line; /* enum intent_line, after `done` bytes */
	uint8_t timestamps; /* enum spec_timestamps */
	uint32_t id; /* slot of the service */
	uint64_t total, batch, done;
	uint64_t length;
	uint64_t device, inode, offset; /* of the file */
	uint64_t realtime_usec; /* that the stamps tell */
	int32_t utc_offset_sec; /* for local time */
	uint32_t reserved;
	/* Of the stream, after `done` bytes. */
	uint64_t bytes, lines, dropped_bytes, dropped_lines;
	uint64_t rotated_usec; /* realtime in the name of the file that was rotated last, of all */
	uint64_t refused; /* so many at the end of the batch are to be dropped */
	uint64_t lost_bytes, lost_lines; /* that no line in the log has told of yet */
	uint32_t pid; /* that prefixes and JSON lines tell */
	uint8_t format; /* enum spec_format */
	uint8_t sink; /* which of the stream's files: 0 is log.file or log.stderr */
	uint8_t decoder; /* with held: what the format remembers of the line, after `done` bytes */
	uint8_t lost_why; /* why lost_bytes were, as the line about them tells it */
	uint8_t through; /* enum intent_line, of files that lost nothing; of a batch that is done */
	uint8_t held[3]; /* of a character of UTF-8 that is not written yet */
	uint8_t reserved_bytes[4];
};

/* The present one. 0; -EBADMSG: nonsense, -EPROTONOSUPPORT: of another version. */
int intent_load(const void *room, struct intent *ret_intent);

/* room: INTENT_ROOM_SIZE bytes, aligned for uint64_t, all zero at first. */
void intent_commit(void *room, const struct intent *intent);

const char *intent_phase_to_string(enum intent_phase phase);
