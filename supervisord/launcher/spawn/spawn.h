/*
 * The launcher's side of starting a process: cgroup, clone, and the error pipe
 * that tells how it went. Any number may be in flight; none is ever waited for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/usec.h"
#include "launcher/spawn/child.h"
#include "launcher/table/table.h"

#define SPAWN_SLOTS    8
#define SPAWN_SLOT_FDS 5 /* those of the service, see struct entry, stdin and the error pipe */

/* For one to come free. They do within a millisecond; a loaded machine takes its time. */
#define SPAWN_SLOT_WAIT_USEC (100 * USEC_PER_MSEC)

/* Descriptors 3 to here are reserved: /dev/null at 3, then those of the slots. */
#define SPAWN_NULL_FD	 3
#define SPAWN_PRIVATE_FD (SPAWN_NULL_FD + 1 + SPAWN_SLOTS * SPAWN_SLOT_FDS)

/* The launcher's own: kept free of services' pipes, so that it can start an engine. */
#define SPAWN_SPARE_FDS 24
/* And by these their ends are learned sooner, but without their pipes there are no services. */
#define SPAWN_SPARE_WATCHES 1024

/*
 * What a child that shares descriptors (and memory) uses while it does. Busy until the
 * child is known to have left both.
 */
struct slot {
	bool busy;
	unsigned occupied; /* which of its descriptors are not /dev/null */
	struct child child;
	char *plan; /* owned: what child.plan points into */
	char *stack_top; /* NULL: the child gets a copy of the memory */
};

struct spawner {
	int epoll;
	struct slot slots[SPAWN_SLOTS];
	int n_slots, n_busy;
	usec_t full_usec; /* since when no slot is free, nor has come free; 0: one is */
	bool stuck; /* no slot came free for long: what hangs in them must not delay others */
	uint64_t nofile[2]; /* for children */
	uint64_t signals; /* see struct child */
	uint64_t max_fd; /* no pipe of a service at or above */
	bool have_pidfd_inode;
	bool told_no_cgroup, told_no_clone3;
};

/*
 * Reserves the low descriptors (/dev/null must be at SPAWN_NULL_FD), so that everything
 * opened later is above them. nofile: the limit that children get back, and the hard one.
 * The caller sets s->epoll afterwards.
 */
void spawner_init(struct spawner *s, const uint64_t nofile[static 2]);

/* Looks at the dispositions of signals, which stay like that from here on. */
void spawner_note_signals(struct spawner *s);

/*
 * No slot is free, which is not for long unless stuck: better to wait a moment than to
 * copy a large table of descriptors.
 */
bool spawner_is_full(const struct spawner *s);
/* Notices that it is stuck; when to call again. */
usec_t spawner_tick(struct spawner *s, usec_t now);

/* This descriptor may be kept for a service: what is left is for starting an engine. */
bool spawner_has_room(const struct spawner *s, int fd);

/* What came with a SPAWN. The plan is copied; descriptors that are not taken stay the caller's. */
struct spawn_request {
	const char *plan;
	size_t n_plan; /* 0: fds[0] is a memfd of it */
	int *fds; /* the others are its pipes */
	unsigned n_fds;
	int cgroup_dir; /* or -1 */
};

/*
 * Starts what the plan says. 0: in flight, epoll reports the error pipe with the entry as data; or
 * -errno with *ret_stage, and nothing is left behind.
 */
int spawn_begin(struct spawner *s, struct table *t, struct entry *e, const struct spawn_request *q,
	enum link_stage *ret_stage);

/*
 * Reads the error pipe. reaped: the child is gone, whatever the pipe says. True where the
 * spawn is over now; *ret_failure then tells how (stage 0: exec has happened).
 */
bool spawn_progress(
	struct spawner *s, struct entry *e, bool reaped, struct spawn_report *ret_failure);

/* The number by which the kernel tells processes apart for good; 0 where it has none. */
uint64_t spawn_pidfd_inode(const struct spawner *s, int pidfd);
