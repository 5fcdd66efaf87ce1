/*
 * What the launcher knows: one entry per spawned generation that the engine has not
 * done with yet. The table is also the outbox: "to tell" is a place on a list of it.
 *
 * Memory only grows when a SPAWN arrives, and a small reserve is kept so that a spawn
 * for which there is none can still be answered. What is known
 * of an entry is noted before anybody acts on it. Nothing here makes a system call but to close
 * descriptors.
 *
 * With thousands of services it is these two structs that the launcher's memory goes into: what
 * also stands in the notebook is not kept twice, unless it is looked at all the time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fifo.h"
#include "base/list.h"
#include "wire/link.h"
#include "wire/notebook.h"

struct service {
	struct service *next; /* in its bucket */
	struct entry *entries; /* the oldest first */
	uint64_t newest; /* generation; older ones are refused */
	struct fifo_node inputs; /* in table.inputs while that is to be told */
	union { /* name of the cgroup made for it, see table_cgroup() */
		char near[16]; /* "": there is none */
		char *far; /* owned: one that is longer */
	} cgroup;
	uint32_t id;
	uid_t uid; /* that it was last started as; (uid_t)-1: the same as ours */
	int input; /* owned: LINK_KEEP_INPUT; -1: there is none */
	bool cgroup_is_far;
	bool told_no_kill; /* that it can't be signalled */
};

/* What a child writes to its error pipe before exec. All zero: it has its own descriptors now. */
struct spawn_report {
	int32_t stage, error;
};

/* A spawn in flight, from clone until the error pipe says that exec has happened or not. */
struct spawn {
	int error_fd; /* owned: read end of the error pipe */
	struct spawn_report failure;
	int16_t slot; /* -1: none */
	bool unshared;
};

/* The main process once this one has ended, see adopt.h. */
struct successor {
	pid_t pid;
	int pidfd; /* owned; -1: there is none */
};

#define ENTRY_PIPES	 3
#define ENTRY_READY_PIPE 2

enum entry_phase {
	ENTRY_LIVES, /* or is about to */
	ENTRY_STARTING, /* it is not known yet whether exec will happen */
	ENTRY_ENDED,
};

struct entry {
	struct service *service;
	struct entry *next_of_service;
	struct entry *next; /* in its bucket by pid */
	uint64_t generation;
	/*
	 * In the notebook, or where that has no room, our own. How it was started, how it has ended
	 * and by which serial that is told stands only there.
	 */
	struct notebook_slot *note;
	struct fifo_node starts; /* in table.starts while STARTED is to be told */
	union { /* by phase */
		struct successor successor; /* ENTRY_LIVES */
		struct spawn spawn; /* ENTRY_STARTING */
		struct list exits; /* ENTRY_ENDED: on table.exits until ACK */
	};
	pid_t pid; /* the main process; 0 once it is reaped, or where exec failed */
	pid_t told_pid; /* the same, for telling, also after its end */
	int pidfd; /* owned: of the main process, see foster.h and reap.h; -1: there is none */
	/* Owned, -1 where there is none: stdout, stderr, and the pipe for readiness. */
	int read_fds[ENTRY_PIPES];
	uint32_t last_op;
	unsigned phase : 2; /* enum entry_phase */
	bool fostered : 1; /* it is no child of ours, and has a pidfd */
	bool unwatched : 1; /* it is a child of ours without pidfd */
	bool dying : 1; /* it would not tell yet how it has ended, see foster.h */
	unsigned n_tries : 6; /* to learn that */
	bool started : 1; /* exec has happened, as far as anyone can know */
	bool acked : 1; /* its end */
	bool released : 1;
	bool own_note : 1;
};

/* That a process is not adopted, or fostered: for that a generation need not be known. */
struct refusal {
	uint64_t generation;
	uint32_t id;
	pid_t pid;
	int error; /* errno */
};

/* To tell at once. While there are so many, no order is taken that could lead to another one. */
#define TABLE_MAX_REFUSALS 32

struct pool {
	struct pool_item *free;
	unsigned n_free;
	size_t item_size;
};

#define TABLE_BUCKETS 8192

struct table {
	struct entry *by_pid[TABLE_BUCKETS];
	struct service *by_id[TABLE_BUCKETS];
	struct pool entries, services, notes;
	struct fifo inputs; /* KEPT to tell */
	struct fifo starts; /* STARTED to tell */
	struct refusal refusals[TABLE_MAX_REFUSALS]; /* REFUSED to tell, the oldest first */
	unsigned n_refusals;
	/*
	 * Ends that are not acknowledged, by serial. The engine remembers only the last
	 * serial it has counted, so they are told in this order and no other: those from
	 * next_exit on are to be told.
	 */
	struct list exits, *next_exit;
	uint64_t last_serial;
	unsigned n_alive; /* entries with a pid */
	struct notebook notebook; /* of all entries, for whoever outlives us */
};

/* Of zeros: most of the tables' pages are never written to, and take no memory until then. */
void table_init(struct table *t);

struct service *table_find_service(struct table *t, uint32_t id);
struct entry *table_find(struct table *t, uint32_t id, uint64_t generation);
/* Whose main process that is; _child: if it is a child of ours. */
struct entry *table_find_pid(struct table *t, pid_t pid);
struct entry *table_find_child(struct table *t, pid_t pid);
/* A generation of it is alive. */
bool table_is_busy(const struct service *s);

/* The one that there is, or a new one, also from the reserve; NULL where not even that has room. */
struct service *table_add_service(struct table *t, uint32_t id);

/* NULL: there is none. */
const char *table_cgroup(const struct service *s);
/* NULL: there is none any more. The name before is forgotten also where this is -ENOMEM. */
int table_set_cgroup(struct service *s, const char *name);

/* The descriptor (-1: none) is the table's from now on, in place of the one before. */
void table_keep_input(struct table *t, struct service *s, int fd);

/*
 * Adds an entry for a newer generation than any before. NULL where not even the reserve
 * has room. *ret_spare: it was taken from the reserve and must not be started.
 */
struct entry *table_add(struct table *t, uint32_t id, uint64_t generation, bool *ret_spare);

/* It was added for nothing, and has no process: all is as before. */
void table_take_back(struct table *t, struct entry *e, uint64_t newest);

void table_set_pid(struct table *t, struct entry *e, pid_t pid, const struct link_started *start);
void table_clear_pid(struct table *t, struct entry *e);

/* A spawn is in flight, which the entry owns; and is over. */
void table_set_starting(struct entry *e, const struct spawn *spawn);
void table_set_living(struct entry *e);

/* The start is known to have worked, and is to be told. */
void table_started(struct table *t, struct entry *e);
/*
 * Another process is the main one from now on, which is to be told in place of whatever there
 * was to tell of the one before.
 */
void table_adopt(struct table *t, struct entry *e, pid_t pid, const struct link_started *start);
/*
 * That this process is not adopted is to be told, in place of an earlier one of this generation.
 * Where there is no room, it is not: so many are only asked about if nobody takes the answers.
 */
void table_refused(struct table *t, const struct refusal *r);
bool table_is_full_of_refusals(const struct table *t);
/* Who has asked is gone. */
void table_drop_refusals(struct table *t);
/* Who takes over from one that lives; the descriptor is the entry's from now on. */
void table_set_successor(struct entry *e, pid_t pid, int pidfd);
/* It has ended as `end` says, and has no pidfd now: gives it a serial, to be told. */
void table_ended(struct table *t, struct entry *e, const struct link_exit *end);
/* Tell again what was told already (and, to keep the order, all ends after it). */
void table_tell_again(struct table *t, struct entry *e);
/* Tell everything again: a new engine. */
void table_tell_all(struct table *t);

/* The service whose input is to be told next, or NULL; and when that went out. */
struct service *table_next_input(struct table *t);
void table_told_input(struct table *t, struct service *s);
const struct refusal *table_next_refusal(const struct table *t);
void table_told_refusal(struct table *t);
/* The entry to be told about next, or NULL; table_told_…() when that went out. */
struct entry *table_next_start(struct table *t);
struct entry *table_next_exit(struct table *t);
void table_told_start(struct table *t, struct entry *e);
void table_told_exit(struct table *t, struct entry *e);

void table_ack(struct table *t, struct entry *e); /* may free it */
/* Of this generation and earlier ones. May free entries and the service. */
void table_release(struct table *t, struct service *s, uint64_t generation);

/* The service is no more: forgets what is known of it beyond its entries. */
void table_remove_service(struct table *t, struct service *s);

void table_each(
	struct table *t, void (*f)(struct service *, struct entry *, void *), void *context);
void table_each_service(struct table *t, void (*f)(struct service *, void *), void *context);
