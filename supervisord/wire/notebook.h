/*
 * The notebook: what a launcher knows of the processes that it has started, in memory that outlives
 * it. The launcher maps it shared and is the only one who writes (and its children, between clone
 * and exec, why they failed); the engine has its descriptor (LINK_KEEP_NOTEBOOK), and reads it once
 * the launcher is dead. So whatever the moment at which it was killed, it is known which processes
 * there were, and how those have ended that it had reaped.
 *
 * One slot for each entry of the launcher's table. The order of writing is the contract; a reader
 * comes after the writer's death and sees all that was written before it:
 *   - before clone: id and generation, pid 0, then NOTEBOOK_BEGUN. The kernel writes the pid
 *     (CLONE_PARENT_SETTID) before the child runs, and before a signal to the launcher is looked
 *     at: pid 0 proves that there never was a process;
 *   - an end: what waitid() says without reaping, the serial, then NOTEBOOK_ENDED; only then it is
 *     reaped: whose end is not noted is still to be asked, or was reaped by others;
 *   - what the engine has done with is free, before anything else takes the slot.
 * Where there are more entries than slots, those have none and are counted in the head.
 *
 * The file has one size, and is sealed against another. Its pages exist once they are written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/link.h"

#define NOTEBOOK_MAGIC	   UINT64_C(0x6b6f6f6265746f6e) /* "notebook" */
#define NOTEBOOK_VERSION   1
#define NOTEBOOK_SLOTS	   32768
#define NOTEBOOK_HEAD_SIZE 4096

enum notebook_state {
	NOTEBOOK_FREE,
	NOTEBOOK_BEGUN, /* pid 0: there was no process (yet) */
	NOTEBOOK_ENDED, /* exit and serial are valid */
};

struct notebook_slot {
	uint32_t state; /* enum notebook_state; written last */
	uint32_t id;
	uint64_t generation, serial;
	int32_t pid; /* of the main process */
	uint32_t next_free; /* the writer's: of one that is free, the next such one; 0: none */
	/* Written by a child that could not execute its program, the errno last; else 0. */
	int32_t failed_stage, failed_error;
	struct link_started start; /* zero until it is known */
	struct link_exit exit;
};
_Static_assert(sizeof(struct notebook_slot) == 128, "a slot shares its page with whole ones only");

struct notebook_head {
	uint64_t magic;
	uint32_t version, n_slots;
	uint64_t nofile[2]; /* RLIMIT_NOFILE that services get, soft and hard */
	uint64_t last_serial; /* no end has a greater one */
	uint32_t n_without; /* entries that there was no slot for */
	uint32_t n_used; /* all slots from here on were never used */
};

struct notebook {
	struct notebook_head *head; /* NULL: there is none */
	struct notebook_slot *slots;
	uint32_t free; /* the writer's: a used one that is free, counted from 1; 0: none */
	uint32_t touched; /* the writer's: slots since its pages were let go */
};

/* Makes and maps an empty one; the caller owns *ret_fd. -errno. */
int notebook_create(struct notebook *ret, int *ret_fd);
/* Maps that of another process, to be read only. -EBADMSG, -EPROTONOSUPPORT, -errno. */
int notebook_open(struct notebook *ret, int fd);
void notebook_close(struct notebook *n);

/* --- for the writer; all of it bears slot == NULL, and n without a notebook --- */

/* Begins a slot. NULL where none is free: it is counted, see notebook_drop(). */
struct notebook_slot *notebook_begin(struct notebook *n, uint32_t id, uint64_t generation);
/* The main process, where another one than was cloned; it lives. */
void notebook_set_pid(struct notebook_slot *slot, pid_t pid, const struct link_started *start);
void notebook_end(struct notebook *n, struct notebook_slot *slot, const struct link_exit *end,
	uint64_t serial);
/* Of an entry that goes. */
void notebook_drop(struct notebook *n, struct notebook_slot *slot);

/* --- for the reader --- */

/* Whose end is known, in the form in which it can be told: fills in *ret. */
bool notebook_get_end(const struct notebook_slot *slot, struct link_exit *ret);
