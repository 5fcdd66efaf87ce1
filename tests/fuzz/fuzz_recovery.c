/*
 * Bytes as a recovery area. Four zeros before them: as they are. Otherwise an area that is
 * well-formed is damaged by what the input says: a byte with the number of slots, a byte that
 * cuts its end off, then offset (two bytes), length (one byte) and that many bytes to put
 * there, again and again.
 *
 * What is let through is of this program's sizes or larger, or is moved to an area that is. It
 * has only names that end and slots that lie within, holds what is
 * committed to it, and is let through again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "tests/fuzz/damage.h"
#include "wire/recovery.h"

#define MAX_SLOTS 4

static const uint8_t boot_id[16] = {1, 2, 3};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *damaged(const uint8_t *data, size_t size, size_t *ret_size)
{
	uint32_t capacity = data[0] % (MAX_SLOTS + 1);
	size_t n = recovery_size(capacity);
	uint8_t *memory = calloc(1, n);
	struct recovery r;

	if (!memory)
		abort();
	recovery_format(&r, memory, capacity, boot_id);
	*ret_size = n - MIN_OF(n, (size_t)data[1]);
	damage(memory, n, data + 2, size - 2);
	return memory;
}

static void check(struct recovery *r, void *memory, size_t size)
{
	struct recovery_record record = {.name = "web", .generation = 7};
	struct recovery again;

	memset(recovery_intent(r), 0xff, RECOVERY_INTENT_SIZE);
	for (uint32_t i = 0; i < r->head->capacity; i++) {
		if (!memchr(recovery_record(r, i)->name, '\0', RECOVERY_NAME_SIZE))
			abort();
		recovery_commit(r, i, &record);
		if (memcmp(recovery_record(r, i), &record, sizeof(record)) != 0)
			abort();
	}
	if (recovery_open(&again, memory, size, boot_id) != 0 || again.head->journal_valid)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t raw[4];
	struct recovery r;
	void *memory;
	int result;

	if (size < sizeof(raw))
		return 0;
	if (memcmp(data, raw, sizeof(raw)) == 0) {
		size -= sizeof(raw);
		memory = exactly(data + sizeof(raw), size);
	} else {
		void *whole = damaged(data, size, &size);

		memory = exactly(whole, size);
		free(whole);
	}
	result = recovery_open(&r, memory, size, boot_id);
	if (result == RECOVERY_OLDER) {
		void *old = memory;
		struct recovery moved;

		size = recovery_moved_size(&r);
		memory = calloc(1, size);
		if (!memory)
			abort();
		recovery_move(&moved, memory, &r);
		free(old);
		result = recovery_open(&r, memory, size, boot_id);
		if (result != 0)
			abort();
	}
	if (result == 0)
		check(&r, memory, size);
	free(memory);
	return 0;
}
