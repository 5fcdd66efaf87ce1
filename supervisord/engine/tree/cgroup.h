/*
 * cgroup v2, as far as it is there: no controller is needed to know and to end what
 * belongs together. It may be mounted in more than one place, or nowhere, or not be ours
 * to write to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Makes the directory called name below our own cgroup. 0 with its path (the caller's) and
 * an O_PATH-like directory fd; -ENOENT where there is no cgroup v2; -EACCES, -EROFS, ….
 */
int cgroup_make_base(const char *name, int *ret_fd, char **ret_path);

/*
 * Living processes in base/name but for that one (0: all), at most n; how many, or -errno; -EAGAIN
 * where processes come and go so fast that nobody was seen. Processes of another pid namespace are
 * not told.
 */
int cgroup_list(int base_fd, const char *name, pid_t but, pid_t *ret_pids, int n);

/* Whether it is known at once that no process lives in base/name or below: false proves nothing. */
bool cgroup_is_empty(int base_fd, const char *name);

/* 1: this process lives in base/name, or below; 0: it does not; -errno. */
int cgroup_has(int base_fd, const char *name, pid_t pid);

/* 1: this process is in a cgroup called name, or below one; 0: elsewhere; -errno. */
int cgroup_holds(pid_t pid, const char *name);

/*
 * The name of the cgroup below the directory called base that a process is in. 1; 0: it is not
 * below it; -errno, -ENOENT where there is no such process.
 */
int cgroup_name_below(pid_t pid, const char *base, char *ret_name, size_t n);

/* Removes all cgroups below base that no process is in. */
void cgroup_remove_below(int base_fd);

/* Removes base/name with what a service may have made below it. 0 or -errno. */
int cgroup_remove(int base_fd, const char *name);
