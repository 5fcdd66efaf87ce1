/*
 * Opening /proc/PID/fd/N of a pipe makes a new end of that same pipe, with what is in it. A
 * process may have put anything there meanwhile: only a nameless pipe is opened, and where it is
 * known, only the very one that was made for it, since reading from another would take away what
 * is meant for somebody else.
 */
#include "engine/takeover/reopen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/service.h"

/* One that does not block, or -errno; -ENOTSUP where it is no pipe, or not that one. */
static int reopen(pid_t pid, unsigned number, uint64_t inode, int mode)
{
	char path[48], link[64];
	_cleanup_close_
	int fd = -1;
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)pid, number);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = '\0';
	if (strncmp(link, "pipe:[", strlen("pipe:[")) != 0)
		return -ENOTSUP;
	fd = sys_openat(AT_FDCWD, path, mode | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	if (sys_fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode) || (inode > 0 && st.st_ino != inode))
		return -ENOTSUP;
	return TAKE_FD(fd);
}

static int reopen_output(const struct service *s, pid_t pid, unsigned stream, bool known)
{
	uint64_t inode = known && stream < s->n_streams ? s->streams[stream].inode : 0;
	int fd = reopen(pid, stream == 0 ? STDOUT_FILENO : STDERR_FILENO, inode, O_RDONLY);

	/* One pipe serves both: a program may keep it for its stderr only. */
	if (fd == -ENOTSUP && stream == 0 && !s->spec->split_stderr && inode > 0)
		fd = reopen(pid, STDERR_FILENO, inode, O_RDONLY);
	if (fd < 0)
		log_warning("service '%s': the %s of pid %d can't be read any more: %s", s->name,
			stream == 0 ? "output" : "stderr", (int)pid,
			fd == -ENOTSUP ? "it leads elsewhere" : strerror(-fd));
	return fd < 0 ? -1 : fd;
}

void reopen_pipes(
	const struct service *s, pid_t pid, bool main, bool known, int ret_fds[static REOPEN_PIPES])
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	int fd;

	for (unsigned k = 0; k < REOPEN_PIPES; k++)
		ret_fds[k] = -1;
	if (!main || spec_has_output(s->spec))
		ret_fds[0] = reopen_output(s, pid, 0, known);
	if (main && s->spec->split_stderr)
		ret_fds[1] = reopen_output(s, pid, 1, known);
	if (!main || s->spec->policy->ready != SPEC_READY_FD || r->state != CORE_STARTING)
		return;
	fd = reopen(pid, (unsigned)s->spec->contact->ready_fd, 0, O_RDONLY);
	ret_fds[2] = fd < 0 ? -1 : fd;
}

int reopen_input(pid_t pid, uint64_t inode)
{
	int fd = reopen(pid, STDIN_FILENO, inode, O_RDWR);

	return fd < 0 ? -1 : fd;
}
