/*
 * What runs between clone and exec. It may run in the launcher's memory and, until its
 * first act, with its descriptors: see child.c for what that forbids.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "wire/notebook.h"
#include "wire/plan.h"

struct child {
	struct plan_view plan;
	int stdin_fd, stdout_fd, stderr_fd;
	int ready_fd; /* -1: none */
	int error_fd; /* like ready_fd not among those that the error pipe moves to */
	bool shares_files; /* with the launcher: what the child needs is below private_fd */
	struct notebook_slot *note; /* to say in why it failed, if nobody reads the pipe; NULL */
	unsigned private_fd; /* from here on there is none that the child needs */
	uint64_t nofile[2]; /* RLIMIT_NOFILE, soft and hard */
	uint64_t signals; /* bit signo - 1: the launcher's disposition is not the default */
};

/* Executes the plan, or writes a struct spawn_report and exits with 127. */
_noreturn_ void child_run(const struct child *c);

#ifdef __x86_64__
#define CHILD_CAN_SHARE_MEMORY 1
#else
#define CHILD_CAN_SHARE_MEMORY 0
#endif

/*
 * clone3() of a child that shares the launcher's memory and runs child_run(c) on the
 * stack that `args` names, at the same time as the launcher. Its pid or -errno.
 */
struct clone_args;
long child_clone_vm(struct clone_args *args, const struct child *c);
