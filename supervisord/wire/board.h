/*
 * The status board: what supervisord shows of its services, in the file `status` of its
 * runtime directory, for whoever may read it. The engine maps the file and writes; readers map
 * it read-only (or read it) and disturb nobody. This header is all that a reader needs; it
 * stands alone and can be copied: ISO C99 or C++11 with GCC's or clang's __atomic built-ins.
 *
 *     head, head_size bytes | slot 0, slot_size bytes | slot 1 | ... | slot capacity - 1
 *
 * - A service keeps its slot as long as it is configured. A slot with an empty name is free.
 * - Each slot has a sequence lock: while seq is odd it is being written, and what was read counts
 *   only if seq was even and the same before and after. Bound your retries: who writes may have
 *   been stopped or killed in between. The next engine takes the same file and mends that.
 * - Two futex words, to be waited for with FUTEX_WAIT (without FUTEX_PRIVATE_FLAG; a read-only
 *   mapping will do): `changes` in the head for anything at all, `transitions` in a slot for a
 *   state that was entered there. Look again at times: who is killed wakes nobody.
 * - `entered` counts how often each state was entered, so that one which was left again at once is
 *   not missed. Compare counters for being different, nothing else: they wrap.
 * - An engine lives as long as somebody holds a write lock on the file (see
 *   supervisord_board_is_attended()). Where none does, the slots say what was last.
 * - The file grows, when services are added, and never shrinks: where
 *   `capacity` has come to be more than your mapping holds, map it anew. When flags say that it
 *   has been retired, another file has taken its place: open it anew.
 * - Files that last longer than the machine runs: compare boot_id with
 *   /proc/sys/kernel/random/boot_id.
 * - Sizes in the head count, not sizeof: newer versions may append to head and slot. `version`
 *   changes only when what is described here does.
 *
 * Byte order and alignment are the machine's. Texts end with a NUL; names and texts are UTF-8
 * without control characters. Times called _usec are CLOCK_MONOTONIC in microseconds,
 * _realtime_usec since 1970.
 */
#ifndef SUPERVISORD_BOARD_H
#define SUPERVISORD_BOARD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SUPERVISORD_BOARD_NAME	   "status" /* in the runtime directory */
#define SUPERVISORD_BOARD_MAGIC	   UINT64_C(0x31306472616f6273) /* "sboard01" */
#define SUPERVISORD_BOARD_VERSION  1
#define SUPERVISORD_BOARD_NEVER	   UINT64_MAX /* a point in time that does not come */
#define SUPERVISORD_BOARD_CAPACITY (1u << 20) /* no board has more slots */
#define SUPERVISORD_BOARD_TRIES	   1000

enum supervisord_board_flags {
	SUPERVISORD_BOARD_RETIRED = 1 << 0, /* another file has taken its place */
	SUPERVISORD_BOARD_ENDED = 1 << 1, /* supervisord has ended, with all services */
	SUPERVISORD_BOARD_INCOMPLETE = 1 << 2 /* there was no room for all services */
};

/* Each word is read by itself, atomically. */
struct supervisord_board_head {
	uint64_t magic;
	uint32_t version;
	uint32_t head_size, slot_size; /* in bytes, multiples of 8 */
	uint32_t capacity; /* slots; grows */
	uint8_t boot_id[16]; /* all zero: not known */
	uint32_t flags; /* enum supervisord_board_flags */
	uint32_t changes; /* futex word: grows with everything that is written */
	int32_t launcher_pid, engine_pid; /* in supervisord's pid namespace */
	uint64_t engine_start; /* field 22 of the engine's /proc/PID/stat; 0: not known */
	uint32_t engines; /* that have had this board; grows */
	uint32_t reserved;
	uint64_t changed_usec, changed_realtime_usec; /* when something was last written */
};

enum supervisord_board_state {
	SUPERVISORD_BOARD_STOPPED,
	SUPERVISORD_BOARD_WAITING, /* for a dependency, its schedule, a slot of its pool */
	SUPERVISORD_BOARD_STARTING, /* not ready yet */
	SUPERVISORD_BOARD_RUNNING, /* ready */
	SUPERVISORD_BOARD_STOPPING,
	SUPERVISORD_BOARD_BACKOFF, /* will be started again, see next_start_usec */
	SUPERVISORD_BOARD_EXITED, /* ended as it should */
	SUPERVISORD_BOARD_FAILED,
	SUPERVISORD_BOARD_STATES
};

/* What is waited for within the state. */
enum supervisord_board_phase {
	SUPERVISORD_BOARD_PHASE_NONE,
	SUPERVISORD_BOARD_PHASE_PRE_START,
	SUPERVISORD_BOARD_PHASE_EXEC,
	SUPERVISORD_BOARD_PHASE_FORKED,
	SUPERVISORD_BOARD_PHASE_READY,
	SUPERVISORD_BOARD_PHASE_DEPENDENTS,
	SUPERVISORD_BOARD_PHASE_PRE_STOP,
	SUPERVISORD_BOARD_PHASE_STOP_COMMAND,
	SUPERVISORD_BOARD_PHASE_SIGNAL,
	SUPERVISORD_BOARD_PHASE_CANCELLED,
	SUPERVISORD_BOARD_PHASE_POST_STOP,
	SUPERVISORD_BOARD_PHASES
};

enum supervisord_board_health {
	SUPERVISORD_BOARD_HEALTH_NONE, /* nobody asks */
	SUPERVISORD_BOARD_HEALTH_UNKNOWN, /* not asked yet */
	SUPERVISORD_BOARD_HEALTHY,
	SUPERVISORD_BOARD_UNHEALTHY,
	SUPERVISORD_BOARD_HEALTHS
};

/* How the last process ended. */
enum supervisord_board_end {
	SUPERVISORD_BOARD_END_NONE, /* it has not, or there was none */
	SUPERVISORD_BOARD_END_EXITED, /* end_status: the exit code */
	SUPERVISORD_BOARD_END_SIGNALLED, /* end_status: the signal */
	SUPERVISORD_BOARD_END_DUMPED, /* likewise, and it dumped core */
	SUPERVISORD_BOARD_END_SPAWN_FAILED, /* end_status: the errno */
	SUPERVISORD_BOARD_END_UNKNOWN /* nobody could see it */
};

/* Why a waiting service does not start yet. */
enum supervisord_board_waiting_for {
	SUPERVISORD_BOARD_FOR_NOTHING,
	SUPERVISORD_BOARD_FOR_SERVICE, /* blocker is its name */
	SUPERVISORD_BOARD_FOR_CONFLICT, /* for the end of blocker */
	SUPERVISORD_BOARD_FOR_POOL, /* for a slot of the pool that blocker names */
	SUPERVISORD_BOARD_FOR_PLACE, /* as many as max-starting allows are starting */
	SUPERVISORD_BOARD_FOR_PREDECESSOR, /* for the end of the one whose place it takes */
	SUPERVISORD_BOARD_FOR_SCHEDULE,
	SUPERVISORD_BOARD_FORS
};

enum supervisord_board_slot_flags {
	SUPERVISORD_BOARD_DESIRED_UP = 1 << 0,
	SUPERVISORD_BOARD_READY = 1 << 1,
	SUPERVISORD_BOARD_RELOADING = 1 << 2, /* it says so itself */
	SUPERVISORD_BOARD_STALE = 1 << 3 /* started by an older definition than the one in force */
};

struct supervisord_board_slot {
	uint32_t seq; /* sequence lock */
	uint32_t transitions; /* futex word: grows when a state is entered or the slot freed */
	/* From here on, all is under the lock. */
	char name[72]; /* "web", "web@2"; "": the slot is free */
	uint32_t place; /* in the order of the configuration; not without gaps */
	uint32_t restarts; /* automatic ones since an operator's start or reset */
	uint8_t state, phase, health, end, waiting_for, flags;
	uint8_t padding[2];
	int32_t pid; /* 0: there is no process */
	int32_t end_status;
	uint64_t generation; /* of the current or last process; 0: never started */
	uint64_t since_realtime_usec, since_usec; /* in this state */
	uint64_t started_realtime_usec, started_usec; /* this or the last process; 0: never */
	uint64_t next_start_usec; /* by itself; SUPERVISORD_BOARD_NEVER */
	uint32_t entered[SUPERVISORD_BOARD_STATES];
	char blocker[72];
	char reason[256]; /* why it is in its state; "" for nothing to say */
	char status_text[208]; /* what the service says of itself (STATUS=) */
	uint8_t reserved[48];
};

static inline const char *supervisord_board_state_name(unsigned state)
{
	static const char *const names[] = {"stopped", "waiting", "starting", "running", "stopping",
		"backoff", "exited", "failed"};

	return state < SUPERVISORD_BOARD_STATES ? names[state] : "unknown";
}

/* What supervisord_board_look() and supervisord_board_read() return. */
enum supervisord_board_result {
	SUPERVISORD_BOARD_OK = 0,
	SUPERVISORD_BOARD_FREE = 1, /* nobody's slot */
	SUPERVISORD_BOARD_MALFORMED = -1, /* no board, or one that was cut */
	SUPERVISORD_BOARD_UNKNOWN_VERSION = -2,
	SUPERVISORD_BOARD_BUSY = -3, /* it was being written each time: try later */
	SUPERVISORD_BOARD_NO_SLOT = -4 /* no such slot, or not within these bytes */
};

static inline uint32_t supervisord_board_load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Bytes that are a board. Sizes are taken once, so that nothing written later leads astray. */
struct supervisord_board_view {
	const struct supervisord_board_head *head;
	size_t size; /* of all bytes */
	uint32_t head_size, slot_size;
};

/* Looks at bytes that are aligned as a mapping is; they are borrowed. */
static inline int supervisord_board_look(
	const void *memory, size_t size, struct supervisord_board_view *ret_view)
{
	const struct supervisord_board_head *h = (const struct supervisord_board_head *)memory;
	uint32_t head_size, slot_size;

	if (size < sizeof(*h) ||
		__atomic_load_n(&h->magic, __ATOMIC_ACQUIRE) != SUPERVISORD_BOARD_MAGIC)
		return SUPERVISORD_BOARD_MALFORMED;
	if (supervisord_board_load(&h->version) != SUPERVISORD_BOARD_VERSION)
		return SUPERVISORD_BOARD_UNKNOWN_VERSION;
	head_size = supervisord_board_load(&h->head_size);
	slot_size = supervisord_board_load(&h->slot_size);
	if (head_size < sizeof(*h) || head_size % 8 != 0 || head_size > size ||
		slot_size < offsetof(struct supervisord_board_slot, reserved) || slot_size % 8 != 0)
		return SUPERVISORD_BOARD_MALFORMED;
	ret_view->head = h;
	ret_view->size = size;
	ret_view->head_size = head_size;
	ret_view->slot_size = slot_size;
	return SUPERVISORD_BOARD_OK;
}

/* Slots that can be read here: all, unless the board has grown since. */
static inline uint32_t supervisord_board_slots(const struct supervisord_board_view *v)
{
	uint32_t capacity = supervisord_board_load(&v->head->capacity);
	size_t fit = (v->size - v->head_size) / v->slot_size;

	return capacity < fit ? capacity : (uint32_t)fit;
}

/* Where a slot lies, for its futex word; index below supervisord_board_slots(). */
static inline const struct supervisord_board_slot *supervisord_board_at(
	const struct supervisord_board_view *v, uint32_t index)
{
	const char *slots = (const char *)v->head + v->head_size;

	return (const struct supervisord_board_slot *)(const void *)(slots +
								     (size_t)index * v->slot_size);
}

/* n bytes of a slot, a multiple of 8, at such an offset. */
static inline void supervisord_board_copy(
	const struct supervisord_board_slot *slot, size_t offset, size_t n, char *ret_copy)
{
	const uint64_t *words = (const uint64_t *)(const void *)((const char *)slot + offset);

	for (size_t i = 0; i < n / 8; i++) {
		uint64_t word = __atomic_load_n(words + i, __ATOMIC_RELAXED);

		memcpy(ret_copy + offset + i * 8, &word, sizeof(word));
	}
}

/* A text in n bytes, likewise; what is behind the word with its end is not copied. */
static inline void supervisord_board_copy_text(
	const struct supervisord_board_slot *slot, size_t offset, size_t n, char *ret_copy)
{
	const uint64_t ones = UINT64_MAX / 255;
	size_t done = 0;
	uint64_t word;

	do {
		supervisord_board_copy(slot, offset + done, 8, ret_copy);
		memcpy(&word, ret_copy + offset + done, 8);
		done += 8;
	} while (
		done < n && ((word - ones) & ~word & ones << 7) == 0); /* no zero among its bytes */
}

/*
 * Copies a slot as it was at one moment. Texts in the copy always end; numbers are as they were
 * written.
 */
static inline int supervisord_board_read(const struct supervisord_board_view *v, uint32_t index,
	struct supervisord_board_slot *ret_slot)
{
	const struct supervisord_board_slot *slot;
	char *copy = (char *)ret_slot;

	if (index >= supervisord_board_slots(v))
		return SUPERVISORD_BOARD_NO_SLOT;
	slot = supervisord_board_at(v, index);
	for (unsigned tries = 0; tries < SUPERVISORD_BOARD_TRIES; tries++) {
		uint32_t before = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE), after;

		if (before % 2 != 0)
			continue;
		/* Most texts are short, and most of a slot is theirs. */
		memset(ret_slot->reserved, 0, sizeof(ret_slot->reserved));
		supervisord_board_copy(
			slot, 0, offsetof(struct supervisord_board_slot, blocker), copy);
		supervisord_board_copy_text(slot, offsetof(struct supervisord_board_slot, blocker),
			sizeof(slot->blocker), copy);
		supervisord_board_copy_text(slot, offsetof(struct supervisord_board_slot, reason),
			sizeof(slot->reason), copy);
		supervisord_board_copy_text(slot,
			offsetof(struct supervisord_board_slot, status_text),
			sizeof(slot->status_text), copy);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = __atomic_load_n(&slot->seq, __ATOMIC_RELAXED);
		if (before != after)
			continue;
		ret_slot->name[sizeof(ret_slot->name) - 1] = '\0';
		ret_slot->blocker[sizeof(ret_slot->blocker) - 1] = '\0';
		ret_slot->reason[sizeof(ret_slot->reason) - 1] = '\0';
		ret_slot->status_text[sizeof(ret_slot->status_text) - 1] = '\0';
		return ret_slot->name[0] ? SUPERVISORD_BOARD_OK : SUPERVISORD_BOARD_FREE;
	}
	return SUPERVISORD_BOARD_BUSY;
}

/*
 * Whether an engine lives that writes to this board: it holds a write lock on the whole file,
 * which ends with it. fd: the file, opened for reading. 1, 0, or -1 with errno. Needs <fcntl.h>
 * with _GNU_SOURCE before this header. Works for any reader, in any pid namespace.
 */
#ifdef F_OFD_GETLK
static inline int supervisord_board_is_attended(int fd)
{
	struct flock lock;

	memset(&lock, 0, sizeof(lock));
	lock.l_type = F_RDLCK;
	lock.l_whence = SEEK_SET;
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -1;
	return lock.l_type != F_UNLCK;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
