/*
 * Compares the log of a service of the torture with what its writers wrote, byte for byte:
 *
 *     torture_check NAME LEDGER none|iso|local FILE...
 *
 * The files are the log's parts, oldest first. The log has to be the beginnings of the streams of
 * all runs, one after the other; how long each is, the ledger says: exactly, or, for one that was
 * killed in the middle of write(), at least and at most. One line of JSON says what was found.
 *
 * After a difference, the next whole line of the log tells which line of which run it is. What the
 * stream has more up to there than the log was lost, what the log has more was doubled, and what
 * is left is damaged.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "torture_ledger.h"
#include "torture_stream.h"

#define NUMBERS	  18 /* "RRRRRRRR NNNNNNNN " */
#define CONTEXT	  48
#define MAX_FILES 2048

struct log {
	char *data; /* the files, and then without stamps */
	size_t n;
	size_t starts[MAX_FILES + 1]; /* where each file begins; then the end */
	unsigned n_files;
	bool stamped;
	uint64_t n_stamps, n_unstamped;
};

struct place {
	uint32_t run;
	uint64_t offset; /* in the stream of that run */
	size_t pos; /* in the log */
};

struct check {
	const char *name;
	const struct ledger *ledger;
	struct log log;
	struct stream stream; /* at the place */
	struct place at;
	uint64_t lines, lost, doubled, damaged, n_differences;
	char first[1024]; /* the first difference, for people */
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "torture_check: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void append_file(struct log *log, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t r;

	if (fd < 0 || fstat(fd, &st) < 0)
		fail(path);
	log->data = realloc(log->data, log->n + (size_t)st.st_size + 1);
	if (!log->data)
		fail(path);
	for (size_t end = log->n + (size_t)st.st_size; log->n < end; log->n += (size_t)r) {
		r = read(fd, log->data + log->n, end - log->n);
		if (r <= 0)
			fail(path);
	}
	close(fd);
	log->starts[++log->n_files] = log->n;
}

/* d: a digit; all else is itself. The length of the pattern, or 0. */
static size_t match(const char *data, size_t n, const char *pattern)
{
	size_t length = strlen(pattern);

	if (n < length)
		return 0;
	for (size_t i = 0; i < length; i++) {
		if (pattern[i] == 'd' ? !isdigit((unsigned char)data[i]) : data[i] != pattern[i])
			return 0;
	}
	return length;
}

static size_t stamp_length(const char *data, size_t n, const char *kind)
{
	size_t length;

	if (strcmp(kind, "iso") == 0)
		return match(data, n, "dddd-dd-ddTdd:dd:dd.ddddddZ ");
	length = match(data, n, "dddd-dd-ddTdd:dd:dd.dddddd+dd:dd ");
	return length ? length : match(data, n, "dddd-dd-ddTdd:dd:dd.dddddd-dd:dd ");
}

/* Takes out the stamps of one file. at_start: a line has to begin there; otherwise it may. */
static void strip_file(
	struct log *log, size_t from, size_t end, bool at_start, const char *kind, size_t *to)
{
	for (bool must = at_start; from < end; must = true) {
		size_t length = stamp_length(log->data + from, end - from, kind);
		const char *newline = memchr(log->data + from + length, '\n', end - from - length);
		size_t stop = newline ? (size_t)(newline - log->data) + 1 : end;

		if (length > 0)
			log->n_stamps++;
		else if (must)
			log->n_unstamped++;
		from += length;
		memmove(log->data + *to, log->data + from, stop - from);
		*to += stop - from;
		from = stop;
	}
}

/*
 * Stamps have to be where lines begin, and nowhere else: one left in is a difference. A long line
 * may have been torn by a rotation; its rest has none.
 */
static void strip_stamps(struct log *log, const char *kind)
{
	size_t to = 0;

	for (unsigned i = 0; i < log->n_files; i++)
		strip_file(log, log->starts[i], log->starts[i + 1],
			to == 0 || log->data[to - 1] == '\n', kind, &to);
	log->n = to;
	log->stamped = true;
}

static const struct ledger *map_ledger(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct ledger *l;

	if (fd < 0)
		fail(path);
	l = mmap(NULL, sizeof(*l), PROT_READ, MAP_PRIVATE, fd, 0);
	if (l == MAP_FAILED)
		fail(path);
	close(fd);
	if (l->magic != LEDGER_MAGIC || l->n_runs > LEDGER_MAX_RUNS) {
		errno = EBADMSG;
		fail(path);
	}
	return l;
}

static void go_to(struct check *c, uint32_t run)
{
	stream_init(&c->stream, c->name, c->ledger->seed, (enum stream_style)c->ledger->style, run);
	c->at.run = run;
	c->at.offset = 0;
}

/* Goes on as long as log and stream are the same, up to the end of the run. */
static void compare(struct check *c)
{
	uint64_t most = c->ledger->runs[c->at.run].attempted;

	while (c->at.pos < c->log.n && c->at.offset < most) {
		const char *log = c->log.data + c->at.pos, *data;
		size_t n, same = 0;

		data = stream_peek(&c->stream, &n);
		n = n < c->log.n - c->at.pos ? n : c->log.n - c->at.pos;
		n = n < most - c->at.offset ? n : (size_t)(most - c->at.offset);
		while (same < n && log[same] == data[same])
			same++;
		if (same > 0 && log[same - 1] == '\n')
			c->lines++;
		stream_take(&c->stream, same);
		c->at.pos += same;
		c->at.offset += same;
		if (same < n)
			return;
	}
}

/* "RRRRRRRR NNNNNNNN " at data. */
static bool read_numbers(const char *data, size_t n, uint32_t *ret_run, uint32_t *ret_line)
{
	char text[NUMBERS + 1];
	int used = 0;

	if (n < NUMBERS || memchr(data, '\0', NUMBERS))
		return false;
	memcpy(text, data, NUMBERS);
	text[NUMBERS] = '\0';
	for (int i = 0; i < NUMBERS; i++) {
		if (i % 9 == 8 ? text[i] != ' ' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return sscanf(text, "%8" SCNx32 " %8" SCNx32 " %n", ret_run, ret_line, &used) == 2;
}

/* The next place in the log that says what it is; with no such place, the end of the log. */
static void find_numbers(const struct check *c, size_t *ret_pos, uint32_t *ret_run,
	uint32_t *ret_line, bool *ret_head)
{
	const char *data = c->log.data;
	size_t n = c->log.n;

	for (size_t p = c->at.pos; p < n; p++) {
		*ret_head = data[p] == STREAM_MARK;
		if (*ret_head) {
			*ret_line = 0;
			if (n - p < 10 || sscanf(data + p + 1, "%8" SCNx32, ret_run) != 1)
				continue;
		} else if (p == 0 || data[p - 1] != '\n' ||
			   !read_numbers(data + p, n - p, ret_run, ret_line)) {
			continue;
		}
		if (*ret_run < c->ledger->n_runs) {
			*ret_pos = p;
			return;
		}
	}
	*ret_pos = n;
	*ret_run = c->ledger->n_runs;
}

static void escape(const char *data, size_t n, char *to, size_t size)
{
	size_t done = 0;

	for (size_t i = 0; i < n && done + 5 < size; i++) {
		unsigned char b = (unsigned char)data[i];

		/* It goes into JSON. */
		done += (size_t)snprintf(to + done, size - done,
			b < ' ' || b > '~' || b == '"' || b == '\\' ? "<%02x>" : "%c", b);
	}
	to[done < size ? done : size - 1] = '\0';
}

static void describe(struct check *c)
{
	char log[CONTEXT * 4 + 8], stream[CONTEXT * 4 + 8];
	size_t n, left = c->log.n - c->at.pos;
	const char *data = stream_peek(&c->stream, &n);

	if (c->n_differences++ > 0)
		return;
	escape(c->log.data + c->at.pos, left < CONTEXT ? left : CONTEXT, log, sizeof(log));
	escape(data, n < CONTEXT ? n : CONTEXT, stream, sizeof(stream));
	snprintf(c->first, sizeof(c->first),
		"run %" PRIu32 " offset %" PRIu64 " (of %" PRIu64 " to %" PRIu64
		"), log offset %zu of %zu without stamps: log has '%s', stream has '%s'",
		c->at.run, c->at.offset, c->ledger->runs[c->at.run].written,
		c->ledger->runs[c->at.run].attempted, c->at.pos, c->log.n, log, stream);
}

/* Takes the stream to the beginning of a line of it. */
static void go_to_line(struct check *c, uint32_t run, uint32_t line, bool head)
{
	size_t n;

	go_to(c, run);
	if (head)
		return;
	do {
		stream_peek(&c->stream, &n);
		if (c->stream.line > line)
			return;
		stream_take(&c->stream, n);
		c->at.offset += n;
	} while (true);
}

/* What the runs from one place to the other have, counted from the first byte of run 0. */
static uint64_t distance(const struct check *c, const struct place *from, const struct place *to)
{
	uint64_t sum = to->offset - from->offset;

	for (uint32_t r = from->run; r < to->run; r++)
		sum += c->ledger->runs[r].written;
	for (uint32_t r = to->run; r < from->run; r++)
		sum -= c->ledger->runs[r].written;
	return sum;
}

/* Goes on behind a difference, and counts what it is. */
static void resume(struct check *c)
{
	struct place before = c->at;
	uint32_t run, line = 0;
	int64_t stream_n, log_n;
	bool head = false;
	size_t pos;

	describe(c);
	find_numbers(c, &pos, &run, &line, &head);
	if (run < c->ledger->n_runs)
		go_to_line(c, run, line, head);
	else
		c->at.run = run, c->at.offset = 0;
	c->at.pos = pos;
	/* Negative where the log goes back. */
	stream_n = (int64_t)distance(c, &before, &c->at);
	log_n = (int64_t)(pos - before.pos);
	if (stream_n > log_n)
		c->lost += (uint64_t)(stream_n - log_n);
	else if (stream_n < log_n)
		c->doubled += (uint64_t)(log_n - stream_n);
	else
		c->damaged += (uint64_t)log_n;
}

/* With stamps, a run begins a line of its own, whether or not the one before has ended its last. */
static void skip_newline(struct check *c)
{
	const char *data = c->log.data + c->at.pos;
	size_t left = c->log.n - c->at.pos;

	if (c->log.stamped && c->at.pos > 0 && data[-1] != '\n' && left > 1 && data[0] == '\n' &&
		data[1] == STREAM_MARK)
		c->at.pos++;
}

static void check(struct check *c)
{
	const struct ledger *l = c->ledger;
	/* Where each difference goes back, this would not end otherwise. */
	uint64_t rounds = c->log.n + l->n_runs + 1;

	go_to(c, 0);
	while (c->at.run < l->n_runs && rounds-- > 0) {
		compare(c);
		if (c->at.offset >= l->runs[c->at.run].written) {
			go_to(c, c->at.run + 1);
			skip_newline(c);
		} else {
			resume(c);
		}
	}
	if (c->at.pos < c->log.n) {
		c->doubled += c->log.n - c->at.pos;
		if (c->n_differences++ == 0)
			snprintf(c->first, sizeof(c->first),
				"%zu bytes more than were written, at log offset %zu",
				c->log.n - c->at.pos, c->at.pos);
	}
}

int main(int argc, char **argv)
{
	static struct check c;
	uint64_t least = 0;

	if (argc < 4 || argc - 4 > MAX_FILES) {
		fprintf(stderr, "usage: torture_check NAME LEDGER none|iso|local FILE...\n");
		return 2;
	}
	c.name = argv[1];
	c.ledger = map_ledger(argv[2]);
	for (int i = 4; i < argc; i++)
		append_file(&c.log, argv[i]);
	if (strcmp(argv[3], "none") != 0)
		strip_stamps(&c.log, argv[3]);
	for (uint32_t r = 0; r < c.ledger->n_runs; r++)
		least += c.ledger->runs[r].written;
	if (c.ledger->n_runs > 0)
		check(&c);
	printf("{\"runs\": %" PRIu32 ", \"written\": %" PRIu64
	       ", \"bytes\": %zu, \"lines\": %" PRIu64 ", \"lost\": %" PRIu64
	       ", \"doubled\": %" PRIu64 ", \"damaged\": %" PRIu64 ", \"stamps\": %" PRIu64
	       ", \"unstamped\": %" PRIu64 ", \"differences\": %" PRIu64 ", \"first\": \"%s\"}\n",
		c.ledger->n_runs, least, c.log.n, c.lines, c.lost, c.doubled, c.damaged,
		c.log.n_stamps, c.log.n_unstamped, c.n_differences, c.first);
	return 0;
}
