/*
 * The seam: every system call of launcher and engine that can fail for reasons
 * outside the program passes here. Each returns what the call returns, or a
 * negative errno; EINTR is retried where a retry is right.
 *
 * Built twice: as the programs ship it, and with SYS_FAULTS for tests, where
 * SUPERVISOR_FAULT="who:call:N[+]:ERRNO[,…]" makes the Nth (with +: and every later)
 * such call of a process fail. "who" is what sys_faults_init() was told, or "*".
 * Example: SUPERVISOR_FAULT="engine:pwrite:3+:ENOSPC".
 *
 * The call "any" is each of them, and "half-pwrite" is a pwrite that writes only half of what
 * it was given. With KILL in place of an errno, the process kills itself there. With @FILE in
 * place of N[+], the rule waits for that file: the first process to come to such a call takes
 * that from it, removes it, and counts from there.
 * Example: SUPERVISOR_FAULT="engine:any:@/tmp/die:KILL", then: echo 12 >/tmp/die.
 */
#pragma once

#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

#include "base/usec.h"

/* A place between calls, which counts as one of that name; nothing in the programs as shipped. */
void sys_point(const char *name);

/* Reads SUPERVISOR_FAULT in the test build; nothing in the programs as shipped. */
void sys_faults_init(const char *who);

int sys_openat(int dir, const char *path, int flags, mode_t mode);
int sys_open_path(int dir, const char *path, int flags); /* with O_PATH */
ssize_t sys_read(int fd, void *data, size_t n);
ssize_t sys_write(int fd, const void *data, size_t n);
ssize_t sys_pread(int fd, void *data, size_t n, off_t offset);
ssize_t sys_pwrite(int fd, const void *data, size_t n, off_t offset);
int sys_fstat(int fd, struct stat *ret_st);
int sys_fstatat(int dir, const char *path, struct stat *ret_st, int flags);
int sys_ftruncate(int fd, off_t size);
int sys_futimens(int fd, const struct timespec times[static 2]); /* access, modification */
int sys_fallocate(int fd, off_t size); /* posix_fallocate(fd, 0, size) */
/*
 * Writes zeros to what a mapped file has reserved, as far as that works: the first store to a page
 * that is only reserved costs ext4 8 to 13 us, to one that was written less than one.
 */
void sys_write_zeros(int fd, off_t from, off_t to);
/* sys_fallocate() for a file that is mapped in use, with zeros from there on. */
int sys_fallocate_mapped(int fd, off_t from, off_t size);
int sys_reserve(int fd, off_t offset, off_t n); /* fallocate(2) that keeps the size */
int sys_mkdirat(int dir, const char *path, mode_t mode);
int sys_unlinkat(int dir, const char *path, int flags);
int sys_renameat_noreplace(int dir, const char *from, const char *to);
int sys_renameat(int dir, const char *from, const char *to);
int sys_fchmodat(int dir, const char *path, mode_t mode);
int sys_fchownat(int dir, const char *path, uid_t uid, gid_t gid);
int sys_flock(int fd, int operation);
int sys_dup_cloexec(int fd, int lowest);
int sys_dup3(int fd, int to, int flags);
int sys_pipe2(int ret_fds[static 2], int flags);
ssize_t sys_tee(int from, int to, size_t n, unsigned flags);
ssize_t sys_splice(int from, int to, size_t n, unsigned flags);
int sys_pending(int fd, int *ret_bytes); /* FIONREAD */
int sys_socket(int domain, int type, int protocol);
int sys_socketpair(int domain, int type, int ret_fds[static 2]);
int sys_bind(int fd, const struct sockaddr *address, socklen_t n);
int sys_connect(int fd, const struct sockaddr *address, socklen_t n);
int sys_listen(int fd, int backlog);
int sys_accept4(int fd, int flags);
int sys_getsockopt(int fd, int level, int option, void *data, socklen_t *n);
int sys_setsockopt(int fd, int level, int option, const void *data, socklen_t n);
ssize_t sys_send(int fd, const void *data, size_t n, int flags);
ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags);
/* How many were sent; an error only where that is none. */
int sys_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);
ssize_t sys_recv(int fd, void *data, size_t n, int flags);
ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags);
int sys_memfd_create(const char *name, unsigned flags);
int sys_fcntl(int fd, int command, long argument);
/* 0 and *ret_address, or -errno. */
int sys_mmap(size_t n, int protection, int flags, int fd, off_t offset, void **ret_address);
int sys_munmap(void *address, size_t n);
int sys_madvise(void *address, size_t n, int advice);
int sys_mremap(void *address, size_t n, size_t n_new, void **ret_address);
int sys_futex_wake(const uint32_t *word); /* everybody, in any process */
pid_t sys_fork(void);
int sys_prlimit(pid_t pid, int resource, const struct rlimit *limit);
int sys_epoll_create(void);
int sys_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int sys_epoll_wait(int epoll, struct epoll_event *events, int n, usec_t timeout_usec);
int sys_signalfd(int fd, const sigset_t *mask);
int sys_timerfd_create(clockid_t clock); /* not blocking */
int sys_timerfd_settime(int fd, int flags, const struct itimerspec *at);
int sys_inotify_init(int flags);
int sys_inotify_add_watch(int fd, const char *path, unsigned mask);
int sys_waitid(idtype_t type, id_t id, siginfo_t *ret_info, int options, struct rusage *ret_usage);
int sys_kill(pid_t pid, int signo);
int sys_pidfd_open(pid_t pid);
int sys_pidfd_send_signal(int pidfd, int signo);
/* To the process group that it leads; -EINVAL where the kernel (before 6.9) can't. */
int sys_pidfd_send_signal_group(int pidfd, int signo);
/* 0 and how a process ended that is reaped, in the form of wait(2). -errno: Linux before 6.15. */
int sys_pidfd_exit_status(int pidfd, int *ret_status);
/* Executes what fd is open for. */
int sys_execveat(int fd, char *const *argv, char *const *envp);
int sys_msgget(key_t key, int flags);
int sys_msgctl(int id, int command, struct msqid_ds *ds);
int sys_msgsnd(int id, const void *message, size_t n, int flags);
ssize_t sys_msgrcv(int id, void *message, size_t n, long type, int flags);
