/*
 * The handover: what a launcher needs to go on where another one stopped. It is written into a
 * sealed memfd; the descriptors that it names are passed on through exec, under their numbers.
 *
 * There are three occasions:
 *   - the launcher executes another image of itself (an upgrade): its children stay its children;
 *   - the engine executes the launcher's image (LINK_KEEP_LAUNCHER) when the launcher is dead:
 *     every process that is alive is in it as HANDOVER_FOSTERED, with its pidfd, since nobody's
 *     children are the engine's. The process is a launcher from then on, and starts an engine,
 *     which recovers as after any engine's death;
 *   - a trial, before an upgrade: a new launcher and a new engine are each given one, and look
 *     whether they could go on from it. They change nothing, and exit with 0 if so, or with
 *     another status when they have said why not; stderr is supervisord's.
 *
 * The contract of the start, done by handover_exec() and handover_find(): the environment's
 * SUPERVISOR_HANDOVER, in a trial SUPERVISOR_TRIAL, is the number of the memfd's descriptor. That
 * one and all that are named in it have no FD_CLOEXEC; no other is inherited but 0, 1 and 2. argv
 * is that of the launcher before (its first may be any name), signals that were blocked stay so
 * across the exec. Whoever takes the handover removes the variable, closes the memfd and sets
 * FD_CLOEXEC on the others at once. Descriptor numbers are free: a launcher moves those that are in
 * its way.
 *
 * Formats only grow: fields are added at the end of a struct, and 0 is what they hold where the
 * writer did not know them. A reader takes from each record what it knows. Descriptors are
 * therefore 0 where there is none: 0, 1 and 2 are never named.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/link.h"

#define HANDOVER_VARIABLE    "SUPERVISOR_HANDOVER"
#define HANDOVER_TRIAL	     "SUPERVISOR_TRIAL"
#define HANDOVER_MAGIC	     UINT64_C(0x7265766f646e6168) /* "handover" */
#define HANDOVER_VERSION     1
#define HANDOVER_TAGS	     32 /* at least LINK_KEEP_MAX */
#define HANDOVER_SIGNALS     32
#define HANDOVER_PIPES	     3
#define HANDOVER_CGROUP_SIZE 256
#define HANDOVER_MAX_RECORDS (1u << 22) /* of each kind */
#define HANDOVER_MAX_RECORD  4096 /* bytes of one, except for the head: twice that */

/* A signal to supervisord that no engine has seen yet. */
struct handover_signal {
	uint32_t count; /* 0: none */
	int32_t pid;
	uint32_t uid, reserved;
};

struct handover_head {
	uint64_t magic;
	uint32_t version, head_size, service_size, entry_size; /* sizes: as the writer had them */
	uint32_t n_services, n_entries;
	/*
	 * Of an upgrade: what it was asked for by, and if it has failed and the old programs go
	 * on, why. Where it is not known yet whether the new programs are fit,
	 * LINK_KEEP_OLD_LAUNCHER and LINK_KEEP_OLD_ENGINE are kept.
	 */
	uint32_t upgrade_op;
	int32_t upgrade_error; /* errno */
	uint64_t last_serial; /* no end has a greater one */
	uint64_t nofile[2]; /* RLIMIT_NOFILE that services get, soft and hard; 0, 0: not known */
	int32_t kept[HANDOVER_TAGS]; /* descriptors, by enum link_keep */
	struct handover_signal signals[HANDOVER_SIGNALS]; /* by number */
#ifdef HANDOVER_NEXT /* what a later version could add; for tests */
	uint64_t next[3];
#endif
};

/* What the launcher knows of a service beyond its entries; all that have an entry have one. */
struct handover_service {
	uint32_t id;
	uint32_t uid; /* that it was last started as; UINT32_MAX: the same as ours */
	uint64_t newest; /* generation; no entry has a greater one */
	char cgroup[HANDOVER_CGROUP_SIZE]; /* under LINK_KEEP_CGROUP; "": none is known */
	int32_t input; /* LINK_KEEP_INPUT */
	uint32_t reserved; /* zero */
#ifdef HANDOVER_NEXT
	uint64_t next;
#endif
};

enum handover_entry_flags {
	HANDOVER_FOSTERED = 1 << 0, /* alive, and no child of the process that reads this: pidfd */
	HANDOVER_STARTED = 1 << 1, /* as link's STARTED: its program runs, or has */
	HANDOVER_ENDED = 1 << 2, /* exit and serial are valid; pid is 0 */
	HANDOVER_ACKED = 1 << 3, /* that end is counted */
	HANDOVER_RELEASED = 1 << 4, /* its pipes are done with */
};

/* A generation that the engine has not done with: see launcher/table/table.h. */
struct handover_entry {
	uint32_t id, flags; /* enum handover_entry_flags */
	uint64_t generation;
	uint64_t serial; /* of its end; 0 while it is not ENDED */
	int32_t pid; /* of the main process while that is not ENDED, else 0 */
	int32_t told_pid; /* the same, and stays */
	int32_t pidfd; /* with FOSTERED */
	int32_t successor, successor_fd; /* who is going to be the main process, and its pidfd */
	uint32_t last_op; /* of KILL */
	int32_t pipes[HANDOVER_PIPES]; /* read ends: stdout, stderr, readiness */
	/* While it is not known whether exec will work, as launcher/spawn/spawn.h has it: */
	int32_t error_fd, spawn_stage, spawn_error;
	struct link_started start; /* without LINK_STARTED_READY_FD */
	struct link_exit exit;
#ifdef HANDOVER_NEXT
	uint64_t next[2];
#endif
};

/* Those are part of this format: what they grow by belongs at the end of it. */
_Static_assert(sizeof(struct link_started) == 32, "see handover.h");
_Static_assert(sizeof(struct link_exit) == 56, "see handover.h");

struct handover {
	struct handover_head head;
	struct handover_service *services; /* owned; head.n_services, by ascending id */
	struct handover_entry *entries; /* owned; head.n_entries, by ascending id and generation */
};
#define HANDOVER_INIT ((struct handover){.services = NULL})

/* Room for so many, all zero. -ENOMEM, -E2BIG. */
int handover_alloc(struct handover *ret, uint32_t n_services, uint32_t n_entries);
void handover_fini(struct handover *h); /* the descriptors stay open */

/* Sorts, and allocates *ret_data (free() it) with the flat form. -ENOMEM. */
int handover_encode(struct handover *h, void **ret_data, size_t *ret_size);

/*
 * Takes a flat one apart; nothing in it is trusted. All numbers of descriptors and all of living
 * processes differ; every end has a serial of its own. -EBADMSG, -EPROTONOSUPPORT, -ENOMEM.
 */
int handover_decode(const void *data, size_t size, struct handover *ret);

size_t handover_max_fds(const struct handover *h); /* no more are named */
/* For each descriptor that is named; stops at what is not 0 and returns it. */
int handover_each_fd(struct handover *h, int (*f)(int32_t *fd, void *context), void *context);

/*
 * Executes image (O_PATH) with it, and with the environment as it is; variable is one of the two.
 * It does not come back, or with -errno, and then all is as it was before.
 */
int handover_exec(struct handover *h, const char *variable, int image, char *const *argv);

/*
 * What this process was started with by that variable, which is removed. 0; -ENOENT: nothing; or
 * another -errno: what was named is none that can be used, or not all of its descriptors are
 * there.
 */
int handover_find(const char *variable, struct handover *ret);
