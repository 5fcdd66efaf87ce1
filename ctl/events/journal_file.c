/*
 * The file is copied before it is looked at: one that is cut off meanwhile would end a process
 * that has it mapped.
 */
#include "ctl/events/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "wire/journal.h"

#define MAX_JOURNAL (64 << 20)

/* The whole file in memory, with its size. */
static int read_file(const char *path, void **ret_memory, size_t *ret_size)
{
	_cleanup_close_
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_
	char *memory = NULL;
	struct stat st;
	size_t at = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_JOURNAL)
		return -EBADMSG;
	/* Aligned as the structs in it, as malloc() does for any. */
	memory = calloc(1, (size_t)st.st_size + 1);
	if (!memory)
		return -ENOMEM;
	while (at < (size_t)st.st_size &&
		(n = pread(fd, memory + at, (size_t)st.st_size - at, (off_t)at)) != 0) {
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	*ret_memory = TAKE_PTR(memory);
	*ret_size = at;
	return 0;
}

static int visit_body(const struct journal_entry *entry, journal_file_fn *visit, void *userdata)
{
	json_t *event = json_loadb(entry->body, entry->length, 0, NULL);
	int r = event ? visit(event, userdata) : 0;

	json_decref(event);
	return r;
}

int journal_file_read(
	const char *path, const struct journal_range *range, journal_file_fn *visit, void *userdata)
{
	_cleanup_free_
	void *memory = NULL;
	_cleanup_free_
	struct journal_entry *entry = malloc(sizeof(*entry));
	struct journal_damage damage;
	struct journal_cursor cursor;
	struct journal journal;
	size_t size = 0;
	int r = entry ? read_file(path, &memory, &size) : -ENOMEM;

	if (r == 0)
		r = journal_open(&journal, memory, size, &damage);
	if (r < 0)
		return r;
	journal_seek_after(range->after, &cursor);
	cursor.kinds = range->kinds;
	cursor.since_usec = range->since_usec;
	while ((r = journal_next(&journal, &cursor, entry)) != 0) {
		if (r > 0)
			r = visit_body(entry, visit, userdata);
		if (r < 0 && r != -EAGAIN)
			return r;
	}
	return 0;
}
