/*
 * Only processes die here, not the machine, so the order of stores is all that counts:
 * compiler and CPU are kept to it by release stores on journal_valid.
 *
 * The layout found in an area is checked once, when it is opened, so that everything that it
 * leads to lies within the mapping; whoever may write to the file later owns the runtime
 * directory.
 */
#include "wire/recovery.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/macro.h"

#define PAGE 4096 /* the journal and the slots begin on one; only a matter of tidiness */

_Static_assert(sizeof(struct recovery_record) >= RECOVERY_LEAST_RECORD &&
		       sizeof(struct recovery_record) <= RECOVERY_MOST_RECORD &&
		       sizeof(struct recovery_counters) >= RECOVERY_LEAST_COUNTERS &&
		       sizeof(struct recovery_counters) <= RECOVERY_MOST_COUNTERS,
	"structs only grow, and have limits");
_Static_assert(sizeof(struct recovery_record) % 8 == 0 && sizeof(struct recovery_counters) % 8 == 0,
	"sizes are of 8");

/* --- layout --- */

static uint32_t round_up(uint32_t n, uint32_t to)
{
	return (n + to - 1) / to * to;
}

/* Puts everything in its place, given the sizes. */
static struct recovery_layout arrange(
	uint32_t head_size, uint32_t record_size, uint32_t counters_size, uint32_t intent_size)
{
	struct recovery_layout l = {
		.head_size = head_size,
		.record_size = record_size,
		.counters_size = counters_size,
		.intent_size = intent_size,
	};

	l.journal_offset = round_up(head_size, PAGE);
	l.intent_offset = l.journal_offset + round_up(record_size, PAGE);
	l.slots_offset = l.intent_offset + round_up(intent_size, PAGE);
	l.counters_offset = record_size;
	l.slot_size = record_size + RECOVERY_STREAMS * counters_size;
	return l;
}

static struct recovery_layout own_layout(void)
{
	return arrange(RECOVERY_HEAD_SIZE, sizeof(struct recovery_record),
		sizeof(struct recovery_counters), RECOVERY_INTENT_SIZE);
}

/* Of this program's sizes, but nothing smaller than it was. */
static struct recovery_layout moved_layout(const struct recovery_layout *old)
{
	struct recovery_layout own = own_layout();

	return arrange(MAX_OF(own.head_size, old->head_size),
		MAX_OF(own.record_size, old->record_size),
		MAX_OF(own.counters_size, old->counters_size),
		MAX_OF(own.intent_size, old->intent_size));
}

static uint64_t size_of(const struct recovery_layout *l, uint32_t capacity)
{
	return l->slots_offset + (uint64_t)capacity * l->slot_size;
}

static bool is_size(uint32_t n, uint32_t least, uint32_t most)
{
	return n >= least && n <= most && n % 8 == 0;
}

/* Whether size bytes at offset begin at a multiple of 8 and end before the next thing. */
static bool is_place(uint32_t offset, uint32_t from, uint64_t size, uint64_t next)
{
	return offset % 8 == 0 && offset >= from && offset + size <= next;
}

static bool layout_is_valid(const struct recovery_layout *l)
{
	return is_size(l->head_size, RECOVERY_HEAD_SIZE, RECOVERY_MOST_HEAD) &&
	       is_size(l->record_size, RECOVERY_LEAST_RECORD, RECOVERY_MOST_RECORD) &&
	       is_size(l->counters_size, RECOVERY_LEAST_COUNTERS, RECOVERY_MOST_COUNTERS) &&
	       is_size(l->intent_size, RECOVERY_LEAST_INTENT, RECOVERY_MOST_INTENT) &&
	       is_size(l->slot_size, RECOVERY_LEAST_RECORD, 2 * RECOVERY_MOST_RECORD) &&
	       is_place(l->journal_offset, l->head_size, l->record_size, l->intent_offset) &&
	       is_place(l->intent_offset, l->head_size, l->intent_size, l->slots_offset) &&
	       is_place(l->slots_offset, l->head_size, 0, UINT32_MAX) &&
	       is_place(l->counters_offset, l->record_size,
		       (uint64_t)RECOVERY_STREAMS * l->counters_size, l->slot_size);
}

static bool is_older(const struct recovery_layout *l)
{
	struct recovery_layout own = own_layout();

	return l->head_size < own.head_size || l->record_size < own.record_size ||
	       l->counters_size < own.counters_size || l->intent_size < own.intent_size;
}

/* --- what is where --- */

static void *at(const struct recovery *r, size_t offset)
{
	return (char *)r->head + offset;
}

static size_t slot_offset(const struct recovery *r, uint32_t slot)
{
	const struct recovery_layout *l = &r->layout;

	return l->slots_offset + (size_t)slot * l->slot_size;
}

struct recovery_record *recovery_record(const struct recovery *r, uint32_t slot)
{
	return at(r, slot_offset(r, slot));
}

struct recovery_counters *recovery_counters(
	const struct recovery *r, uint32_t slot, unsigned stream)
{
	const struct recovery_layout *l = &r->layout;

	return at(r, slot_offset(r, slot) + l->counters_offset + (size_t)stream * l->counters_size);
}

void *recovery_intent(const struct recovery *r)
{
	return at(r, r->layout.intent_offset);
}

size_t recovery_size(uint32_t capacity)
{
	struct recovery_layout own = own_layout();

	return (size_t)size_of(&own, capacity);
}

size_t recovery_size_with(const struct recovery *r, uint32_t capacity)
{
	return (size_t)size_of(&r->layout, capacity);
}

/* --- making one --- */

/* The magic comes last: an area that was not finished is none. */
static void finish(struct recovery_head *h)
{
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(&h->magic, RECOVERY_MAGIC, __ATOMIC_RELEASE);
}

void recovery_format(struct recovery *r, void *memory, uint32_t capacity, const uint8_t boot_id[16])
{
	struct recovery_head *h = memory;

	*r = (struct recovery){h, recovery_size(capacity), own_layout()};
	memset(h, 0, RECOVERY_HEAD_SIZE);
	h->version = RECOVERY_VERSION;
	h->layout = r->layout;
	h->capacity = capacity;
	h->queue_id = -1;
	memcpy(h->boot_id, boot_id, sizeof(h->boot_id));
	finish(h);
}

void recovery_take_head(struct recovery *r, const struct recovery_head *head)
{
	uint32_t capacity = r->head->capacity;

	*r->head = *head;
	r->head->magic = RECOVERY_MAGIC;
	r->head->version = RECOVERY_VERSION;
	r->head->layout = r->layout;
	r->head->capacity = capacity;
	r->head->journal_valid = 0;
}

size_t recovery_moved_size(const struct recovery *old)
{
	struct recovery_layout l = moved_layout(&old->layout);

	return (size_t)size_of(&l, old->head->capacity);
}

void recovery_move(struct recovery *r, void *memory, const struct recovery *old)
{
	const struct recovery_layout *from = &old->layout;
	struct recovery_layout to = moved_layout(from);
	size_t magic_ends = offsetof(struct recovery_head, magic) + sizeof(old->head->magic);

	*r = (struct recovery){memory, size_of(&to, old->head->capacity), to};
	memcpy((char *)memory + magic_ends, (char *)old->head + magic_ends,
		from->head_size - magic_ends);
	r->head->layout = to;
	memcpy(recovery_intent(r), recovery_intent(old), from->intent_size);
	for (uint32_t i = 0; i < old->head->capacity; i++) {
		memcpy(recovery_record(r, i), recovery_record(old, i), from->record_size);
		for (unsigned k = 0; k < RECOVERY_STREAMS; k++)
			memcpy(recovery_counters(r, i, k), recovery_counters(old, i, k),
				from->counters_size);
	}
	finish(r->head);
}

void recovery_grow(struct recovery *r, void *memory, uint32_t capacity)
{
	r->head = memory;
	r->size = recovery_size_with(r, capacity);
	__atomic_store_n(&r->head->capacity, capacity, __ATOMIC_RELEASE);
}

/* --- records --- */

static void set_journal_valid(struct recovery_head *h, uint32_t valid)
{
	__atomic_store_n(&h->journal_valid, valid, __ATOMIC_RELEASE);
	atomic_signal_fence(memory_order_seq_cst);
}

/* What lies behind the journal's bytes is a newer program's. */
static void apply_journal(struct recovery *r)
{
	struct recovery_head *h = r->head;

	memcpy(recovery_record(r, h->journal_slot), at(r, r->layout.journal_offset),
		h->journal_size);
	set_journal_valid(h, 0);
}

void recovery_commit(struct recovery *r, uint32_t slot, const struct recovery_record *record)
{
	struct recovery_head *h = r->head;
	char *journal = at(r, r->layout.journal_offset);
	uint32_t size = sizeof(*record);

	memcpy(journal, record, size);
	/* A tail of unknown content goes with the service that it tells of. */
	if (r->layout.record_size > size &&
		strcmp(recovery_record(r, slot)->name, record->name) != 0) {
		memset(journal + size, 0, r->layout.record_size - size);
		size = r->layout.record_size;
	}
	h->journal_slot = slot;
	h->journal_size = size;
	set_journal_valid(h, 1);
	apply_journal(r);
}

/* --- opening one --- */

static int check_head(const struct recovery_head *h, size_t size, const uint8_t boot_id[16])
{
	if (size < RECOVERY_HEAD_SIZE || h->magic != RECOVERY_MAGIC)
		return -EBADMSG;
	if (h->version != RECOVERY_VERSION)
		return -EPROTONOSUPPORT;
	if (!layout_is_valid(&h->layout) || h->capacity > RECOVERY_MAX_SLOTS ||
		size < size_of(&h->layout, h->capacity))
		return -EBADMSG;
	if (memcmp(h->boot_id, boot_id, sizeof(h->boot_id)) != 0)
		return -ESTALE;
	if (h->config >= RECOVERY_CONFIGS || h->journal_valid > 1)
		return -EBADMSG;
	if (h->journal_valid &&
		(h->journal_slot >= h->capacity || h->journal_size < RECOVERY_LEAST_RECORD ||
			h->journal_size > h->layout.record_size))
		return -EBADMSG;
	return 0;
}

int recovery_open(struct recovery *r, void *memory, size_t size, const uint8_t boot_id[16])
{
	struct recovery found = {.head = memory, .size = size};
	int result = check_head(memory, size, boot_id);

	if (result < 0)
		return result;
	found.layout = found.head->layout;
	if (found.head->journal_valid)
		apply_journal(&found);
	for (uint32_t i = 0; i < found.head->capacity; i++) {
		const struct recovery_record *record = recovery_record(&found, i);

		if (!memchr(record->name, '\0', RECOVERY_NAME_SIZE) ||
			record->config >= RECOVERY_CONFIGS)
			return -EBADMSG;
	}
	*r = found;
	return is_older(&found.layout) ? RECOVERY_OLDER : 0;
}
