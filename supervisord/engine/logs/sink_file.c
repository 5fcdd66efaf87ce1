/*
 * From a batch to a log file, in pieces: as much as the file takes before it has to be rotated,
 * with time stamps as far as there is room to put them in. Before each piece the ledger tells
 * where it goes and how long it is; so whoever finds it goes on with the very same piece, and
 * writes the same bytes to the same place, however much of it was written.
 *
 * What counts are the bytes of the service. A line that was cut off, by a loss or by the end of
 * its process, is ended by a newline of ours before the next stamp or marker, and only then.
 * A marker, the line about what was lost, stands where that would have been: before the first
 * bytes that come after it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "engine/logs/format/stamp.h"
#include "engine/logs/sink_internal.h"

/* A later version may have a larger one, never a smaller: pieces are as long as fit into it. */
#define STAMPED_SIZE (256 * 1024)

/* One batch under way. */
struct batch {
	const char *data;
	size_t n, done;
	usec_t now;
	struct stamp stamp;
	struct ledger *ledger; /* NULL: nobody could go on with it */
	uint64_t length; /* of the piece that was begun before us; 0: none */
	uint64_t told_bytes, told_lines; /* by markers */
	char marker[STAMP_SIZE + SINK_MARKER_SIZE];
};

enum piece_kind { PIECE_DATA, PIECE_NEWLINE, PIECE_MARKER };

/* What goes to the file next. */
struct piece {
	const char *data;
	size_t n;
	enum piece_kind kind;
};

/* Closed, since what is wrong may be the file: the next try opens the path anew. */
void sink_set_broken(struct sink *s, int error, usec_t now)
{
	logfile_close(&s->set->files, &s->file);
	if (!s->file.broken)
		log_error("service '%s': cannot write %s: %s; dropping its output, trying again "
			  "every second",
			s->name, s->file.path, logfile_strerror(error));
	s->file.broken = true;
	if (s->lost_bytes == 0)
		s->lost_why = (uint8_t)-error;
	s->file.retry_usec = usec_add(now, LOGFILE_RETRY_USEC);
}

static void set_mended(struct sink *s, const struct batch *b)
{
	log_info("service '%s': %s mended: %" PRIu64 " bytes, %" PRIu64 " lines were lost", s->name,
		s->file.path, b->told_bytes, b->told_lines);
	s->file.broken = false;
}

static void drop_rest(struct sink *s, struct batch *b)
{
	sink_refuse(s, b->data + b->done, b->n - b->done, s->lost_why);
	b->done = b->n;
}

static void note(struct sink *s, struct batch *b, enum intent_phase phase, size_t length)
{
	struct intent *i;

	if (!b->ledger)
		return;
	i = &b->ledger->intent;
	sink_tell(s, i);
	i->done = b->done;
	i->length = length;
	i->device = s->file.device;
	i->inode = s->file.inode;
	i->offset = s->file.offset;
	ledger_commit(b->ledger, phase);
}

/* What was lost ended a line, or cut it: a marker is one by itself in any case. */
static void make_marker(const struct sink *s, struct batch *b, struct piece *ret)
{
	memcpy(b->marker, b->stamp.text, b->stamp.n);
	*ret = (struct piece){b->marker, b->stamp.n, PIECE_MARKER};
	ret->n += sink_marker(s, b->marker + b->stamp.n);
}

static int make_piece(struct sink *s, struct batch *b, struct piece *ret)
{
	bool stamped = b->stamp.n > 0, marked = s->lost_bytes > 0;
	size_t taken;

	/* A new file needs no newline first. */
	if ((stamped || marked) && s->line == INTENT_LINE_CUT && s->file.offset == 0)
		s->line = INTENT_LINE_START;
	if ((stamped || marked) && s->line == INTENT_LINE_CUT) {
		*ret = (struct piece){"\n", 1, PIECE_NEWLINE};
		return 0;
	}
	if (marked) {
		make_marker(s, b, ret);
		return 0;
	}
	if (!stamped) {
		*ret = (struct piece){b->data + b->done, b->n - b->done, PIECE_DATA};
		return 0;
	}
	if (!s->set->stamped)
		s->set->stamped = malloc(STAMPED_SIZE);
	if (!s->set->stamped)
		return -ENOMEM;
	*ret = (struct piece){.data = s->set->stamped};
	ret->n = stamp_lines(&b->stamp, s->line == INTENT_LINE_START, b->data + b->done,
		b->n - b->done, s->set->stamped, STAMPED_SIZE, &taken);
	return 0;
}

/* How much of it now; 0: the file is to be rotated first. */
static size_t choose_length(const struct sink *s, struct batch *b, const struct piece *p)
{
	size_t whole = s->line == INTENT_LINE_START ? b->stamp.n : 0;
	uint64_t begun = b->length;

	b->length = 0;
	if (begun > 0)
		return MIN_OF((uint64_t)p->n, begun);
	if (p->kind == PIECE_NEWLINE)
		return p->n;
	if (p->kind == PIECE_MARKER)
		return logfile_fit(&s->file, p->data, p->n, false, p->n - 1, b->now);
	return logfile_fit(&s->file, p->data, p->n, s->line == INTENT_LINE_OPEN, whole, b->now);
}

static void take_marker(struct sink *s, struct batch *b, const struct piece *p, size_t written)
{
	if (written < p->n) {
		logfile_take_back(&s->file, written);
		return;
	}
	b->told_bytes += s->lost_bytes;
	b->told_lines += s->lost_lines;
	sink_forget_lost(s);
}

/* What was written of a piece is the service's, but for what we put in. */
static void take(struct sink *s, struct batch *b, const struct piece *p, size_t written)
{
	size_t n = written, torn = 0;

	if (p->kind == PIECE_NEWLINE) {
		if (written > 0)
			s->line = INTENT_LINE_START;
		return;
	}
	if (p->kind == PIECE_MARKER) {
		take_marker(s, b, p, written);
		return;
	}
	if (b->stamp.n > 0)
		n = stamp_measure(&b->stamp, s->line == INTENT_LINE_START, p->data, written, &torn);
	if (torn > 0)
		logfile_take_back(&s->file, torn);
	if (n == 0)
		return;
	sink_count_written(s, b->data + b->done, n);
	b->done += n;
	s->line = b->data[b->done - 1] == '\n' ? INTENT_LINE_START : INTENT_LINE_OPEN;
}

static int write_piece(struct sink *s, struct batch *b)
{
	struct piece p;
	size_t length;
	int error = make_piece(s, b, &p);

	if (error < 0)
		return error;
	length = choose_length(s, b, &p);
	if (length == 0) {
		logfile_plan_rotation(&s->set->files);
		note(s, b, INTENT_ROTATE, 0);
		logfile_rotate(&s->set->files, &s->file, s->name, b->now);
		return 0;
	}
	note(s, b, INTENT_WRITE, length);
	take(s, b, &p, logfile_put(&s->file, p.data, length, &error));
	return error;
}

static void write_batch(struct sink *s, struct batch *b, int error)
{
	while (error == 0 && (b->done < b->n || s->lost_bytes > 0))
		error = write_piece(s, b);
	if (error < 0) {
		sink_set_broken(s, error, b->now);
		drop_rest(s, b);
	} else if (s->file.broken) {
		set_mended(s, b);
	}
	if (s->shared)
		logfile_close(&s->set->files, &s->file);
}

void sink_write_file(struct sink *s, const char *data, size_t n, usec_t now, struct ledger *ledger)
{
	struct batch b = {.data = data, .n = n, .now = now, .ledger = ledger};
	usec_t realtime = 0;
	int offset = 0;

	if (s->file.broken && now < s->file.retry_usec) {
		drop_rest(s, &b);
		return;
	}
	if (s->log->timestamps != SPEC_TIMESTAMPS_NONE)
		realtime = usec_now(CLOCK_REALTIME);
	if (s->log->timestamps == SPEC_TIMESTAMPS_LOCAL)
		offset = stamp_utc_offset(realtime);
	stamp_make(&b.stamp, s->log->timestamps, realtime, offset);
	if (ledger) {
		ledger->intent.timestamps = (uint8_t)s->log->timestamps;
		ledger->intent.realtime_usec = realtime;
		ledger->intent.utc_offset_sec = offset;
	}
	write_batch(s, &b, logfile_ready(&s->set->files, &s->file));
}

/* The file that was being written to, as it is by now. */
static int resume(struct sink *s, const struct intent *i)
{
	struct logfile_set *set = &s->set->files;
	int r;

	if (i->phase == INTENT_ROTATE)
		return logfile_resume_rotation(set, &s->file, s->name, i->device, i->inode);
	r = logfile_resume(set, &s->file, i->device, i->inode, i->offset);
	if (r != -ESTALE)
		return r;
	log_warning("service '%s': its log file was removed or taken away while the engine was "
		    "started again; %" PRIu64 " bytes that may be in it are written to %s",
		s->name, i->length, s->file.path);
	return logfile_ready(set, &s->file);
}

void sink_redo_file(struct sink *s, const char *data, size_t n, usec_t now, struct ledger *ledger)
{
	const struct intent *i = &ledger->intent;
	struct batch b = {.data = data, .n = n, .now = now, .ledger = ledger};

	b.done = MIN_OF((uint64_t)n, i->done);
	b.length = i->phase == INTENT_WRITE ? i->length : 0;
	stamp_make(
		&b.stamp, (enum spec_timestamps)i->timestamps, i->realtime_usec, i->utc_offset_sec);
	write_batch(s, &b, resume(s, i));
}
