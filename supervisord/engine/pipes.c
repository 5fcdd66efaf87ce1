/*
 * A read end tells that nobody writes any more only if no write end is left open by mistake: they
 * are closed here as soon as they are sent, and one that never was sent goes with its struct.
 */
#include "engine/pipes.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/sys.h"

/*
 * The process's end, open for reading as well: with that the pipe has a reader as long as the
 * process lives, and what is written waits for the next supervisord. It is opened anew, since
 * only one of the ends is not to block. Without /proc, or room for it, it is for writing only.
 */
static int open_both_ways(int *fd)
{
	char path[32];
	int both;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	both = sys_openat(AT_FDCWD, path, O_RDWR, 0);
	if (both < 0)
		return sys_fcntl(*fd, F_SETFL, 0);
	close_fd(*fd);
	*fd = both;
	return 0;
}

static int make_pipe(int *ret_read, int *ret_write)
{
	int fds[2], r;

	r = sys_pipe2(fds, O_NONBLOCK);
	if (r < 0)
		return r;
	r = open_both_ways(&fds[1]);
	if (r < 0) {
		close_fd(fds[0]);
		close_fd(fds[1]);
		return r;
	}
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

int pipes_make(unsigned plan_flags, uint64_t generation, struct pipes *ret)
{
	struct pipes p = {generation, {-1, -1, -1}, {-1, -1, -1}};

	for (unsigned i = 0; i < PLAN_PIPE_MAX; i++) {
		int r = 0;

		if (plan_has_pipe(plan_flags, (enum plan_pipe)i))
			r = make_pipe(&p.read[i], &p.write[i]);
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
