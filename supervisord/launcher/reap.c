/*
 * SIGCHLD coalesces, and to look for any child that has ended the kernel goes through all of them.
 * So main processes have a pidfd each, which costs the same however many there are: none of those
 * is missed. For whoever else may have ended unnamed all are searched, and where that takes long,
 * it begins some times as long after the first signal since the last search: with thousands of
 * children, nearly all time is left for everything else. Orphans, for whom nobody waits, take a
 * hundredth of it at most, so that zombies neither stay to be seen nor pile up; where somebody is
 * waited for who has no pidfd, a search may take a tenth.
 *
 * Nothing is reaped without an end to a turn, so that a flood of orphans does not starve the rest.
 *
 * An end is looked at, noted, and only then reaped: from then on nobody else could learn it, should
 * we be killed.
 */
#include "launcher/reap.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "launcher/adopt.h"
#include "launcher/engine_process.h"
#include "launcher/orders.h"
#include "launcher/upgrade.h"

#define MAX_REAPS	  512 /* per turn */
#define SEARCH_REST	  9 /* times the length of a search */
#define SEARCH_SHORT_USEC 20 /* those are not worth waiting */
#define SEARCH_LAZY_REST  99
#define SEARCH_MAX_REST	  USEC_PER_SEC /* one during which we did not run says nothing */

static uint64_t to_usec(struct timeval t)
{
	return (usec_t)t.tv_sec * USEC_PER_SEC + (usec_t)t.tv_usec;
}

struct link_exit reap_exit(const siginfo_t *info, const struct rusage *usage)
{
	return (struct link_exit){.code = info->si_code,
		.status = info->si_status,
		.user_usec = to_usec(usage->ru_utime),
		.system_usec = to_usec(usage->ru_stime),
		.max_rss_kib = (uint64_t)usage->ru_maxrss,
		.monotonic_usec = usec_now(CLOCK_MONOTONIC),
		.realtime_usec = usec_now(CLOCK_REALTIME)};
}

static void record(
	struct launcher *l, struct entry *e, const siginfo_t *info, const struct rusage *usage)
{
	struct link_exit end = reap_exit(info, usage);
	struct spawn_report failure;

	/* The error pipe may have more to say than that it ended with 127. */
	if (spawn_progress(&l->spawner, e, true, &failure))
		orders_spawn_over(l, e, &failure);
	if (e->phase == ENTRY_ENDED || adopt_successor(l, e))
		return;
	reap_unwatch(l, e);
	table_ended(&l->table, e, &end);
}

static int take(struct launcher *l, const siginfo_t *info, bool known)
{
	if (info->si_pid == l->engine.pid)
		return engine_process_ended(l, info);
	if (!known && !upgrade_trial_ended(l, info))
		log_debug("reaped orphan %d", (int)info->si_pid);
	return 0;
}

static usec_t rest(const struct launcher *l, unsigned times)
{
	if (l->reap_search_took < SEARCH_SHORT_USEC)
		return 0;
	return MIN_OF(times * l->reap_search_took, SEARCH_MAX_REST);
}

static void search_in(struct launcher *l, usec_t wait)
{
	usec_t due = wait == 0 ? 0 : usec_now(CLOCK_MONOTONIC) + wait;

	l->reap_search_usec = l->reap ? MIN_OF(l->reap_search_usec, due) : due;
	l->reap = true;
}

/* ---- by a pidfd ---- */

/* Entries are aligned, and what an entry's error pipe tells has its address itself. */
#define WATCH_TAG ((uintptr_t)1)

static int watch(struct launcher *l, struct entry *e)
{
	struct epoll_event event = {
		.events = EPOLLIN, .data.ptr = (void *)((uintptr_t)e | WATCH_TAG)};
	_cleanup_close_
	int fd = TAKE_FD(e->pidfd);
	int r;

	if (fd < 0)
		fd = sys_pidfd_open(e->pid);
	if (fd < 0)
		return fd;
	if (!spawner_has_room(&l->spawner, fd + SPAWN_SPARE_WATCHES))
		return -EMFILE;
	r = sys_epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event);
	if (r == 0)
		e->pidfd = TAKE_FD(fd);
	return r;
}

/* It may have ended already. */
static void go_without(struct launcher *l, struct entry *e)
{
	e->unwatched = true;
	l->n_unwatched++;
	search_in(l, rest(l, SEARCH_REST));
}

void reap_watch(struct launcher *l, struct entry *e)
{
	if (watch(l, e) < 0)
		go_without(l, e);
}

void reap_unwatch(struct launcher *l, struct entry *e)
{
	l->n_unwatched -= e->unwatched;
	e->unwatched = false;
	if (e->pidfd < 0 || e->fostered)
		return;
	/* Explicitly: a child that has not executed yet may hold a copy, and keep it alive. */
	sys_epoll_ctl(l->epoll, EPOLL_CTL_DEL, e->pidfd, NULL);
	e->pidfd = close_fd(e->pidfd);
}

struct entry *reap_watched(void *data)
{
	uintptr_t address = (uintptr_t)data;

	return address & WATCH_TAG ? (struct entry *)(address & ~WATCH_TAG) : NULL;
}

static bool look_at(pid_t pid, siginfo_t *info, struct rusage *usage)
{
	*info = (siginfo_t){0};
	return pid > 0 &&
	       sys_waitid(P_PID, (id_t)pid, info, WEXITED | WNOHANG | WNOWAIT, usage) == 0 &&
	       info->si_pid == pid;
}

/* -errno: it is there still, and its end is not told twice. */
static int bury(struct launcher *l, pid_t pid)
{
	siginfo_t same;
	int r = sys_waitid(P_PID, (id_t)pid, &same, WEXITED | WNOHANG, NULL);

	if (r < 0) {
		l->reap = l->reap_failed = true;
		l->reap_search_usec = 0;
	}
	return r;
}

void reap_ended(struct launcher *l, struct entry *e)
{
	pid_t pid = e->pid;
	struct rusage usage;
	siginfo_t info;

	if (e->pidfd < 0 || e->fostered)
		return;
	if (!look_at(pid, &info, &usage)) { /* as where somebody traces it; it stays readable */
		reap_unwatch(l, e);
		go_without(l, e);
		return;
	}
	record(l, e, &info, &usage);
	l->unburied[l->n_unburied++] = pid;
}

void reap_bury(struct launcher *l)
{
	while (l->n_unburied > 0) {
		pid_t pid = l->unburied[--l->n_unburied];

		if (l->reap_named == pid)
			l->reap_named = 0;
		bury(l, pid);
	}
}

/* ---- by SIGCHLD ---- */

/* Somebody may have ended who is waited for, and can be found in no other way. */
static bool is_urgent(const struct launcher *l)
{
	return l->n_unwatched > 0 || l->engine.link < 0 || l->upgrade.stage != UPGRADE_NOT;
}

/* Anyone may have sent that signal. Of one that is watched we have heard, or will. */
static bool look_at_named(struct launcher *l, siginfo_t *info, struct rusage *usage)
{
	pid_t pid = l->reap_named;
	const struct entry *e = pid > 0 ? table_find_child(&l->table, pid) : NULL;

	l->reap_named = 0;
	return (!e || e->pidfd < 0) && look_at(pid, info, usage);
}

/* False: there is none, or it is too early to search again, or that failed. */
static bool search(struct launcher *l, siginfo_t *info, struct rusage *usage)
{
	usec_t begin = usec_now(CLOCK_MONOTONIC);
	int r;

	if (begin < l->reap_search_usec)
		return false; /* l->reap stays set */
	*info = (siginfo_t){0};
	r = sys_waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT, usage);
	l->reap_failed = r < 0 && r != -ECHILD;
	if (r == 0 && info->si_pid != 0)
		return true;
	l->reap = l->reap_failed;
	l->reap_search_took = usec_now(CLOCK_MONOTONIC) - begin;
	return false;
}

void reap_soon(struct launcher *l, pid_t named)
{
	search_in(l, rest(l, is_urgent(l) ? SEARCH_REST : SEARCH_LAZY_REST));
	l->reap_named = named;
}

void reap_at_once(struct launcher *l)
{
	search_in(l, 0);
}

int reap(struct launcher *l)
{
	for (int i = 0; i < MAX_REAPS; i++) {
		siginfo_t info;
		struct rusage usage;
		struct entry *e;
		bool named = look_at_named(l, &info, &usage);
		int r;

		if (!named && !search(l, &info, &usage))
			return 0;
		e = table_find_child(&l->table, info.si_pid);
		if (e)
			record(l, e, &info, &usage);
		else
			search_in(l, rest(l, SEARCH_REST)); /* they often come in numbers */
		if (bury(l, info.si_pid) < 0)
			return 0;
		r = take(l, &info, e != NULL);
		if (r < 0 || named)
			return r;
	}
	return 0; /* l->reap stays set */
}
