/*
 * The event journal: what has happened, in a file that the engine maps, as a ring of records of
 * which the oldest make room for the newest. It outlives processes and boots.
 *
 * A file is a head of JOURNAL_HEAD_SIZE bytes and a ring. A record is a struct journal_record and
 * its body, up to a multiple of JOURNAL_ALIGN bytes; it never goes round the ring's end. Records
 * are numbered without a gap. The body is the JSON object that followers of events get; which
 * fields that has is told in wire/README.md.
 *
 * Nothing in the head says where records are but a hint, which is believed only where a record
 * with that number stands there. Whatever is not whole is passed over: by its checksums, and by
 * looking for the next JOURNAL_RECORD_MAGIC, whose bytes no JSON text contains. So a writer may
 * die within any store, and a file may be damaged anywhere: only what was hit is lost.
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
	uint32_t reserved;
	/* The hint: the newest record. Its check is of the two before it. */
	uint64_t last_offset, last_seq;
	uint32_t hint_check;
};

/* A journal in memory. Plain data; nothing is owned. */
struct journal {
	uint8_t *memory;
	size_t size; /* of head and ring */
	uint8_t *ring;
	size_t ring_size;
	uint64_t first_seq, last_seq; /* 0: it is empty */
	size_t first, last; /* where those two stand in the ring */
	size_t end; /* where the next one would */
	/* What opening it came across: bytes that belong to no whole record, but should. */
	size_t damaged_bytes;
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
 * Finds the records in memory that may hold anything, which is not written to. 0; -EBADMSG: no
 * journal, or its head is damaged; -EPROTONOSUPPORT: one of another version.
 */
int journal_open(struct journal *j, void *memory, size_t size);

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
 * A place between two records, and what to pass over. The place stays where it is while the
 * journal goes on; what has been overwritten meanwhile is passed over as well.
 */
struct journal_cursor {
	uint64_t seq; /* the record before it (going back: behind it) */
	size_t offset; /* a hint: where that stands in the ring */
	/* Filters, to be set after journal_seek_*(); 0: all. */
	uint32_t subject;
	uint64_t kinds; /* bits: 1 << enum journal_kind */
	usec_t since_usec; /* the real clock; going back, the first older one is the end */
};

/* Before the oldest record, to go on with journal_next(). */
void journal_seek_first(const struct journal *j, struct journal_cursor *ret_cursor);
/* Behind the newest one, to go on with journal_prev(). */
void journal_seek_last(const struct journal *j, struct journal_cursor *ret_cursor);
/* Between this record, which may be gone, or may not be there yet, and the next: for both. */
void journal_seek_seq(const struct journal *j, uint64_t seq, struct journal_cursor *ret_cursor);

/* Records that one call looks at, and bytes of damage. */
#define JOURNAL_MAX_STEPS 4096
#define JOURNAL_MAX_SCAN  (256u << 10)

/*
 * The next record, or the one before, that the filters let pass. 1: here it is, and the cursor
 * is behind it (before it); 0: there is none (any more, or yet: later calls may find one);
 * -EAGAIN: this call has done its share of work, and the next one goes on.
 */
int journal_next(
	const struct journal *j, struct journal_cursor *c, struct journal_entry *ret_entry);
int journal_prev(
	const struct journal *j, struct journal_cursor *c, struct journal_entry *ret_entry);

/*
 * For a reader of its own, while another process writes: takes notice of what that has appended
 * since. Bounded as above: -EAGAIN says that there is more; else 0.
 */
int journal_refresh(struct journal *j);
