/*
 * The loop: signals, the link, the error pipes of spawns in flight, the pidfds of processes that
 * are no children, and one timeout.
 *
 * The order within one turn matters: error pipes and pidfds first, then reaping, then the link, so
 * that how a spawn went is known before its exit, and both before the next order. What
 * has become known is told at the end of the turn.
 *
 * Nothing that a service or the engine does ends this process; only EXIT does, or TERM,
 * INT and QUIT that no engine takes.
 */
#include "launcher/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "launcher/engine_process.h"
#include "launcher/foster.h"
#include "launcher/inherit.h"
#include "launcher/orders.h"
#include "launcher/outbox.h"
#include "launcher/passed.h"
#include "launcher/reap.h"
#include "launcher/state.h"
#include "launcher/upgrade.h"

#define MAX_EVENTS 64
#define MAX_ORDERS 256 /* per turn */

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
	usec_t due = MIN_OF(upgrade_tick(l, now), engine_process_tick(l, now));

	due = MIN_OF(due, signals_tick(l, now));
	due = MIN_OF(due, foster_tick(l, now));
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
		else if (e->pidfd >= 0)
			foster_ended(l, e);
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

/* The slow way where the call is missing. */
static void close_between(int first, int last)
{
	if (first > last || close_range((unsigned)first, (unsigned)last, 0) == 0)
		return;
	for (int fd = first; fd <= MIN_OF(last, 65535); fd++)
		close(fd);
}

/*
 * 0, 1 and 2 must be something, and 3 is /dev/null: what is opened later lies above. Of what was
 * inherited beyond stdio only what is spared (ascending) is ours; the rest must not leak into
 * services. *ret_lack is the errno where something else had to do for /dev/null.
 */
static int init_fds(const int *spared, size_t n, int *ret_lack)
{
	int fd, first = SPAWN_NULL_FD + 1;

	do {
		fd = open_null(ret_lack);
		if (fd < 0)
			return fd;
	} while (fd < SPAWN_NULL_FD);
	if (fd != SPAWN_NULL_FD && dup3(fd, SPAWN_NULL_FD, O_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		close_between(first, spared[i] - 1);
		first = spared[i] + 1;
	}
	close_between(first, INT_MAX);
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

/*
 * What is inherited, or else passed in, is spared; the rest is closed. The numbers for children
 * are taken before any other descriptor is made, so that it can't be one of them.
 */
static int init_descriptors(
	struct launcher *l, struct handover *h, bool inherited, const uint64_t nofile[static 2])
{
	int passed = inherited ? -ENOENT : passed_take(), lack = 0, r;
	_cleanup_free_
	int *spared = NULL;
	size_t n = 0;

	r = inherited ? inherit_fds(h, &spared, &n) : 0;
	if (r == 0)
		r = inherited ? init_fds(spared, n, &lack) : init_fds(&passed, passed >= 0, &lack);
	if (r < 0)
		return r;
	spawner_init(&l->spawner, nofile);
	log_init("supervisord");
	if (lack > 0)
		log_warning("cannot open /dev/null: %s; services get an empty file that can't be "
			    "written instead",
			strerror(lack));
	if (passed >= 0)
		l->kept[LINK_KEEP_CONTROL] = passed;
	else
		passed_explain(passed);
	return 0;
}

static int init(struct launcher *l, struct handover *h, bool inherited)
{
	uint64_t nofile[2];
	int r;

	init_limits(nofile);
	if (h->head.nofile[1] > 0) /* those were raised before */
		memcpy(nofile, h->head.nofile, sizeof(nofile));
	list_init(&l->dying);
	l->retry_usec = USEC_INFINITY;
	for (int tag = 0; tag < LINK_KEEP_MAX; tag++)
		l->kept[tag] = -1;
	for (int i = 0; i < UPGRADE_PROGRAMS; i++)
		l->upgrade.programs[i] = -1;
	r = init_descriptors(l, h, inherited, nofile);
	if (r < 0)
		return r;
	l->epoll = l->spawner.epoll = sys_epoll_create();
	if (l->epoll < 0)
		return l->epoll;
	r = init_signals(l);
	if (r < 0)
		return r;
	table_init(&l->table);
	prctl(PR_SET_NAME, "supervisord");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		log_warning(
			"cannot become a subreaper: %s; orphans of services are not reaped here",
			strerror(errno));
	return inherited ? inherit_load(l, h) : 0;
}

/* 1: there is one; 0: there is none, or none that can be used. */
static int find_handover(struct handover *ret)
{
	int r = handover_find(HANDOVER_VARIABLE, ret);

	if (r < 0 && r != -ENOENT)
		log_error("what was handed over to this supervisord can't be used: %s; starting "
			  "afresh",
			strerror(-r));
	return r == 0;
}

/* Could we go on from this one? That it could be read, with all its descriptors, tells. */
static int try_handover(int r)
{
	if (r == 0)
		return 0;
	log_error("what is to be handed over can't be used: %s", strerror(-r));
	return 1;
}

/* The new launcher can't start: the one before can, and takes the same back. */
static void give_back(struct handover *h, int error, char *const *argv)
{
	int32_t *kept = h->head.kept;

	if (kept[LINK_KEEP_OLD_LAUNCHER] == 0)
		return;
	kept[LINK_KEEP_LAUNCHER] = kept[LINK_KEEP_OLD_LAUNCHER];
	kept[LINK_KEEP_ENGINE] = kept[LINK_KEEP_OLD_ENGINE];
	kept[LINK_KEEP_OLD_LAUNCHER] = kept[LINK_KEEP_OLD_ENGINE] = 0;
	h->head.upgrade_error = error;
	handover_exec(h, HANDOVER_VARIABLE, kept[LINK_KEEP_LAUNCHER], argv);
}

int launcher_run(const struct launcher_options *options)
{
	static struct launcher launcher; /* lives as long as the process: nothing is freed */
	_cleanup_(handover_fini) struct handover h = HANDOVER_INIT;
	struct launcher *l = &launcher;
	bool inherited;
	int r;

	sys_faults_init("launcher");
	r = handover_find(HANDOVER_TRIAL, &h);
	if (r != -ENOENT)
		return try_handover(r);
	inherited = find_handover(&h);
	r = init(l, &h, inherited);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		give_back(&h, -r, options->argv);
		return 1;
	}
	r = engine_process_init(l, options, inherited);
	if (r < 0) {
		log_error("cannot open the engine (%s): %s", options->engine_path, strerror(-r));
		return 1;
	}
	/* With services to look after, what is lacking is waited for. */
	r = inherited ? 0 : engine_process_start(l);
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
