/*
 * With cgroups a service costs one small file to read. Without, so do the launcher's children
 * (children.c), and where there are others among them, /proc is read as a whole (look.c).
 *
 * A process is only ever signalled through a pidfd that was opened before it was seen (once
 * more) to belong to the service: so a pid that was given to somebody else in between is
 * never hit.
 *
 * Waiting for a tree means waiting for one of its processes at a time, by pidfd; a timer
 * looks again in any case, for what a pidfd can't tell (a fork at the wrong moment).
 */
#include "engine/tree/tree.h"

#include <errno.h>
#include <fcntl.h>
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
#include "engine/tree/children.h"
#include "engine/tree/look.h"

#define LOOK_AGAIN_USEC USEC_PER_SEC
#define LOOK_SOON_USEC	USEC_PER_MSEC /* doubles: a dead process that is not reaped yet */
#define LOOK_BUSY_USEC	(20 * USEC_PER_MSEC) /* too much comes and goes to see anything */
#define MAX_DOUBTS	100 /* then others, who disturb every look, are not to hold it up */
#define MAX_LOOKS	5 /* in a row, where processes come and go meanwhile */

void tree_init(struct engine *e, int kept_fd)
{
	struct tree *t = &e->tree;
	char name[64];
	uint64_t hash = UINT64_C(14695981039346656037);
	int fd = -1, r;

	t->cgroup_fd = -1;
	t->blind = !proc_is_ours();
	if (t->blind) {
		if (!e->recovering)
			log_warning("no /proc of our own: of a service's processes only the main "
				    "one and its process group can be ended");
		close_fd(kept_fd);
		return;
	}
	/* One name for one runtime directory: the next supervisord there finds what is left. */
	for (const char *p = e->spec->runtime_dir; *p; p++)
		hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
	snprintf(name, sizeof(name), "supervisord-%016llx", (unsigned long long)hash);
	if (e->recovering && kept_fd < 0)
		return; /* it was said when there was none */
	r = cgroup_make_base(name, &fd, &t->cgroup_path);
	if (r < 0) {
		log_info("no cgroups (%s): processes are told apart by ancestry, session and "
			 "environment",
			strerror(-r));
		close_fd(kept_fd);
		return;
	}
	t->cgroup_fd = fd;
	close_fd(kept_fd);
}

pid_t tree_heir(const struct engine *e)
{
	struct proc_stat launcher;

	if (!(e->store.head.flags & RECOVERY_FOSTERED))
		return 0;
	return proc_stat_get(getppid(), &launcher) == 0 && launcher.parent > 0 ? launcher.parent
									       : 1;
}

const char *tree_cgroup_name(const struct service *s, char ret_name[static TREE_CGROUP_NAME_SIZE])
{
	ret_name[0] = '\0';
	if (s->engine->tree.cgroup_fd < 0)
		return ret_name;
	/* No service's name has a colon in it. */
	if (s->cgroup_generation > 0)
		snprintf(ret_name, TREE_CGROUP_NAME_SIZE, "%s:%llu", s->name,
			(unsigned long long)s->cgroup_generation);
	else
		snprintf(ret_name, TREE_CGROUP_NAME_SIZE, "%s", s->name);
	return ret_name;
}

void tree_renew_cgroup(struct service *s)
{
	char name[TREE_CGROUP_NAME_SIZE];

	if (!s->cgroup_spent || s->engine->tree.cgroup_fd < 0)
		return;
	/* If it is still busy, the farewell removes it. */
	cgroup_remove(s->engine->tree.cgroup_fd, tree_cgroup_name(s, name));
	s->cgroup_generation = core_record(s->engine->core, s->id)->generation;
	s->cgroup_spent = false;
}

/* Without a directory in it: two links, one from above and its own. */
static bool has_no_directory(int dir_fd)
{
	struct stat st;

	return sys_fstat(dir_fd, &st) == 0 && st.st_nlink == 2;
}

void tree_avoid_cgroups(const struct engine *e, struct service *const *services, uint32_t n)
{
	char name[TREE_CGROUP_NAME_SIZE];
	int fd = e->tree.cgroup_fd;
	struct stat st;

	if (fd < 0 || has_no_directory(fd))
		return;
	for (uint32_t i = 0; i < n; i++)
		services[i]->cgroup_spent = sys_fstatat(fd, tree_cgroup_name(services[i], name),
						    &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void tree_verify(struct service *s, pid_t pid)
{
	struct tree *t = &s->engine->tree;
	char name[TREE_CGROUP_NAME_SIZE];
	int r;

	if (t->verified || t->cgroup_fd < 0)
		return;
	r = cgroup_holds(pid, tree_cgroup_name(s, name));
	if (r < 0)
		return; /* it has ended already; the next one will tell */
	t->verified = r > 0;
	if (r > 0)
		return;
	log_warning("services don't get into their cgroups; going on by ancestry, session and "
		    "environment");
	t->cgroup_fd = close_fd(t->cgroup_fd);
}

static bool remove_empty(const struct engine *e, const struct service *s)
{
	char name[TREE_CGROUP_NAME_SIZE];

	return e->tree.cgroup_fd >= 0 &&
	       sys_unlinkat(e->tree.cgroup_fd, tree_cgroup_name(s, name), AT_REMOVEDIR) == 0;
}

bool tree_remove_cgroups(struct engine *e)
{
	struct tree *t = &e->tree;

	if (t->cgroup_fd < 0 || sys_unlinkat(AT_FDCWD, t->cgroup_path, AT_REMOVEDIR) == 0)
		return true;
	/* By name first, which takes no descriptor. */
	for (uint32_t i = 0; i < e->n_services; i++)
		remove_empty(e, e->services[i]);
	cgroup_remove_below(t->cgroup_fd);
	return sys_unlinkat(AT_FDCWD, t->cgroup_path, AT_REMOVEDIR) == 0;
}

/* --- who belongs to it --- */

void tree_hold(struct engine *e)
{
	e->tree.held++;
}

void tree_release(struct engine *e)
{
	if (--e->tree.held > 0)
		return;
	look_forget(&e->tree);
	e->tree.asked_children = false;
}

static int list_once(struct engine *e, const struct service *s, pid_t *ret_pids, int n)
{
	int found = 0, r;

	if (!e->tree.seen) {
		r = look_take(e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < e->tree.n_seen && found < n; i++) {
		const struct tree_seen *p = &e->tree.seen[i];

		if (p->service == s->id && !proc_is_dead(&p->stat))
			ret_pids[found++] = p->stat.pid;
	}
	return found;
}

/* Nobody is only believed of a look that nothing has disturbed. */
static int list_seen(struct engine *e, const struct service *s, pid_t *ret_pids, int n)
{
	int found = 0;

	if (e->tree.blind)
		return 0;
	for (int i = 0; i < MAX_LOOKS; i++) {
		found = list_once(e, s, ret_pids, n);
		if (found != 0 || !e->tree.unsettled)
			break;
		look_forget(&e->tree);
		found = -EAGAIN;
	}
	if (e->tree.held == 0)
		look_forget(&e->tree);
	return found;
}

/* Where there are cgroups, without that one, so that it is not looked at either. */
static int list_but(struct engine *e, const struct service *s, pid_t but, pid_t *ret_pids, int n)
{
	char name[TREE_CGROUP_NAME_SIZE];

	if (e->tree.cgroup_fd >= 0)
		return cgroup_list(e->tree.cgroup_fd, tree_cgroup_name(s, name), but, ret_pids, n);
	return list_seen(e, s, ret_pids, n);
}

int tree_list(struct engine *e, const struct service *s, pid_t *ret_pids, int n)
{
	return list_but(e, s, 0, ret_pids, n);
}

/* Once its main process has ended. True is proof, and cheaper than a list. */
static bool is_empty(struct engine *e, const struct service *s)
{
	char name[TREE_CGROUP_NAME_SIZE];

	if (e->tree.cgroup_fd >= 0)
		return cgroup_is_empty(e->tree.cgroup_fd, tree_cgroup_name(s, name));
	return children_are_known(e);
}

bool tree_has_any(struct engine *e, const struct service *s)
{
	pid_t pid;
	int n;

	/* When all has to go in any case, that is the shortest way to know. */
	if (core_is_shutting_down(e->core) && remove_empty(e, s))
		return false;
	n = is_empty(e, s) ? 0 : tree_list(e, s, &pid, 1);
	return n > 0 || (n < 0 && !remove_empty(e, s));
}

/* --- signalling --- */

/* In the cgroup still, or the process that was looked at: so a pidfd opened in between is its own.
 */
static bool is_the_same(struct engine *e, const struct service *s, pid_t pid)
{
	char name[TREE_CGROUP_NAME_SIZE];
	const struct tree_seen *seen;
	struct proc_stat stat;

	if (e->tree.cgroup_fd >= 0)
		return cgroup_holds(pid, tree_cgroup_name(s, name)) > 0;
	seen = look_find(&e->tree, pid);
	return seen && proc_stat_get(pid, &stat) == 0 && stat.start_ticks == seen->stat.start_ticks;
}

bool tree_holds(struct engine *e, const struct service *s, pid_t pid)
{
	char name[TREE_CGROUP_NAME_SIZE];
	const struct tree_seen *seen;
	bool holds;

	if (e->tree.cgroup_fd >= 0)
		return cgroup_has(e->tree.cgroup_fd, tree_cgroup_name(s, name), pid) > 0;
	if (e->tree.blind || (!e->tree.seen && look_take(e) < 0))
		return false;
	seen = look_find(&e->tree, pid);
	holds = seen && seen->service == s->id && is_the_same(e, s, pid);
	if (e->tree.held == 0)
		look_forget(&e->tree);
	return holds;
}

void tree_signal(struct engine *e, struct service *s, int signo)
{
	const struct core_record *r = core_record(e->core, s->id);
	pid_t main_pid = r->main_ended ? 0 : r->pid;
	_cleanup_free_
	pid_t *pids = malloc(TREE_MAX_PROCESSES * sizeof(pid_t));
	int n;

	/* The kernel ends a whole cgroup at once, forks in flight included. */
	if (signo == SIGKILL && e->tree.cgroup_fd >= 0 && uplink_kill_cgroup(e, s) == 0)
		return;
	if (!pids)
		return; /* looked at again when the timeout has passed */
	tree_hold(e);
	n = list_but(e, s, main_pid, pids, TREE_MAX_PROCESSES);
	for (int i = 0; i < n; i++) {
		_cleanup_close_
		int pidfd = -1;

		if (pids[i] == main_pid)
			continue;
		pidfd = sys_pidfd_open(pids[i]);
		if (pidfd < 0 || !is_the_same(e, s, pids[i]))
			continue;
		uplink_kill_pidfd(s, pidfd, signo);
		if (signo != SIGKILL)
			uplink_kill_pidfd(s, pidfd, SIGCONT); /* as for the main process */
	}
	tree_release(e);
}

/* --- waiting for the end of a tree --- */

static void look_again(struct tree_watch *w);

static void on_process(struct loop_source *source, uint32_t events)
{
	struct tree_watch *w = CONTAINER_OF(source, struct tree_watch, source);

	(void)events;
	look_again(w);
}

static void on_timer(struct loop_timer *t)
{
	look_again(CONTAINER_OF(t, struct tree_watch, timer));
}

static void drop_process(struct tree_watch *w)
{
	loop_remove(&w->service->engine->loop, &w->source);
	w->pidfd = close_fd(w->pidfd);
}

/* Waits for one of those that are left. */
static void wait_for(struct tree_watch *w, pid_t pid)
{
	struct loop *loop = &w->service->engine->loop;

	w->pidfd = sys_pidfd_open(pid);
	if (w->pidfd >= 0 && loop_add(loop, &w->source, w->pidfd, EPOLLIN) == 0) {
		w->wait_usec = LOOK_AGAIN_USEC;
	} else {
		/* It died just now, or there is no descriptor to be had: by the clock then. */
		w->pidfd = close_fd(w->pidfd);
		w->wait_usec = w->wait_usec < LOOK_AGAIN_USEC ? w->wait_usec * 2 : LOOK_AGAIN_USEC;
	}
	loop_timer_set(loop, &w->timer, usec_add(loop->now_usec, w->wait_usec));
}

static void look_again(struct tree_watch *w)
{
	struct service *s = w->service;
	struct engine *e = s->engine;
	const struct core_record *r = core_record(e->core, s->id);
	bool empty;
	pid_t pids[16];
	int n;

	drop_process(w);
	empty = (e->tree.cgroup_fd >= 0 || r->main_ended) && is_empty(e, s);
	n = empty ? 0 : tree_list(e, s, pids, ELEMENTSOF(pids));
	w->n_doubts = n == -EAGAIN ? w->n_doubts + 1 : 0;
	if (n == 0 || w->n_doubts == MAX_DOUBTS || (n < 0 && remove_empty(e, s))) {
		struct core_event gone = {
			.type = CORE_EVENT_GONE, .service = s->id, .generation = r->generation};

		tree_unwatch(s);
		engine_event(e, &gone);
		return;
	}
	if (n < 0) {
		loop_timer_set(&e->loop, &w->timer,
			usec_add(
				e->loop.now_usec, n == -EAGAIN ? LOOK_BUSY_USEC : LOOK_AGAIN_USEC));
		return;
	}
	/* Whatever forked while the rest was killed has to go as well. */
	if (r->killed)
		tree_signal(e, s, SIGKILL);
	wait_for(w, pids[0]);
}

void tree_watch(struct service *s)
{
	struct engine *e = s->engine;
	struct tree_watch *w = part_find(s, PART_TREE_WATCH);

	if (w) {
		loop_timer_set(&e->loop, &w->timer, e->loop.now_usec);
		return;
	}
	w = part_get(s, PART_TREE_WATCH, sizeof(*w));
	if (!w || loop_timer_add(&e->loop, &w->timer) < 0) {
		part_drop(s, PART_TREE_WATCH);
		return; /* the core asks again when the stop timeout has passed */
	}
	w->service = s;
	w->pidfd = -1;
	w->wait_usec = LOOK_SOON_USEC;
	w->source = (struct loop_source){.fd = -1, .dispatch = on_process};
	w->timer.dispatch = on_timer;
	loop_timer_set(&e->loop, &w->timer, e->loop.now_usec);
}

void tree_unwatch(struct service *s)
{
	struct tree_watch *w = part_find(s, PART_TREE_WATCH);

	if (!w)
		return;
	drop_process(w);
	loop_timer_remove(&s->engine->loop, &w->timer);
	part_drop(s, PART_TREE_WATCH);
}
