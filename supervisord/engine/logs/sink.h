/*
 * Where a stream of a service goes: its log file, an outlet (outlet/outlet.h), or nowhere. Writing
 * never fails and never waits: what can't be written is dropped and counted.
 *
 * A stream has one sink of its own, whose counters are the stream's, and further ones only
 * where they are configured: a chain, in which each takes the whole of what is written
 * (fanout.h). A sink has no buffer while it is idle (but for outlets, in the middle of a line),
 * and its file is open only while it is among those last written to.
 */
#pragma once

#include "conf/spec.h"
#include "engine/logs/file/logfile.h"
#include "engine/logs/format/format.h"
#include "engine/logs/origin.h"
#include "engine/logs/outlet/outlet.h"

struct ledger;
struct sink;

/* What all sinks of a process share. */
struct sink_set {
	char *formatted; /* owned: where lines get their format; NULL: not needed yet */
	struct logfile_set files;
	struct outlet_set outlets;
	/* Whose output it is, for formats and outlets. NULL: nothing is known but its name. */
	void (*describe)(const struct sink *s, struct log_origin *ret);
	/* Somebody who is waited for may take more. NULL: nobody waits. */
	void (*writable)(struct sink *s);
};

/* What a service wrote; what was added to it doesn't count. */
struct log_counters {
	uint64_t bytes, lines; /* written */
	uint64_t dropped_bytes, dropped_lines;
};

/* Why something was dropped: an errno, or one of these. */
enum sink_why {
	SINK_WHY_RATE = 240, /* there is a limit of the rate */
	SINK_WHY_SLOW, /* whoever reads there is slower */
	SINK_WHY_LEFT, /* nobody waited for it any longer */
};

/* What a sink has to write to an outlet. */
struct sink_outlet {
	struct sink *sink;
	struct outlet_writer writer;
	uint32_t ahead; /* so much of what comes next it has taken already */
	uint32_t calm_sec; /* monotonic: being slow before then is no news */
};

struct sink {
	struct sink_set *set;
	const char *name; /* of the service; borrowed */
	const struct spec_log *log; /* borrowed: what its definition says */
	struct sink *next; /* a further one of the stream; borrowed; NULL: none */
	/* Counted since the service was added. May be set, for recovery, right after init. */
	struct log_counters counters;
	union {
		struct logfile file; /* SPEC_SINK_FILE */
		struct sink_outlet *out; /* owned; what else writes anywhere */
	};
	/* Dropped, and no line there has told of it yet. May be set likewise. */
	uint64_t lost_bytes, lost_lines;
	uint8_t kind : 4; /* enum spec_sink */
	uint8_t format : 4; /* enum spec_format */
	struct format_state at; /* where in a line, of a file. May be set likewise */
	uint8_t lost_why; /* an errno or enum sink_why. May be set likewise */
	bool further : 1; /* it is none of a stream's own; the owner's to set */
	bool shared : 1; /* others write to its file, too; the owner's to set */
};

/*
 * log_dir and loop must outlive the set; inherit_fd is what "inherit" writes to
 * (STDOUT_FILENO), borrowed. max_open bounds the log files open at once (one more for a
 * moment during a rotation). The set must outlive its sinks.
 */
void sink_set_init(struct sink_set *set, struct loop *loop, const char *log_dir, unsigned max_open,
	int inherit_fd);
void sink_set_fini(struct sink_set *set);

/*
 * path: of a file, absolute; of others what stands for target->address, NULL: that; copied. name
 * and log are borrowed; name must outlive the sink, and log must until another one is configured.
 * The sink must not move in memory. Opens nothing. -ENOMEM, -EINVAL: there is no such outlet, and
 * the sink is one to nowhere then.
 */
int sink_init(struct sink *s, struct sink_set *set, const char *name, const struct spec_log *log,
	const struct spec_target *target, const char *path);
/* Also for a sink that is all zero, and twice. */
void sink_fini(struct sink *s);

/*
 * Takes new settings and keeps the counters. A file that stays the same stays open; a partial
 * line goes out before its target changes. -ENOMEM, also for a file whose path is NULL, or
 * -EINVAL, and it goes on to the old target then.
 */
int sink_configure(struct sink *s, const struct spec_log *log, const struct spec_target *target,
	const char *path, usec_t now);

/* Writes n bytes; now is monotonic. With SPEC_SINK_NONE they count as written. */
void sink_write(struct sink *s, const void *data, size_t n, usec_t now);

/*
 * The same for a batch that somebody else could have to go on with: each step is committed to
 * the ledger first, which knows the stream and the batch; NULL: none. When it returns, it is
 * the caller's to commit that it is done.
 */
void sink_write_noted(
	struct sink *s, const void *data, size_t n, usec_t now, struct ledger *ledger);

/*
 * Goes on with the batch that ledger->intent tells of this sink, data being all of it; counters
 * and line are then as if nothing had come in between.
 */
void sink_redo(struct sink *s, const void *data, size_t n, usec_t now, struct ledger *ledger);
/* It has lost nothing, and its stream is there. */
void sink_follow(struct sink *s, const struct format_state *through);

/* Only takes what ledger->intent tells of the counters and the line. */
void sink_resume(struct sink *s, const struct ledger *ledger);

/* It goes to that target by now; path as for sink_init(). */
bool sink_has_target(const struct sink *s, const struct spec_target *target, const char *path);

/* Whose output it is: what set->describe() says, or the name alone. */
void sink_describe(const struct sink *s, struct log_origin *ret);

/* Whoever takes none of it now keeps the service waiting. */
bool sink_blocks(const struct sink *s);

/*
 * Offers n bytes in advance to one that blocks and is no file, but for those that it has taken
 * already. How many of them it has by then: they are passed over when they come to be written.
 */
size_t sink_offer(struct sink *s, const void *data, size_t n, usec_t now);

/*
 * As sink_write(), for what somebody who was killed may have given it before: for one that
 * blocks nothing is lost then.
 */
void sink_write_again(struct sink *s, const void *data, size_t n, usec_t now);

/* Drops n bytes, which some reason keeps from being written. */
void sink_refuse(struct sink *s, const void *data, size_t n, unsigned why);

/*
 * The stream has ended: a last line without a newline goes out, and a line about what was
 * dropped. More may follow later.
 */
void sink_end(struct sink *s, usec_t now);
/* The same for a file, with the ledger as for a batch of no bytes. */
void sink_end_noted(struct sink *s, usec_t now, struct ledger *ledger);

/* A line about what was dropped goes out, if it can. For a file with the ledger, as above. */
void sink_settle(struct sink *s, usec_t now, struct ledger *ledger);

/*
 * Lets go of the file held, and where there is one, or the last one failed, opens (makes) what
 * the path names now. For USR2, after somebody else has renamed the file.
 */
void sink_reopen(struct sink *s, usec_t now);

/* Closes the file, to save a descriptor; the next write opens it again. */
void sink_close(struct sink *s);
