/*
 * The engine may die at any moment; the rules are: never two at once, first perform
 * what the dead one had sent, then start the next without delay, unless it died before
 * it was up. It is executed from a descriptor opened at start, so that a package upgrade
 * can't pair this launcher with another engine.
 *
 * It is only asked whether it is alive while something is due from it: an idle
 * supervisor does not wake up. But where systemd's watchdog is on, the engine wakes up for
 * that anyway; then it is always asked, so that one that hangs is replaced, and services
 * live, before systemd restarts all of it.
 */
#include "launcher/engine/engine_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "launcher/engine/outbox.h"
#include "launcher/reap/reap.h"
#include "launcher/spawn/spawn.h"

#define EXEC_FAILED_STATUS 127

/* Our own program's path. Without /proc it is as we were executed by. */
static int find_ourselves(char *ret_path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret_path, size);
	const char *name;

	if ((size_t)n == size)
		return -ENAMETOOLONG;
	if (n >= 0) {
		ret_path[n] = '\0';
		return 0;
	}
	name = (const char *)getauxval(AT_EXECFN);
	if (!name || strlen(name) >= size)
		return -ENOENT;
	memcpy(ret_path, name, strlen(name) + 1);
	return 0;
}

/* path is taken from the directory that we lie in. */
static int open_near(const char *path)
{
	char full[4096];
	size_t size = strlen(path) + 1;
	int r = find_ourselves(full, sizeof(full));
	char *slash;

	if (r < 0)
		return r;
	slash = strrchr(full, '/');
	if (!slash)
		return -ENOENT;
	if (size > (size_t)(full + sizeof(full) - (slash + 1)))
		return -ENAMETOOLONG;
	memcpy(slash + 1, path, size);
	return sys_openat(AT_FDCWD, full, O_PATH, 0);
}

static int open_engine(const struct launcher_options *options)
{
	int fd = open_near(ENGINE_NAME);

	if (fd < 0 && *options->engine_near != '\0')
		fd = open_near(options->engine_near);
	if (fd < 0)
		fd = sys_openat(AT_FDCWD, options->engine_path, O_PATH, 0);
	return fd;
}

/* Without it an engine can't take over from us, and that is all. */
static int open_ourselves(void)
{
	int fd = sys_openat(AT_FDCWD, "/proc/self/exe", O_PATH, 0);

	if (fd < 0)
		fd = sys_openat(AT_FDCWD, (const char *)getauxval(AT_EXECFN), O_PATH, 0);
	return MAX_OF(fd, -1);
}

int engine_process_init(struct launcher *l, const struct launcher_options *options, bool inherited)
{
	int *engine = &l->kept[LINK_KEEP_ENGINE], *launcher = &l->kept[LINK_KEEP_LAUNCHER];

	if (*launcher < 0)
		*launcher = open_ourselves();
	if (*engine < 0) {
		int fd = open_engine(options);

		if (fd < 0)
			return fd;
		*engine = fd;
	}
	l->engine = (struct engine_process){.argv = options->argv,
		.link = -1,
		.start_usec = 0,
		.ever_hello = inherited,
		.watched = getenv("WATCHDOG_USEC") != NULL};
	return 0;
}

void engine_process_reset_signals(void)
{
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

char **engine_process_argv(const struct launcher *l, const char *name)
{
	char *const *argv = l->engine.argv;
	char **args;
	size_t n = 0;

	while (argv[n])
		n++;
	args = calloc(n + 2, sizeof(*args));
	if (!args)
		return NULL;
	memcpy(args, argv, n * sizeof(*args));
	args[0] = (char *)name;
	return args;
}

_noreturn_ static void run_engine(const struct launcher *l, int link)
{
	char **args = engine_process_argv(l, ENGINE_NAME);
	int r = args ? 0 : -ENOMEM;

	/* A session of its own: Ctrl-C on the terminal is for the launcher. */
	setsid();
	engine_process_reset_signals();
	if (r == 0)
		r = dup2(SPAWN_NULL_FD, STDIN_FILENO) < 0 || dup2(link, LINK_FD) < 0 ? -errno : 0;
	if (r == 0 && l->kept[LINK_KEEP_LAUNCHER] >= 0)
		r = dup2(l->kept[LINK_KEEP_LAUNCHER], LINK_IMAGE_FD) < 0 ? -errno : 0;
	if (r == 0)
		r = sys_execveat(l->kept[LINK_KEEP_ENGINE], args, environ);
	log_error("cannot execute the engine: %s", strerror(-r));
	_exit(EXEC_FAILED_STATUS);
}

static int add_link(struct launcher *l, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l->engine};

	return sys_epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event);
}

int engine_process_start(struct launcher *l)
{
	_cleanup_close_
	int ours = -1, theirs = -1;
	struct engine_process *e = &l->engine;
	int fds[2], r;
	pid_t pid;

	r = sys_socketpair(AF_UNIX, SOCK_SEQPACKET, fds);
	if (r < 0)
		return r;
	ours = fds[0];
	theirs = fds[1];
	r = add_link(l, ours);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_engine(l, theirs);
	e->pid = pid;
	e->link = TAKE_FD(ours);
	e->start_usec = USEC_INFINITY;
	e->hello = e->recovered = e->killed = false;
	e->interest = EPOLLIN;
	e->heard_usec = e->told_usec = usec_now(CLOCK_MONOTONIC);
	e->ping_usec = e->abort_usec = 0;
	l->tell_ping = l->tell_synced = false;
	return 0;
}

void engine_process_kill(struct launcher *l)
{
	if (l->engine.pid > 0)
		sys_kill(l->engine.pid, SIGKILL);
	l->engine.killed = true;
}

void engine_process_lost_link(struct launcher *l, const char *why)
{
	/* Mostly it is just ending: then this signal comes too late to matter. */
	if (!l->exiting) {
		log_debug("engine %d: %s", (int)l->engine.pid, why);
		engine_process_kill(l);
	}
	outbox_close(l);
	reap_at_once(l); /* it may be one of those whose signal has named another */
}

/* Not before it is due: doubles from the shortest to the longest. */
static void schedule(struct launcher *l)
{
	struct engine_process *e = &l->engine;
	usec_t delay = 0;

	if (!e->recovered) {
		unsigned n = MIN_OF(e->n_early_deaths, 10u);

		delay = MIN_OF(ENGINE_RESTART_MIN_USEC << n, ENGINE_RESTART_MAX_USEC);
		e->n_early_deaths++;
	}
	e->start_usec = usec_now(CLOCK_MONOTONIC) + delay;
}

static void log_end(const struct engine_process *e, const siginfo_t *info)
{
	char next[USEC_SPAN_SIZE + 16] = "at once", span[USEC_SPAN_SIZE];
	usec_t wait = usec_sub(e->start_usec, usec_now(CLOCK_MONOTONIC));
	const char *name;

	if (!e->recovered)
		snprintf(next, sizeof(next), "in %s",
			usec_span((wait + 999) / USEC_PER_MSEC * USEC_PER_MSEC, span));
	if (info->si_code == CLD_EXITED) {
		log_error("engine %d ended with status %d; services go on, the next engine "
			  "starts %s",
			(int)info->si_pid, info->si_status, next);
		return;
	}
	name = sigabbrev_np(info->si_status);
	log_error("engine %d was killed by signal %s%s; services go on, the next engine starts %s",
		(int)info->si_pid, name ? name : "?",
		info->si_code == CLD_DUMPED ? " (core dumped)" : "", next);
}

int engine_process_ended(struct launcher *l, const siginfo_t *info)
{
	struct engine_process *e = &l->engine;

	if (l->exiting || l->ending != ENDING_NOT)
		return 0;
	if (!e->ever_hello && e->n_early_deaths == 0 && info->si_code == CLD_EXITED &&
		info->si_status == EXEC_FAILED_STATUS)
		return -ENOEXEC;
	if (l->upgrade.stage == UPGRADE_LEAVE)
		return 0;
	schedule(l);
	log_end(e, info);
	return 0;
}

/* Something is due from the engine; where it is watched, signs of life. */
static bool is_awaited(const struct launcher *l)
{
	if (l->exiting || l->engine.pid == 0)
		return false;
	if (l->engine.watched || !l->engine.hello || !l->engine.recovered ||
		!list_empty(&l->table.exits))
		return true;
	for (int signo = 0; signo < N_SIGNALS; signo++)
		if (l->signals[signo].count > 0)
			return true;
	return false;
}

static usec_t watch(struct launcher *l, usec_t now)
{
	struct engine_process *e = &l->engine;
	usec_t quiet = MAX_OF(e->heard_usec, e->told_usec);

	if (e->killed)
		return USEC_INFINITY;
	if (e->abort_usec > 0) {
		if (now < e->abort_usec + ENGINE_ABORT_USEC)
			return e->abort_usec + ENGINE_ABORT_USEC;
		log_error("engine %d did not end on ABRT; killing it", (int)e->pid);
		engine_process_kill(l);
		return USEC_INFINITY;
	}
	if (!is_awaited(l)) {
		e->ping_usec = 0;
		return USEC_INFINITY;
	}
	if (e->ping_usec == 0) {
		if (now < quiet + ENGINE_QUIET_USEC)
			return quiet + ENGINE_QUIET_USEC;
		l->tell_ping = true;
		e->ping_usec = now;
	}
	if (now < e->ping_usec + ENGINE_PING_USEC)
		return e->ping_usec + ENGINE_PING_USEC;
	log_error("engine %d does not answer; aborting it", (int)e->pid);
	sys_kill(e->pid, SIGABRT);
	e->abort_usec = now;
	return now + ENGINE_ABORT_USEC;
}

usec_t engine_process_tick(struct launcher *l, usec_t now)
{
	struct engine_process *e = &l->engine;
	int r;

	if (l->ending != ENDING_NOT)
		return USEC_INFINITY;
	if (e->pid > 0)
		return watch(l, now);
	if (now < e->start_usec)
		return e->start_usec;
	r = engine_process_start(l);
	if (r < 0) {
		log_error("cannot start an engine: %s; trying again", strerror(-r));
		e->recovered = false;
		schedule(l);
		return e->start_usec;
	}
	return watch(l, now);
}
