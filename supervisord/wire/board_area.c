/*
 * A sequence lock as Boehm describes it (Can seqlocks get along with programming language
 * memory models?, 2012): the content is stored in relaxed atomic words between a fence that
 * keeps them behind the odd number and a release that keeps them before the even one, so that
 * neither compiler nor CPU nor a race detector finds anything to object to.
 *
 * A writer that died in between left an odd number. Nobody reads such a slot, and the next one
 * writes it whole, whatever seems to be in it already.
 */
#include "wire/board_area.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

_Static_assert(sizeof(struct supervisord_board_slot) == 768, "the layout is a contract");
_Static_assert(offsetof(struct supervisord_board_slot, name) == 8, "what is locked begins here");
_Static_assert(sizeof(struct supervisord_board_head) % 8 == 0, "slots are aligned");
_Static_assert(sizeof(struct supervisord_board_head) <= BOARD_AREA_HEAD_SIZE, "it has its room");

#define SLOT_WORDS (sizeof(struct supervisord_board_slot) / sizeof(uint64_t))
#define FIRST_WORD 1 /* after seq and transitions */

size_t board_area_size(uint32_t capacity)
{
	return BOARD_AREA_HEAD_SIZE + (size_t)capacity * sizeof(struct supervisord_board_slot);
}

void board_area_format(
	struct board_area *a, void *memory, uint32_t capacity, const uint8_t boot_id[16])
{
	struct supervisord_board_head *h = memory;

	a->head = h;
	a->size = board_area_size(capacity);
	h->version = SUPERVISORD_BOARD_VERSION;
	h->head_size = BOARD_AREA_HEAD_SIZE;
	h->slot_size = sizeof(struct supervisord_board_slot);
	h->capacity = capacity;
	memcpy(h->boot_id, boot_id, sizeof(h->boot_id));
	__atomic_store_n(&h->magic, SUPERVISORD_BOARD_MAGIC, __ATOMIC_RELEASE);
}

int board_area_take(struct board_area *a, void *memory, size_t size, const uint8_t boot_id[16])
{
	struct supervisord_board_head *h = memory;
	struct supervisord_board_view view;
	int r = supervisord_board_look(memory, size, &view);

	if (r == SUPERVISORD_BOARD_UNKNOWN_VERSION)
		return -EPROTONOSUPPORT;
	if (r < 0)
		return -EBADMSG;
	if (h->head_size != BOARD_AREA_HEAD_SIZE ||
		h->slot_size != sizeof(struct supervisord_board_slot))
		return -EPROTONOSUPPORT;
	if (h->capacity > SUPERVISORD_BOARD_CAPACITY || size < board_area_size(h->capacity))
		return -EBADMSG;
	if (memcmp(h->boot_id, boot_id, sizeof(h->boot_id)) != 0 ||
		(h->flags & (SUPERVISORD_BOARD_RETIRED | SUPERVISORD_BOARD_ENDED)))
		return -ESTALE;
	a->head = h;
	a->size = size;
	return 0;
}

void board_area_grow(struct board_area *a, void *memory, uint32_t capacity)
{
	a->head = memory;
	a->size = board_area_size(capacity);
	__atomic_store_n(&a->head->capacity, capacity, __ATOMIC_RELEASE);
}

static struct supervisord_board_slot *slot_at(const struct board_area *a, uint32_t index)
{
	char *slots = (char *)a->head + BOARD_AREA_HEAD_SIZE;

	return (struct supervisord_board_slot *)(slots + (size_t)index * sizeof(*slot_at(a, 0)));
}

static bool is_same(const uint64_t *words, const struct supervisord_board_slot *content)
{
	return memcmp(words + FIRST_WORD, (const uint64_t *)content + FIRST_WORD,
		       (SLOT_WORDS - FIRST_WORD) * sizeof(uint64_t)) == 0;
}

static void store_locked(
	struct supervisord_board_slot *slot, const struct supervisord_board_slot *content)
{
	uint64_t *to = (uint64_t *)slot;
	const uint64_t *from = (const uint64_t *)content;
	uint32_t odd = slot->seq | 1;

	__atomic_store_n(&slot->seq, odd, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (size_t i = FIRST_WORD; i < SLOT_WORDS; i++)
		__atomic_store_n(to + i, from[i], __ATOMIC_RELAXED);
	__atomic_store_n(&slot->seq, odd + 1, __ATOMIC_RELEASE);
}

static void count(uint32_t *word)
{
	__atomic_store_n(word, *word + 1, __ATOMIC_RELEASE);
}

unsigned board_area_put(
	struct board_area *a, uint32_t index, const struct supervisord_board_slot *content)
{
	struct supervisord_board_slot *slot = slot_at(a, index), next = *content;
	bool torn = slot->seq % 2 != 0;
	bool moved = torn || slot->state != content->state ||
		     slot->since_usec != content->since_usec ||
		     strncmp(slot->name, content->name, sizeof(slot->name)) != 0;

	memcpy(next.entered, slot->entered, sizeof(next.entered));
	if (!moved && is_same((const uint64_t *)slot, &next))
		return 0;
	if (moved && next.name[0] && next.state < ELEMENTSOF(next.entered))
		next.entered[next.state]++;
	store_locked(slot, &next);
	if (moved)
		count(&slot->transitions);
	count(&a->head->changes);
	return BOARD_AREA_WRITTEN | (moved ? (unsigned)BOARD_AREA_TRANSITION : 0u);
}

unsigned board_area_clear(struct board_area *a, uint32_t index)
{
	static const struct supervisord_board_slot nobody;
	const struct supervisord_board_slot *slot = slot_at(a, index);

	return slot->seq % 2 == 0 && slot->name[0] == '\0' ? 0 : board_area_put(a, index, &nobody);
}

bool board_area_flag(struct board_area *a, uint32_t set, uint32_t clear)
{
	uint32_t flags = (a->head->flags | set) & ~clear;

	if (flags == a->head->flags)
		return false;
	__atomic_store_n(&a->head->flags, flags, __ATOMIC_RELEASE);
	count(&a->head->changes);
	return true;
}

void board_area_stamp(struct board_area *a, uint64_t now_usec, uint64_t now_realtime_usec)
{
	__atomic_store_n(&a->head->changed_usec, now_usec, __ATOMIC_RELAXED);
	__atomic_store_n(&a->head->changed_realtime_usec, now_realtime_usec, __ATOMIC_RELAXED);
}
