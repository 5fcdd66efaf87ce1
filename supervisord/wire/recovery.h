/*
 * The recovery area: what must survive the engine, in a file that it maps. The engine
 * dies at any instant, so a change is never made in place only: the new record is first
 * written to the journal, then marked valid with one store, then copied to its place, then
 * unmarked. Whoever opens the area finishes a marked copy (recovery_open), so a record is
 * always either the old or the new one. The file outlives processes, not the machine: it
 * belongs to one boot.
 *
 *     head | journal: one record | intent of the log pump | slots: record, counters
 *
 * The head says where each of these is and how large (struct recovery_layout), and all of
 * them may only grow, at their ends, with zero for "not told". So either of two programs can
 * follow the other:
 * - a newer one that finds an older area moves it to one of its own sizes, with zeros for
 *   what is new (RECOVERY_OLDER, recovery_move);
 * - an older one that finds a newer area uses it as it is, writes what it knows and leaves
 *   what comes after that alone, until the slot gets another service's name. What is found
 *   in such a tail may thus be of an earlier generation: whoever adds a field for which that
 *   matters has to store the generation beside it.
 * The version changes only where that is not possible.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECOVERY_MAGIC	    UINT64_C(0x796576636572) /* "rcevry" */
#define RECOVERY_VERSION    4
#define RECOVERY_HEAD_SIZE  4096
#define RECOVERY_NAME_SIZE  72
#define RECOVERY_MAX_STARTS 32
#define RECOVERY_MAX_SLOTS  (1u << 20)
#define RECOVERY_OPS	    16 /* ids of requests that a service remembers */
#define RECOVERY_EXITS	    4 /* ends that a service remembers */
#define RECOVERY_CONFIGS    8 /* the configuration in force, and those that are being left */
#define RECOVERY_STREAMS    2 /* stdout, and stderr where it has a pipe of its own */

#ifdef RECOVERY_NEXT
#define RECOVERY_INTENT_SIZE 1024
#else
#define RECOVERY_INTENT_SIZE 512 /* what the log pump is about to do: wire/intent.h */
#endif

/* Of the first program of this version: no area has less. */
#define RECOVERY_LEAST_RECORD	624
#define RECOVERY_LEAST_COUNTERS 32
#define RECOVERY_LEAST_INTENT	512

/* No program of this version has more. */
#define RECOVERY_MOST_HEAD     (64u << 10)
#define RECOVERY_MOST_RECORD   (64u << 10)
#define RECOVERY_MOST_COUNTERS (4u << 10)
#define RECOVERY_MOST_INTENT   (64u << 10)

/* One end of a service's main process. */
struct recovery_exit {
	uint64_t realtime_msec; /* when; 0: there was none */
	uint32_t ran_msec;
	uint8_t end; /* enum core_end */
	uint8_t stage; /* of a spawn that failed */
	int16_t status; /* exit code, signal or errno */
};

/* One service. Times are CLOCK_MONOTONIC unless they say so, in microseconds; UINT64_MAX: never. */
struct recovery_record {
	/* "": nobody's. The generation stays, since the launcher takes only newer ones. */
	char name[RECOVERY_NAME_SIZE];
	uint8_t state, why, then, end, stage;
	uint8_t desired_up, killed, main_ended, signo, n_starts;
	uint8_t publish_pending; /* publish_seq is being published */
	uint8_t publish_previous; /* state before */
	uint8_t cgroup_spent; /* its cgroup was killed: the next generation needs another */
	uint8_t config; /* below RECOVERY_CONFIGS: which configuration it goes by */
	uint8_t user_signo;
	int32_t pid, end_status;
	uint32_t restarts, streak, signal_op;
	int32_t main_pid; /* stays after its end, until its tree is gone */
	uint64_t generation, start_order, ready_order, ops[RECOVERY_OPS];
	uint64_t since_usec, started_usec, ended_usec, deadline_usec;
	uint64_t since_realtime_usec, started_realtime_usec;
	uint64_t last_serial; /* the last exit of this service that was counted */
	uint64_t publish_seq;
	uint64_t cgroup_generation; /* its cgroup is called after this one; 0: by name alone */
	uint64_t pidfd_inode; /* of the main process, where pidfds have one */
	uint8_t invocation[16];
	uint32_t starts_msec[RECOVERY_MAX_STARTS];
	struct recovery_exit exits[RECOVERY_EXITS]; /* newest first */
	uint8_t phase, cause, last_cause, health, early, queued, automatic;
	uint16_t n_unhealthy; /* checks that failed in a row */
	uint32_t blocker; /* slot of the service that it waits for or was stopped for */
	uint64_t due_usec; /* of its schedule */
	/* Runs of its schedule, before jitter, on the clock that it goes by; 0: none. */
	uint64_t schedule_last_usec, schedule_next_usec;
	/* A rolling restart that it has its turn in, by the request's id (0: none), and when. */
	uint64_t roll_op;
	uint32_t roll_place;
	uint32_t reserved; /* zero: padding could be anything, and then be taken for a field */
	uint8_t op_generations[RECOVERY_OPS]; /* when ops took effect, modulo 256 */
	/* Numbers in the event journal: of the last change of state, and who has asked for one
	 * last. */
	uint64_t event_seq, asked_seq;
	uint64_t event_serial, event_generation; /* of the last end and start that were told */
	uint32_t asked_uid;
	int32_t asked_pid;
	uint32_t oom_kills; /* in its cgroup, when its process was started */
	uint8_t asked_verb;
	uint8_t reload_due; /* its reload command has been asked for, and is not known to have ended
			     */
	uint8_t event_reserved[2]; /* zero */
	uint64_t pipe_inodes[RECOVERY_STREAMS]; /* of stdout and stderr; 0: none, or not known */
	uint64_t input_inode; /* of the pipe that is its stdin; 0: it is none */
#ifdef RECOVERY_NEXT /* what a later version could add; for tests */
	uint64_t next_number, next_generation;
#endif
};

/* Counters of one log stream; each is stored by itself, at once. */
struct recovery_counters {
	uint64_t bytes, lines, dropped_bytes, dropped_lines;
	uint64_t seen_generation; /* the last one whose line for log:REGEX was seen there */
	uint8_t line; /* enum intent_line: where it stands in its log */
	uint8_t decoder, lost_why, held[3]; /* as in the log pump's intent */
	uint8_t through; /* enum intent_line: where further files are that have lost nothing */
	uint8_t reserved; /* zero */
	uint64_t lost_bytes, lost_lines; /* dropped, and no line in the log has told of it yet */
	/* So many were written or dropped when what the present generation writes began; never
	 * more than by now, unless some of what those before it wrote still waits. */
	uint64_t begun_bytes;
#ifdef RECOVERY_NEXT
	uint64_t next_count;
#endif
};

/* Offsets are from the start of the area, but that of the counters; all in bytes, all of 8. */
struct recovery_layout {
	uint32_t head_size, record_size, counters_size; /* counters: of one stream */
	uint32_t intent_offset, intent_size;
	uint32_t journal_offset; /* record_size bytes */
	uint32_t slots_offset, slot_size;
	uint32_t counters_offset; /* in a slot, which begins with the record */
	uint32_t reserved;
};

enum recovery_flags {
	RECOVERY_SHUTTING_DOWN = 1 << 0,
	RECOVERY_HURRY = 1 << 1,
	RECOVERY_STARTED = 1 << 2, /* every service with autostart was told to start */
	RECOVERY_SIGNALLED = 1 << 3, /* TERM or INT came; another one hurries */
	RECOVERY_ESSENTIAL = 1 << 4, /* it shuts down for an essential service: exit_status */
	RECOVERY_FOSTERED =
		1 << 5, /* there may be processes that are no children of the launcher */
	RECOVERY_MISSING = 1 << 6, /* and some that it has not been told of */
	RECOVERY_RENEW = 1 << 7, /* the files are to be read, as after HUP */
};

/* How a configuration was put in force. */
enum recovery_config_flags {
	RECOVERY_NO_RESTART = 1 << 0, /* what would have to be started again goes on as it is */
	RECOVERY_START_NEW = 1 << 1, /* what is new in it is started, whatever autostart says */
};

struct recovery_head {
	uint64_t magic;
	uint32_t version, capacity; /* slots */
	struct recovery_layout layout;
	uint8_t boot_id[16];
	uint32_t flags; /* enum recovery_flags */
	int32_t launcher_pid;
	uint64_t started_realtime_usec; /* of supervisord */
	int32_t queue_id; /* -1: none */
	uint32_t queue_key;
	uint64_t queue_seq; /* the last number that was published */
	uint32_t journal_slot, journal_size, journal_valid; /* size: bytes of the record in it */
	uint32_t config; /* below RECOVERY_CONFIGS: the one in force */
	uint64_t config_op[RECOVERY_CONFIGS]; /* id of the request that brought each; 0: none */
	int32_t exit_status; /* of supervisord, with RECOVERY_ESSENTIAL */
	uint8_t config_flags[RECOVERY_CONFIGS]; /* enum recovery_config_flags */
	uint32_t reserved;
	uint64_t event_seq; /* the last number that was given in the event journal */
};

_Static_assert(sizeof(struct recovery_head) <= RECOVERY_HEAD_SIZE, "the head has its room");

struct recovery {
	struct recovery_head *head; /* the mapping; borrowed */
	size_t size;
	struct recovery_layout layout; /* the head's, as it was checked */
};

enum recovery_outcome {
	RECOVERY_OLDER = 1, /* smaller than this program needs: only recovery_move() may follow */
};

/* Bytes of an area for so many services as recovery_format() makes it. */
size_t recovery_size(uint32_t capacity);

/* Bytes of this area with so many slots. */
size_t recovery_size_with(const struct recovery *r, uint32_t capacity);

/* Makes an empty area in zeroed memory of recovery_size(capacity) bytes. */
void recovery_format(
	struct recovery *r, void *memory, uint32_t capacity, const uint8_t boot_id[16]);

/* Gives an empty area what another one's head says, but for its sizes. */
void recovery_take_head(struct recovery *r, const struct recovery_head *head);

/*
 * Takes an area that was there: checks everything about its head, and finishes what was
 * being committed. 0 or enum recovery_outcome. -EBADMSG: malformed; -EPROTONOSUPPORT: a
 * version that this program doesn't know; -ESTALE: of another boot.
 */
int recovery_open(struct recovery *r, void *memory, size_t size, const uint8_t boot_id[16]);

/* Bytes that recovery_move() needs: nothing of old becomes smaller. */
size_t recovery_moved_size(const struct recovery *old);

/*
 * Makes an area of this program's sizes in zeroed memory, with all that old has, which is
 * not changed: whoever dies in the middle has lost nothing.
 */
void recovery_move(struct recovery *r, void *memory, const struct recovery *old);

/* slot < head->capacity, stream < RECOVERY_STREAMS; borrowed, until the area is mapped anew */
struct recovery_record *recovery_record(const struct recovery *r, uint32_t slot);
struct recovery_counters *recovery_counters(
	const struct recovery *r, uint32_t slot, unsigned stream);

/* RECOVERY_INTENT_SIZE bytes for the log pump, aligned to 8; zero in a new area. */
void *recovery_intent(const struct recovery *r);

/*
 * Takes the room that the file and the mapping (moved or not) have grown by; the new bytes
 * are zero.
 */
void recovery_grow(struct recovery *r, void *memory, uint32_t capacity);

/* Replaces a record so that whoever comes later sees the old or the new one. */
void recovery_commit(struct recovery *r, uint32_t slot, const struct recovery_record *record);
