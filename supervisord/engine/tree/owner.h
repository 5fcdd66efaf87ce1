/*
 * Whose a process is, for those that come and say something.
 */
#pragma once

#include <sys/types.h>

struct engine;
struct service;

/* How that is known, the strongest first. */
enum tree_evidence {
	TREE_EVIDENCE_NONE,
	TREE_EVIDENCE_MAIN, /* the main process; also one that has ended just now */
	TREE_EVIDENCE_KERNEL, /* by what a process can't choose: cgroup, descent, session */
	TREE_EVIDENCE_ENVIRONMENT, /* by the invocation in its environment, which it can */
};

/* The service whose present generation a process belongs to, or NULL. */
struct service *tree_owner(struct engine *e, pid_t pid, enum tree_evidence *ret_evidence);
