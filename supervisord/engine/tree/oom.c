/*
 * Whether the kernel has killed processes of a service for want of memory: its cgroup counts
 * them, where the memory controller is in force there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "engine/engine.h"

#define LOOK_USEC USEC_PER_SEC

/* One look serves all who start together. */
static bool has_memory_controller(struct engine *e)
{
	struct tree *t = &e->tree;
	_cleanup_close_
	int fd = -1;
	char text[256] = "";
	ssize_t n;

	if (t->looked_usec > 0 && e->loop.now_usec < usec_add(t->looked_usec, LOOK_USEC))
		return t->has_memory;
	t->looked_usec = e->loop.now_usec;
	fd = sys_openat(t->cgroup_fd, "cgroup.subtree_control", O_RDONLY, 0);
	n = fd < 0 ? fd : sys_read(fd, text, sizeof(text) - 1);
	text[MAX_OF(n, 0)] = '\0';
	t->has_memory = strstr(text, "memory") != NULL;
	return t->has_memory;
}

uint32_t tree_oom_kills(const struct service *s)
{
	static const char key[] = "\noom_kill ";
	_cleanup_close_
	int fd = -1;
	char name[TREE_CGROUP_NAME_SIZE], path[TREE_CGROUP_NAME_SIZE + 16], text[512] = "\n";
	const char *found;
	ssize_t n;

	if (s->engine->tree.cgroup_fd < 0 || !has_memory_controller(s->engine))
		return 0;
	snprintf(path, sizeof(path), "%s/memory.events", tree_cgroup_name(s, name));
	fd = sys_openat(s->engine->tree.cgroup_fd, path, O_RDONLY | O_CLOEXEC, 0);
	n = fd < 0 ? fd : sys_read(fd, text + 1, sizeof(text) - 2);
	if (n <= 0)
		return 0;
	text[n + 1] = '\0';
	found = strstr(text, key);
	return found ? (uint32_t)strtoul(found + strlen(key), NULL, 10) : 0;
}
