/*
 * The engine's own child, and not a command of the launcher: it runs as we do, gets no path, and
 * nothing about it has to survive us (PR_SET_PDEATHSIG; the launcher, which is the subreaper, reaps
 * it then). As a command it could go on without an engine, but the next one would have to be told
 * whose output is in which file; that it begins again costs nothing but time.
 *
 * It stays in the session: where the kernel groups tasks by session, one of its own would
 * undo its nice value.
 */
#include "engine/logs/file/filter.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

#define LOWEST_NICE  19
#define EXIT_NO_FILE 127
#define EXIT_NO_EXEC 126

/* Signals as any program expects them; a group of its own, so that what it starts ends with it. */
static void be_modest(void)
{
	sigset_t none;

	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpriority(PRIO_PROCESS, 0, LOWEST_NICE);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

_noreturn_ static void child(pid_t engine, int in, int out, char *const *argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != engine)
		_exit(EXIT_NO_EXEC); /* it had died before that counted */
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(EXIT_NO_EXEC);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	be_modest();
	if (!argv)
		_exit(fdatasync(STDOUT_FILENO) < 0 ? errno : EXIT_SUCCESS);
	execvp(argv[0], argv);
	_exit(errno == ENOENT ? EXIT_NO_FILE : EXIT_NO_EXEC);
}

int filter_start(struct filter *f, struct loop *loop, int in, int out, char *const *argv)
{
	pid_t engine = getpid(), pid = sys_fork();
	int pidfd, r;

	if (pid < 0)
		return pid;
	if (pid == 0)
		child(engine, in, out, argv);
	pidfd = sys_pidfd_open(pid);
	r = pidfd < 0 ? pidfd : loop_add(loop, &f->source, pidfd, EPOLLIN);
	if (r < 0) {
		siginfo_t info;
		struct rusage usage;

		sys_kill(pid, SIGKILL);
		sys_waitid(P_PID, (id_t)pid, &info, WEXITED, &usage);
		close_fd(pidfd);
		return r;
	}
	f->pid = pid;
	return 0;
}

/* Its group, or it alone if it hasn't come to make one. */
void filter_kill(struct filter *f)
{
	if (f->pid > 0 && sys_kill(-f->pid, SIGKILL) < 0)
		sys_kill(f->pid, SIGKILL);
}

static void forget(struct filter *f, struct loop *loop)
{
	int pidfd = f->source.fd;

	loop_remove(loop, &f->source);
	close_fd(pidfd);
	f->pid = 0;
}

int filter_reap(struct filter *f, struct loop *loop)
{
	siginfo_t info = {0};
	struct rusage usage;
	int r = sys_waitid(P_PID, (id_t)f->pid, &info, WEXITED, &usage);

	forget(f, loop);
	if (r < 0)
		return r;
	return info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
					  : W_EXITCODE(0, info.si_status);
}

void filter_abandon(struct filter *f, struct loop *loop)
{
	if (f->pid <= 0)
		return;
	filter_kill(f);
	forget(f, loop);
}

void filter_reason(int status, char ret_reason[static FILTER_REASON_SIZE])
{
	const char *name = status >= 0 && WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : "";

	if (status < 0)
		snprintf(ret_reason, FILTER_REASON_SIZE, "its end can't be told: %s",
			strerror(-status));
	else if (WIFSIGNALED(status))
		snprintf(ret_reason, FILTER_REASON_SIZE, "the filter was killed by signal %s",
			name ? name : "?");
	else if (WEXITSTATUS(status) == EXIT_NO_FILE)
		snprintf(ret_reason, FILTER_REASON_SIZE, "the filter can't be executed: %s",
			strerror(ENOENT));
	else if (WEXITSTATUS(status) == EXIT_NO_EXEC)
		snprintf(ret_reason, FILTER_REASON_SIZE, "the filter can't be executed");
	else
		snprintf(ret_reason, FILTER_REASON_SIZE, "the filter exited with %d",
			WEXITSTATUS(status));
}
