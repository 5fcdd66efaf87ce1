/*
 * One line per call: try, turn errno into a return value, retry EINTR. The test
 * build asks sys_fault() first; as shipped, SYS_FAULT() is nothing at all.
 */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/macro.h"

#ifdef SYS_FAULTS
#include "base/sys_fault.h"
#define SYS_FAULT(name)                   \
	do {                              \
		int _e = sys_fault(name); \
		if (_e > 0)               \
			return -_e;       \
	} while (0)

void sys_point(const char *name)
{
	sys_fault(name);
}

static size_t maybe_half(size_t n)
{
	return n > 1 && sys_fault("half-pwrite") > 0 ? n / 2 : n;
}
#else
#define SYS_FAULT(name) ((void)0)

void sys_point(const char *name)
{
	(void)name;
}

static size_t maybe_half(size_t n)
{
	return n;
}

void sys_faults_init(const char *who)
{
	(void)who;
}
#endif

#define SYS_RETURN(type, name, call)              \
	do {                                      \
		type _r;                          \
		SYS_FAULT(name);                  \
		do                                \
			_r = (type)(call);        \
		while (_r < 0 && errno == EINTR); \
		return _r < 0 ? -errno : _r;      \
	} while (0)

int sys_openat(int dir, const char *path, int flags, mode_t mode)
{
	SYS_RETURN(int, "open", openat(dir, path, flags | O_CLOEXEC, mode));
}

int sys_open_path(int dir, const char *path, int flags)
{
	SYS_RETURN(int, "open-path", openat(dir, path, flags | O_PATH | O_CLOEXEC));
}

ssize_t sys_read(int fd, void *data, size_t n)
{
	SYS_RETURN(ssize_t, "read", read(fd, data, n));
}

ssize_t sys_write(int fd, const void *data, size_t n)
{
	SYS_RETURN(ssize_t, "write", write(fd, data, n));
}

ssize_t sys_pread(int fd, void *data, size_t n, off_t offset)
{
	SYS_RETURN(ssize_t, "pread", pread(fd, data, n, offset));
}

ssize_t sys_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	SYS_RETURN(ssize_t, "pwrite", pwrite(fd, data, maybe_half(n), offset));
}

int sys_fstat(int fd, struct stat *ret_st)
{
	SYS_RETURN(int, "fstat", fstat(fd, ret_st));
}

int sys_fstatat(int dir, const char *path, struct stat *ret_st, int flags)
{
	SYS_RETURN(int, "fstatat", fstatat(dir, path, ret_st, flags));
}

int sys_ftruncate(int fd, off_t size)
{
	SYS_RETURN(int, "ftruncate", ftruncate(fd, size));
}

int sys_futimens(int fd, const struct timespec times[static 2])
{
	SYS_RETURN(int, "futimens", futimens(fd, times));
}

int sys_fallocate(int fd, off_t size)
{
	int r;

	SYS_FAULT("fallocate");
	do
		r = posix_fallocate(fd, 0, size);
	while (r == EINTR);
	return -r;
}

void sys_write_zeros(int fd, off_t from, off_t to)
{
	static char zeros[4096];
	struct iovec parts[16];

	for (size_t i = 0; i < ELEMENTSOF(parts); i++)
		parts[i] = (struct iovec){zeros, sizeof(zeros)};
	while (from < to) {
		size_t left = (size_t)(to - from);
		size_t n_parts = MIN_OF(left / sizeof(zeros), ELEMENTSOF(parts));
		ssize_t n = n_parts > 0 ? pwritev(fd, parts, (int)n_parts, from)
					: pwrite(fd, zeros, left, from);

		if (n <= 0)
			return;
		from += n;
	}
}

int sys_fallocate_mapped(int fd, off_t from, off_t size)
{
	int r = sys_fallocate(fd, size);

	if (r == 0)
		sys_write_zeros(fd, from, size);
	return r;
}

int sys_reserve(int fd, off_t offset, off_t n)
{
	int r;

	SYS_FAULT("reserve");
	do
		r = fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int sys_mkdirat(int dir, const char *path, mode_t mode)
{
	SYS_RETURN(int, "mkdir", mkdirat(dir, path, mode));
}

int sys_unlinkat(int dir, const char *path, int flags)
{
	SYS_RETURN(int, "unlink", unlinkat(dir, path, flags));
}

int sys_renameat_noreplace(int dir, const char *from, const char *to)
{
	SYS_RETURN(int, "rename", renameat2(dir, from, dir, to, RENAME_NOREPLACE));
}

int sys_renameat(int dir, const char *from, const char *to)
{
	SYS_RETURN(int, "rename", renameat(dir, from, dir, to));
}

int sys_fchmodat(int dir, const char *path, mode_t mode)
{
	SYS_RETURN(int, "chmod", fchmodat(dir, path, mode, 0));
}

int sys_fchownat(int dir, const char *path, uid_t uid, gid_t gid)
{
	SYS_RETURN(int, "chown", fchownat(dir, path, uid, gid, AT_SYMLINK_NOFOLLOW));
}

int sys_flock(int fd, int operation)
{
	SYS_RETURN(int, "flock", flock(fd, operation));
}

int sys_dup_cloexec(int fd, int lowest)
{
	SYS_RETURN(int, "dup", fcntl(fd, F_DUPFD_CLOEXEC, lowest));
}

int sys_dup3(int fd, int to, int flags)
{
	SYS_RETURN(int, "dup3", dup3(fd, to, flags));
}

int sys_pipe2(int ret_fds[static 2], int flags)
{
	SYS_RETURN(int, "pipe", pipe2(ret_fds, flags | O_CLOEXEC));
}

ssize_t sys_tee(int from, int to, size_t n, unsigned flags)
{
	SYS_RETURN(ssize_t, "tee", tee(from, to, n, flags));
}

ssize_t sys_splice(int from, int to, size_t n, unsigned flags)
{
	SYS_RETURN(ssize_t, "splice", splice(from, NULL, to, NULL, n, flags));
}

int sys_pending(int fd, int *ret_bytes)
{
	SYS_RETURN(int, "pending", ioctl(fd, FIONREAD, ret_bytes));
}

int sys_socket(int domain, int type, int protocol)
{
	SYS_RETURN(int, "socket", socket(domain, type | SOCK_CLOEXEC, protocol));
}

int sys_socketpair(int domain, int type, int ret_fds[static 2])
{
	SYS_RETURN(int, "socketpair", socketpair(domain, type | SOCK_CLOEXEC, 0, ret_fds));
}

int sys_bind(int fd, const struct sockaddr *address, socklen_t n)
{
	SYS_RETURN(int, "bind", bind(fd, address, n));
}

int sys_connect(int fd, const struct sockaddr *address, socklen_t n)
{
	SYS_RETURN(int, "connect", connect(fd, address, n));
}

int sys_listen(int fd, int backlog)
{
	SYS_RETURN(int, "listen", listen(fd, backlog));
}

int sys_accept4(int fd, int flags)
{
	SYS_RETURN(int, "accept", accept4(fd, NULL, NULL, flags | SOCK_CLOEXEC));
}

int sys_getsockopt(int fd, int level, int option, void *data, socklen_t *n)
{
	SYS_RETURN(int, "getsockopt", getsockopt(fd, level, option, data, n));
}

int sys_setsockopt(int fd, int level, int option, const void *data, socklen_t n)
{
	SYS_RETURN(int, "setsockopt", setsockopt(fd, level, option, data, n));
}

ssize_t sys_send(int fd, const void *data, size_t n, int flags)
{
	SYS_RETURN(ssize_t, "send", send(fd, data, n, flags | MSG_NOSIGNAL));
}

ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	SYS_RETURN(ssize_t, "sendmsg", sendmsg(fd, msg, flags | MSG_NOSIGNAL));
}

int sys_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	SYS_RETURN(int, "sendmmsg", sendmmsg(fd, msgs, n, flags | MSG_NOSIGNAL));
}

ssize_t sys_recv(int fd, void *data, size_t n, int flags)
{
	SYS_RETURN(ssize_t, "recv", recv(fd, data, n, flags));
}

ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
	SYS_RETURN(ssize_t, "recvmsg", recvmsg(fd, msg, flags | MSG_CMSG_CLOEXEC));
}

int sys_memfd_create(const char *name, unsigned flags)
{
	SYS_RETURN(int, "memfd_create", memfd_create(name, flags | MFD_CLOEXEC));
}

int sys_fcntl(int fd, int command, long argument)
{
	SYS_RETURN(int, "fcntl", fcntl(fd, command, argument));
}

int sys_mmap(size_t n, int protection, int flags, int fd, off_t offset, void **ret_address)
{
	void *p;

	SYS_FAULT("mmap");
	p = mmap(NULL, n, protection, flags, fd, offset);
	if (p == MAP_FAILED)
		return -errno;
	*ret_address = p;
	return 0;
}

int sys_munmap(void *address, size_t n)
{
	SYS_RETURN(int, "munmap", munmap(address, n));
}

int sys_madvise(void *address, size_t n, int advice)
{
	SYS_RETURN(int, "madvise", madvise(address, n, advice));
}

int sys_mremap(void *address, size_t n, size_t n_new, void **ret_address)
{
	void *p;

	SYS_FAULT("mremap");
	p = mremap(address, n, n_new, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		return -errno;
	*ret_address = p;
	return 0;
}

int sys_futex_wake(const uint32_t *word)
{
	SYS_RETURN(int, "futex", (int)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
}

pid_t sys_fork(void)
{
	SYS_RETURN(pid_t, "fork", fork());
}

int sys_epoll_create(void)
{
	SYS_RETURN(int, "epoll_create", epoll_create1(EPOLL_CLOEXEC));
}

int sys_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	SYS_RETURN(int, "epoll_ctl", epoll_ctl(epoll, operation, fd, event));
}

/* Rounded up, so that it never returns a moment too early and its caller spins. */
static int epoll_wait_msec(int epoll, struct epoll_event *events, int n, usec_t timeout_usec)
{
	usec_t msec = timeout_usec / USEC_PER_MSEC + (timeout_usec % USEC_PER_MSEC != 0);

	if (timeout_usec == USEC_INFINITY)
		return epoll_wait(epoll, events, n, -1);
	return epoll_wait(epoll, events, n, (int)MIN_OF(msec, (usec_t)INT_MAX));
}

int sys_epoll_wait(int epoll, struct epoll_event *events, int n, usec_t timeout_usec)
{
	static bool missing; /* Linux before 5.11, or a filter that doesn't know it */
	struct timespec t = {.tv_sec = (time_t)(timeout_usec / USEC_PER_SEC),
		.tv_nsec = (long)(timeout_usec % USEC_PER_SEC * 1000)};
	int r = -1;

	SYS_FAULT("epoll_wait");
	if (!missing)
		r = epoll_pwait2(epoll, events, n, timeout_usec == USEC_INFINITY ? NULL : &t, NULL);
	missing = missing || (r < 0 && (errno == ENOSYS || errno == EPERM));
	if (missing)
		r = epoll_wait_msec(epoll, events, n, timeout_usec);
	if (r < 0)
		return errno == EINTR ? 0 : -errno; /* a retry would start the timeout again */
	return r;
}

int sys_signalfd(int fd, const sigset_t *mask)
{
	SYS_RETURN(int, "signalfd", signalfd(fd, mask, SFD_CLOEXEC | SFD_NONBLOCK));
}

int sys_timerfd_create(clockid_t clock)
{
	SYS_RETURN(int, "timerfd_create", timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK));
}

int sys_timerfd_settime(int fd, int flags, const struct itimerspec *at)
{
	SYS_RETURN(int, "timerfd_settime", timerfd_settime(fd, flags, at, NULL));
}

int sys_inotify_init(int flags)
{
	SYS_RETURN(int, "inotify_init", inotify_init1(flags | IN_CLOEXEC));
}

int sys_inotify_add_watch(int fd, const char *path, unsigned mask)
{
	SYS_RETURN(int, "inotify_add_watch", inotify_add_watch(fd, path, mask));
}

int sys_waitid(idtype_t type, id_t id, siginfo_t *ret_info, int options, struct rusage *ret_usage)
{
	/* The raw call: glibc's wrapper drops the usage. */
	SYS_RETURN(int, "waitid", syscall(SYS_waitid, type, id, ret_info, options, ret_usage));
}

int sys_prlimit(pid_t pid, int resource, const struct rlimit *limit)
{
	SYS_RETURN(int, "prlimit", prlimit(pid, (__rlimit_resource_t)resource, limit, NULL));
}

int sys_kill(pid_t pid, int signo)
{
	SYS_RETURN(int, "kill", kill(pid, signo));
}

int sys_pidfd_open(pid_t pid)
{
	SYS_RETURN(int, "pidfd_open", syscall(SYS_pidfd_open, pid, 0));
}

int sys_pidfd_send_signal(int pidfd, int signo)
{
	SYS_RETURN(int, "pidfd_send_signal", syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0));
}

int sys_pidfd_send_signal_group(int pidfd, int signo)
{
	const unsigned group = 1u << 2; /* PIDFD_SIGNAL_PROCESS_GROUP */

	SYS_RETURN(int, "pidfd_send_signal",
		syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, group));
}

/* As linux/pidfd.h has it since 6.13; newer kernels take this shorter form. */
struct pidfd_info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define GET_INFO  _IOWR(0xff, 11, struct pidfd_info)
#define INFO_EXIT (UINT64_C(1) << 3) /* Linux 6.15 */

static int get_info(int pidfd, struct pidfd_info *info)
{
	SYS_RETURN(int, "ioctl", ioctl(pidfd, GET_INFO, info));
}

int sys_pidfd_exit_status(int pidfd, int *ret_status)
{
	struct pidfd_info info = {.mask = INFO_EXIT};
	int r = get_info(pidfd, &info);

	if (r < 0)
		return r;
	if (!(info.mask & INFO_EXIT))
		return -ENODATA;
	*ret_status = info.exit_code;
	return 0;
}

int sys_execveat(int fd, char *const *argv, char *const *envp)
{
	SYS_RETURN(int, "execveat", syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH));
}

int sys_msgget(key_t key, int flags)
{
	SYS_RETURN(int, "msgget", msgget(key, flags));
}

int sys_msgctl(int id, int command, struct msqid_ds *ds)
{
	SYS_RETURN(int, "msgctl", msgctl(id, command, ds));
}

int sys_msgsnd(int id, const void *message, size_t n, int flags)
{
	SYS_RETURN(int, "msgsnd", msgsnd(id, message, n, flags));
}

ssize_t sys_msgrcv(int id, void *message, size_t n, long type, int flags)
{
	SYS_RETURN(ssize_t, "msgrcv", msgrcv(id, message, n, type, flags));
}
