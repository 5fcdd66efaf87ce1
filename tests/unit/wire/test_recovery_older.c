/*
 * Built as a later version of the program would be (RECOVERY_NEXT), which finds an area of
 * the present one: it is moved to a larger one that says the same, with zeros for what is
 * new, and the old one stays as it was, so that whoever dies in the middle begins again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/recovery.h"

#define SLOTS 3

_Static_assert(sizeof(struct recovery_record) > RECOVERY_LEAST_RECORD, "it is a later version");

static const uint8_t boot[16] = {1, 2, 3};

struct fixture {
	struct recovery old;
	size_t size;
};

/* What the present version makes, by its numbers. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct recovery_layout l = {
		.head_size = RECOVERY_HEAD_SIZE,
		.record_size = RECOVERY_LEAST_RECORD,
		.counters_size = RECOVERY_LEAST_COUNTERS,
		.journal_offset = 4096,
		.intent_offset = 8192,
		.intent_size = RECOVERY_LEAST_INTENT,
		.slots_offset = 12288,
		.slot_size = RECOVERY_LEAST_RECORD + RECOVERY_STREAMS * RECOVERY_LEAST_COUNTERS,
		.counters_offset = RECOVERY_LEAST_RECORD,
	};
	struct recovery_head *h;

	f->size = l.slots_offset + (size_t)SLOTS * l.slot_size;
	h = calloc(1, f->size);
	h->version = RECOVERY_VERSION;
	h->capacity = SLOTS;
	h->layout = l;
	h->queue_seq = 4711;
	h->queue_id = -1;
	h->flags = RECOVERY_STARTED;
	memcpy(h->boot_id, boot, sizeof(boot));
	h->magic = RECOVERY_MAGIC;
	f->old = (struct recovery){h, f->size, l};
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct recovery_record *r = recovery_record(&f->old, i);

		memset(r, (int)i + 1, RECOVERY_LEAST_RECORD);
		strcpy(r->name, "web");
		r->config = 0;
		r->generation = i + 7;
		recovery_counters(&f->old, i, 0)->bytes = i + 100;
		recovery_counters(&f->old, i, 1)->dropped_lines = i + 200;
	}
	memset(recovery_intent(&f->old), 'I', RECOVERY_LEAST_INTENT);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->old.head);
	free(f);
	return 0;
}

static void check_slot(const struct recovery *r, const struct recovery *old, uint32_t i)
{
	const struct recovery_record *record = recovery_record(r, i);

	assert_memory_equal(record, recovery_record(old, i), RECOVERY_LEAST_RECORD);
	assert_int_equal(record->next_number, 0);
	assert_int_equal(record->next_generation, 0);
	assert_int_equal(recovery_counters(r, i, 0)->bytes, i + 100);
	assert_int_equal(recovery_counters(r, i, 1)->dropped_lines, i + 200);
	assert_int_equal(recovery_counters(r, i, 0)->next_count, 0);
	assert_int_equal(recovery_counters(r, i, 1)->next_count, 0);
}

static void an_older_area_is_moved_with_zeros_for_what_is_new(void **state)
{
	struct fixture *f = *state;
	struct recovery old, new;
	size_t size;
	void *memory, *before = malloc(f->size);

	assert_int_equal(recovery_open(&old, f->old.head, f->size, boot), RECOVERY_OLDER);
	memcpy(before, f->old.head, f->size);
	size = recovery_moved_size(&old);
	memory = calloc(1, size);
	recovery_move(&new, memory, &old);
	assert_memory_equal(before, f->old.head, f->size);
	assert_int_equal(recovery_open(&new, memory, size, boot), 0);
	assert_int_equal(new.head->capacity, SLOTS);
	assert_int_equal(new.head->queue_seq, 4711);
	assert_int_equal(new.head->queue_id, -1);
	assert_int_equal(new.head->flags, RECOVERY_STARTED);
	for (uint32_t i = 0; i < SLOTS; i++)
		check_slot(&new, &old, i);
	assert_memory_equal(recovery_intent(&new), recovery_intent(&old), RECOVERY_LEAST_INTENT);
	for (size_t i = RECOVERY_LEAST_INTENT; i < RECOVERY_INTENT_SIZE; i++)
		assert_int_equal(((char *)recovery_intent(&new))[i], 0);
	free(memory);
	free(before);
}

/* The last older program died while it committed. */
static void an_older_commit_is_finished_before_it_is_moved(void **state)
{
	struct fixture *f = *state;
	struct recovery_head *h = f->old.head;
	struct recovery_record *journal = (void *)((char *)h + h->layout.journal_offset);
	struct recovery old, new;
	void *memory;

	memcpy(journal, recovery_record(&f->old, 2), RECOVERY_LEAST_RECORD);
	journal->generation = 99;
	h->journal_slot = 2;
	h->journal_size = RECOVERY_LEAST_RECORD;
	h->journal_valid = 1;
	assert_int_equal(recovery_open(&old, h, f->size, boot), RECOVERY_OLDER);
	memory = calloc(1, recovery_moved_size(&old));
	recovery_move(&new, memory, &old);
	assert_int_equal(recovery_record(&new, 2)->generation, 99);
	check_slot(&new, &old, 2);
	free(memory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_older_area_is_moved_with_zeros_for_what_is_new),
		TEST(an_older_commit_is_finished_before_it_is_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
