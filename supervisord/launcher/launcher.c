/*
 * The loop: signals, the link, the error pipes of spawns in flight, and one timeout.
 *
 * The order within one turn matters: error pipes first, then reaping, then the link, so
 * that how a spawn went is known before its exit, and both before the next order. What
 * has become known is told at the end of the turn.
 *
 * Nothing that a service or the engine does ends this process; only EXIT does, or TERM,
 * INT and QUIT that no engine takes.
 */
#include "launcher/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "launcher/adopt.h"
#include "launcher/engine_process.h"
#include "launcher/orders.h"
#include "launcher/outbox.h"
#include "launcher/passed.h"
#include "launcher/state.h"

#define MAX_EVENTS 64
/* Per turn, so that neither a flood of orphans nor one of orders starves the other. */
#define MAX_REAPS  512
#define MAX_ORDERS 256

static const int taken_signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};

/* ---- ending by ourselves ---- */

static void kill_entry(struct service *s _unused_, struct entry *e, void *signo)
{
	orders_kill(e, *(int *)signo, LINK_SCOPE_GROUP);
}

static void kill_cgroup(struct service *s, void *launcher)
{
	orders_kill_tree(launcher, s);
}

static void remove_cgroup(struct service *s, void *launcher)
{
	orders_remove_cgroup(launcher, s);
}

static void ending_kill(struct launcher *l, usec_t now)
{
	int signo = SIGKILL;

	l->ending = ENDING_KILL;
	l->ending_usec = now + ENDING_KILL_USEC;
	table_each(&l->table, kill_entry, &signo);
	table_each_service(&l->table, kill_cgroup, l);
}

/* Ends all children without an engine. An engine would only start them again. */
static void ending_begin(struct launcher *l, int signo, usec_t now)
{
	engine_process_kill(l);
	outbox_close(l);
	if (signo == SIGQUIT) {
		ending_kill(l, now);
		return;
	}
	signo = SIGTERM;
	l->ending = ENDING_TERM;
	l->ending_usec = now + ENDING_TERM_USEC;
	table_each(&l->table, kill_entry, &signo);
}

static usec_t ending_tick(struct launcher *l, usec_t now)
{
	if (l->ending == ENDING_NOT)
		return USEC_INFINITY;
	if (now >= l->ending_usec && l->ending == ENDING_TERM) {
		log_warning("%u services did not end on TERM; killing them", l->table.n_alive);
		ending_kill(l, now);
	}
	return l->ending_usec;
}

static bool is_over(const struct launcher *l, usec_t now)
{
	if (l->ending == ENDING_KILL && now >= l->ending_usec)
		return true;
	if (l->ending != ENDING_NOT)
		return l->table.n_alive == 0 && l->engine.pid == 0;
	return l->exiting && l->engine.pid == 0;
}

/* ---- signals ---- */

static void note_signal(struct launcher *l, const struct signalfd_siginfo *info, usec_t now)
{
	struct pending_signal *p = &l->signals[info->ssi_signo];

	if (l->ending != ENDING_NOT) {
		if (info->ssi_signo == SIGTERM || info->ssi_signo == SIGINT ||
			info->ssi_signo == SIGQUIT)
			ending_kill(l, now);
		return;
	}
	if (p->count == 0)
		p->since_usec = now;
	if (p->count < UINT32_MAX)
		p->count++;
	p->pid = (pid_t)info->ssi_pid;
	p->uid = (uid_t)info->ssi_uid;
}

static void read_signals(struct launcher *l, usec_t now)
{
	struct signalfd_siginfo info;

	while (sys_read(l->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			l->reap = true;
		else if (info.ssi_signo < N_SIGNALS)
			note_signal(l, &info, now);
	}
}

static usec_t signals_tick(struct launcher *l, usec_t now)
{
	static const int ending_signals[] = {SIGQUIT, SIGTERM, SIGINT};
	usec_t due = USEC_INFINITY;

	if (l->ending != ENDING_NOT || l->exiting)
		return due;
	for (size_t i = 0; i < ELEMENTSOF(ending_signals); i++) {
		int signo = ending_signals[i];
		usec_t at = l->signals[signo].since_usec + SIGNAL_SEEN_USEC;

		if (l->signals[signo].count == 0)
			continue;
		due = MIN_OF(due, at);
		if (now < at)
			continue;
		log_error("no engine took SIG%s; ending %u services without one",
			sigabbrev_np(signo), l->table.n_alive);
		l->exit_status = 1;
		ending_begin(l, signo, now);
		return now;
	}
	return due;
}

/* ---- reaping ---- */

static void record_exit(
	struct launcher *l, struct entry *e, const siginfo_t *info, const struct rusage *usage)
{
	struct link_exit end = {.code = info->si_code,
		.status = info->si_status,
		.user_usec = (usec_t)usage->ru_utime.tv_sec * USEC_PER_SEC +
			     (usec_t)usage->ru_utime.tv_usec,
		.system_usec = (usec_t)usage->ru_stime.tv_sec * USEC_PER_SEC +
			       (usec_t)usage->ru_stime.tv_usec,
		.max_rss_kib = (uint64_t)usage->ru_maxrss,
		.monotonic_usec = usec_now(CLOCK_MONOTONIC),
		.realtime_usec = usec_now(CLOCK_REALTIME)};

	/* The error pipe may have more to say than that it ended with 127. */
	if (spawn_progress(&l->spawner, e, true))
		orders_spawn_over(l, e);
	if (!e->ended && !adopt_successor(l, e))
		table_ended(&l->table, e, &end);
}

/* 0, or what engine_process_ended() says. */
static int reap(struct launcher *l)
{
	for (int i = 0; i < MAX_REAPS; i++) {
		siginfo_t info = {0};
		struct rusage usage;
		struct entry *e;
		int r = sys_waitid(P_ALL, 0, &info, WEXITED | WNOHANG, &usage);

		l->reap_failed = r < 0 && r != -ECHILD;
		if (r < 0 || info.si_pid == 0) {
			l->reap = l->reap_failed;
			return 0;
		}
		if (info.si_pid == l->engine.pid) {
			r = engine_process_ended(l, &info);
			if (r < 0)
				return r;
			continue;
		}
		e = table_find_pid(&l->table, info.si_pid);
		if (e)
			record_exit(l, e, &info, &usage);
		else
			log_debug("reaped orphan %d", (int)info.si_pid);
	}
	return 0; /* l->reap stays set */
}

/* ---- the loop ---- */

static void read_link(struct launcher *l)
{
	int r = 1;

	if (l->engine.link < 0)
		return;
	for (int i = 0; i < MAX_ORDERS && r == 1 && !spawner_is_full(&l->spawner); i++)
		r = orders_read(l, 1);
	if (r == -EPIPE)
		engine_process_lost_link(l, "closed the link");
	else if (r == -EPROTONOSUPPORT) {
		log_error("engine %d speaks another version of the link; killing it",
			(int)l->engine.pid);
		engine_process_lost_link(l, "wrong version");
	}
	/* It is wrong about that: nothing is left behind without a supervisor. */
	if (l->exiting && l->table.n_alive > 0 && l->ending == ENDING_NOT) {
		log_error("the engine ends with %u services alive; ending them", l->table.n_alive);
		ending_begin(l, SIGTERM, usec_now(CLOCK_MONOTONIC));
	}
}

/* Slots come free within a millisecond, unless execs hang. */
static usec_t slots_tick(struct launcher *l, usec_t now)
{
	if (!spawner_is_full(&l->spawner)) {
		l->full_usec = 0;
		return USEC_INFINITY;
	}
	if (l->full_usec == 0)
		l->full_usec = now;
	if (now < l->full_usec + SLOT_WAIT_USEC)
		return l->full_usec + SLOT_WAIT_USEC;
	l->spawner.stuck = true;
	return USEC_INFINITY;
}

static usec_t tick(struct launcher *l, usec_t now)
{
	usec_t due = MIN_OF(engine_process_tick(l, now), signals_tick(l, now));

	if (l->exiting && l->ending == ENDING_NOT) {
		if (now >= l->exiting_usec) {
			engine_process_kill(l);
			l->exiting_usec = now + ENGINE_EXIT_USEC;
		}
		due = MIN_OF(due, l->exiting_usec);
	}
	due = MIN_OF(due, slots_tick(l, now));
	return MIN_OF(due, ending_tick(l, now));
}

static int timeout_msec(const struct launcher *l, usec_t due)
{
	usec_t wait = usec_sub(due, usec_now(CLOCK_MONOTONIC));

	if (l->reap)
		return l->reap_failed ? 10 : 0;
	if (wait == USEC_INFINITY)
		return -1;
	return (int)MIN_OF((wait + 999) / 1000, (usec_t)60000);
}

static int turn(struct launcher *l, const struct epoll_event *events, int n)
{
	bool link = false;
	int r;

	for (int i = 0; i < n; i++) {
		struct entry *e = events[i].data.ptr;

		if (events[i].data.ptr == &l->engine)
			link = true;
		else if (events[i].data.ptr == &l->signal_fd)
			read_signals(l, usec_now(CLOCK_MONOTONIC));
		else if (spawn_progress(&l->spawner, e, false))
			orders_spawn_over(l, e);
	}
	if (l->reap) {
		r = reap(l);
		if (r < 0)
			return r;
	}
	if (link)
		read_link(l);
	return 0;
}

static int loop(struct launcher *l)
{
	struct epoll_event events[MAX_EVENTS];
	int n, r;

	for (;;) {
		usec_t now = usec_now(CLOCK_MONOTONIC), due;

		if (is_over(l, now))
			return l->exit_status;
		due = tick(l, now);
		outbox_flush(l);
		due = MIN_OF(due, l->retry_usec);
		n = sys_epoll_wait(l->epoll, events, MAX_EVENTS, timeout_msec(l, due));
		r = turn(l, events, MAX_OF(n, 0));
		if (r < 0)
			return 1; /* the child that could not execute the engine has said why */
	}
}

/* ---- start ---- */

/*
 * A container may lack /dev/null. Then there is a file that is empty and stays so: reading is
 * the same, and to write is refused instead of swallowed.
 */
static int open_null(int *ret_lack)
{
	int fd = open("/dev/null", O_RDWR), r;

	if (fd >= 0)
		return fd;
	*ret_lack = errno;
	fd = sys_memfd_create("null", MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	r = sys_fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	/* As 0, 1 or 2 it has to get to the engine. */
	return r < 0 || (r = sys_fcntl(fd, F_SETFD, 0)) < 0 ? r : fd;
}

/* Closes from first on, but for spared; the slow way where the call is missing. */
static void close_from(int first, int spared)
{
	if (spared < 0 ? close_range((unsigned)first, ~0U, 0) == 0
		       : close_range((unsigned)first, (unsigned)spared - 1, 0) == 0 &&
				 close_range((unsigned)spared + 1, ~0U, 0) == 0)
		return;
	for (int fd = first; fd < 65536; fd++) {
		if (fd != spared)
			close(fd);
	}
}

/*
 * 0, 1 and 2 must be something, and 3 is /dev/null: what is opened later lies above.
 * *ret_lack is the errno where something else had to do for that.
 */
static int init_fds(int passed, int *ret_lack)
{
	int fd;

	do {
		fd = open_null(ret_lack);
		if (fd < 0)
			return fd;
	} while (fd < SPAWN_NULL_FD);
	/* What was inherited beyond stdio is not ours, and must not leak into services. */
	if (fd != SPAWN_NULL_FD && dup3(fd, SPAWN_NULL_FD, O_CLOEXEC) < 0)
		return -errno;
	close_from(SPAWN_NULL_FD + 1, passed);
	return sys_fcntl(SPAWN_NULL_FD, F_SETFD, FD_CLOEXEC);
}

static void init_limits(uint64_t ret_nofile[static 2])
{
	struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};

	getrlimit(RLIMIT_NOFILE, &limit);
	ret_nofile[0] = limit.rlim_cur;
	ret_nofile[1] = limit.rlim_max;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		ret_nofile[1] = ret_nofile[0];
}

static int init_signals(struct launcher *l)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l->signal_fd};
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < ELEMENTSOF(taken_signals); i++) {
		signal(taken_signals[i], SIG_DFL); /* an ignored one would never arrive */
		sigaddset(&mask, taken_signals[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	l->signal_fd = sys_signalfd(-1, &mask);
	if (l->signal_fd < 0)
		return l->signal_fd;
	return sys_epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->signal_fd, &event);
}

static int init(struct launcher *l)
{
	uint64_t nofile[2];
	int lack = 0, passed, r;

	init_limits(nofile);
	passed = passed_take();
	r = init_fds(passed, &lack);
	if (r < 0)
		return r;
	spawner_init(&l->spawner, nofile);
	log_init("supervisord");
	if (lack > 0)
		log_warning("cannot open /dev/null: %s; services get an empty file that can't be "
			    "written instead",
			strerror(lack));
	l->epoll = l->spawner.epoll = sys_epoll_create();
	if (l->epoll < 0)
		return l->epoll;
	r = init_signals(l);
	if (r < 0)
		return r;
	table_init(&l->table);
	for (int tag = 0; tag < LINK_KEEP_MAX; tag++)
		l->kept[tag] = -1;
	if (passed >= 0)
		l->kept[LINK_KEEP_CONTROL] = passed;
	else
		passed_explain(passed);
	l->retry_usec = USEC_INFINITY;
	prctl(PR_SET_NAME, "supervisord");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		log_warning(
			"cannot become a subreaper: %s; orphans of services are not reaped here",
			strerror(errno));
	return 0;
}

int launcher_run(const struct launcher_options *options)
{
	static struct launcher launcher; /* lives as long as the process: nothing is freed */
	struct launcher *l = &launcher;
	int r;

	sys_faults_init("launcher");
	r = init(l);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return 1;
	}
	r = engine_process_init(l, options);
	if (r < 0) {
		log_error("cannot open the engine (%s): %s", options->engine_path, strerror(-r));
		return 1;
	}
	r = engine_process_start(l);
	if (r < 0) {
		log_error("cannot start the engine: %s", strerror(-r));
		return 1;
	}
	r = loop(l);
	/* Where the engine has cleared up, another supervisord may have these names by now. */
	if (l->ending == ENDING_NOT)
		return r;
	table_each_service(&l->table, kill_cgroup, l);
	table_each_service(&l->table, remove_cgroup, l);
	return r;
}
