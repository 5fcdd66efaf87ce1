/*
 * The output of services on supervisord's own standard output: one writer for all of them.
 * Each line is prefixed "[name] " and goes out whole, between the lines of others. The writer
 * never waits for whoever reads it: what doesn't fit into a bounded buffer is dropped and
 * counted.
 *
 * The process must ignore SIGPIPE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/usec.h"
#include "engine/loop.h"

/*
 * The longest line that is written, with prefix and newline: PIPE_BUF, up to which a write to
 * a pipe is all or nothing. A longer one is cut into several, each with prefix and newline.
 */
#define INHERIT_MAX_LINE    4096
#define INHERIT_MAX_PENDING (64 * 1024)

/* What a service wrote; prefixes and newlines that were added don't count. */
struct log_counters {
	uint64_t bytes, lines; /* written */
	uint64_t dropped_bytes, dropped_lines;
};

struct inherit {
	struct loop *loop;
	struct loop_source source; /* in the loop while the reader is waited for */
	struct buf pending; /* of whole lines; the first may be the rest of one */
	usec_t retry_usec; /* after an error: not before then */
	usec_t dropped_usec; /* of the last drop */
	uint64_t lost_bytes, lost_lines; /* since dropping */
	int fd; /* owned */
	bool dropping; /* and reported */
};

/* Writes to what fd is open for, by a descriptor of its own. Can't fail: a bad fd shows later. */
void inherit_init(struct inherit *w, struct loop *loop, int fd);
/* Writes what is pending, if that can be had without waiting, and closes. */
void inherit_fini(struct inherit *w);

/*
 * Writes data of a service. The line still without an end is kept in partial (owned by the
 * caller, empty at first and most of the time) and counted when it goes out.
 */
void inherit_write(struct inherit *w, struct buf *partial, const char *name, const char *data,
	size_t n, usec_t now, struct log_counters *counters);

/* Ends a line that has no end, if there is one. */
void inherit_end(struct inherit *w, struct buf *partial, const char *name, usec_t now,
	struct log_counters *counters);
