/*
 * Only processes die here, not the machine: the order of stores is all that counts, and
 * one release store of the number makes a commit. Who reads has to take the bytes for
 * anybody's: a number out of its range is refused, so that what is done by them stays within
 * the stream's own log.
 */
#include "wire/intent.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define PLACE_SIZE 248

/* 9999-12-31: times beyond would need a fifth digit of the year. */
#define MAX_REALTIME_USEC UINT64_C(253402300799999999)
#define MAX_UTC_OFFSET	  (26 * 3600) /* beyond what POSIX allows for a TZ, and still two digits */
#define MAX_ID		  (1u << 20)
#define MAX_TIMESTAMPS	  3
#define MAX_FORMATS	  3

struct room {
	uint32_t version; /* 0: never committed to */
	uint32_t reserved;
	uint64_t number; /* of commits; the last one is in places[number % 2] */
	uint8_t places[2][PLACE_SIZE];
};

_Static_assert(sizeof(struct room) == INTENT_ROOM_SIZE, "an intent's room is all used");
_Static_assert(sizeof(struct intent) <= PLACE_SIZE, "an intent fits into its place");

static int check(const struct intent *i)
{
	if (i->phase >= INTENT_PHASE_MAX || i->stream > 1 || i->line >= INTENT_LINE_MAX ||
		i->timestamps >= MAX_TIMESTAMPS || i->id >= MAX_ID)
		return -EBADMSG;
	if (i->through >= INTENT_LINE_MAX || i->format >= MAX_FORMATS || i->refused > i->batch)
		return -EBADMSG;
	if (i->total > INTENT_MAX_BYTES || i->batch > i->total || i->done > i->batch)
		return -EBADMSG;
	/* Each byte can begin a line, and what is put around that is less. */
	if (i->length > UINT64_C(512) * INTENT_MAX_BYTES || i->offset > INT64_MAX - i->length)
		return -EBADMSG;
	if (i->realtime_usec > MAX_REALTIME_USEC || i->rotated_usec > MAX_REALTIME_USEC ||
		i->utc_offset_sec < -MAX_UTC_OFFSET || i->utc_offset_sec > MAX_UTC_OFFSET)
		return -EBADMSG;
	return 0;
}

int intent_load(const void *memory, struct intent *ret_intent)
{
	const struct room *r = memory;
	struct intent i;
	int error;

	if (r->version == 0) {
		*ret_intent = (struct intent){.phase = INTENT_IDLE};
		return 0;
	}
	if (r->version != INTENT_VERSION)
		return -EPROTONOSUPPORT;
	memcpy(&i, r->places[r->number % 2], sizeof(i));
	error = check(&i);
	if (error < 0)
		return error;
	*ret_intent = i;
	return 0;
}

void intent_commit(void *memory, const struct intent *intent)
{
	struct room *r = memory;
	uint64_t number = r->number + 1;
	uint8_t *place = r->places[number % 2];

	memcpy(place, intent, sizeof(*intent));
	memset(place + sizeof(*intent), 0, PLACE_SIZE - sizeof(*intent));
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(&r->number, number, __ATOMIC_RELEASE);
	/* Where there was none yet, this makes it one; both places are whole by then. */
	__atomic_store_n(&r->version, INTENT_VERSION, __ATOMIC_RELEASE);
	atomic_signal_fence(memory_order_seq_cst);
}

const char *intent_phase_to_string(enum intent_phase phase)
{
	static const char *const names[] = {
		[INTENT_IDLE] = "idle",
		[INTENT_FETCH] = "fetch",
		[INTENT_WRITE] = "write",
		[INTENT_ROTATE] = "rotate",
		[INTENT_DONE] = "done",
	};

	return names[phase];
}
