/*
 * The spawn plan: everything that the launcher needs to start a process, with all
 * names already resolved to numbers. It travels flat, see wire/link.h; strings are
 * NUL terminated and stand at offsets from the start.
 *
 * The launcher has a copy of its own, and turns the offsets of argv and envp into
 * pointers in place (plan_open).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_MAGIC   UINT32_C(0x6e616c70) /* "plan" */
#define PLAN_VERSION 2

/* Far more than execve() takes (ARG_MAX is 2 MiB with the usual stack limit). */
#define PLAN_MAX_SIZE	(4u << 20)
#define PLAN_MAX_GROUPS 1024
#define PLAN_MAX_ARGS	65536

#define PLAN_MAX_LIMITS 16

/* Where a service may want the descriptor that it tells its readiness by. */
#define PLAN_MIN_READY_FD 3
#define PLAN_MAX_READY_FD 1023

enum plan_flags {
	PLAN_SET_IDS = 1 << 0, /* uid, gid, groups; otherwise the launcher's own stay */
	PLAN_SET_NICE = 1 << 1,
	PLAN_SET_OOM = 1 << 2,
	PLAN_SPLIT_STDERR = 1 << 3, /* a second pipe for stderr */
	PLAN_NO_PIPE = 1 << 4, /* stdout and stderr go to /dev/null */
	PLAN_READY_FD = 1 << 5, /* a pipe for readiness, its write end at ready_fd */
	/* At most one of these; otherwise stdin is /dev/null. */
	PLAN_STDIN_FILE = 1 << 6, /* the file stdin_offset, for reading */
	PLAN_STDIN_FIFO = 1 << 7, /* the FIFO of that name, which is made if it is missing */
	PLAN_STDIN_KEPT = 1 << 8, /* the pipe that is kept for it: LINK_KEEP_INPUT */
	PLAN_FLAGS_ALL = (1 << 9) - 1
};

/* The pipes that a process may get. Both ends of each come with its plan, in this order. */
enum plan_pipe { PLAN_PIPE_STDOUT, PLAN_PIPE_STDERR, PLAN_PIPE_READY, PLAN_PIPE_MAX };

static inline bool plan_has_pipe(uint32_t flags, enum plan_pipe pipe)
{
	if (pipe == PLAN_PIPE_READY)
		return (flags & PLAN_READY_FD) != 0;
	return !(flags & PLAN_NO_PIPE) &&
	       (pipe == PLAN_PIPE_STDOUT || (flags & PLAN_SPLIT_STDERR) != 0);
}

/* As setrlimit() has them; UINT64_MAX: none. */
struct plan_limit {
	uint32_t resource;
	uint32_t reserved; /* 0 */
	uint64_t soft, hard;
};

/*
 * The head of a plan; n_limits limits, by ascending resource, stand right behind it, and then
 * the rest. All offsets are from the head's start.
 */
struct plan_head {
	uint32_t magic, version;
	uint32_t size; /* of the whole plan */
	uint32_t flags; /* enum plan_flags */
	uint32_t uid, gid, n_groups, groups_offset; /* uint32_t each, 4-aligned */
	uint32_t umask;
	int32_t nice, oom_score_adj;
	uint32_t path_offset; /* what to execute: a path, searched for nowhere */
	uint32_t directory_offset; /* "" stays where the launcher is */
	uint32_t cgroup_offset; /* name under LINK_KEEP_CGROUP; "" for none */
	uint32_t n_argv, argv_offset; /* n_argv uint64_t offsets and a 0; 8-aligned */
	uint32_t n_envp, envp_offset;
	uint32_t ready_fd; /* with PLAN_READY_FD; else 0 */
	uint32_t n_limits;
	/* Opened with the process's rights and, if it is relative, from its directory; else "". */
	uint32_t stdin_offset;
	uint32_t reserved; /* 0 */
};

/* What to encode. Everything is borrowed. argv and envp end with NULL. */
struct plan {
	uint32_t flags;
	uint32_t uid, gid;
	const uint32_t *groups;
	uint32_t n_groups;
	uint32_t umask;
	int32_t nice, oom_score_adj;
	uint32_t ready_fd;
	const struct plan_limit *limits;
	uint32_t n_limits;
	const char *path, *directory, *cgroup, *stdin_path;
	const char *const *argv, *const *envp;
};

/* Allocates *ret_data (free() it) with the flat form; -ENOMEM, -E2BIG. */
int plan_encode(const struct plan *p, void **ret_data, size_t *ret_size);

/* A plan as the launcher uses it: pointers into data, which must outlive it. */
struct plan_view {
	const struct plan_head *head;
	const struct plan_limit *limits;
	const uint32_t *groups;
	const char *path, *directory, *cgroup, *stdin_path;
	char *const *argv, *const *envp;
};

/*
 * Checks a flat plan in writable, 8-aligned memory and turns its offsets into
 * pointers. Nothing in it is trusted. 0, -EBADMSG (malformed), -EPROTONOSUPPORT.
 */
int plan_open(void *data, size_t size, struct plan_view *ret_view);
