/*
 * Where a run began in the file is known from the journal, as long as that remembers its start.
 * The offset means nothing any more once the file was rotated: that is told by the name of a
 * rotated file, which has the time in it, and by a file that is shorter. Without an offset the last
 * lines may be older than the run, which is said.
 */
#include "ctl/why/why_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "ctl/logs/file/rotated.h"
#include "ctl/output/render_json.h"
#include "ctl/output/text.h"

struct part {
	json_t *lines; /* borrowed */
	const char *path;
	int64_t inode; /* of the file that it began in; 0: not known */
	int64_t begin; /* where the run's output begins in the file; -1: not known */
	bool rotated; /* the beginning is in an older file */
	bool cut; /* there are older lines of the run in the file */
	uint64_t n;
};

/* --- where the run began --- */

/* The newest start of a process that the journal tells of. */
static json_t *find_start(json_t *facts)
{
	json_t *chain = json_object_get(facts, "chain");

	for (size_t i = json_array_size(chain); i > 0; i--) {
		json_t *event = json_array_get(chain, i - 1);

		if (strcmp(render_string(event, "type"), "start") == 0)
			return event;
	}
	return NULL;
}

static json_t *find_log(json_t *start, const char *stream, const char *path)
{
	json_t *log;
	size_t i;

	json_array_foreach(json_object_get(start, "logs"), i, log)
	{
		if (strcmp(render_string(log, "stream"), stream) == 0 &&
			strcmp(render_string(log, "path"), path) == 0)
			return log;
	}
	return NULL;
}

/* The newest rotated file is newer than the start: "2026-11-24T06-36-53.123Z" against RFC 3339. */
static bool was_rotated_since(const char *path, const char *started)
{
	_cleanup_(rotated_fini) struct rotated list = {0};
	char stamp[ROTATED_STAMP_SIZE];

	if (strlen(started) < sizeof("2026-11-24T06:36:53.123") - 1 ||
		rotated_list(path, &list) < 0 || list.n == 0)
		return false;
	snprintf(stamp, sizeof(stamp), "%.23sZ", started);
	stamp[13] = stamp[16] = '-';
	return strcmp(list.files[list.n - 1].stamp, stamp) >= 0;
}

/* --- lines --- */

static int add_line(json_t *lines, const char *text, size_t n, bool whole)
{
	_cleanup_buf_ struct buf line = {0};
	bool cut = n > WHY_LOG_MAX_LINE;
	int r;

	if (n > 0 && text[n - 1] == '\r')
		n--;
	r = whole ? 0 : buf_printf(&line, "... ");
	if (r == 0)
		r = text_append_utf8(&line, text, MIN_OF(n, (size_t)WHY_LOG_MAX_LINE));
	if (r == 0 && cut)
		r = buf_printf(&line, " ...");
	if (r < 0)
		return r;
	return json_array_append_new(lines, json_stringn(line.data ? line.data : "", line.len)) < 0
		       ? -ENOMEM
		       : 0;
}

/* The last p->n lines of a text, which begins at a line or, if not whole, within one. */
static int add_lines(struct part *p, const char *text, size_t n, bool whole)
{
	size_t begin = n;
	uint64_t found = 0;

	if (n > 0 && text[n - 1] == '\n')
		n--;
	else if (n == 0)
		return 0;
	for (begin = n; begin > 0; begin--) {
		if (text[begin - 1] == '\n' && ++found == p->n)
			break;
	}
	p->cut |= begin > 0;
	for (size_t at = begin; at <= n;) {
		const char *newline = memchr(text + at, '\n', n - at);
		size_t length = newline ? (size_t)(newline - text) - at : n - at;
		int r = add_line(p->lines, text + at, length, at > 0 || whole);

		if (r < 0)
			return r;
		at += length + 1;
	}
	return 0;
}

/* 0, -ENOMEM, or another -errno for what could not be read. */
static int read_file(struct part *p)
{
	_cleanup_close_
	int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_
	char *text = NULL;
	int64_t begin, end;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	end = st.st_size;
	if (p->begin > end || (p->inode > 0 && p->inode != (int64_t)st.st_ino))
		p->rotated = true; /* or truncated */
	begin = p->rotated || p->begin < 0 ? 0 : p->begin;
	if (end - begin > WHY_LOG_MAX_BYTES) {
		begin = end - WHY_LOG_MAX_BYTES;
		p->cut = true;
	}
	text = malloc((size_t)(end - begin) + 1);
	if (!text)
		return -ENOMEM;
	n = pread(fd, text, (size_t)(end - begin), begin);
	if (n < 0)
		return -errno;
	return add_lines(p, text, (size_t)n, !p->cut);
}

/* --- one log --- */

static json_t *pack(const struct part *p, const char *stream, const char *run, const char *note)
{
	const char *slash = strrchr(p->path, '/');
	char title[512];

	snprintf(title, sizeof(title), "Last lines of %s (%s):", run, slash ? slash + 1 : p->path);
	return json_pack("{s:s,s:s,s:O,s:s,s:s}", "stream", stream, "path", p->path, "lines",
		p->lines, "title", title, "note", note);
}

static const char *run_name(json_t *facts, json_t *start, const struct part *p)
{
	bool this_one =
		render_integer(start, "generation", -1) == render_integer(facts, "generation", -2);

	if (p->begin < 0 && !p->rotated)
		return "its log";
	return this_one ? "this run" : "the run before";
}

static void remark(const struct part *p, int error, char *note, size_t size)
{
	bool none = json_array_size(p->lines) == 0;

	if (error == -ENOENT)
		snprintf(note, size, "It has written nothing: there is no log file %s.", p->path);
	else if (error < 0)
		snprintf(note, size, "Its log %s can't be read here: %s.", p->path,
			error == -EINVAL ? "not a regular file" : strerror(-error));
	else if (p->rotated && !p->cut)
		snprintf(note, size,
			"The log was rotated or shortened meanwhile; see supctl logs for older "
			"lines.");
	else if (none)
		snprintf(note, size, "It has written nothing to %s%s.", p->path,
			p->begin < 0 ? "" : " in this run");
}

static json_t *read_log(json_t *facts, json_t *log, uint64_t n)
{
	const char *stream = render_string(log, "stream");
	json_t *start = find_start(facts), *lines = json_array(), *part = NULL, *begin;
	struct part p = {.lines = lines, .path = render_string(log, "path"), .n = n};
	char note[512] = "";
	int r = lines ? 0 : -ENOMEM;

	begin = find_log(start, stream, p.path);
	p.begin = render_integer(begin, "offset", -1);
	p.inode = render_integer(begin, "inode", 0);
	p.rotated = was_rotated_since(
		p.path, start ? render_string(start, "time") : render_string(facts, "started"));
	if (r == 0)
		r = read_file(&p);
	if (r != -ENOMEM) {
		remark(&p, r, note, sizeof(note));
		part = pack(&p, stream, run_name(facts, start, &p), note);
	}
	json_decref(lines);
	return part;
}

/* One that is no file: where its lines are instead. */
static json_t *point_elsewhere(json_t *log)
{
	const char *sink = render_string(log, "sink");
	bool inherit = strcmp(sink, "inherit") == 0;
	char note[128];

	snprintf(note, sizeof(note),
		inherit ? "Its output goes to that of supervisord (log.file = \"%s\")."
			: "Its output is not kept here (log.file = \"%s\").",
		sink);
	return json_pack("{s:s,s:n,s:[],s:s,s:s}", "stream", render_string(log, "stream"), "path",
		"lines", "title", "", "note", note);
}

json_t *why_log_read(json_t *facts, uint64_t n)
{
	json_t *array = json_array(), *log;
	bool has_run = json_is_string(json_object_get(facts, "started"));
	size_t i;

	if (!array || n == 0 || !has_run)
		return array;
	json_array_foreach(json_object_get(facts, "logs"), i, log)
	{
		bool is_file = json_is_string(json_object_get(log, "path"));
		json_t *part = is_file ? read_log(facts, log, n) : point_elsewhere(log);

		if (json_array_append_new(array, part) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}
