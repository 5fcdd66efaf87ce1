/*
 * Which processes belong to a service. By its cgroup where there is one, which nothing
 * can leave without privilege. Otherwise by one look at all of /proc: descendants of its
 * main process, members of its session, and orphans (children of the launcher, or anybody once
 * a launcher has died) that carry its SUPERVISOR_INVOCATION, each with their descendants.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/loop.h"
#include "engine/part.h"
#include "engine/tree/mains.h"
#include "engine/tree/proc.h"

struct engine;
struct service;

/* One process in a look at /proc, and the service that it belongs to. */
struct tree_seen {
	struct proc_stat stat;
	uint32_t service; /* TREE_NOBODY: none of ours */
	bool judged;
	bool mute; /* could not be asked whose it is */
};

#define TREE_NOBODY UINT32_MAX

struct tree {
	int cgroup_fd; /* owned: the directory that services get their cgroups in; -1: none */
	char *cgroup_path;
	struct tree_seen *seen; /* sorted by pid, while a look is held */
	size_t n_seen;
	bool unsettled; /* some were gone before it was known whose they were */
	unsigned held; /* how many want the look to be kept */
	bool asked_children, children_known; /* see children.h; while a look is held */
	struct mains mains;
	bool verified; /* a service was seen in its cgroup */
	usec_t looked_usec; /* when it was asked for what follows; 0: never */
	bool has_memory; /* services' cgroups count memory */
	bool blind; /* no /proc: only main processes and their groups are known */
};

#define TREE_MAX_PROCESSES 1024 /* of one service, that are told or signalled in one go */

/* A tree that is being waited for: one of its processes at a time. */
struct tree_watch {
	struct part part;
	struct service *service;
	struct loop_source source;
	struct loop_timer timer;
	usec_t wait_usec;
	unsigned n_doubts; /* looks in a row that could not tell */
	int pidfd;
};

/*
 * Finds or makes the directory for cgroups, or takes the one an engine before us had (fd,
 * else -1). Without one, or without /proc, says so once.
 */
void tree_init(struct engine *e, int kept_fd);
/*
 * Who has inherited the children of a launcher that died, as far as can be told from our own, whose
 * parent that is; besides, process 1 may have. 0: all were started by the launcher that we have.
 */
pid_t tree_heir(const struct engine *e);
/* Removes the cgroups. True once none is left. */
bool tree_remove_cgroups(struct engine *e);
/*
 * The name of a service's cgroup below that directory, "" for none: the service's own, with
 * a generation where it is not the first. Returns ret_name.
 */
#define TREE_CGROUP_NAME_SIZE 96
const char *tree_cgroup_name(const struct service *s, char ret_name[static TREE_CGROUP_NAME_SIZE]);
/*
 * A new name where the last cgroup was killed as a whole: kernels (6.18 among them) end at
 * once whatever is cloned into a cgroup that was killed before.
 */
void tree_renew_cgroup(struct service *s);
/* New services: what is left of other ones' cgroups with their names is not for them. */
void tree_avoid_cgroups(const struct engine *e, struct service *const *services, uint32_t n);
/* Makes sure, once, that processes do get into their cgroups; gives cgroups up otherwise. */
void tree_verify(struct service *s, pid_t pid);

/*
 * Living processes of a service's current generation, at most n (the main one among them);
 * returns how many, -errno if it can't be told.
 */
int tree_list(struct engine *e, const struct service *s, pid_t *ret_pids, int n);

/*
 * True if any process of the tree is left. Where that can't be told for want of a
 * descriptor, an empty cgroup tells by letting itself be removed; else it is assumed.
 */
bool tree_has_any(struct engine *e, const struct service *s);

/*
 * This process is one of the service's current generation. What is told is true of whoever has
 * the pid now: to be asked once a pidfd is open, and the pidfd to be looked at afterwards.
 */
bool tree_holds(struct engine *e, const struct service *s, pid_t pid);

/*
 * Where there are no cgroups, the next look at /proc is kept and serves all that follows,
 * until it is let go of: for many services in one go. Calls may be nested.
 */
void tree_hold(struct engine *e);
void tree_release(struct engine *e);

/*
 * Processes of its cgroup that the kernel has killed for want of memory, since that was made; 0
 * also where it can't be told.
 */
uint32_t tree_oom_kills(const struct service *s);

/* Sends a signal to every process of the tree, the main one apart. */
void tree_signal(struct engine *e, struct service *s, int signo);

/* Tells CORE_EVENT_GONE once nothing is left of the tree. Twice does no harm. */
void tree_watch(struct service *s);
void tree_unwatch(struct service *s);
