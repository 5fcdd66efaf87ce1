/*
 * They are told by SUPERVISOR_INVOCATION in their environment, and by the session of a
 * main process that still carries it: nobody else's process has either. This happens before
 * anything is started, so waiting here blocks nobody.
 */
#include "engine/orphans.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/usec.h"
#include "engine/proc.h"

#define TERM_WAIT_USEC (10 * USEC_PER_SEC)
#define KILL_WAIT_USEC (5 * USEC_PER_SEC)
#define LOOK_MSEC      20

static bool was_alive(const struct recovery_record *r)
{
	return r->name[0] != '\0' && r->generation > 0;
}

/* The service whose variable a process carries, or NULL. */
static const struct recovery_record *owner_of(const struct store *left, pid_t pid)
{
	for (uint32_t i = 0; i < left->area.head->capacity; i++) {
		const struct recovery_record *r = &recovery_slot(&left->area, i)->record;
		char variable[64] = "SUPERVISOR_INVOCATION=";
		size_t n = strlen(variable);

		if (!was_alive(r))
			continue;
		for (size_t k = 0; k < sizeof(r->invocation); k++)
			n += (size_t)snprintf(
				variable + n, sizeof(variable) - n, "%02x", r->invocation[k]);
		if (proc_has_variable(pid, variable))
			return r;
	}
	return NULL;
}

/* Signals all that are left (signo 0 only counts them); how many there are. */
static int signal_all(const struct store *left, int signo, bool tell)
{
	_cleanup_free_
	struct proc_stat *stats = NULL;
	size_t n = 0;
	int found = 0;

	if (proc_list(&stats, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const struct recovery_record *r;
		_cleanup_close_
		int pidfd = -1;

		if (proc_is_dead(&stats[i]) || stats[i].pid == getpid() ||
			stats[i].pid == getppid())
			continue;
		pidfd = sys_pidfd_open(stats[i].pid);
		r = pidfd >= 0 ? owner_of(left, stats[i].pid) : NULL;
		if (!r)
			continue;
		found++;
		if (tell)
			log_warning("service '%s': ending pid %d, left by a supervisord that was "
				    "killed",
				r->name, (int)stats[i].pid);
		if (signo)
			sys_pidfd_send_signal(pidfd, signo);
	}
	return found;
}

static bool wait_for_end(const struct store *left, usec_t wait)
{
	usec_t deadline = usec_add(usec_now(CLOCK_MONOTONIC), wait);

	while (signal_all(left, 0, false) > 0) {
		if (usec_now(CLOCK_MONOTONIC) >= deadline)
			return false;
		poll(NULL, 0, LOOK_MSEC);
	}
	return true;
}

int orphans_end(const struct store *left)
{
	if (signal_all(left, SIGTERM, true) == 0 || wait_for_end(left, TERM_WAIT_USEC))
		return 0;
	signal_all(left, SIGKILL, false);
	return wait_for_end(left, KILL_WAIT_USEC) ? 0 : -EBUSY;
}
