/*
 * Each process is judged by walking up its parents until one is known to be a service's.
 *
 * /proc changes while it is read: a daemon that detaches itself is seen as the child of a process
 * that has ended by the time when it is asked whose it is, and the daemon is the launcher's child
 * by then. So where the walk comes to somebody who is gone, the one before is looked at again. And
 * where a process that may be ours was gone before it was judged, or just could not be asked,
 * there may be others that it began: then a look that finds nobody proves nothing, and says so.
 *
 * Who was started by a launcher that has died since has whatever parent the kernel has chosen:
 * then the environment of anybody is looked at.
 */
#include "engine/tree/look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/engine.h"
#include "engine/service.h"

#define MAX_ANCESTORS 256 /* deeper than any real tree; a bound for the walk */
#define MAX_DETOURS   16 /* parents that were gone, on one walk */

static int compare_pids(const void *a, const void *b)
{
	const struct tree_seen *x = a, *y = b;

	return x->stat.pid < y->stat.pid ? -1 : x->stat.pid > y->stat.pid;
}

struct tree_seen *look_find(const struct tree *t, pid_t pid)
{
	struct tree_seen key = {.stat.pid = pid};

	return bsearch(&key, t->seen, t->n_seen, sizeof(*t->seen), compare_pids);
}

void look_forget(struct tree *t)
{
	free(t->seen);
	t->seen = NULL;
	t->n_seen = 0;
}

struct leader {
	pid_t pid;
	uint32_t service;
};

static int compare_leaders(const void *a, const void *b)
{
	const struct leader *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static uint32_t find_leader(const struct leader *leaders, size_t n, pid_t pid)
{
	struct leader key = {.pid = pid};
	const struct leader *l = bsearch(&key, leaders, n, sizeof(*leaders), compare_leaders);

	return l ? l->service : TREE_NOBODY;
}

/* Whose invocation does it carry? */
static uint32_t judge_by_environment(const struct engine *e, pid_t pid, bool *ret_mute)
{
	uint8_t invocation[PROC_INVOCATION_SIZE];
	int r = proc_invocation(pid, invocation);

	*ret_mute = r == -EAGAIN;
	if (r <= 0)
		return TREE_NOBODY;
	for (uint32_t i = 0; i < e->n_services; i++) {
		const struct service *s = e->services[i];

		if (service_has_run(s) &&
			memcmp(s->invocation, invocation, sizeof(invocation)) == 0)
			return s->id;
	}
	return TREE_NOBODY;
}

struct walk {
	struct engine *e;
	const struct leader *leaders;
	size_t n_leaders;
	pid_t launcher;
	pid_t heir; /* where children of a launcher that died may be; 0: there are none */
	struct tree_seen *path[MAX_ANCESTORS]; /* from the one that is judged upwards */
	int depth;
	uint32_t service;
};

/*
 * It is not the process that was seen, or ends just now, or is about to become another program: it
 * can't be asked whose it is.
 */
static bool is_mute(struct tree_seen *p)
{
	struct proc_stat now;

	if (!p->mute)
		p->mute = proc_is_dead(&p->stat) || proc_stat_get(p->stat.pid, &now) < 0 ||
			  now.start_ticks != p->stat.start_ticks || proc_is_dead(&now) ||
			  now.exiting || !proc_has_command(p->stat.pid);
	return p->mute;
}

/* Its parent is one that orphans come to. */
static bool is_orphan(const struct walk *w, const struct tree_seen *p)
{
	pid_t parent = p->stat.parent;

	return parent == w->launcher || (w->heir > 0 && (parent == w->heir || parent == 1));
}

/* Whether it is known by itself. */
static uint32_t judge_here(const struct walk *w, struct tree_seen *p)
{
	bool orphan = p->stat.parent == w->launcher, mute = false;
	uint32_t service = TREE_NOBODY;

	if (orphan)
		service = find_leader(w->leaders, w->n_leaders, p->stat.pid);
	if (service == TREE_NOBODY)
		service = find_leader(w->leaders, w->n_leaders, p->stat.session);
	if (service == TREE_NOBODY && (orphan || w->heir > 0) && p->stat.pid != getpid())
		service = judge_by_environment(w->e, p->stat.pid, &mute);
	if (mute && is_orphan(w, p)) /* threads of the kernel have no environment either */
		p->mute = true;
	return service;
}

/* It says nothing, and is nobody's as far as anyone can tell: whose children are its own? */
static bool is_lost(const struct walk *w, struct tree_seen *p)
{
	bool orphan = is_orphan(w, p) && p->stat.pid != getpid();
	uint32_t service = p->judged || !orphan ? p->service : judge_here(w, p);

	return service == TREE_NOBODY && (p->mute || (orphan && is_mute(p)));
}

/* How far a walk came: to somebody who knows, or to one on the path whose parent says nothing. */
enum reached { REACHED_ALL, REACHED_UNSEEN, REACHED_LOST };

static enum reached walk_up(struct walk *w, struct tree_seen *p)
{
	w->depth = 0;
	w->service = TREE_NOBODY;
	while (w->depth < MAX_ANCESTORS) {
		struct tree_seen *parent;

		if (p->judged) {
			w->service = p->service;
			return REACHED_ALL;
		}
		w->path[w->depth++] = p;
		w->service = judge_here(w, p);
		if (w->service != TREE_NOBODY || p->stat.parent <= 0 ||
			p->stat.parent == w->launcher)
			return REACHED_ALL;
		parent = look_find(&w->e->tree, p->stat.parent);
		if (!parent)
			return REACHED_UNSEEN;
		if (is_lost(w, parent))
			return REACHED_LOST;
		p = parent;
	}
	return REACHED_ALL;
}

/* True where it has another parent by now, or says nothing itself. */
static bool renew(struct tree_seen *p)
{
	struct proc_stat now;

	if (is_mute(p))
		return true;
	if (proc_stat_get(p->stat.pid, &now) < 0 || now.parent == p->stat.parent)
		return false;
	p->stat = now;
	return true;
}

/* Nobody's, but it was alive when it was seen, and nobody could be asked. */
static bool may_be_ours(const struct walk *w, struct tree_seen *p, enum reached reached)
{
	if (reached == REACHED_LOST)
		return true;
	return (reached == REACHED_UNSEEN || is_orphan(w, p)) && is_mute(p);
}

/* Writes the verdict to all on the way. */
static void judge(struct walk *w, struct tree_seen *p)
{
	enum reached reached = walk_up(w, p);

	for (int i = 0; reached != REACHED_ALL && !p->mute && i < MAX_DETOURS; i++) {
		if (!renew(w->path[w->depth - 1]))
			break;
		reached = walk_up(w, p);
	}
	if (w->service == TREE_NOBODY && !proc_is_dead(&p->stat) && p->stat.pid != getpid())
		w->e->tree.unsettled |= may_be_ours(w, p, reached);
	while (w->depth > 0) {
		w->path[--w->depth]->judged = true;
		w->path[w->depth]->service = w->service;
	}
}

/* The main processes, past ones too while their tree is not gone: their pid is the session. */
static struct leader *list_leaders(const struct engine *e, size_t *ret_n)
{
	struct leader *leaders = calloc(e->n_services ? e->n_services : 1, sizeof(*leaders));
	size_t n = 0;

	if (!leaders)
		return NULL;
	for (uint32_t i = 0; i < e->n_services; i++) {
		const struct service *s = e->services[i];

		if (s->main_pid > 0)
			leaders[n++] = (struct leader){s->main_pid, s->id};
	}
	qsort(leaders, n, sizeof(*leaders), compare_leaders);
	*ret_n = n;
	return leaders;
}

int look_take(struct engine *e)
{
	struct tree *t = &e->tree;
	_cleanup_free_
	struct proc_stat *stats = NULL;
	_cleanup_free_
	struct leader *leaders = NULL;
	struct walk w = {.e = e, .launcher = getppid(), .heir = tree_heir(e)};
	size_t n;
	int r = proc_list(&stats, &n);

	if (r < 0)
		return r;
	leaders = list_leaders(e, &w.n_leaders);
	w.leaders = leaders;
	t->seen = calloc(n ? n : 1, sizeof(*t->seen));
	if (!leaders || !t->seen) {
		look_forget(t);
		return -ENOMEM;
	}
	t->n_seen = n;
	t->unsettled = r > 0;
	for (size_t i = 0; i < n; i++)
		t->seen[i] = (struct tree_seen){.stat = stats[i], .service = TREE_NOBODY};
	for (size_t i = 0; i < n; i++)
		judge(&w, &t->seen[i]);
	return 0;
}
