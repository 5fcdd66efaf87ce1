/*
 * They are told by their cgroup, which had its name from this runtime directory, and by
 * SUPERVISOR_INVOCATION in their environment: nobody else's process has either. This happens
 * before anything is started, so waiting here blocks nobody.
 *
 * Where services are gone on with, only those are ended that nobody will ask for: commands beside
 * services, and processes of services that have ended.
 */
#include "engine/tree/orphans.h"

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
#include "core/core.h"
#include "engine/tree/cgroup.h"
#include "engine/tree/proc.h"

#define TERM_WAIT_USEC (10 * USEC_PER_SEC)
#define KILL_WAIT_USEC (5 * USEC_PER_SEC)
#define LOOK_MSEC      20

/* The service whose invocation a process carries, or NULL. */
static const struct recovery_record *owner_of(const struct store *left, const uint8_t *invocation)
{
	for (uint32_t i = 0; i < left->head.capacity; i++) {
		const struct recovery_record *r = recovery_record(&left->area, i);

		if (r->name[0] != '\0' && r->generation > 0 &&
			memcmp(r->invocation, invocation, sizeof(r->invocation)) == 0)
			return r;
	}
	return NULL;
}

/* Whether there is any invocation that a process could carry. */
static bool has_owners(const struct store *left)
{
	for (uint32_t i = 0; i < left->head.capacity; i++) {
		const struct recovery_record *r = recovery_record(&left->area, i);

		if (r->name[0] != '\0' && r->generation > 0)
			return true;
	}
	return false;
}

#define MAX_IN_CGROUPS 4096 /* looked at in one round; the next one sees the rest */

struct search {
	const struct store *left;
	const char *spared_below; /* the directory of cgroups; NULL: nobody is spared */
	pid_t in_cgroups[MAX_IN_CGROUPS];
	int n_in_cgroups;
};

static bool is_in_cgroups(const struct search *s, pid_t pid)
{
	for (int i = 0; i < s->n_in_cgroups; i++) {
		if (s->in_cgroups[i] == pid)
			return true;
	}
	return false;
}

static bool is_live(const struct recovery_record *r)
{
	return r->state == CORE_STARTING || r->state == CORE_RUNNING || r->state == CORE_STOPPING;
}

/* Whose cgroup it is in: that of the generation that its record is of. */
static bool is_in_live_cgroup(const struct search *s, pid_t pid)
{
	char name[RECOVERY_NAME_SIZE + 24], full[RECOVERY_NAME_SIZE + 24];

	if (cgroup_name_below(pid, s->spared_below, name, sizeof(name)) <= 0)
		return false;
	for (uint32_t i = 0; i < s->left->head.capacity; i++) {
		const struct recovery_record *r = recovery_record(&s->left->area, i);

		if (r->name[0] == '\0' || !is_live(r))
			continue;
		if (r->cgroup_generation > 0)
			snprintf(full, sizeof(full), "%s:%llu", r->name,
				(unsigned long long)r->cgroup_generation);
		else
			snprintf(full, sizeof(full), "%s", r->name);
		if (strcmp(name, full) == 0)
			return true;
	}
	return false;
}

/* It is one of a service's own that lives. */
static bool is_spared(const struct search *s, pid_t pid, const struct proc_identity *i,
	const struct recovery_record *owner)
{
	if (!s->spared_below)
		return false;
	if (i->hook[0] != '\0')
		return false;
	return owner ? is_live(owner) : is_in_live_cgroup(s, pid);
}

/* Signals one that is left; false where it is none of ours. */
static bool signal_one(const struct search *s, pid_t pid, int signo, bool tell)
{
	_cleanup_close_
	int pidfd = sys_pidfd_open(pid);
	struct proc_identity i = {0};
	const struct recovery_record *owner = NULL;

	if (pidfd >= 0 && proc_identity_get(pid, &i) > 0)
		owner = owner_of(s->left, i.invocation);
	if (pidfd < 0 || (!owner && !is_in_cgroups(s, pid)) || is_spared(s, pid, &i, owner))
		return false;
	if (tell && owner)
		log_warning("service '%s': ending pid %d, left by a supervisord that was killed",
			owner->name, (int)pid);
	else if (tell)
		log_warning("ending pid %d, left by a supervisord that was killed", (int)pid);
	if (signo)
		sys_pidfd_send_signal(pidfd, signo);
	return true;
}

/*
 * Signals all that are left (signo 0 only counts them); how many there are, or -errno: not
 * to be able to look is not to have found nothing.
 */
static int signal_all(const struct orphans *o, int signo, bool tell)
{
	int cgroup_fd = o->cgroup_fd;
	_cleanup_free_
	struct proc_stat *stats = NULL;
	_cleanup_free_
	struct search *s = calloc(1, sizeof(*s));
	size_t n = 0;
	int found, r;

	if (!s)
		return -ENOMEM;
	/* With thousands of processes on the machine it takes long to ask each of them. */
	if (!has_owners(o->left) && (cgroup_fd < 0 || cgroup_is_empty(cgroup_fd, ".")))
		return 0;
	r = proc_list(&stats, &n);
	if (r < 0)
		return r;
	found = r; /* somebody may have been missed */
	s->left = o->left;
	s->spared_below = o->spared_below;
	if (cgroup_fd >= 0) {
		s->n_in_cgroups = cgroup_list(cgroup_fd, ".", 0, s->in_cgroups, MAX_IN_CGROUPS);
		if (s->n_in_cgroups == -EAGAIN)
			found = 1;
		else if (s->n_in_cgroups < 0)
			return s->n_in_cgroups;
	}
	for (size_t i = 0; i < n; i++) {
		if (proc_is_dead(&stats[i]) || stats[i].pid == getpid() ||
			stats[i].pid == getppid())
			continue;
		found += signal_one(s, stats[i].pid, signo, tell);
	}
	return found;
}

/* 0 once none is left; -EBUSY where some are at the end of the wait; -errno. */
static int wait_for_end(const struct orphans *o, usec_t wait)
{
	usec_t deadline = usec_add(usec_now(CLOCK_MONOTONIC), wait);
	int r;

	while ((r = signal_all(o, 0, false)) > 0) {
		if (usec_now(CLOCK_MONOTONIC) >= deadline)
			return -EBUSY;
		poll(NULL, 0, LOOK_MSEC);
	}
	return r;
}

int orphans_end(const struct orphans *o)
{
	/* Commands get no other signal from us either. */
	int r = signal_all(o, o->spared_below ? SIGKILL : SIGTERM, true);

	if (r > 0)
		r = wait_for_end(o, TERM_WAIT_USEC);
	if (r != -EBUSY)
		return r;
	r = signal_all(o, SIGKILL, false);
	return r < 0 ? r : wait_for_end(o, KILL_WAIT_USEC);
}
