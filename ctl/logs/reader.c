/*
 * One log file through its life. The open descriptor, not the path, is what is read, so
 * a rename loses nothing. Only when the path leads to another file is the old one read to
 * its end for good; then come the files that were rotated in between, told by names newer
 * than the newest known, and then the new one.
 *
 * The path is opened before the directory is listed: a rotation between the two shows the
 * opened file in the list, and the reading stops there.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl/logs/follow.h"

#define BLOCK_SIZE 65536
#define ROUND_SIZE (16 * BLOCK_SIZE) /* then it is another reader's turn */

static int open_regular(const char *path)
{
	_cleanup_close_
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Remembers the newest rotated file that is older than the current one. */
static void note_newest(struct reader *r)
{
	_cleanup_(rotated_fini) struct rotated list = {0};

	if (rotated_list(r->source->path, &list) < 0)
		return;
	for (size_t i = list.n; i > 0; i--) {
		_cleanup_close_
		int fd = rotated_open(r->source->path, list.stamps[i - 1]);

		if (r->fd >= 0 && fd >= 0 && is_same_file(fd, r->fd)) {
			list.n = i - 1;
			break;
		}
	}
	if (list.n > 0)
		memcpy(r->newest, list.stamps[list.n - 1], sizeof(r->newest));
}

int reader_open(struct reader *r)
{
	int fd = open_regular(r->source->path);

	if (fd < 0 && fd != -ENOENT)
		return fd;
	r->fd = fd < 0 ? -1 : fd;
	note_newest(r);
	return fd < 0 ? fd : 0;
}

/* Reads to the end, or for one round: 0, -EAGAIN, -errno. */
static int read_on(int fd, off_t *offset, off_t limit, struct source *s, const struct lines *l)
{
	_cleanup_free_
	char *block = malloc(BLOCK_SIZE);
	off_t stop = *offset + limit;

	if (!block)
		return -ENOMEM;
	while (*offset < stop) {
		ssize_t n = pread(fd, block, BLOCK_SIZE, *offset);
		int r;

		if (n == 0)
			return 0;
		if (n < 0)
			return -errno;
		*offset += n;
		r = lines_feed(l, s, block, (size_t)n);
		if (r < 0)
			return r;
		if (ferror(l->ctl->out))
			return -EPIPE;
	}
	return -EAGAIN;
}

static int read_all(int fd, off_t offset, struct source *s, const struct lines *l)
{
	int r;

	do
		r = read_on(fd, &offset, ROUND_SIZE, s, l);
	while (r == -EAGAIN);
	return r;
}

/* What was rotated since the old file was opened and before the new one was. */
static int read_between(struct reader *r, int new_fd, const struct lines *l)
{
	const char *path = r->source->path;
	_cleanup_(rotated_fini) struct rotated list = {0};
	int result = rotated_list(path, &list);

	for (size_t i = 0; result == 0 && i < list.n; i++) {
		_cleanup_close_
		int fd = -1;

		if (strcmp(list.stamps[i], r->newest) <= 0)
			continue;
		fd = rotated_open(path, list.stamps[i]);
		if (fd >= 0 && is_same_file(fd, new_fd))
			break;
		memcpy(r->newest, list.stamps[i], sizeof(r->newest));
		if (fd >= 0 && (r->fd < 0 || !is_same_file(fd, r->fd)))
			result = read_all(fd, 0, r->source, l);
	}
	/* A directory that can't be listed hides what was rotated in between. */
	return result == -EACCES ? 0 : result;
}

/* Another file at the path than the one that is read? 0: no, 1: moved on to it, -errno. */
static int move_on(struct reader *r, const struct lines *l)
{
	_cleanup_close_
	int fd = open_regular(r->source->path);
	int result = 0;

	if (fd == -ENOENT)
		return 0; /* between the rename and the new file */
	if (fd < 0)
		return fd;
	if (r->fd >= 0 && is_same_file(fd, r->fd))
		return 0;
	/* Written between our last look and the rename. */
	if (r->fd >= 0)
		result = read_all(r->fd, r->offset, r->source, l);
	if (result == 0)
		result = read_between(r, fd, l);
	if (result < 0)
		return result;
	close_fd(r->fd);
	r->fd = TAKE_FD(fd);
	r->offset = 0;
	return 1;
}

int reader_read(struct reader *r, const struct lines *l)
{
	struct stat st;
	int result;

	do {
		if (r->fd >= 0 && fstat(r->fd, &st) == 0 && st.st_size < r->offset) {
			ctl_error(l->ctl, "%s: %s was truncated; going on at its beginning",
				r->source->label, r->source->path);
			r->offset = 0;
		}
		result = r->fd < 0 ? 0 : read_on(r->fd, &r->offset, ROUND_SIZE, r->source, l);
		if (result == 0)
			result = move_on(r, l);
	} while (result == 1);
	return result;
}
