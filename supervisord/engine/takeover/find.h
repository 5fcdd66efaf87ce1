/*
 * Processes that a launcher has started, and died before it could tell of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/run/command.h"

struct engine;
struct service;

struct find_target {
	struct service *service;
	enum command_kind kind; /* COMMAND_KIND_MAX: its main process */
	uint64_t generation; /* the caller's */
	bool proven; /* find_settle(): the pidfd is known to be that process's */
	pid_t pid; /* 0: there is none */
	int pidfd; /* owned by the caller from then on; -1 */
};

/*
 * Fills in pid and pidfd of those that there are. Waits, bounded by some seconds, for those that
 * are about to execute their program, and then kills these: whoever is not found does not run,
 * and will not. 0; -EAGAIN or another -errno: that could not be made sure of.
 */
int find_processes(struct engine *e, struct find_target *targets, size_t n);

/*
 * The same for targets whose pid and pidfd are known already: waits for those that are about to
 * execute their program. Who is not proven, and turns out to be somebody else, has pid 0 then.
 */
int find_settle(struct engine *e, struct find_target *targets, size_t n);
