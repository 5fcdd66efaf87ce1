/*
 * The child is a fork of the engine, which has one thread. It lets go of everything but its
 * memfd at once, so that no connection, pipe or lock outlives the engine's use of it, loads
 * as a first engine does, and writes either the sources or the errors. Its exit status says
 * which. It dies with the engine: nobody else would read what it finds.
 */
#include "engine/reload/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"

enum { LOADER_GOOD = 0, LOADER_BAD = 1, LOADER_FAILED = 2 };

#define CHILD_FD 3

/* --- in the child --- */

static int write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t w = sys_write(fd, p, n);

		if (w <= 0)
			return w < 0 ? (int)w : -EIO;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static int write_errors(int fd, const struct conf_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < errors->n && r == 0; i++)
		r = write_all(fd, errors->messages[i], strlen(errors->messages[i]) + 1);
	return r;
}

static int write_sources(int fd, const struct conf_sources *sources)
{
	_cleanup_buf_ struct buf bytes = {0};
	int r = conf_sources_write(sources, &bytes);

	return r < 0 ? r : write_all(fd, bytes.data, bytes.len);
}

static int load(int fd, const char *given, const struct conf_context *context)
{
	_cleanup_free_
	char *standard = given ? NULL : conf_default_path(context);
	const char *path = given ? given : standard;
	struct conf_sources *sources = NULL;
	struct spec *spec = NULL;
	struct conf_errors errors = {0};
	int r = path ? conf_load(path, context, &sources, &spec, &errors) : -ENOENT;

	if (r == 0)
		return write_sources(fd, sources) < 0 ? LOADER_FAILED : LOADER_GOOD;
	if (errors.n > 0)
		return write_errors(fd, &errors) < 0 ? LOADER_FAILED : LOADER_BAD;
	if (r == -ENOMEM)
		return LOADER_FAILED;
	dprintf(fd, "cannot read %s: %s", path ? path : "the configuration", strerror(-r));
	return LOADER_BAD;
}

_noreturn_ static void child(
	int memfd, pid_t engine, const char *path, const struct conf_context *context)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != engine)
		_exit(LOADER_FAILED); /* it had died before that counted */
	prctl(PR_SET_NAME, "supervisord-cfg");
	if (dup2(memfd, CHILD_FD) < 0)
		_exit(LOADER_FAILED);
	close_range(CHILD_FD + 1, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(load(CHILD_FD, path, context));
}

/* --- in the engine --- */

static void forget(struct loader *l)
{
	int pidfd = l->source.fd;

	loop_remove(l->loop, &l->source);
	close_fd(pidfd);
	loop_timer_set(l->loop, &l->timer, USEC_INFINITY);
	l->pid = 0;
}

/* Messages ended by NULs; one that is cut off counts as well. */
static int read_errors(int fd, struct conf_errors *ret_errors)
{
	struct conf_errors errors = {0};
	struct stat st;
	char *text;
	int r = sys_fstat(fd, &st);

	if (r == 0 && st.st_size == 0)
		r = -EIO;
	if (r == 0)
		r = sys_mmap((size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0, (void **)&text);
	if (r < 0)
		return r;
	errors.messages = calloc(CONF_MAX_ERRORS, sizeof(char *));
	for (size_t at = 0, n; errors.messages && at < (size_t)st.st_size; at += n + 1) {
		n = strnlen(text + at, (size_t)st.st_size - at);
		if (errors.n == CONF_MAX_ERRORS) {
			errors.truncated = true;
			break;
		}
		errors.messages[errors.n] = strndup(text + at, n);
		if (errors.messages[errors.n])
			errors.n++;
	}
	sys_munmap(text, (size_t)st.st_size);
	*ret_errors = errors;
	return errors.n > 0 ? 0 : -ENOMEM;
}

static int judge(struct loader *l, const siginfo_t *info, struct conf_errors *ret_errors)
{
	int r;

	if (info->si_code != CLD_EXITED || info->si_status == LOADER_FAILED)
		return -EIO;
	if (info->si_status == LOADER_BAD) {
		r = read_errors(l->memfd, ret_errors);
		return r < 0 ? r : -EINVAL;
	}
	return sys_fcntl(
		l->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

static void on_end(struct loop_source *source, uint32_t events _unused_)
{
	struct loader *l = CONTAINER_OF(source, struct loader, source);
	struct conf_errors errors = {0};
	siginfo_t info = {0};
	struct rusage usage;
	int r = sys_waitid(P_PIDFD, (id_t)source->fd, &info, WEXITED | WNOHANG, &usage);

	if (r == 0 && info.si_pid == 0)
		return;
	forget(l);
	if (l->memfd < 0)
		return; /* it was given up, and that was told */
	r = r < 0 ? r : judge(l, &info, &errors);
	if (r < 0)
		l->memfd = close_fd(l->memfd);
	l->done(l, r < 0 ? r : 0, TAKE_FD(l->memfd), &errors);
	conf_errors_fini(&errors);
}

/* What hangs in the kernel may take long to die; until then there is no other loader. */
static void on_timeout(struct loop_timer *t)
{
	struct loader *l = CONTAINER_OF(t, struct loader, timer);
	struct conf_errors none = {0};

	sys_pidfd_send_signal(l->source.fd, SIGKILL);
	l->memfd = close_fd(l->memfd);
	l->done(l, -ETIMEDOUT, -1, &none);
}

int loader_init(struct loader *l, struct loop *loop)
{
	l->loop = loop;
	l->source = (struct loop_source){.fd = -1, .dispatch = on_end};
	l->timer.dispatch = on_timeout;
	l->memfd = -1;
	l->timeout_usec = LOADER_TIMEOUT_USEC;
	return loop_timer_add(loop, &l->timer);
}

void loader_fini(struct loader *l)
{
	if (!l->loop)
		return;
	if (l->pid > 0) {
		sys_pidfd_send_signal(l->source.fd, SIGKILL);
		forget(l);
		l->memfd = close_fd(l->memfd);
	}
	loop_timer_remove(l->loop, &l->timer);
}

int loader_start(struct loader *l, const char *path, const struct conf_context *context)
{
	_cleanup_close_
	int memfd = sys_memfd_create("configuration", MFD_ALLOW_SEALING);
	_cleanup_close_
	int pidfd = -1;
	pid_t engine = getpid(), pid;
	int r;

	if (l->pid > 0)
		return -EBUSY;
	if (memfd < 0)
		return memfd;
	pid = sys_fork();
	if (pid < 0)
		return pid;
	if (pid == 0)
		child(memfd, engine, path, context);
	pidfd = sys_pidfd_open(pid);
	r = pidfd < 0 ? pidfd : loop_add(l->loop, &l->source, pidfd, EPOLLIN);
	if (r < 0) {
		siginfo_t info;
		struct rusage usage;

		sys_kill(pid, SIGKILL);
		sys_waitid(P_PID, (id_t)pid, &info, WEXITED, &usage);
		return r;
	}
	TAKE_FD(pidfd);
	l->pid = pid;
	l->memfd = TAKE_FD(memfd);
	loop_timer_set(l->loop, &l->timer, usec_add(l->loop->now_usec, l->timeout_usec));
	return 0;
}
