/*
 * The event journal: what has happened, in a file that the engine maps, as a ring of records of
 * which the oldest make room for the newest. It outlives processes and boots.
 *
 * A file is a head of JOURNAL_HEAD_SIZE bytes and a ring. A record is a struct journal_record and
 * its body, up to a multiple of JOURNAL_ALIGN bytes; it never goes round the ring's end. Records
 * are numbered without a gap. The body is the JSON object that followers of events get; which
 * fields that has is told in wire/README.md.
 *
 * Nothing says where the records are: whoever opens a journal looks for them. Whatever is not whole
 * is passed over, by its checksums, and by looking for the next JOURNAL_RECORD_MAGIC, whose bytes
 * no JSON text contains. So a writer may die within any store, and a file may be damaged anywhere,
 * its head included: only what was hit is lost.
 *
 * All of this is memory: no function here makes a system call. A reader may map a file while the
 * engine goes on writing; what it gets was copied first, and checked after that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"

#define JOURNAL_FILE_NAME    "events" /* in the state directory */
#define JOURNAL_FILE_SIZE    (4u << 20)
#define JOURNAL_HEAD_SIZE    4096u
#define JOURNAL_MIN_SIZE     (JOURNAL_HEAD_SIZE + (64u << 10))
#define JOURNAL_MAX_SIZE     (1u << 30)
#define JOURNAL_VERSION	     1
#define JOURNAL_MAGIC	     UINT64_C(0x31766a6474707573) /* "suptdjv1" */
#define JOURNAL_RECORD_MAGIC UINT32_C(0xfec0fffe) /* no UTF-8 */
#define JOURNAL_ALIGN	     8u
#define JOURNAL_MAX_BODY     4096u
#define JOURNAL_MAX_SEQ	     (UINT64_C(1) << 53) /* what every JSON parser can tell apart */

/* The numbers stand in files: only append. Beside each, the event's "type". */
enum journal_kind {
	JOURNAL_NONE,
	JOURNAL_STATE, /* state: a service has changed its state */
	JOURNAL_START, /* start: a process has been started */
	JOURNAL_EXIT, /* exit: a main process has ended, or could not be started */
	JOURNAL_HEALTH, /* health */
	JOURNAL_HOOK, /* hook: one has ended */
	JOURNAL_REQUEST, /* request: one that acts was accepted */
	JOURNAL_REFUSED, /* refused: one was not permitted */
	JOURNAL_RELOADED, /* reloaded: another configuration is in force */
	JOURNAL_SCALED, /* scaled */
	JOURNAL_REMOVED, /* removed: a service is known no more */
	JOURNAL_SIGNAL, /* signal: to supervisord */
	JOURNAL_SHUTDOWN, /* shutdown: everything is being stopped */
	JOURNAL_ENGINE, /* engine: one has begun to work */
	JOURNAL_LAUNCHER, /* launcher: another one has taken over */
	JOURNAL_UPGRADE, /* upgrade: done, or failed */
	JOURNAL_NOTE, /* note: an operator's remark */
	JOURNAL_SCHEDULE, /* schedule: a run was due */
	JOURNAL_KIND_MAX
};

/* What stands before a body. Both checks are CRC32C. */
struct journal_record {
	uint32_t magic;
	uint32_t check; /* of the rest of this struct */
	uint32_t body_check;
	uint16_t length; /* of the body */
	uint16_t back; /* bytes from the start of the record before to this one; 0: there is none */
	uint16_t kind; /* enum journal_kind, or one of a later version */
	uint16_t reserved;
	uint32_t subject; /* journal_subject() of the service; 0: of none */
	uint64_t seq;
	uint64_t realtime_usec, monotonic_usec;
	uint8_t boot_id[16]; /* monotonic clocks of one boot can be compared */
};

_Static_assert(sizeof(struct journal_record) == 64, "records have one layout");

struct journal_head {
	uint64_t magic;
	uint32_t version, head_size;
	uint64_t ring_size;
	uint64_t created_realtime_usec;
	uint8_t id[16]; /* random: numbers of different journals can't be compared */
	uint32_t check; /* of all before it */
};

/* A journal in memory. Plain data; nothing is owned. */
struct journal {
	uint8_t *memory;
	size_t size; /* of head and ring */
	uint8_t *ring;
	size_t ring_size;
	uint64_t first_seq, last_seq; /* of the oldest and the newest; 0: it is empty */
	size_t first, last; /* where those two stand in the ring */
	size_t end; /* where the next one would */
};

/* What opening one came across. */
struct journal_damage {
	bool head; /* has to be written anew, by journal_mend() */
	size_t bytes; /* in stretches between records that belong to none */
};

/* A record as it is read. */
struct journal_entry {
	uint64_t seq;
	usec_t realtime_usec, monotonic_usec;
	uint8_t boot_id[16];
	unsigned kind; /* enum journal_kind; JOURNAL_KIND_MAX and above: of a later version */
	uint32_t subject;
	size_t length;
	char body[JOURNAL_MAX_BODY + 1]; /* a JSON object, and a NUL */
};

/* A hash of a service's name, never 0: others may share it, so the body has the last word. */
uint32_t journal_subject(const char *service);

const char *journal_kind_to_string(enum journal_kind kind); /* the event's type */

/* --- making, opening, writing --- */

/* Makes an empty one in zeroed memory; size is as journal_size_is_valid() has it. */
void journal_format(
	struct journal *j, void *memory, size_t size, const uint8_t id[static 16], usec_t realtime);
bool journal_size_is_valid(size_t size);

/*
 * Finds the records in memory that may hold anything, which is not written to. It takes a
 * millisecond or so. 0; -EBADMSG: there is no journal; -EPROTONOSUPPORT: one of another version,
 * or of another size than this memory (head->ring_size + JOURNAL_HEAD_SIZE).
 */
int journal_open(struct journal *j, void *memory, size_t size, struct journal_damage *ret_damage);
/* Writes a new head for the records that were found, as journal_format() would. */
void journal_mend(struct journal *j, const uint8_t id[static 16], usec_t realtime);

/* What a record says beside its number. */
struct journal_stamp {
	enum journal_kind kind;
	uint32_t subject;
	usec_t realtime_usec, monotonic_usec;
	uint8_t boot_id[16];
};

/*
 * Appends a record: length <= JOURNAL_MAX_BODY, seq > last_seq. Cannot fail; what it takes the
 * place of is gone.
 */
void journal_append(struct journal *j, uint64_t seq, const struct journal_stamp *stamp,
	const char *body, size_t length);

/* --- reading --- */

/*
 * A place in the journal, for one direction, and what to pass over. It stays good while the
 * journal goes on: what has been overwritten meanwhile is passed over as well.
 */
struct journal_cursor {
	uint64_t seq; /* next: only records after this one; prev: before it */
	/* Where to look: next: at offset, behind the record at_seq; prev: before it, which is
	 * there.
	 */
	size_t offset;
	uint64_t at_seq;
	/* Filters, to be set after journal_seek_*(); 0: all. */
	uint32_t subject; /* journal_subject(); hashes may clash, so look at the body as well */
	uint64_t kinds; /* bits: 1 << enum journal_kind */
	usec_t since_usec; /* by the real clock */
};

/* To go on with journal_next(), from the first record after this number; 0: from the oldest. */
void journal_seek_after(uint64_t seq, struct journal_cursor *ret_cursor);
/* To go on with journal_prev(), from the last one before this number; UINT64_MAX: the newest. */
void journal_seek_before(uint64_t seq, struct journal_cursor *ret_cursor);

/* Records that one call looks at, and bytes in search of one. */
#define JOURNAL_MAX_STEPS 1024
#define JOURNAL_MAX_SCAN  (256u << 10)

/*
 * The next record, or the one before, that the filters let pass. 1: here it is, and the cursor
 * has gone past it; 0: there is none (journal_next(): yet; later calls find what comes); -EAGAIN:
 * this call has done its share of work (some 0.1 ms), and the next one goes on.
 *
 *     journal_seek_before(UINT64_MAX, &c);
 *     c.subject = journal_subject("web");
 *     while ((r = journal_prev(j, &c, &entry)) != 0) …
 */
int journal_next(
	const struct journal *j, struct journal_cursor *c, struct journal_entry *ret_entry);
int journal_prev(
	const struct journal *j, struct journal_cursor *c, struct journal_entry *ret_entry);

/*
 * A reader of its own, in a process beside the writer's: maps the file, opens it, and opens it
 * again to see what has come since.
 */
