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

uint32_t tree_oom_kills(const struct service *s)
{
	static const char key[] = "\noom_kill ";
	_cleanup_close_
	int fd = -1;
	char name[TREE_CGROUP_NAME_SIZE], path[TREE_CGROUP_NAME_SIZE + 16], text[512] = "\n";
	const char *found;
	ssize_t n;

	if (s->engine->tree.cgroup_fd < 0)
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
