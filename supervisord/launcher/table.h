/*
 * What the launcher knows: one entry per spawned generation that the engine has not
 * done with yet. The table is also the outbox: "to tell" is a place on a list of it.
 *
 * Memory only grows when a SPAWN arrives, and a small reserve is kept so that a spawn
 * for which there is none can still be answered. What is known
 * of an entry is noted before anybody acts on it. Nothing here makes a system call but to close
 * descriptors.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "wire/link.h"
#include "wire/notebook.h"

struct service {
	struct service *next; /* in its bucket */
	uint32_t id;
	uid_t uid; /* that it was last started as; (uid_t)-1: the same as ours */
	uint64_t newest; /* generation; older ones are refused */
	char *cgroup; /* owned; name of the cgroup made for it, NULL for none */
	int input; /* owned: LINK_KEEP_INPUT; -1: there is none */
	bool told_no_kill; /* that it can't be signalled */
	struct list inputs; /* on table.inputs while that is to be told */
	struct list entries;
};

/* What a child writes to its error pipe before exec. All zero: it has its own descriptors now. */
struct spawn_report {
	int32_t stage, error;
};

/* A spawn in flight, from clone until the error pipe says that exec has happened or not. */
struct spawn {
	int error_fd; /* read end of the error pipe; -1: over */
	int slot; /* -1: none */
	bool unshared;
	struct spawn_report failure;
};

#define ENTRY_PIPES	 3
#define ENTRY_READY_PIPE 2

struct entry {
	struct service *service;
	uint64_t generation, serial;
	struct entry *next; /* in its bucket by pid */
	/* In the notebook, or where that has no room, our own; how it has ended stands only there.
	 */
	struct notebook_slot *note;
	struct link_started start;
	struct list in_service;
	struct list starts; /* on table.starts while STARTED is to be told */
	struct list refusals; /* on table.refusals while REFUSED is to be told: */
	pid_t refused;
	int refusal; /* errno */
	struct list exits; /* on table.exits from its end until ACK */
	struct list dying; /* on launcher.dying while it would not tell how it has ended */
	unsigned n_tries;
	pid_t pid; /* the main process; 0 once it is reaped, or where exec failed */
	pid_t told_pid; /* the same, for telling, also after its end */
	pid_t successor; /* the main process once this one has ended, see adopt.h */
	int successor_fd; /* owned: its pidfd; -1: there is none */
	int pidfd; /* owned: of a main process that is no child of ours, see foster.h; -1 */
	int child_fd; /* owned: of one that is, see reap.h; -1 */
	/* Owned, -1 where there is none: stdout, stderr, and the pipe for readiness. */
	int read_fds[ENTRY_PIPES];
	struct spawn spawn;
	uint32_t last_op;
	bool own_note;
	bool unwatched; /* it is a child of ours without pidfd */
	bool started; /* exec has happened, as far as anyone can know */
	bool ended; /* exit and serial are valid */
	bool acked, released;
};

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
	struct list inputs; /* KEPT to tell */
	struct list starts; /* STARTED to tell */
	struct list refusals; /* REFUSED to tell */
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

/* The descriptor (-1: none) is the table's from now on, in place of the one before. */
void table_keep_input(struct table *t, struct service *s, int fd);

/*
 * Adds an entry for a newer generation than any before. NULL where not even the reserve
 * has room. *ret_spare: it was taken from the reserve and must not be started.
 */
struct entry *table_add(struct table *t, uint32_t id, uint64_t generation, bool *ret_spare);

void table_set_pid(struct table *t, struct entry *e, pid_t pid);
void table_clear_pid(struct table *t, struct entry *e);

/* The start is known to have worked, and is to be told. */
void table_started(struct table *t, struct entry *e);
/*
 * Another process is the main one from now on, which is to be told in place of whatever there
 * was to tell of the one before.
 */
void table_adopt(struct table *t, struct entry *e, pid_t pid);
/* That this process is not adopted is to be told, in place of an earlier one. */
void table_refused(struct table *t, struct entry *e, pid_t pid, int error);
/* Who takes over; the descriptor is the entry's from now on. */
void table_set_successor(struct entry *e, pid_t pid, int pidfd);
/* It has ended as `end` says, and has no pidfd now: gives it a serial, to be told. */
void table_ended(struct table *t, struct entry *e, const struct link_exit *end);
/* Tell again what was told already (and, to keep the order, all ends after it). */
void table_tell_again(struct table *t, struct entry *e);
/* Tell everything again: a new engine. */
void table_tell_all(struct table *t);

/* The service whose input is to be told next, or NULL; and when that went out. */
struct service *table_next_input(struct table *t);
void table_told_input(struct service *s);
/* The entry to be told about next, or NULL; table_told_…() when that went out. */
struct entry *table_next_start(struct table *t);
struct entry *table_next_refusal(struct table *t);
struct entry *table_next_exit(struct table *t);
void table_told_start(struct entry *e);
void table_told_refusal(struct table *t, struct entry *e); /* may free it */
void table_told_exit(struct table *t, struct entry *e);

void table_ack(struct table *t, struct entry *e); /* may free it */
/* Of this generation and earlier ones. May free entries and the service. */
void table_release(struct table *t, struct service *s, uint64_t generation);

/* The service is no more: forgets what is known of it beyond its entries. */
void table_remove_service(struct table *t, struct service *s);

void table_each(
	struct table *t, void (*f)(struct service *, struct entry *, void *), void *context);
void table_each_service(struct table *t, void (*f)(struct service *, void *), void *context);
