/*
 * The name is removed here while a descriptor holds the file, so that the directory is as it
 * shall be whatever becomes of the child, and nobody removes a name later that is another's by
 * then. The child inherits the descriptors, waits until we have closed ours (the end of a pipe
 * tells, also if we die), and is the last to hold them. Its end does the work.
 *
 * One child at a time, of our own priority: one that starves would keep space taken that the
 * rules for rotated files promise to be free. If files come faster than it is done with them,
 * they are let go of in place, which slows down whoever writes them.
 */
#include "engine/logs/file/disposal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

static void close_held(struct disposal *d)
{
	for (unsigned i = 0; i < d->n_held; i++)
		close_fd(d->held[i]);
	d->n_held = 0;
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Nothing but what is held and the pipe, so that nobody waits for us to close the others. */
_noreturn_ static void child(struct disposal *d, int gate)
{
	int keep[DISPOSAL_MAX + 1], next = 0;
	char byte;

	for (unsigned i = 0; i < d->n_held; i++)
		keep[i] = d->held[i];
	keep[d->n_held] = gate;
	qsort(keep, d->n_held + 1, sizeof(*keep), compare_fds);
	for (unsigned i = 0; i <= d->n_held; i++) {
		if (keep[i] > next)
			close_range((unsigned)next, (unsigned)keep[i] - 1, 0);
		next = keep[i] + 1;
	}
	close_range((unsigned)next, ~0U, 0);
	while (read(gate, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(EXIT_SUCCESS);
}

static void on_end(struct loop_source *s, uint32_t events _unused_)
{
	struct disposal *d = CONTAINER_OF(s, struct disposal, child.source);

	/* However it ended, it holds nothing any more. */
	(void)filter_reap(&d->child, d->loop);
	disposal_start(d);
}

void disposal_start(struct disposal *d)
{
	int gate[2], r;

	if (d->n_held == 0 || d->child.pid > 0)
		return;
	d->child.source.dispatch = on_end;
	r = sys_pipe2(gate, O_CLOEXEC);
	if (r < 0) {
		close_held(d);
		return;
	}
	r = filter_fork(&d->child, d->loop);
	if (r == 1)
		child(d, gate[0]);
	close_fd(gate[0]);
	/* Before the gate opens: the child is to be the last. */
	close_held(d);
	close_fd(gate[1]);
}

static bool is_large(const struct disposal *d, const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_blocks >= d->large_bytes / 512;
}

static bool has_room(const struct disposal *d)
{
	return d->loop && d->n_held < DISPOSAL_MAX;
}

int disposal_unlink(struct disposal *d, int directory, const char *name)
{
	struct stat st;
	int fd = -1, r;

	if (has_room(d) && sys_fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		is_large(d, &st) && st.st_nlink == 1)
		fd = sys_open_path(directory, name, O_NOFOLLOW);
	r = sys_unlinkat(directory, name, 0);
	if (r == 0 && fd >= 0)
		d->held[d->n_held++] = fd;
	else
		close_fd(fd);
	return r;
}

int disposal_close(struct disposal *d, int fd)
{
	struct stat st;

	if (fd < 0 || !has_room(d) || sys_fstat(fd, &st) < 0 || !is_large(d, &st) ||
		st.st_nlink > 0)
		return close_fd(fd);
	d->held[d->n_held++] = fd;
	return -1;
}

void disposal_init(struct disposal *d, struct loop *loop)
{
	*d = (struct disposal){
		.loop = loop, .child = {.source = {.fd = -1}}, .large_bytes = DISPOSAL_LARGE_BYTES};
}

void disposal_fini(struct disposal *d)
{
	close_held(d);
	if (d->loop)
		filter_abandon(&d->child, d->loop);
}
