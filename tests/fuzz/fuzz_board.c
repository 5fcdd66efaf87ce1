/*
 * Bytes as a status board. Four zeros before them: as they are. Otherwise a board that is
 * well-formed is damaged by what the input says: a byte with the number of slots, a byte that
 * cuts its end off, then offset (two bytes), length (one byte) and that many bytes to put
 * there, again and again.
 *
 * A reader copies every slot that is not locked, whatever it says, with texts that end, and makes
 * JSON of it; a writer that takes it writes every slot, and a reader finds what was written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/macro.h"
#include "tests/fuzz/damage.h"
#include "wire/board_area.h"
#include "wire/board_json.h"

#define MAX_SLOTS 4

static const uint8_t boot_id[16] = {1, 2, 3};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *damaged(const uint8_t *data, size_t size, size_t *ret_size)
{
	uint32_t capacity = data[0] % (MAX_SLOTS + 1);
	size_t n = board_area_size(capacity);
	uint8_t *memory = calloc(1, n);
	struct supervisord_board_slot web = {.name = "web", .state = SUPERVISORD_BOARD_RUNNING};
	struct board_area a;

	if (!memory)
		abort();
	board_area_format(&a, memory, capacity, boot_id);
	for (uint32_t i = 0; i < capacity; i++)
		board_area_put(&a, i, &web);
	*ret_size = n - MIN_OF(n, (size_t)data[1]);
	damage(memory, n, data + 2, size - 2);
	return memory;
}

static void read_all(const struct supervisord_board_view *v)
{
	for (uint32_t i = 0; i < supervisord_board_slots(v); i++) {
		struct supervisord_board_slot slot;
		json_t *json;

		if (supervisord_board_read(v, i, &slot) != SUPERVISORD_BOARD_OK)
			continue;
		json = board_json(&slot, 1000);
		if (!json || !json_string_value(json_object_get(json, "state")))
			abort();
		json_decref(json);
	}
}

static void write_all(struct board_area *a, const struct supervisord_board_view *v)
{
	const struct supervisord_board_slot in = {.name = "db", .generation = 7};

	for (uint32_t i = 0; i < a->head->capacity; i++) {
		struct supervisord_board_slot out;

		board_area_put(a, i, &in);
		if (supervisord_board_read(v, i, &out) != SUPERVISORD_BOARD_OK ||
			strcmp(out.name, in.name) != 0 || out.generation != in.generation)
			abort();
		board_area_clear(a, i);
		if (supervisord_board_read(v, i, &out) != SUPERVISORD_BOARD_FREE)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t raw[4];
	struct supervisord_board_view v;
	struct board_area a;
	void *memory;

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
	if (supervisord_board_look(memory, size, &v) == 0)
		read_all(&v);
	if (board_area_take(&a, memory, size, boot_id) == 0)
		write_all(&a, &v);
	free(memory);
	return 0;
}
