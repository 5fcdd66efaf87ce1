/*
 * The event journal as a file, `state-dir/events`: opened, mapped, written to. What its bytes mean
 * is wire/journal.h. Where there can be none, everything else goes on, and it is tried again
 * with a later event; nothing wakes for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mapping.h"
#include "base/usec.h"
#include "wire/journal.h"

struct engine;

struct journal_file {
	struct journal ring; /* memory is NULL: there is none */
	size_t zeroed; /* so much of a new file has its pages already; all of an older one */
	struct mapping mapping;
	int fd; /* owned; its lock keeps others from writing to it */
	dev_t device;
	ino_t inode;
	usec_t check_usec; /* monotonic: when to look again whether it is still there */
	usec_t retry_usec, retry_delay_usec; /* when to try again to have one */
	size_t n_appended; /* bytes of events since pages were let go */
	uint32_t opened; /* how often: places in it are good until this changes */
	char problem[160]; /* why there is none; "": there is one */
};

void journal_file_init(struct journal_file *f);

/* Opens or makes it, by the state directory of the configuration in force. */
void journal_file_open(struct engine *e);
void journal_file_close(struct journal_file *f);

/* The records, to read; NULL where there are none. Borrowed, until the loop goes on. */
const struct journal *journal_file_ring(const struct engine *e);

/*
 * Before a number is given to an event: sees that the file is still there, and tries again to have
 * one. After that, no record in it has a number above the engine's event_seq.
 */
void journal_file_tend(struct engine *e);

/* Its pages are mapped again when they are looked at. */
void journal_file_let_go(struct journal_file *f);

/* Appends what happened, if there is a journal. */
void journal_file_append(struct engine *e, uint64_t seq, struct journal_stamp *stamp,
	const char *body, size_t length);
