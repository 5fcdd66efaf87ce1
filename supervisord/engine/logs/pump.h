/*
 * From a pipe to a sink: one read per round of the loop, into one buffer that all pumps of
 * the process share. So a service that floods costs neither memory nor the others' turn.
 */
#pragma once

#include "engine/logs/sink.h"
#include "engine/loop.h"

#define PUMP_BUFFER_SIZE (64 * 1024)
#define PUMP_DRAIN_MAX	 (1024 * 1024) /* the largest pipe an ordinary user can have */

struct pump_set {
	struct loop *loop;
	char *buffer; /* owned; PUMP_BUFFER_SIZE */
};

struct pump {
	struct loop_source source;
	struct pump_set *set;
	struct sink *sink; /* borrowed; may be exchanged at any time */
	/* The pipe has ended (or failed), and the pump is out of the loop. May end the pump. */
	void (*ended)(struct pump *p);
	/* Sees what was read before it is written; NULL: nobody looks. May not end the pump. */
	void (*tap)(struct pump *p, const char *data, size_t n);
	int fd; /* borrowed: the owner closes it, after pump_fini() */
};

enum pump_outcome {
	PUMP_EMPTY, /* all that was there is read; more may come */
	PUMP_ENDED, /* no writer is left, or the pipe failed; out of the loop now */
	PUMP_MORE, /* there may be more than max */
	PUMP_OUTCOME_MAX
};

/* -ENOMEM. The loop must outlive the set, and the set its pumps. */
int pump_set_init(struct pump_set *set, struct loop *loop);
void pump_set_fini(struct pump_set *set);

/* fd: the read end of a pipe, O_NONBLOCK. 0, or -errno and nothing is to be undone. */
int pump_init(struct pump *p, struct pump_set *set, int fd, struct sink *sink,
	void (*ended)(struct pump *p));
/* Takes it out of the loop; reads nothing. May be called twice, and after the end. */
void pump_fini(struct pump *p);

/*
 * Reads what is in the pipe now, without waiting, but not (much) more than max_bytes: for the
 * moment when a process has ended, so that what it wrote before is in the log. Doesn't call
 * ended.
 */
enum pump_outcome pump_drain(struct pump *p, size_t max_bytes);
