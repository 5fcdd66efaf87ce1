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
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/log.h"
#include "base/sys.h"
#include "launcher/engine/engine_process.h"
#include "launcher/engine/outbox.h"
#include "launcher/handover/upgrade.h"
#include "launcher/orders.h"
#include "launcher/reap/foster.h"
#include "launcher/reap/reap.h"
#include "launcher/reap/watch.h"
#include "launcher/spawn/spawn.h"
#include "launcher/start.h"
#include "launcher/table/state.h"

#define SIGNALS_AT_ONCE 4
#define MAX_ORDERS	256 /* per turn */

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
	struct signalfd_siginfo infos[SIGNALS_AT_ONCE];
	ssize_t n;

	do {
		n = sys_read(l->signal_fd, infos, sizeof(infos));
		for (ssize_t i = 0; i < n / (ssize_t)sizeof(infos[0]); i++) {
			if (infos[i].ssi_signo == SIGCHLD)
				reap_soon(l, (pid_t)infos[i].ssi_pid);
			else if (infos[i].ssi_signo < N_SIGNALS)
				note_signal(l, &infos[i], now);
		}
	} while (n == (ssize_t)sizeof(infos));
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
	for (int i = 0; i < MAX_ORDERS && r == 1 && outbox_takes_orders(l); i++)
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
	due = MIN_OF(due, spawner_tick(l->spawner, now));
	return MIN_OF(due, ending_tick(l, now));
}

static usec_t timeout_usec(const struct launcher *l, usec_t due)
{
	if (l->reap && l->reap_failed)
		return 10 * USEC_PER_MSEC;
	if (l->reap)
		due = MIN_OF(due, l->reap_search_usec);
	return usec_sub(due, usec_now(CLOCK_MONOTONIC));
}

static int turn(struct launcher *l, const struct epoll_event *events, int n)
{
	struct spawn_report failure;
	bool link = false;
	int r;

	for (int i = 0; i < n; i++) {
		struct entry *e = events[i].data.ptr, *watched = watch_entry(e);

		if (events[i].data.ptr == &l->engine)
			link = true;
		else if (events[i].data.ptr == &l->signal_fd)
			read_signals(l, usec_now(CLOCK_MONOTONIC));
		else if (watched)
			reap_ended(l, watched);
		else if (e->fostered)
			foster_ended(l, e);
		else if (spawn_progress(l->spawner, e, false, &failure))
			reap_spawn_over(l, e, &failure);
	}
	/* Somebody waits for that: before the kernel takes away what is left of them. */
	if (l->n_unburied > 0)
		outbox_flush(l);
	reap_bury(l);
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
	struct epoll_event events[LAUNCHER_EVENTS];
	int n, r;

	for (;;) {
		usec_t now = usec_now(CLOCK_MONOTONIC), due;

		if (is_over(l, now))
			return l->exit_status;
		due = tick(l, now);
		outbox_flush(l);
		due = MIN_OF(due, l->retry_usec);
		n = sys_epoll_wait(l->epoll, events, LAUNCHER_EVENTS, timeout_usec(l, due));
		r = turn(l, events, MAX_OF(n, 0));
		if (r < 0)
			return 1; /* the child that could not execute the engine has said why */
	}
}

static int other_ended(struct launcher *l, const siginfo_t *info)
{
	if (info->si_pid == l->engine.pid)
		return orders_engine_ended(l, info);
	if (!upgrade_trial_ended(l, info))
		log_debug("reaped orphan %d", (int)info->si_pid);
	return 0;
}

int launcher_run(const struct launcher_options *options)
{
	/* These live as long as the process: nothing is freed. Zeros, which take no memory yet. */
	static struct spawner spawner;
	static struct launcher launcher;
	struct launcher *l = &launcher;
	int r;

	l->spawner = &spawner;
	l->other_ended = other_ended;
	sys_faults_init("launcher");
	if (!start(l, options, &r))
		return r;
	r = loop(l);
	/* Where the engine has cleared up, another supervisord may have these names by now. */
	if (l->ending == ENDING_NOT)
		return r;
	table_each_service(&l->table, kill_cgroup, l);
	table_each_service(&l->table, remove_cgroup, l);
	return r;
}
