/*
 * The System V message queue that status is published on. No error here is ever a reason to
 * stop: where the queue can't be had, supervision goes on without it, and queue_problem()
 * says why.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/usec.h"
#include "wire/queue.h"

#define QUEUE_PROBLEM_SIZE 256

struct status_queue {
	int id; /* -1: none */
	key_t key;
	mode_t mode;
	gid_t gid;
	bool has_group;
	bool reported; /* that publishing fails */
	usec_t retry_usec; /* with no queue: when making one is tried again */
	uint64_t n_lost; /* messages since it was reported */
	size_t fits; /* so long a message has gone out: longer ones may be too long for the queue */
	bool was_full; /* when something was sent last */
	bool no_snapshots; /* we have seen that there are none, and put none there since */
	char problem[QUEUE_PROBLEM_SIZE];
	/*
	 * Records the id for the next engine, before the queue is used; and QUEUE_BEING_MADE
	 * before one is made, should this engine die in between. May be NULL.
	 */
	void (*record)(struct status_queue *q, int id);
};

/*
 * Instead of a recorded id: of two that may be there, one was about to be made. A queue that
 * is ours and that nobody has ever used is it.
 */
#define QUEUE_BEING_MADE (-2)

/*
 * Makes the queue, or takes the one called recorded_id over (-1: there is none) where it is
 * still ours and as we made it; any other one under that key is refused. key 0: the key is
 * ftok(runtime_dir, 'S'). 0, or -errno with queue_problem() set; q is valid in both cases,
 * and publishing tries again by itself, at most once a second, and reports when that works.
 * The failure itself is the caller's to report. q->record has to be set before.
 */
int queue_open(struct status_queue *q, int64_t key, const char *runtime_dir, mode_t mode,
	bool has_group, gid_t gid, int recorded_id);

/* Changes who may use it: 0 or -errno with queue_problem() set. */
int queue_set_access(struct status_queue *q, mode_t mode, bool has_group, gid_t gid);

/* What is wrong ("message queue 0x53… belongs to uid 1000 …"), or NULL. Valid until the next call.
 */
const char *queue_problem(const struct status_queue *q);

/*
 * Sends without waiting. Where the queue is full, the oldest of type 3, then 2, then 1 make
 * room; for a snapshot no alert does: -ENOBUFS then. -EMSGSIZE: longer than the queue or
 * QUEUE_MAX_BODY; -ENXIO: there is no queue. A queue that somebody removed is made anew.
 * Reports a failure that lasts once, and its end.
 */
int queue_publish(struct status_queue *q, enum queue_type type, const char *body, size_t n);

/* Removes the queue, if there is one; also for a struct that is all zero. */
void queue_remove(struct status_queue *q);
