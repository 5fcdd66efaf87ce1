/*
 * The inode of a pidfd is the process's own for good, where the kernel (Linux 6.9) has a file
 * system for them. On others all pidfds share one, which is recognised by that.
 */
#include "engine/takeover/pidfd.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

#define RESERVE 512u /* descriptors that are kept for logs, clients and new pipes */

static bool have_inodes(void)
{
	static int have = -1;
	struct stat a, b;

	if (have < 0) {
		_cleanup_close_
		int one = sys_pidfd_open(getpid());
		_cleanup_close_
		int other = sys_pidfd_open(getppid());

		if (one < 0 || other < 0 || sys_fstat(one, &a) < 0 || sys_fstat(other, &b) < 0)
			return false;
		have = a.st_ino != b.st_ino;
	}
	return have > 0;
}

uint64_t pidfd_inode(int pidfd)
{
	struct stat st;

	return have_inodes() && sys_fstat(pidfd, &st) == 0 ? st.st_ino : 0;
}

int pidfd_open(pid_t pid, uint64_t inode)
{
	_cleanup_close_
	int fd = sys_pidfd_open(pid);

	if (fd < 0)
		return fd;
	if (inode > 0 && have_inodes() && pidfd_inode(fd) != inode)
		return -ESRCH;
	return TAKE_FD(fd);
}

/* All that is above is for what can't be done without. */
static bool is_spare(int fd)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return true;
	return (rlim_t)fd < limit.rlim_cur - MIN_OF(limit.rlim_cur / 4, (rlim_t)RESERVE);
}

void pidfd_take(int *pidfd, pid_t pid, uint64_t inode)
{
	int fd = pidfd_open(pid, inode);

	close_fd(*pidfd);
	*pidfd = -1;
	if (fd < 0)
		return;
	if (is_spare(fd))
		*pidfd = fd;
	else
		close_fd(fd);
}
