/*
 * The child between clone and exec.
 *
 * It may share the launcher's memory (without CLONE_VFORK: a slow exec must not stop
 * the launcher), so both run at once in it. Therefore it writes to nothing but its own
 * stack and its slot of the notebook, and calls no libc function: those write errno, which is the
 * launcher's, and may be bound lazily, under locks. System calls are made by hand, and the
 * sanitizers stay out.
 *
 * It may share the launcher's descriptors, because copying a table of 19,000 takes
 * milliseconds. So its first act is to get a table of its own that holds the lowest few
 * only, and to say so, since only then can the launcher close its copies of them.
 */
#include "launcher/spawn/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher/table/table.h"

#define _child_ __attribute__((no_sanitize("address", "undefined")))

#ifdef __x86_64__
_child_ static inline long call5(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return r;
}

_child_ _noreturn_ static void run_on_own_stack(const struct child *c)
{
	child_run(c);
}

long child_clone_vm(struct clone_args *args, const struct child *c)
{
	void (*run)(const struct child *) = run_on_own_stack;
	long r;

	/* The child must not come back to this frame: it is the launcher's. */
	__asm__ volatile(
		"syscall\n\t"
		"test %%rax, %%rax\n\t"
		"jnz 1f\n\t"
		"xor %%ebp, %%ebp\n\t"
		"mov %[arg], %%rdi\n\t"
		"call *%[run]\n\t"
		"hlt\n"
		"1:"
		: "=a"(r)
		: "a"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), [arg] "r"(c), [run] "r"(run)
		: "rcx", "r11", "memory", "cc");
	return r;
}
#else
/* Elsewhere memory is never shared, so errno may be written. */
static inline long call5(long number, long a, long b, long c, long d, long e)
{
	long r = syscall(number, a, b, c, d, e);

	return r < 0 ? -errno : r;
}

long child_clone_vm(struct clone_args *args _unused_, const struct child *c _unused_)
{
	return -ENOSYS;
}
#endif

#define CALL(name, a, b, c, d) call5(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), 0)

#ifdef __NR_setgroups32 /* 32 bit: the plain names take 16 bit ids */
#define SETGROUPS(n, list) CALL(setgroups32, n, list, 0, 0)
#define SETRESGID(id)	   CALL(setresgid32, id, id, id, 0)
#define SETRESUID(id)	   CALL(setresuid32, id, id, id, 0)
#else
#define SETGROUPS(n, list) CALL(setgroups, n, list, 0, 0)
#define SETRESGID(id)	   CALL(setresgid, id, id, id, 0)
#define SETRESUID(id)	   CALL(setresuid, id, id, id, 0)
#endif

_child_ static void report(int fd, enum link_stage stage, long error)
{
	struct spawn_report r;

	r.stage = (int32_t)stage;
	r.error = (int32_t)-error;
	CALL(write, fd, &r, sizeof(r), 0);
}

_child_ _noreturn_ static void fail(
	const struct child *c, int fd, enum link_stage stage, long error)
{
	/* First: the launcher's end of the pipe may be gone, which ends us. */
	if (c->note) {
		c->note->failed_stage = (int32_t)stage;
		__atomic_store_n(&c->note->failed_error, (int32_t)-error, __ATOMIC_RELEASE);
	}
	report(fd, stage, error);
	for (;;)
		CALL(exit_group, 127, 0, 0, 0);
}

/* What rt_sigaction() takes: handler, flags, restorer and mask, all zero: the default. */
static const unsigned long default_action[8];
static const unsigned long no_signals[2];

#define FIRST_FD (STDERR_FILENO + 1)

/* Exec would leave those that are ignored. */
_child_ static void reset_dispositions(uint64_t signals)
{
	for (; signals; signals &= signals - 1)
		CALL(rt_sigaction, __builtin_ctzll(signals) + 1, default_action, 0, 8);
}

/* Where the error pipe stays until exec: the lowest one that is not the service's. */
_child_ static int error_place(const struct child *c)
{
	return c->ready_fd >= 0 && c->plan.head->ready_fd == FIRST_FD ? FIRST_FD + 1 : FIRST_FD;
}

/* The end of its pipe for readiness, to where the service wants it, and open after exec. */
_child_ static long place_ready_fd(const struct child *c)
{
	if (c->ready_fd == (int)c->plan.head->ready_fd)
		return CALL(fcntl, c->ready_fd, F_SETFD, 0, 0);
	return CALL(dup3, c->ready_fd, c->plan.head->ready_fd, 0, 0);
}

/*
 * From here on the descriptors are 0, 1, 2, error_fd, the service's for readiness, and no others.
 * None of the copies lands on a descriptor that is yet to be copied: 0 to 2 come first, the error
 * pipe moves below all that is left, and the last one may land on anything else.
 */
_child_ static long arrange_fds(const struct child *c, int error_fd)
{
	unsigned rest = (unsigned)error_fd + 1;
	long r;

	r = CALL(dup3, c->stdin_fd, STDIN_FILENO, 0, 0);
	if (r >= 0)
		r = CALL(dup3, c->stdout_fd, STDOUT_FILENO, 0, 0);
	if (r >= 0)
		r = CALL(dup3, c->stderr_fd, STDERR_FILENO, 0, 0);
	if (r >= 0)
		r = CALL(dup3, c->error_fd, error_fd, O_CLOEXEC, 0);
	if (r >= 0 && c->ready_fd >= 0)
		r = place_ready_fd(c);
	if (r < 0)
		return r;
	/*
	 * All others close on exec anyway; but until then this child would hold the error
	 * pipes of others. Where the call is missing, those just learn it a little later.
	 */
	if (c->ready_fd >= 0 && c->plan.head->ready_fd >= rest) {
		CALL(close_range, rest, c->plan.head->ready_fd - 1, 0, 0); /* may be empty */
		rest = c->plan.head->ready_fd + 1;
	}
	CALL(close_range, rest, ~0U, 0, 0);
	return 0;
}

_child_ static long set_oom_score_adj(int value)
{
	char text[12], *p = text + sizeof(text);
	unsigned rest = value < 0 ? 0U - (unsigned)value : (unsigned)value;
	long fd, r;

	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		*--p = '-';
	fd = CALL(openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	r = CALL(write, fd, p, text + sizeof(text) - p, 0);
	CALL(close, fd, 0, 0, 0);
	return r;
}

_child_ static void set_priority(const struct child *c, int error_fd)
{
	const struct plan_head *h = c->plan.head;
	long r;

	CALL(umask, h->umask, 0, 0, 0);
	if (h->flags & PLAN_SET_NICE) {
		r = CALL(setpriority, PRIO_PROCESS, 0, h->nice, 0);
		if (r < 0)
			fail(c, error_fd, LINK_STAGE_PRIORITY, r);
	}
	if (h->flags & PLAN_SET_OOM) {
		r = set_oom_score_adj(h->oom_score_adj);
		if (r < 0)
			fail(c, error_fd, LINK_STAGE_PRIORITY, r);
	}
}

_child_ static void set_limits(const struct child *c, int error_fd)
{
	const struct plan_head *h = c->plan.head;
	long r;

	/* What supervisord was started with, and not what it needs itself. Lowering can't fail. */
	CALL(prlimit64, 0, RLIMIT_NOFILE, c->nofile, 0);
	for (uint32_t i = 0; i < h->n_limits; i++) {
		const struct plan_limit *l = &c->plan.limits[i];

		/* soft and hard are laid out as the kernel's struct rlimit64 */
		r = CALL(prlimit64, 0, l->resource, &l->soft, 0);
		if (r < 0)
			fail(c, error_fd, LINK_STAGE_LIMITS, r);
	}
}

_child_ static void set_ids(const struct child *c, int error_fd)
{
	const struct plan_head *h = c->plan.head;
	long r;

	r = SETGROUPS(h->n_groups, c->plan.groups);
	if (r >= 0)
		r = SETRESGID(h->gid);
	if (r < 0)
		fail(c, error_fd, LINK_STAGE_GROUP, r);
	r = SETRESUID(h->uid);
	if (r < 0)
		fail(c, error_fd, LINK_STAGE_USER, r);
}

/*
 * With the process's rights, since it is its own to read. Nothing waits here: not for who writes to
 * a FIFO, and a terminal doesn't become ours. Its blocking is for the program, so whatever an
 * earlier one did to a pipe that both have had is undone.
 */
_child_ static void open_stdin(const struct child *c, int error_fd)
{
	const char *path = c->plan.stdin_path;
	bool fifo = (c->plan.head->flags & PLAN_STDIN_FIFO) != 0;
	enum link_stage stage = fifo ? LINK_STAGE_STDIN_FIFO : LINK_STAGE_STDIN;
	int flags = O_NONBLOCK | O_NOCTTY | (fifo ? O_RDWR : O_RDONLY);
	long r = 0;

	if (path[0]) {
		if (fifo)
			r = CALL(mknodat, AT_FDCWD, path, S_IFIFO | 0600, 0);
		CALL(close, STDIN_FILENO, 0, 0, 0); /* the lowest: the next one is it */
		if (r >= 0 || r == -EEXIST)
			r = CALL(openat, AT_FDCWD, path, flags, 0);
		if (r >= 0 && fifo && CALL(fcntl, STDIN_FILENO, F_GETPIPE_SZ, 0, 0) < 0)
			r = -EEXIST;
	}
	if (r >= 0 && c->plan.head->flags & (PLAN_STDIN_FILE | PLAN_STDIN_FIFO | PLAN_STDIN_KEPT))
		r = CALL(fcntl, STDIN_FILENO, F_SETFL, 0, 0);
	if (r < 0)
		fail(c, error_fd, stage, r);
}

_child_ void child_run(const struct child *c)
{
	int error_fd = error_place(c);
	long r;

	if (c->shares_files) {
		r = CALL(close_range, c->private_fd, ~0U, CLOSE_RANGE_UNSHARE, 0);
		if (r < 0)
			fail(c, c->error_fd, LINK_STAGE_RESOURCES, r);
		report(c->error_fd, LINK_STAGE_NONE, 0);
	}
	CALL(setsid, 0, 0, 0, 0);
	r = arrange_fds(c, error_fd);
	if (r < 0)
		fail(c, c->error_fd, LINK_STAGE_STDIO, r);
	reset_dispositions(c->signals);
	set_priority(c, error_fd);
	set_limits(c, error_fd);
	if (c->plan.head->flags & PLAN_SET_IDS)
		set_ids(c, error_fd);
	if (c->plan.directory[0]) {
		r = CALL(chdir, c->plan.directory, 0, 0, 0);
		if (r < 0)
			fail(c, error_fd, LINK_STAGE_DIRECTORY, r);
	}
	open_stdin(c, error_fd);
	CALL(rt_sigprocmask, SIG_SETMASK, no_signals, 0, 8);
	r = CALL(execve, c->plan.path, c->plan.argv, c->plan.envp, 0);
	fail(c, error_fd, LINK_STAGE_EXEC, r);
}
