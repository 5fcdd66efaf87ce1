/*
 * No byte is copied on the way in, nor when it is duplicated or thrown away: the pages behind
 * the pipes go from one to the other. Each such call either has moved a page or has not, also
 * when the process is killed within it.
 *
 * The pipes don't block. The second one may be smaller: then less is seen at a time.
 */
#include "engine/logs/hold.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

static int make_pipe(int *ret_read, int *ret_write)
{
	int fds[2];
	int r = sys_pipe2(fds, O_NONBLOCK);

	if (r < 0)
		return r;
	(void)sys_fcntl(fds[1], F_SETPIPE_SZ, HOLD_SIZE);
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

int hold_init(struct hold *h, int read_fd, int write_fd)
{
	int r = 0;

	*h = (struct hold)HOLD_INIT;
	h->read_fd = read_fd;
	h->write_fd = write_fd;
	if (read_fd < 0 || write_fd < 0) {
		close_fd(read_fd);
		close_fd(write_fd);
		h->read_fd = h->write_fd = -1;
		r = make_pipe(&h->read_fd, &h->write_fd);
	}
	if (r == 0)
		r = make_pipe(&h->copy_read, &h->copy_write);
	if (r < 0) {
		hold_fini(h);
		return r;
	}
	h->null_fd = sys_openat(AT_FDCWD, "/dev/null", O_WRONLY | O_NOCTTY, 0);
	if (h->null_fd < 0)
		h->null_fd = -1;
	return 0;
}

void hold_fini(struct hold *h)
{
	h->read_fd = close_fd(h->read_fd);
	h->write_fd = close_fd(h->write_fd);
	h->copy_read = close_fd(h->copy_read);
	h->copy_write = close_fd(h->copy_write);
	h->null_fd = close_fd(h->null_fd);
}

ssize_t hold_count(const struct hold *h)
{
	int n = 0, r = sys_pending(h->read_fd, &n);

	return r < 0 ? r : n;
}

ssize_t hold_fill(struct hold *h, int fd, size_t n)
{
	return sys_splice(fd, h->write_fd, n, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}

/* What a peek that failed leaves would be taken for the beginning of the next one. */
static int forget_copy(struct hold *h, int error)
{
	h->copy_read = close_fd(h->copy_read);
	h->copy_write = close_fd(h->copy_write);
	return error;
}

ssize_t hold_look(struct hold *h, int fd, char *data, size_t n)
{
	ssize_t wanted = 0, done = 0;
	int r = h->copy_read >= 0 ? 0 : make_pipe(&h->copy_read, &h->copy_write);

	if (r < 0)
		return r;
	wanted = sys_tee(fd, h->copy_write, n, SPLICE_F_NONBLOCK);
	while (done < wanted) {
		ssize_t k = sys_read(h->copy_read, data + done, (size_t)(wanted - done));

		if (k <= 0)
			return forget_copy(h, k < 0 ? (int)k : -EIO);
		done += k;
	}
	return wanted;
}

ssize_t hold_peek(struct hold *h, char *data, size_t n)
{
	return hold_look(h, h->read_fd, data, n);
}

int hold_drop(struct hold *h, size_t n)
{
	char waste[4096];

	while (n > 0) {
		ssize_t r = -EINVAL;

		if (h->null_fd >= 0)
			r = sys_splice(h->read_fd, h->null_fd, n, SPLICE_F_NONBLOCK);
		if (r == -EINVAL) /* whatever stands for /dev/null here */
			r = sys_read(h->read_fd, waste, MIN_OF(n, sizeof(waste)));
		if (r <= 0)
			return r < 0 ? (int)r : -EIO;
		n -= (size_t)r;
	}
	return 0;
}
