/*
 * Only at an engine's start, and only of the present file: a line that was torn by a rotation
 * is longer than anybody looks for.
 */
#include "engine/logs/last_line.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/format/unformat.h"

/* Where it ends in the file; false: there is none, or not in that file. */
static bool find_end(const struct pump *p, int fd, uint64_t *ret_end)
{
	const struct intent *i = &p->set->ledger.intent;
	bool mine = p->set->ledger.room && i->id == p->id && i->stream == p->stream;
	unsigned line = p->sink->at.line;
	struct stat st;

	if (sys_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	*ret_end = (uint64_t)st.st_size;
	if (mine && i->phase == INTENT_DONE)
		line = i->line;
	if (mine && (i->phase == INTENT_WRITE || i->phase == INTENT_ROTATE)) {
		if (i->phase == INTENT_ROTATE || i->done > 0 || i->inode != st.st_ino ||
			i->device != st.st_dev)
			return false;
		*ret_end = MIN_OF(*ret_end, i->offset);
	}
	return line == INTENT_LINE_OPEN;
}

/* What is kept of a character that is not whole. */
static size_t add_held(const struct pump *p, char *data, size_t n, size_t size)
{
	const struct format_state *at = &p->sink->at;
	size_t k = at->decoder & FORMAT_HELD;

	if (!(at->decoder & FORMAT_JSON) || k > size - n)
		return n;
	memcpy(data + n, at->held, k);
	return n + k;
}

size_t last_line_read(const struct pump *p, char *data, size_t size)
{
	char text[8192];
	const char *line;
	uint64_t end, n;
	_cleanup_close_
	int fd = -1;
	struct format_about about = {0};
	ssize_t r;

	if (p->sink->kind != SPEC_SINK_FILE)
		return 0;
	fd = sys_openat(
		AT_FDCWD, p->sink->file.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0 || !find_end(p, fd, &end))
		return 0;
	n = MIN_OF(end, (uint64_t)sizeof(text));
	r = sys_pread(fd, text, n, (off_t)(end - n));
	if (r <= 0 || (uint64_t)r != n)
		return 0;
	line = memrchr(text, '\n', n);
	if (!line && n < end)
		return 0; /* too long */
	line = line ? line + 1 : text;
	n -= (uint64_t)(line - text);
	about.kind = (enum spec_format)p->sink->format;
	about.timestamps = p->sink->log->timestamps;
	sink_describe(p->sink, &about.origin);
	return add_held(p, data, unformat(&about, line, n, data, size), size);
}
