/*
 * A process that has executed its program is known by the invocation in its environment; of
 * those that carry it the oldest that leads a session is the one that was started. Before that it
 * is a copy of the launcher, with the same command line, and there is nothing to tell whose it will
 * be; but it is one of ours, it has no children, and it is over within a moment, unless the
 * program's file system hangs.
 *
 * Where the launcher's notebook says which pids those are, only these are looked at; otherwise all
 * that there are.
 *
 * Nobody else's process is taken for such a copy: it has the launcher's command line, its parent
 * is the one that the launcher's children have come to, and it has none of the descriptors by
 * which every living launcher waits.
 */
#include "engine/takeover/find.h"
#include "engine/run/environment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/service.h"
#include "engine/tree/cgroup.h"

#define LOOK_MIN_MSEC 1
#define LOOK_MAX_MSEC 20
#define PATIENCE_USEC (5 * USEC_PER_SEC) /* until copies of the launcher are killed */
#define KILLED_USEC   (2 * USEC_PER_SEC) /* until these have gone */

struct search {
	struct engine *e;
	struct find_target *targets;
	size_t n;
	uint64_t *ages; /* start_ticks, of those that were found */
	bool give_up; /* copies of the launcher are killed */
	bool unsettled; /* of this look: somebody was there who may become one of them */
};

static bool is_for(const struct find_target *t, const struct proc_identity *i)
{
	const char *hook = t->kind == COMMAND_KIND_MAX ? "" : command_kind_to_string(t->kind);

	return memcmp(t->service->invocation, i->invocation, sizeof(i->invocation)) == 0 &&
	       strcmp(hook, i->hook) == 0;
}

static struct find_target *match(struct search *s, const struct proc_identity *i)
{
	for (size_t k = 0; k < s->n; k++) {
		if (is_for(&s->targets[k], i))
			return &s->targets[k];
	}
	return NULL;
}

/* Its environment is kept from us: then its cgroup tells, where only one is looked for. */
static struct find_target *match_by_cgroup(struct search *s, pid_t pid)
{
	struct find_target *found = NULL;
	char name[TREE_CGROUP_NAME_SIZE];

	if (s->e->tree.cgroup_fd < 0)
		return NULL;
	for (size_t k = 0; k < s->n; k++) {
		struct find_target *t = &s->targets[k];

		if (cgroup_has(s->e->tree.cgroup_fd, tree_cgroup_name(t->service, name), pid) <= 0)
			continue;
		if (found)
			return NULL;
		found = t;
	}
	return found;
}

/* Every launcher waits by epoll; its children have closed that before it can be dead for us. */
static bool has_epoll(pid_t pid)
{
	char path[48], link[64];
	DIR *directory;
	const struct dirent *d;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	directory = opendir(path);
	while (directory && !found && (d = readdir(directory))) {
		ssize_t n = readlinkat(dirfd(directory), d->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		found = strcmp(link, "anon_inode:[eventpoll]") == 0;
	}
	if (directory)
		closedir(directory);
	return found;
}

static bool is_orphan(const struct search *s, const struct proc_stat *p)
{
	return p->parent == 1 || p->parent == tree_heir(s->e) || p->parent == getppid();
}

/* It has not executed its program, or is at it. */
static bool is_copy(const struct search *s, const struct proc_stat *p)
{
	uint64_t hash;

	if (!is_orphan(s, p) || p->exiting)
		return false;
	hash = proc_command_hash(p->pid);
	/* Without a command line at all it is somebody between two programs. */
	return hash == 0 || (hash == s->e->uplink.launcher_command && !has_epoll(p->pid));
}

static void end_copy(const struct proc_stat *p, const struct search *s)
{
	_cleanup_close_
	int pidfd = sys_pidfd_open(p->pid);

	if (pidfd < 0 || !is_copy(s, p) || !proc_has_command(p->pid))
		return;
	log_error("pid %d was to execute a service's program when supervisord was killed, and does "
		  "not come to it; killing it",
		(int)p->pid);
	sys_pidfd_send_signal(pidfd, SIGKILL);
}

/* The oldest counts: others are its children. */
static void take(struct search *s, struct find_target *t, const struct proc_stat *p)
{
	size_t k = (size_t)(t - s->targets);
	int pidfd;

	if (t->pid > 0 &&
		(s->ages[k] < p->start_ticks || (s->ages[k] == p->start_ticks && t->pid < p->pid)))
		return;
	pidfd = sys_pidfd_open(p->pid);
	if (pidfd < 0) {
		s->unsettled |= pidfd != -ESRCH;
		return;
	}
	close_fd(t->pidfd);
	t->pidfd = pidfd;
	t->pid = p->pid;
	s->ages[k] = p->start_ticks;
}

static void judge(struct search *s, const struct proc_stat *seen)
{
	struct proc_identity i;
	struct find_target *t = NULL;
	struct proc_stat p;
	int r;

	if (proc_is_dead(seen) || seen->pid == getpid() || seen->pid == getppid())
		return;
	/* As it is now: a copy of the launcher leads no session in its first moment. */
	if (is_copy(s, seen)) {
		s->unsettled = true;
		if (s->give_up)
			end_copy(seen, s);
		return;
	}
	r = proc_identity_get(seen->pid, &i);
	if (r > 0)
		t = match(s, &i);
	else if (r == -EACCES || r == -EPERM)
		t = match_by_cgroup(s, seen->pid);
	else if (r == -EAGAIN && is_orphan(s, seen))
		s->unsettled = true;
	if (t && proc_stat_get(seen->pid, &p) == 0 && p.start_ticks == seen->start_ticks &&
		p.session == p.pid)
		take(s, t, &p);
}

/* 0: all was seen; 1: not so; -errno. */
static int look(struct search *s)
{
	_cleanup_free_
	struct proc_stat *stats = NULL;
	size_t n = 0;
	int r = proc_list(&stats, &n);

	if (r < 0)
		return r;
	s->unsettled = r > 0;
	for (size_t i = 0; i < n; i++)
		judge(s, &stats[i]);
	return s->unsettled;
}

/* Looks again and again, until all is settled, or it takes too long. */
static int look_until_settled(struct search *s, int (*look_once)(struct search *s))
{
	usec_t begin = usec_now(CLOCK_MONOTONIC);
	int wait = LOOK_MIN_MSEC, r;

	while ((r = look_once(s)) > 0) {
		usec_t waited = usec_sub(usec_now(CLOCK_MONOTONIC), begin);

		if (waited > PATIENCE_USEC + KILLED_USEC)
			return -EAGAIN;
		s->give_up = waited > PATIENCE_USEC;
		poll(NULL, 0, wait);
		wait = MIN_OF(2 * wait, LOOK_MAX_MSEC);
	}
	return r;
}

int find_processes(struct engine *e, struct find_target *targets, size_t n)
{
	_cleanup_free_
	uint64_t *ages = calloc(n ? n : 1, sizeof(*ages));
	struct search s = {.e = e, .targets = targets, .n = n, .ages = ages};

	if (n == 0)
		return 0;
	if (e->tree.blind)
		return -EAGAIN;
	if (!ages)
		return -ENOMEM;
	return look_until_settled(&s, look);
}

/* Whose process that is, is asked of itself; a dead one has been nobody else's before. */
static void prove(struct search *s, struct find_target *t)
{
	struct search only = {.e = s->e, .targets = t, .n = 1};
	struct proc_identity i;
	struct proc_stat p;
	int r = proc_identity_get(t->pid, &i);

	t->proven = r > 0 ? is_for(t, &i)
			  : (r == -EACCES || r == -EPERM) && match_by_cgroup(&only, t->pid);
	if (t->proven || (proc_stat_get(t->pid, &p) == 0 && proc_is_dead(&p)))
		return;
	t->pidfd = close_fd(t->pidfd);
	t->pid = 0;
}

/* 0: all have come to their program, or to their end; 1: not so. */
static int look_at_known(struct search *s)
{
	s->unsettled = false;
	for (size_t k = 0; k < s->n; k++) {
		struct find_target *t = &s->targets[k];
		struct proc_stat p;

		if (t->pid == 0 || proc_stat_get(t->pid, &p) < 0 || proc_is_dead(&p))
			continue;
		if (is_copy(s, &p)) {
			s->unsettled = true;
			if (s->give_up)
				end_copy(&p, s);
		} else if (!t->proven) {
			prove(s, t);
		}
	}
	return s->unsettled;
}

int find_settle(struct engine *e, struct find_target *targets, size_t n)
{
	struct search s = {.e = e, .targets = targets, .n = n};

	return e->tree.blind ? 0 : look_until_settled(&s, look_at_known);
}
