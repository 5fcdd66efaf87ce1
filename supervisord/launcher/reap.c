/*
 * SIGCHLD coalesces, so all that have ended are reaped in a loop; but not without an end, so that a
 * flood of orphans does not starve the rest.
 *
 * To look for any that has ended, the kernel goes through all children. So the one that the signal
 * names comes first, and is told before the others are looked for. Next are its neighbours, which
 * were started or told to end just after it: where many end at once, these have mostly ended too,
 * and each costs the same however many there are. Only when that guess does not find anybody any
 * more, all are searched; and where a search takes long, it begins only nine times as long after
 * the first signal since the last one: with thousands of children, most time is left for everything
 * else.
 *
 * An end is looked at, noted, and only then reaped: from then on nobody else could learn it, should
 * we be killed.
 */
#include "launcher/reap.h"

#include <errno.h>

#include "base/log.h"
#include "base/sys.h"
#include "launcher/adopt.h"
#include "launcher/engine_process.h"
#include "launcher/orders.h"
#include "launcher/upgrade.h"

#define MAX_REAPS	  512 /* per turn */
#define SEARCH_REST	  9 /* times the length of a search */
#define SEARCH_SHORT_USEC 20 /* those are not worth waiting */

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

	/* The error pipe may have more to say than that it ended with 127. */
	if (spawn_progress(&l->spawner, e, true))
		orders_spawn_over(l, e);
	if (!e->ended && !adopt_successor(l, e))
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

static bool look_at(pid_t pid, siginfo_t *info, struct rusage *usage)
{
	*info = (siginfo_t){0};
	return pid > 0 &&
	       sys_waitid(P_PID, (id_t)pid, info, WEXITED | WNOHANG | WNOWAIT, usage) == 0 &&
	       info->si_pid == pid;
}

/* Anyone may have sent that signal. */
static bool look_at_named(struct launcher *l, siginfo_t *info, struct rusage *usage)
{
	pid_t pid = l->reap_named;

	l->reap_named = 0;
	return look_at(pid, info, usage);
}

/* One guess may be wrong, and one more for each that was right. */
static bool guess(struct launcher *l, siginfo_t *info, struct rusage *usage)
{
	while (l->reap_guesses > 0) {
		struct entry *e = table_suspect(&l->table);

		if (e && e->pidfd < 0 && look_at(e->pid, info, usage)) {
			l->reap_guesses++;
			return true;
		}
		l->reap_guesses--;
	}
	return false;
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
	if (!l->reap)
		l->reap_search_usec =
			l->reap_search_took < SEARCH_SHORT_USEC
				? 0
				: usec_now(CLOCK_MONOTONIC) + SEARCH_REST * l->reap_search_took;
	l->reap = true;
	l->reap_guesses = 1;
	l->reap_named = named;
}

int reap(struct launcher *l)
{
	for (int i = 0; i < MAX_REAPS; i++) {
		siginfo_t info, same;
		struct rusage usage;
		struct entry *e;
		bool named = look_at_named(l, &info, &usage);
		int r;

		if (!named && !guess(l, &info, &usage) && !search(l, &info, &usage))
			return 0;
		e = table_find_child(&l->table, info.si_pid);
		if (e)
			record(l, e, &info, &usage);
		r = sys_waitid(P_PID, (id_t)info.si_pid, &same, WEXITED | WNOHANG, NULL);
		if (r < 0) { /* it is there still, and its end is not told twice */
			l->reap_failed = true;
			return 0;
		}
		r = take(l, &info, e != NULL);
		if (r < 0 || named)
			return r;
	}
	return 0; /* l->reap stays set */
}
