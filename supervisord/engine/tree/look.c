/*
 * Each process is judged by walking up its parents until one is known to be a service's.
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

/* An orphan: whose invocation does it carry? */
static uint32_t judge_by_environment(const struct engine *e, pid_t pid)
{
	uint8_t invocation[PROC_INVOCATION_SIZE];

	if (!proc_invocation(pid, invocation))
		return TREE_NOBODY;
	for (uint32_t i = 0; i < e->n_services; i++) {
		const struct service *s = e->services[i];

		if (service_has_run(s) &&
			memcmp(s->invocation, invocation, sizeof(invocation)) == 0)
			return s->id;
	}
	return TREE_NOBODY;
}

/* Walks up until somebody is known, and writes the verdict to all on the way. */
static void judge(const struct engine *e, const struct leader *leaders, size_t n_leaders,
	struct tree_seen *p, pid_t launcher)
{
	struct tree_seen *path[MAX_ANCESTORS];
	uint32_t service = TREE_NOBODY;
	int depth = 0;

	while (p && depth < MAX_ANCESTORS) {
		if (p->judged) {
			service = p->service;
			break;
		}
		path[depth++] = p;
		if (p->stat.parent == launcher)
			service = find_leader(leaders, n_leaders, p->stat.pid);
		if (service == TREE_NOBODY)
			service = find_leader(leaders, n_leaders, p->stat.session);
		if (service == TREE_NOBODY && p->stat.parent == launcher && p->stat.pid != getpid())
			service = judge_by_environment(e, p->stat.pid);
		if (service != TREE_NOBODY || p->stat.parent == launcher)
			break;
		p = p->stat.parent > 0 ? look_find(&e->tree, p->stat.parent) : NULL;
	}
	while (depth > 0) {
		path[--depth]->judged = true;
		path[depth]->service = service;
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
	size_t n, n_leaders;
	int r = proc_list(&stats, &n);

	if (r < 0)
		return r;
	leaders = list_leaders(e, &n_leaders);
	t->seen = calloc(n ? n : 1, sizeof(*t->seen));
	if (!leaders || !t->seen) {
		look_forget(t);
		return -ENOMEM;
	}
	t->n_seen = n;
	for (size_t i = 0; i < n; i++)
		t->seen[i] = (struct tree_seen){.stat = stats[i], .service = TREE_NOBODY};
	qsort(t->seen, n, sizeof(*t->seen), compare_pids);
	for (size_t i = 0; i < n; i++)
		judge(e, leaders, n_leaders, &t->seen[i], getppid());
	return 0;
}
