/*
 * From a batch to a log file, in pieces: as much as the file takes before it has to be rotated,
 * in the sink's format as far as there is room to put that. Before each piece the ledger tells
 * where it goes and how long it is; so whoever finds it goes on with the very same piece, and
 * writes the same bytes to the same place, however much of it was written.
 *
 * What counts are the bytes of the service. A line that was cut off, by a loss or by the end of
 * its process, is ended by a newline of ours before the next head or marker, and only then.
 * A marker, the line about what was lost, stands where that would have been: before the first
 * bytes that come after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/lines.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/format/format.h"
#include "engine/logs/sink_internal.h"

/* A later version may have a larger one, never a smaller: pieces are as long as fit into it. */
#define FORMATTED_SIZE (512 * 1024)

#define JSON_END 3 /* "\"}\n" */

/* One batch under way. */
struct batch {
	const char *data;
	size_t n, done;
	usec_t now;
	struct format_about about;
	struct format format;
	struct ledger *ledger; /* NULL: nobody could go on with it */
	uint64_t length; /* of the piece that was begun before us; 0: none */
	uint64_t told_bytes, told_lines; /* by markers */
	char end[FORMAT_END_SIZE], marker[FORMAT_MARKER_SIZE];
};

enum piece_kind { PIECE_DATA, PIECE_END, PIECE_MARKER };

/* What goes to the file next. */
struct piece {
	enum piece_kind kind;
	char *data; /* only read, where it is the source itself */
	size_t n;
	size_t taken; /* of the source */
	struct format_state after;
};

/* Closed, since what is wrong may be the file: the next try opens the path anew. */
void sink_set_broken(struct sink *s, int error, usec_t now)
{
	logfile_close(&s->set->files, &s->file);
	if (!s->file.broken)
		log_error("service '%s': cannot write %s: %s; %s, trying again every second",
			s->name, s->file.path, logfile_strerror(error),
			sink_blocks(s) ? "its output waits" : "dropping its output");
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
	i->device = s->file.held->device;
	i->inode = s->file.held->inode;
	i->offset = s->file.held->offset;
	ledger_commit(b->ledger, phase);
}

static void make_end(const struct sink *s, struct batch *b, struct piece *ret)
{
	*ret = (struct piece){.kind = PIECE_END, .data = b->end, .after = s->at};
	ret->n = format_end_line(&ret->after, b->end);
}

/* A line by itself, whatever was lost. */
static void make_marker(const struct sink *s, struct batch *b, struct piece *ret)
{
	*ret = (struct piece){.kind = PIECE_MARKER, .data = b->marker};
	ret->n =
		format_marker(&b->about, s->lost_bytes, s->lost_lines, sink_lost_why(s), b->marker);
}

static int make_data(struct sink *s, const struct batch *b, struct piece *ret)
{
	const char *data = b->data + b->done;
	size_t n = b->n - b->done;

	*ret = (struct piece){.kind = PIECE_DATA, .after = s->at};
	if (format_is_identity(&b->format)) {
		ret->data = (char *)data;
		ret->n = ret->taken = n;
		format_pass(&ret->after, data, n);
		return 0;
	}
	if (!s->set->formatted)
		s->set->formatted = malloc(FORMATTED_SIZE);
	if (!s->set->formatted)
		return -ENOMEM;
	ret->data = s->set->formatted;
	ret->n = format_lines(
		&b->format, &ret->after, data, n, ret->data, FORMATTED_SIZE, &ret->taken);
	return 0;
}

static int make_piece(struct sink *s, struct batch *b, struct piece *ret)
{
	bool marked = s->lost_bytes > 0;

	if (s->file.held->offset == 0)
		format_leave(b->about.kind, &s->at);
	if (marked ? s->at.line != INTENT_LINE_START : !format_is_ready(&b->format, &s->at))
		make_end(s, b, ret);
	else if (marked)
		make_marker(s, b, ret);
	else
		return make_data(s, b, ret);
	return 0;
}

/* As much of a piece as is in its first n bytes wholly. */
static void shorten(const struct sink *s, const struct batch *b, struct piece *p, size_t n)
{
	const char *data = b->data + b->done;

	if (n == p->n)
		return;
	p->after = s->at;
	if (format_is_identity(&b->format)) {
		p->n = p->taken = n;
		format_pass(&p->after, data, n);
	} else {
		p->n = format_lines(
			&b->format, &p->after, data, b->n - b->done, p->data, n, &p->taken);
	}
}

/*
 * A line of JSON that is too long for the rest of the file leaves room for its end. Where
 * nothing goes before that any more, it is ended, and goes on as another one in the next file;
 * where nothing goes into a whole file, the file has to be larger.
 */
static void shorten_json(const struct sink *s, const struct batch *b, struct piece *p, size_t n)
{
	shorten(s, b, p, n - MIN_OF(n, (size_t)JSON_END));
	if (p->n == 0 && s->at.line == INTENT_LINE_START)
		shorten(s, b, p, b->format.n + FORMAT_ATOM_SIZE);
}

/* Leaves as much of it as goes now; nothing: the file is to be rotated first. */
static void fit(const struct sink *s, struct batch *b, struct piece *p)
{
	bool is_data = p->kind == PIECE_DATA;
	size_t n, head = s->at.line == INTENT_LINE_START ? b->format.n : 0;
	uint64_t begun = b->length;

	b->length = 0;
	if (begun > 0)
		n = MIN_OF((uint64_t)p->n, begun);
	else if (p->kind == PIECE_END)
		n = p->n;
	else if (p->kind == PIECE_MARKER)
		n = logfile_fit(&s->file, p->data, p->n, false, p->n - 1, b->now);
	else
		n = logfile_fit(
			&s->file, p->data, p->n, s->at.line == INTENT_LINE_OPEN, head, b->now);
	if (n == p->n)
		return;
	if (is_data && b->format.json && begun == 0 && n > 0 && p->data[n - 1] != '\n')
		shorten_json(s, b, p, n);
	else if (is_data)
		shorten(s, b, p, n);
	else
		p->n = n;
}

static void take_marker(struct sink *s, struct batch *b)
{
	b->told_bytes += s->lost_bytes;
	b->told_lines += s->lost_lines;
	sink_forget_lost(s);
}

/* What was written of a piece is the service's, but for what we put in. */
static void take(struct sink *s, struct batch *b, struct piece *p, size_t written)
{
	if (p->kind == PIECE_DATA)
		shorten(s, b, p, written);
	else if (written < p->n)
		p->n = 0;
	if (p->n < written)
		logfile_take_back(&s->file, written - p->n);
	if (p->n == 0 && p->taken == 0)
		return;
	s->at = p->after;
	if (p->kind == PIECE_MARKER)
		take_marker(s, b);
	if (p->taken == 0)
		return;
	sink_count_written(s, b->data + b->done, p->taken);
	b->done += p->taken;
}

static void rotate(struct sink *s, struct batch *b)
{
	/* A line of JSON ends in its file, where it began. */
	if (b->format.json && s->at.line == INTENT_LINE_OPEN) {
		format_split(&s->at);
		return;
	}
	if (sink_blocks(s))
		logfile_trim(&s->file);
	logfile_plan_rotation(&s->set->files);
	note(s, b, INTENT_ROTATE, 0);
	logfile_rotate(&s->set->files, &s->file, s->name, b->now);
}

static int write_piece(struct sink *s, struct batch *b)
{
	struct piece p;
	int error = make_piece(s, b, &p);
	size_t written = 0;

	if (error < 0)
		return error;
	if (p.n > 0) {
		fit(s, b, &p);
		if (p.n == 0 && p.taken == 0) {
			rotate(s, b);
			return 0;
		}
		note(s, b, INTENT_WRITE, p.n);
		written = logfile_put(&s->file, p.data, p.n, &error);
	}
	take(s, b, &p, written);
	return error;
}

/*
 * Who else writes there finds it at a line's beginning; and whoever reads JSON an object, though
 * nothing may come any more.
 */
static bool has_to_end(struct sink *s, const struct batch *b)
{
	if (b->n == 0 && b->format.json && !format_is_ready(&b->format, &s->at))
		return true;
	if (!s->shared || format_is_identity(&b->format) || s->at.line == INTENT_LINE_START)
		return false;
	format_split(&s->at);
	return true;
}

static bool is_more(struct sink *s, const struct batch *b)
{
	return b->done < b->n || s->lost_bytes > 0 || has_to_end(s, b);
}

static void write_batch(struct sink *s, struct batch *b, int error)
{
	while (error == 0 && is_more(s, b))
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

/* Whether what is there ends with a newline; also where that can't be told. */
static bool ends_with_line(const struct logfile *f)
{
	_cleanup_close_
	int fd = sys_openat(AT_FDCWD, f->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	char last;

	if (fd < 0 || sys_fstat(fd, &st) < 0 || st.st_dev != f->held->device ||
		st.st_ino != f->held->inode)
		return true;
	return sys_pread(fd, &last, 1, (off_t)f->held->offset - 1) != 1 || last == '\n';
}

/*
 * What was begun in another file than that of before stays there. And JSON is to be had
 * whatever somebody else has left in this one; one line of theirs that has no end is taken for
 * JSON, as only it could be mended.
 */
static void note_file(struct sink *s, uint64_t device, uint64_t inode)
{
	bool ended;

	if (device == s->file.held->device && inode == s->file.held->inode)
		return;
	if (inode != 0)
		format_leave((enum spec_format)s->format, &s->at);
	if (s->format != SPEC_FORMAT_JSON || s->file.held->offset == 0)
		return;
	ended = ends_with_line(&s->file);
	if (ended && s->at.line != INTENT_LINE_START) {
		format_leave(SPEC_FORMAT_JSON, &s->at);
	} else if (!ended && s->at.line == INTENT_LINE_START) {
		s->at.line = INTENT_LINE_CUT;
		s->at.decoder |= FORMAT_JSON;
	}
}

int sink_open_file(struct sink *s)
{
	const struct logfile_held *held = s->file.held;
	uint64_t device = held ? held->device : 0, inode = held ? held->inode : 0;
	int r = logfile_ready(&s->set->files, &s->file);

	if (r == 0)
		note_file(s, device, inode);
	return r;
}

static void describe(const struct sink *s, struct batch *b)
{
	if (b->about.kind != SPEC_FORMAT_PLAIN)
		sink_describe(s, &b->about.origin);
}

static void choose_format(const struct sink *s, struct batch *b)
{
	struct format_about *a = &b->about;

	a->kind = (enum spec_format)s->format;
	a->timestamps = s->log->timestamps;
	if (format_has_time(a->kind, a->timestamps))
		a->realtime = usec_now(CLOCK_REALTIME);
	if (a->timestamps == SPEC_TIMESTAMPS_LOCAL)
		a->utc_offset_sec = format_utc_offset(a->realtime);
	describe(s, b);
	format_make(&b->format, a);
}

void sink_write_file(struct sink *s, const char *data, size_t n, usec_t now, struct ledger *ledger)
{
	struct batch b = {.data = data, .n = n, .now = now, .ledger = ledger};
	const struct format_about *a = &b.about;

	if (s->file.broken && now < s->file.retry_usec) {
		drop_rest(s, &b);
		return;
	}
	choose_format(s, &b);
	if (ledger) {
		ledger->intent.format = (uint8_t)a->kind;
		ledger->intent.timestamps = (uint8_t)a->timestamps;
		ledger->intent.realtime_usec = a->realtime;
		ledger->intent.utc_offset_sec = a->utc_offset_sec;
		ledger->intent.pid = (uint32_t)a->origin.pid;
	}
	write_batch(s, &b, sink_open_file(s));
}

/* The most that it can be in the file. */
static uint64_t measure(const struct sink *s, const struct batch *b)
{
	uint64_t size = b->n + (s->lost_bytes > 0 ? FORMAT_END_SIZE + FORMAT_MARKER_SIZE : 0);

	if (format_is_identity(&b->format))
		return size;
	size += FORMAT_END_SIZE + (lines_count(b->data, b->n) + 1) * (b->format.n + JSON_END);
	for (size_t i = 0; i < b->n && b->format.json; i++) {
		unsigned char c = (unsigned char)b->data[i];

		if (c < ' ' || c == '"' || c == '\\' || c >= 0x7f)
			size += FORMAT_ATOM_SIZE;
	}
	return size;
}

int sink_reserve(struct sink *s, const char *data, size_t n, usec_t now)
{
	struct batch b = {.data = data, .n = n, .now = now};
	int r;

	if (s->file.broken && now < s->file.retry_usec)
		return -EAGAIN;
	choose_format(s, &b);
	r = sink_open_file(s);
	if (r == 0)
		r = logfile_reserve(&s->file, measure(s, &b));
	if (r < 0) {
		sink_set_broken(s, r, now);
		return r;
	}
	if (s->file.broken)
		log_info("service '%s': %s mended; its output goes on", s->name, s->file.path);
	s->file.broken = false;
	return 0;
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
	r = logfile_ready(set, &s->file);
	if (r == 0)
		note_file(s, i->device, i->inode);
	return r;
}

void sink_redo_file(struct sink *s, const char *data, size_t n, usec_t now, struct ledger *ledger)
{
	const struct intent *i = &ledger->intent;
	struct batch b = {.data = data, .n = n, .now = now, .ledger = ledger};
	struct format_about *a = &b.about;

	b.done = MIN_OF((uint64_t)n, i->done);
	b.length = i->phase == INTENT_WRITE ? i->length : 0;
	a->kind = (enum spec_format)i->format;
	a->timestamps = (enum spec_timestamps)i->timestamps;
	a->realtime = i->realtime_usec;
	a->utc_offset_sec = i->utc_offset_sec;
	describe(s, &b);
	a->origin.pid = (pid_t)i->pid;
	format_make(&b.format, a);
	write_batch(s, &b, resume(s, i));
}
