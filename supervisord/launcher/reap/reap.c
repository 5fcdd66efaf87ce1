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
#include "launcher/reap/reap.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "launcher/reap/adopt.h"
#include "launcher/reap/watch.h"
#include "launcher/spawn/spawn.h"

#define MAX_REAPS	 512 /* per turn */
#define SEARCH_LAZY_REST 99 /* as WATCH_SEARCH_REST, where nobody waits */

void reap_spawn_failed(struct launcher *l, struct entry *e, int error, enum link_stage stage)
{
	struct link_exit end = {.error = error,
		.stage = stage,
		.monotonic_usec = usec_now(CLOCK_MONOTONIC),
		.realtime_usec = usec_now(CLOCK_REALTIME)};

	watch_end(l, e);
	table_ended(&l->table, e, &end);
}

void reap_spawn_over(struct launcher *l, struct entry *e, const struct spawn_report *f)
{
	/* On failure the child has written why and ends by itself; its status is no news. */
	if (f->stage != LINK_STAGE_NONE)
		reap_spawn_failed(l, e, f->error, (enum link_stage)f->stage);
	else
		table_started(&l->table, e);
}

static void record(
	struct launcher *l, struct entry *e, const siginfo_t *info, const struct rusage *usage)
{
	struct link_exit end = watch_exit(info, usage);
	struct spawn_report failure;

	/* The error pipe may have more to say than that it ended with 127. */
	if (spawn_progress(l->spawner, e, true, &failure))
		reap_spawn_over(l, e, &failure);
	if (e->phase == ENTRY_ENDED || adopt_successor(l, e))
		return;
	watch_end(l, e);
	table_ended(&l->table, e, &end);
}

/* ---- by a pidfd ---- */

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
		watch_end(l, e);
		watch_go_without(l, e);
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
	watch_search_in(l, watch_rest(l, is_urgent(l) ? WATCH_SEARCH_REST : SEARCH_LAZY_REST));
	l->reap_named = named;
}

void reap_at_once(struct launcher *l)
{
	watch_search_in(l, 0);
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
			watch_search_in(l,
				watch_rest(l, WATCH_SEARCH_REST)); /* they often come in numbers */
		if (bury(l, info.si_pid) < 0)
			return 0;
		r = e ? 0 : l->other_ended(l, &info);
		if (r < 0 || named)
			return r;
	}
	return 0; /* l->reap stays set */
}
