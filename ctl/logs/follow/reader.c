/*
 * One log file through its life. The open descriptor, not the path, is what is read, so
 * a rename loses nothing. Only when the path leads to another file is the old one read to
 * its end for good; then come the files that were rotated in between, told by names newer
 * than the newest known, and then the new one.
 *
 * The path is opened before the directory is listed: a rotation between the two shows the
 * opened file in the list, and the reading stops there.
 */
#include "ctl/logs/follow/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl/logs/file/input.h"

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
	struct stat current, st;
	size_t n;

	if (rotated_list(r->source->path, &list) < 0)
		return;
	n = list.n;
	/* Where the path still leads to the current one, none of the list is that. */
	if (r->fd >= 0 && fstat(r->fd, &current) == 0 &&
		(stat(r->source->path, &st) < 0 || st.st_dev != current.st_dev ||
			st.st_ino != current.st_ino)) {
		for (size_t i = list.n; i > 0 && n == list.n; i--) {
			_cleanup_close_
			int fd = rotated_open(r->source->path, &list.files[i - 1]);

			if (fd >= 0 && is_same_file(fd, r->fd))
				n = i - 1;
		}
	}
	if (n > 0)
		memcpy(r->newest, list.files[n - 1].stamp, sizeof(r->newest));
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

/* Bytes at the beginning of two inputs: the same? The packed one is taken. */
static bool begins_alike(struct input packed, int fd)
{
	_cleanup_(input_fini) struct input in = packed;
	char a[4096], b[4096];
	ssize_t n = pread(fd, a, sizeof(a), 0);

	for (ssize_t at = 0; at < n;) {
		ssize_t got = input_read(&in, b, (size_t)(n - at));

		if (got <= 0 || memcmp(a + at, b, (size_t)got) != 0)
			return false;
		at += got;
	}
	return n > 0 || input_read(&in, b, 1) == 0;
}

/*
 * Whether a rotated file is one that we hold. Compressed, it is another file on disk: then ours is
 * on none any more, and has the same bytes.
 */
static bool is_held(const char *path, const struct rotated_file *file, int fd)
{
	struct input in;
	struct stat st;
	bool same;

	if (fd < 0 || fstat(fd, &st) < 0 || input_open(path, file, 0, &in) < 0)
		return false;
	if (in.packed && st.st_nlink == 0)
		return begins_alike(in, fd);
	same = !in.packed && is_same_file(in.fd, fd);
	input_fini(&in);
	return same;
}

static int read_input(struct input *in, struct source *s, const struct lines *l)
{
	_cleanup_free_
	char *block = malloc(BLOCK_SIZE);
	ssize_t n;

	if (!block)
		return -ENOMEM;
	while ((n = input_read(in, block, BLOCK_SIZE)) > 0) {
		int r = lines_feed(l, s, block, (size_t)n);

		if (r < 0)
			return r;
		if (ferror(l->ctl->out))
			return -EPIPE;
	}
	return (int)n;
}

/* One that was rotated while we looked at another. What is wrong with it keeps nobody up. */
static int read_rotated(struct reader *r, const struct rotated_file *file, const struct lines *l)
{
	const struct source *s = r->source;
	_cleanup_(input_fini) struct input in = {.fd = -1};
	int result = input_open(s->path, file, 0, &in);

	if (result == 0)
		result = read_input(&in, r->source, l);
	if (result < 0 && result != -ENOENT && result != -ENOMEM && result != -EPIPE) {
		ctl_error(l->ctl, "%s: cannot read %s.%s%s: %s; it is left out", s->label, s->path,
			file->stamp, file->suffix, input_strerror(result));
		result = 0;
	}
	return result == -ENOENT ? 0 : result;
}

/* What was rotated since the old file was opened and before the new one was. */
static int read_between(struct reader *r, int new_fd, const struct lines *l)
{
	const char *path = r->source->path;
	_cleanup_(rotated_fini) struct rotated list = {0};
	int result = rotated_list(path, &list);
	bool held_seen = false;

	for (size_t i = 0; result == 0 && i < list.n; i++) {
		const struct rotated_file *file = &list.files[i];

		if (strcmp(file->stamp, r->newest) <= 0)
			continue;
		if (is_held(path, file, new_fd))
			break;
		memcpy(r->newest, file->stamp, sizeof(r->newest));
		if (!held_seen && is_held(path, file, r->fd))
			held_seen = true;
		else
			result = read_rotated(r, file, l);
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
	r->moved = true;
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

/* On a file system that does not tell when a file was made, it is an old one. */
static bool is_younger(int fd, usec_t realtime_usec)
{
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &x) < 0 || !(x.stx_mask & STATX_BTIME) ||
		x.stx_btime.tv_sec < 0)
		return false;
	return (usec_t)x.stx_btime.tv_sec * USEC_PER_SEC + x.stx_btime.tv_nsec / 1000 >=
	       realtime_usec;
}

void reader_move(struct reader *r, char *path, usec_t since_realtime_usec)
{
	struct stat st;

	free(r->source->path);
	r->source->path = path;
	r->fd = close_fd(r->fd);
	r->offset = 0;
	r->newest[0] = '\0';
	r->watch_directory = r->watch_file = -1;
	r->is_due = true;
	if (reader_open(r) == 0 && !is_younger(r->fd, since_realtime_usec) &&
		fstat(r->fd, &st) == 0)
		r->offset = st.st_size;
}
