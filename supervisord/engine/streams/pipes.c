/*
 * A read end tells that nobody writes any more only if no write end is left open by mistake: they
 * are closed here as soon as they are sent, and one that never was sent goes with its struct.
 */
#include "engine/streams/pipes.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sys.h"

/*
 * The process's end, open for reading as well: with that the pipe has a reader as long as the
 * process lives, and what is written waits for the next supervisord. It is opened anew, since
 * only one of the ends is not to block.
 */
static int open_both_ways(int own_fds, int fd)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", fd);
	return own_fds < 0 ? own_fds : sys_openat(own_fds, name, O_RDWR, 0);
}

static int make_pipe(int own_fds, int *ret_read, int *ret_write)
{
	int fds[2], both, r;

	r = sys_pipe2(fds, O_NONBLOCK);
	if (r < 0)
		return r;
	both = open_both_ways(own_fds, fds[1]);
	/* Without /proc, or room for it, it is for writing only. */
	r = both < 0 ? sys_fcntl(fds[1], F_SETFL, 0) : 0;
	if (r < 0) {
		close_fd(fds[0]);
		close_fd(fds[1]);
		return r;
	}
	if (both >= 0)
		close_fd(fds[1]);
	*ret_read = fds[0];
	*ret_write = both >= 0 ? both : fds[1];
	return 0;
}

/* New ends of one that there is. */
static int share_pipe(int own_fds, int fd, int *ret_read, int *ret_write)
{
	_cleanup_close_
	int both = open_both_ways(own_fds, fd);
	int own = both < 0 ? both : sys_dup_cloexec(fd, STDERR_FILENO + 1);

	if (own < 0)
		return own;
	*ret_read = own;
	*ret_write = TAKE_FD(both);
	return 0;
}

int pipes_open_own_fds(void)
{
	return sys_openat(AT_FDCWD, "/proc/self/fd", O_PATH | O_DIRECTORY, 0);
}

int pipes_make(int own_fds, unsigned plan_flags, uint64_t generation,
	const int left[static PLAN_PIPE_MAX], struct pipes *ret)
{
	struct pipes p = {generation, {-1, -1, -1}, {-1, -1, -1}};

	for (unsigned i = 0; i < PLAN_PIPE_MAX; i++) {
		int r = 0;

		if (plan_has_pipe(plan_flags, (enum plan_pipe)i))
			r = left[i] < 0 ? make_pipe(own_fds, &p.read[i], &p.write[i])
					: share_pipe(own_fds, left[i], &p.read[i], &p.write[i]);
		if (r < 0) {
			pipes_close(&p);
			return r;
		}
	}
	*ret = p;
	return 0;
}

unsigned pipes_list(const struct pipes *p, int ret_fds[static 2 * PLAN_PIPE_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < PLAN_PIPE_MAX; i++) {
		if (p->read[i] < 0)
			continue;
		ret_fds[n++] = p->read[i];
		ret_fds[n++] = p->write[i];
	}
	return n;
}

void pipes_close_write(struct pipes *p)
{
	for (unsigned i = 0; i < PLAN_PIPE_MAX; i++)
		p->write[i] = close_fd(p->write[i]);
}

void pipes_close(struct pipes *p)
{
	if (p->generation == 0)
		return;
	pipes_close_write(p);
	for (unsigned i = 0; i < PLAN_PIPE_MAX; i++)
		close_fd(p->read[i]);
	*p = (struct pipes){0};
}
