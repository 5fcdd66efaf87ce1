/*
 * The same rules as those of a look at all of /proc (tree.c), for one process: a walk from it
 * up to the launcher, at every step of which somebody may be known. So it costs as much as the
 * process lies deep, however many others there are.
 */
#include "engine/tree/owner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/tree/cgroup.h"
#include "engine/tree/mains.h"

#define MAX_ANCESTORS 256 /* as deep as tree.c goes */

/* By the pid alone: a proof while nobody else has it, or one that leads a session as ours do. */
static struct service *find_by_pid(struct engine *e, pid_t pid)
{
	struct proc_stat p;

	if (!e->tree.blind && proc_stat_get(pid, &p) == 0 && p.session != pid &&
		p.parent != getppid())
		return NULL;
	return mains_find(e, pid);
}

static struct service *find_by_invocation(const struct engine *e, pid_t pid)
{
	uint8_t invocation[PROC_INVOCATION_SIZE];

	if (proc_invocation(pid, invocation) <= 0)
		return NULL;
	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];

		if (service_has_run(s) &&
			memcmp(s->invocation, invocation, sizeof(invocation)) == 0)
			return s;
	}
	return NULL;
}

/* One step of the walk. */
static struct service *find_here(
	struct engine *e, const struct proc_stat *p, enum tree_evidence *ret_evidence)
{
	bool orphan = p->parent == getppid() && p->pid != getpid();
	bool foster = tree_heir(e) > 0 && p->pid != getpid();
	struct service *s = orphan || p->session == p->pid ? mains_find(e, p->pid) : NULL;

	*ret_evidence = TREE_EVIDENCE_KERNEL;
	if (!s)
		s = mains_find(e, p->session);
	if (s || (!orphan && !foster))
		return s;
	*ret_evidence = TREE_EVIDENCE_ENVIRONMENT;
	return find_by_invocation(e, p->pid);
}

static struct service *find_by_descent(
	struct engine *e, pid_t pid, enum tree_evidence *ret_evidence)
{
	struct proc_stat p;

	for (int depth = 0; depth < MAX_ANCESTORS && pid > 1; depth++) {
		struct service *s;

		if (pid == getppid() || proc_stat_get(pid, &p) < 0)
			return NULL;
		s = find_here(e, &p, ret_evidence);
		if (s)
			return s;
		pid = p.parent;
	}
	return NULL;
}

/* 1 with *ret_service: it is in that one's cgroup; 0: in nobody's; -errno: can't tell. */
static int find_by_cgroup(const struct engine *e, pid_t pid, struct service **ret_service)
{
	const char *base = strrchr(e->tree.cgroup_path, '/');
	char name[TREE_CGROUP_NAME_SIZE], service[TREE_CGROUP_NAME_SIZE];
	struct service *s;
	int r = cgroup_name_below(pid, base + 1, name, sizeof(name));

	if (r <= 0)
		return r;
	snprintf(service, sizeof(service), "%.*s", (int)strcspn(name, ":"), name);
	s = services_find(e, service);
	/* One that an earlier generation has had is nobody's now. */
	if (!s || strcmp(tree_cgroup_name(s, service), name) != 0)
		return 0;
	*ret_service = s;
	return 1;
}

struct service *tree_owner(struct engine *e, pid_t pid, enum tree_evidence *ret_evidence)
{
	struct service *s = NULL;

	*ret_evidence = TREE_EVIDENCE_KERNEL;
	if (e->tree.cgroup_fd >= 0)
		find_by_cgroup(e, pid, &s);
	else if (!e->tree.blind)
		s = find_by_descent(e, pid, ret_evidence);
	if (!s)
		s = find_by_pid(e, pid);
	if (!s)
		*ret_evidence = TREE_EVIDENCE_NONE;
	else if (mains_find(e, pid) == s)
		*ret_evidence = TREE_EVIDENCE_MAIN;
	return s;
}
