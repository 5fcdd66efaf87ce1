/*
 * Whatever a service's main process leaves behind is a child of the launcher from then on, or
 * descends from one. So where the launcher has no children but main processes, the engine, and dead
 * ones, nothing was left behind.
 *
 * The kernel's list may miss a child where another one is reaped meanwhile. Hence it is read again,
 * and has to be the same: who was reaped in between would be missing. What is dead is looked at
 * between the two: what it may have begun is in the second one.
 */
#include "engine/tree/children.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/tree/mains.h"
#include "engine/tree/tree.h"

#define MAX_SIZE (256u << 10) /* bytes: some 30,000 children */
#define MAX_USEC (3 * USEC_PER_MSEC)

/* The launcher has one thread. How many bytes of pids, blanks between them; -errno. */
static ssize_t read_children(char *ret_text)
{
	_cleanup_close_
	int fd = -1;
	char path[64];
	size_t size = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)getppid(), (int)getppid());
	fd = sys_openat(AT_FDCWD, path, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	while ((n = sys_read(fd, ret_text + size, MAX_SIZE - size)) > 0)
		size += (size_t)n;
	if (n < 0)
		return n;
	return size < MAX_SIZE ? (ssize_t)size : -E2BIG;
}

enum verdict { KNOWN, UNKNOWN, CHANGED };

static enum verdict judge_one(struct engine *e, pid_t pid)
{
	struct proc_stat stat;
	int r;

	if (pid == getpid() || mains_find(e, pid))
		return KNOWN;
	r = proc_stat_get(pid, &stat);
	if (r < 0)
		return r == -ESRCH ? CHANGED : UNKNOWN;
	return proc_is_dead(&stat) ? KNOWN : UNKNOWN;
}

static enum verdict judge(struct engine *e, const char *text, size_t n)
{
	enum verdict all = KNOWN, v;
	pid_t pid = 0;

	for (size_t i = 0; i < n && all != UNKNOWN; i++) {
		if (text[i] >= '0' && text[i] <= '9') {
			pid = pid * 10 + (text[i] - '0');
			continue;
		}
		v = judge_one(e, pid);
		all = v == KNOWN ? all : v;
		pid = 0;
	}
	return all;
}

/* Again and again while children are reaped, which does not last, and is cheaper than all of /proc.
 */
static bool look(struct engine *e)
{
	_cleanup_free_
	char *first = NULL;
	_cleanup_free_
	char *second = NULL;
	usec_t end = usec_add(usec_now(CLOCK_MONOTONIC), MAX_USEC);
	enum verdict v;
	ssize_t n;

	if (e->tree.blind || tree_heir(e) > 0)
		return false;
	first = malloc(MAX_SIZE);
	second = malloc(MAX_SIZE);
	if (!first || !second)
		return false;
	do {
		n = read_children(first);
		v = n < 0 ? UNKNOWN : judge(e, first, (size_t)n);
		if (v == KNOWN && (read_children(second) != n || memcmp(first, second, (size_t)n)))
			v = CHANGED;
	} while (v == CHANGED && usec_now(CLOCK_MONOTONIC) < end);
	return v == KNOWN;
}

bool children_are_known(struct engine *e)
{
	struct tree *t = &e->tree;

	if (t->held == 0)
		return look(e);
	if (!t->asked_children)
		t->children_known = look(e);
	t->asked_children = true;
	return t->children_known;
}
