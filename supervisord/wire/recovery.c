/*
 * Only processes die here, not the machine, so the order of stores is all that counts:
 * compiler and CPU are kept to it by release stores on journal_valid.
 */
#include "wire/recovery.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

size_t recovery_size(uint32_t capacity)
{
	return RECOVERY_HEAD_SIZE + (size_t)capacity * sizeof(struct recovery_slot);
}

struct recovery_slot *recovery_slot(const struct recovery *r, uint32_t slot)
{
	char *slots = (char *)r->head + r->head->head_size;

	return (struct recovery_slot *)(slots + (size_t)slot * r->head->slot_size);
}

void *recovery_intent(const struct recovery *r)
{
	return (char *)r->head + RECOVERY_HEAD_SIZE - 512;
}

static void set_journal_valid(struct recovery_head *h, uint32_t valid)
{
	__atomic_store_n(&h->journal_valid, valid, __ATOMIC_RELEASE);
	atomic_signal_fence(memory_order_seq_cst);
}

static void apply_journal(struct recovery *r)
{
	struct recovery_head *h = r->head;

	recovery_slot(r, h->journal_slot)->record = h->journal;
	set_journal_valid(h, 0);
}

void recovery_format(struct recovery *r, void *memory, uint32_t capacity, const uint8_t boot_id[16])
{
	struct recovery_head *h = memory;

	r->head = h;
	r->size = recovery_size(capacity);
	memset(h, 0, RECOVERY_HEAD_SIZE);
	h->version = RECOVERY_VERSION;
	h->head_size = RECOVERY_HEAD_SIZE;
	h->slot_size = sizeof(struct recovery_slot);
	h->capacity = capacity;
	h->queue_id = -1;
	memcpy(h->boot_id, boot_id, sizeof(h->boot_id));
	/* The magic comes last: an area that was not finished is none. */
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(&h->magic, RECOVERY_MAGIC, __ATOMIC_RELEASE);
}

int recovery_open(struct recovery *r, void *memory, size_t size, const uint8_t boot_id[16])
{
	struct recovery_head *h = memory;

	if (size < RECOVERY_HEAD_SIZE || h->magic != RECOVERY_MAGIC)
		return -EBADMSG;
	if (h->version != RECOVERY_VERSION || h->head_size != RECOVERY_HEAD_SIZE ||
		h->slot_size != sizeof(struct recovery_slot))
		return -EPROTONOSUPPORT;
	if (h->capacity > RECOVERY_MAX_SLOTS || size < recovery_size(h->capacity))
		return -EBADMSG;
	if (memcmp(h->boot_id, boot_id, sizeof(h->boot_id)) != 0)
		return -ESTALE;
	if (h->config >= RECOVERY_CONFIGS)
		return -EBADMSG;
	if (h->journal_valid > 1 || (h->journal_valid && h->journal_slot >= h->capacity))
		return -EBADMSG;
	r->head = h;
	r->size = size;
	if (h->journal_valid)
		apply_journal(r);
	for (uint32_t i = 0; i < h->capacity; i++) {
		const struct recovery_record *record = &recovery_slot(r, i)->record;

		if (!memchr(record->name, '\0', RECOVERY_NAME_SIZE) ||
			record->config >= RECOVERY_CONFIGS)
			return -EBADMSG;
	}
	return 0;
}

void recovery_grow(struct recovery *r, void *memory, uint32_t capacity)
{
	r->head = memory;
	r->size = recovery_size(capacity);
	__atomic_store_n(&r->head->capacity, capacity, __ATOMIC_RELEASE);
}

void recovery_commit(struct recovery *r, uint32_t slot, const struct recovery_record *record)
{
	struct recovery_head *h = r->head;

	h->journal_slot = slot;
	h->journal = *record;
	set_journal_valid(h, 1);
	apply_journal(r);
}
