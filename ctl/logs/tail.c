/*
 * The newline at the very end ends the last line and begins none; so a line begins at 0
 * and after each newline but that one. A rotated file that does not end with a newline is
 * continued by the next: its last line and the other's first one are a single line, which
 * was counted already and whose beginning is wanted too.
 */
#include "ctl/logs/tail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "ctl/logs/rotated.h"

#define BLOCK_SIZE 65536

void tail_fini(struct tail *t)
{
	for (size_t i = 0; i < t->n_older; i++)
		close_fd(t->older[i].fd);
	free(t->older);
	*t = (struct tail){0};
}

/* Reads n bytes, or fewer where the file has become shorter. */
static ssize_t read_at(int fd, char *data, size_t n, off_t offset)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = pread(fd, data + got, n - got, offset + (off_t)got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int tail_find(int fd, off_t end, uint64_t n, off_t *ret_start, uint64_t *ret_found)
{
	_cleanup_free_
	char *block = malloc(BLOCK_SIZE);
	uint64_t found = 0;
	off_t pos = end;

	if (!block)
		return -ENOMEM;
	while (pos > 0 && n > 0) {
		off_t begin = pos - MIN_OF(pos, (off_t)BLOCK_SIZE);
		ssize_t size = read_at(fd, block, (size_t)(pos - begin), begin);
		char *newline;

		if (size < 0)
			return (int)size;
		while (size > 0 && (newline = memrchr(block, '\n', (size_t)size))) {
			size = newline - block;
			if (begin + size == end - 1)
				continue;
			if (++found == n) {
				*ret_start = begin + size + 1;
				*ret_found = found;
				return 0;
			}
		}
		pos = begin;
	}
	*ret_start = n > 0 ? 0 : end;
	*ret_found = found + (n > 0 && end > 0);
	return 0;
}

/* How many of the rotated files are older than the current one, which may be among them. */
static size_t count_older(const char *path, const struct rotated *rotated, int fd)
{
	struct stat current, st;

	if (fd < 0 || fstat(fd, &current) < 0)
		return rotated->n;
	for (size_t i = rotated->n; i > 0; i--) {
		_cleanup_close_
		int old = rotated_open(path, rotated->stamps[i - 1]);

		if (old >= 0 && fstat(old, &st) == 0 && st.st_dev == current.st_dev &&
			st.st_ino == current.st_ino)
			return i - 1;
	}
	return rotated->n;
}

static int add_piece(struct tail *t, int fd, off_t start, off_t end)
{
	if (t->n_older == t->size) {
		size_t size = t->size ? t->size * 2 : 8;
		struct tail_piece *older = reallocarray(t->older, size, sizeof(*older));

		if (!older)
			return -ENOMEM;
		t->older = older;
		t->size = size;
	}
	t->older[t->n_older++] = (struct tail_piece){.fd = fd, .start = start, .end = end};
	return 0;
}

/*
 * Goes back by one file. *n is how many lines are wanted of it and those before it,
 * *has_newer whether bytes follow it; -EALREADY when there is nothing more to look for.
 */
static int go_back(
	struct tail *t, const char *path, const char *stamp, uint64_t *n, bool *has_newer)
{
	_cleanup_close_
	int fd = rotated_open(path, stamp);
	uint64_t found;
	struct stat st;
	off_t start;
	char last;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -EALREADY; /* removed meanwhile, and with it what is older still */
	if (st.st_size == 0 || read_at(fd, &last, 1, st.st_size - 1) != 1)
		return 0;
	if (*has_newer && last != '\n')
		(*n)++;
	if (*n == 0)
		return -EALREADY;
	r = tail_find(fd, st.st_size, *n, &start, &found);
	if (r == 0)
		r = add_piece(t, fd, start, st.st_size);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd);
	*n -= found;
	*has_newer = true;
	return start > 0 ? -EALREADY : 0;
}

int tail_open(const char *path, int fd, off_t end, uint64_t n, struct tail *ret_tail)
{
	_cleanup_(rotated_fini) struct rotated rotated = {0};
	_cleanup_(tail_fini) struct tail tail = {0};
	bool has_newer = end > 0;
	uint64_t found = 0;
	int r = 0;

	if (fd >= 0)
		r = tail_find(fd, end, n, &tail.start, &found);
	if (r < 0)
		return r;
	if (n > 0 && tail.start == 0) {
		n -= found;
		r = rotated_list(path, &rotated);
		for (size_t i = r < 0 ? 0 : count_older(path, &rotated, fd); i > 0 && r == 0; i--)
			r = go_back(&tail, path, rotated.stamps[i - 1], &n, &has_newer);
		/* A directory that can't be listed hides old lines, nothing worse. */
		if (r < 0 && r != -EALREADY && r != -EACCES)
			return r;
	}
	*ret_tail = tail;
	tail = (struct tail){0};
	return 0;
}
