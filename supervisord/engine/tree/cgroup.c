/*
 * Mount points come from /proc/self/mountinfo, our own place from the "0::" line of
 * /proc/self/cgroup. cgroup.procs lists one directory only, so what a service made below
 * its own is walked too, to a small depth.
 */
#include "engine/tree/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "engine/tree/proc.h"

#define MAX_DEPTH  8
#define MAX_PASSES 8

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_file_ __attribute__((cleanup(close_file)))

/* The mount point of cgroup v2 and what of it is mounted there ("/" mostly). */
static int find_mount(char **ret_mount, char **ret_root)
{
	_cleanup_file_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return -errno;
	while (getline(&line, &size, f) >= 0) {
		_cleanup_free_
		char *root = NULL;
		_cleanup_free_
		char *mount = NULL;
		const char *type = strstr(line, " - ");

		if (!type || strncmp(type, " - cgroup2 ", 11) != 0)
			continue;
		if (sscanf(line, "%*d %*d %*s %ms %ms", &root, &mount) != 2)
			continue;
		*ret_root = TAKE_PTR(root);
		*ret_mount = TAKE_PTR(mount);
		return 0;
	}
	return -ENOENT;
}

/* The path of a process's cgroup, below the root of its cgroup namespace. */
static int find_cgroup(pid_t pid, char **ret_path)
{
	char name[32];
	_cleanup_file_ FILE *f = NULL;
	_cleanup_free_
	char *line = NULL;
	size_t size = 0;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
	f = fopen(name, "re");
	if (!f)
		return -errno;
	while (getline(&line, &size, f) >= 0) {
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		*ret_path = strdup(line + 3);
		return *ret_path ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

int cgroup_make_base(const char *name, int *ret_fd, char **ret_path)
{
	_cleanup_free_
	char *mount = NULL;
	_cleanup_free_
	char *root = NULL;
	_cleanup_free_
	char *own = NULL;
	_cleanup_free_
	char *path = NULL;
	const char *below;
	int r = find_mount(&mount, &root);

	if (r == 0)
		r = find_cgroup(getpid(), &own);
	if (r < 0)
		return r;
	/* In a container only a part may be mounted; what lies outside can't be reached. */
	below = own;
	if (strcmp(root, "/") != 0) {
		size_t n = strlen(root);

		if (strncmp(own, root, n) != 0 || (own[n] != '/' && own[n] != '\0'))
			return -ENOENT;
		below = own + n;
	}
	if (asprintf(&path, "%s%s/%s", mount, strcmp(below, "/") == 0 ? "" : below, name) < 0)
		return -ENOMEM;
	r = sys_mkdirat(AT_FDCWD, path, 0755);
	if (r < 0 && r != -EEXIST)
		return r;
	r = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return r;
	/* To be allowed to make a directory is not yet to be allowed to move processes in. */
	if (faccessat(r, "cgroup.procs", W_OK, AT_EACCESS) < 0) {
		int error = -errno;

		close_fd(r);
		rmdir(path);
		return error;
	}
	*ret_fd = r;
	*ret_path = TAKE_PTR(path);
	return 0;
}

/* What is listed, and where to. */
struct listing {
	pid_t only; /* 0: all */
	pid_t but; /* who is not asked for; 0: nobody */
	pid_t *pids;
	int n; /* room for so many */
	int found;
	bool gone; /* some were listed that have ended since */
};

static void list_process(struct listing *l, pid_t pid)
{
	struct proc_stat stat;

	if (l->found == l->n || pid <= 0 || (l->only > 0 && pid != l->only) || pid == l->but)
		return;
	if (proc_stat_get(pid, &stat) == 0 && !proc_is_dead(&stat))
		l->pids[l->found++] = pid;
	else
		l->gone = true;
}

/* Reads a directory's cgroup.procs, a number to the line. 0 or -errno. */
static int list_one(int dir_fd, const char *path, struct listing *l)
{
	_cleanup_close_
	int fd = sys_openat(dir_fd, path, O_RDONLY, 0);
	char text[4096];
	unsigned pid = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while (l->found < l->n && (n = sys_read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] != '\n') {
				pid = pid * 10 + (unsigned)(text[i] - '0');
				continue;
			}
			list_process(l, (pid_t)pid);
			pid = 0;
		}
	}
	return 0;
}

static void close_directory(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Calls itself for what lies below each of them; depth is bounded. */
static void list_below(int dir_fd, int depth, struct listing *l)
{
	__attribute__((cleanup(close_directory))) DIR *directory = NULL;
	const struct dirent *d;
	int copy = sys_openat(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);

	directory = copy < 0 ? NULL : fdopendir(copy);
	if (!directory) {
		close_fd(copy);
		return;
	}
	while (l->found < l->n && (d = readdir(directory))) {
		_cleanup_close_
		int below = -1;

		if (d->d_type != DT_DIR || d->d_name[0] == '.')
			continue;
		below = sys_openat(dir_fd, d->d_name, O_RDONLY | O_DIRECTORY, 0);
		if (below >= 0 && list_one(below, "cgroup.procs", l) == 0 && depth < MAX_DEPTH)
			list_below(below, depth + 1, l);
	}
}

/* A directory has a link from above, its own ".", and one from each directory below. */
static int list_tree(int base_fd, const char *name, struct listing *l)
{
	_cleanup_close_
	int fd = -1;
	char path[NAME_MAX + 1];
	struct stat st;
	int r;

	if (snprintf(path, sizeof(path), "%s/cgroup.procs", name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = list_one(base_fd, path, l);
	if (r < 0 || (sys_fstatat(base_fd, name, &st, 0) == 0 && st.st_nlink == 2))
		return r;
	fd = sys_openat(base_fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	list_below(fd, 1, l);
	return 0;
}

/* Who has ended since it was listed may have begun another one: then nobody proves nothing. */
static int list_in(int base_fd, const char *name, struct listing *l)
{
	for (int i = 0; i < MAX_PASSES; i++) {
		int r;

		l->gone = false;
		r = list_tree(base_fd, name, l);
		if (r == -ENOENT)
			return 0;
		if (r < 0)
			return r;
		if (l->found > 0 || !l->gone)
			return l->found;
	}
	return -EAGAIN;
}

int cgroup_list(int base_fd, const char *name, pid_t but, pid_t *ret_pids, int n)
{
	struct listing l = {.but = but, .pids = ret_pids, .n = n};

	return list_in(base_fd, name, &l);
}

bool cgroup_is_empty(int base_fd, const char *name)
{
	static const char key[] = "\npopulated 0\n";
	_cleanup_close_
	int fd = -1;
	char path[NAME_MAX + 1], text[256] = "\n";
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/cgroup.events", name) >= (int)sizeof(path))
		return false;
	fd = sys_openat(base_fd, path, O_RDONLY, 0);
	n = fd < 0 ? fd : sys_read(fd, text + 1, sizeof(text) - 2);
	if (n <= 0)
		return false;
	text[n + 1] = '\0';
	return strstr(text, key) != NULL;
}

int cgroup_has(int base_fd, const char *name, pid_t pid)
{
	struct listing l = {.only = pid, .pids = &pid, .n = 1};

	return list_in(base_fd, name, &l);
}

static void remove_below(int dir_fd, int depth)
{
	__attribute__((cleanup(close_directory))) DIR *directory = NULL;
	const struct dirent *d;
	int copy = sys_openat(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);

	directory = copy < 0 ? NULL : fdopendir(copy);
	if (!directory) {
		close_fd(copy);
		return;
	}
	while (depth < MAX_DEPTH && (d = readdir(directory))) {
		_cleanup_close_
		int below = -1;

		if (d->d_type != DT_DIR || d->d_name[0] == '.')
			continue;
		below = sys_openat(dir_fd, d->d_name, O_RDONLY | O_DIRECTORY, 0);
		if (below < 0)
			continue;
		remove_below(below, depth + 1);
		sys_unlinkat(dir_fd, d->d_name, AT_REMOVEDIR);
	}
}

void cgroup_remove_below(int base_fd)
{
	remove_below(base_fd, 0);
}

int cgroup_holds(pid_t pid, const char *name)
{
	_cleanup_free_
	char *path = NULL;
	size_t n = strlen(name);
	int r = find_cgroup(pid, &path);

	if (r < 0)
		return r;
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		if (strncmp(p + 1, name, n) == 0 && (p[n + 1] == '/' || p[n + 1] == '\0'))
			return 1;
	}
	return 0;
}

int cgroup_name_below(pid_t pid, const char *base, char *ret_name, size_t n)
{
	_cleanup_free_
	char *path = NULL;
	size_t n_base = strlen(base), n_name;
	int r = find_cgroup(pid, &path);

	if (r < 0)
		return r;
	/* The first of that name is ours; what a service calls its own lies below. */
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		if (strncmp(p + 1, base, n_base) != 0 || p[n_base + 1] != '/')
			continue;
		p += n_base + 2;
		n_name = strcspn(p, "/");
		if (n_name == 0 || n_name >= n)
			return 0;
		memcpy(ret_name, p, n_name);
		ret_name[n_name] = '\0';
		return 1;
	}
	return 0;
}

int cgroup_remove(int base_fd, const char *name)
{
	int r = sys_unlinkat(base_fd, name, AT_REMOVEDIR);

	if (r == -EBUSY || r == -ENOTEMPTY) {
		_cleanup_close_
		int fd = sys_openat(base_fd, name, O_RDONLY | O_DIRECTORY, 0);

		if (fd >= 0)
			remove_below(fd, 0);
		r = sys_unlinkat(base_fd, name, AT_REMOVEDIR);
	}
	return r == -ENOENT ? 0 : r;
}
