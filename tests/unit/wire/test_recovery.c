/*
 * The recovery area: a record is the old or the new one, whenever the writer died, and an
 * area that is not what it should be is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "wire/recovery.h"

#define SLOTS 4

static const uint8_t boot[16] = {1, 2, 3};
static const uint8_t other_boot[16] = {1, 2, 4};

struct fixture {
	struct recovery area;
	void *memory;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->memory = calloc(1, recovery_size(SLOTS));
	recovery_format(&f->area, f->memory, SLOTS, boot);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->memory);
	free(f);
	return 0;
}

static struct recovery_record record_of(const char *name, uint64_t generation)
{
	struct recovery_record r = {.generation = generation};

	strcpy(r.name, name);
	memset(r.starts_msec, (int)generation, sizeof(r.starts_msec));
	return r;
}

static int reopen(struct fixture *f)
{
	struct recovery again = {0};
	int r = recovery_open(&again, f->memory, recovery_size(SLOTS), boot);

	if (r == 0)
		f->area = again;
	return r;
}

static void *journal_of(const struct recovery *r)
{
	return (char *)r->head + r->layout.journal_offset;
}

static void a_new_area_can_be_opened(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(reopen(f), 0);
	assert_int_equal(f->area.head->capacity, SLOTS);
	assert_int_equal(f->area.head->queue_id, -1);
	assert_string_equal(recovery_record(&f->area, SLOTS - 1)->name, "");
}

static void a_committed_record_is_there_after_reopening(void **state)
{
	struct fixture *f = *state;
	struct recovery_record r = record_of("web", 7);

	recovery_commit(&f->area, 2, &r);
	assert_int_equal(reopen(f), 0);
	assert_memory_equal(recovery_record(&f->area, 2), &r, sizeof(r));
	assert_int_equal(f->area.head->journal_valid, 0);
}

static void a_commit_that_died_before_its_mark_leaves_the_old_record(void **state)
{
	struct fixture *f = *state;
	struct recovery_record old = record_of("web", 7), new = record_of("web", 8);

	recovery_commit(&f->area, 1, &old);
	f->area.head->journal_slot = 1;
	f->area.head->journal_size = sizeof(new);
	memcpy(journal_of(&f->area), &new, sizeof(new) / 2); /* torn, and not marked */
	assert_int_equal(reopen(f), 0);
	assert_memory_equal(recovery_record(&f->area, 1), &old, sizeof(old));
}

static void a_commit_that_died_while_copying_is_finished(void **state)
{
	struct fixture *f = *state;
	struct recovery_record old = record_of("web", 7), new = record_of("web", 8);

	for (size_t copied = 0; copied <= sizeof(new); copied += 8) {
		recovery_commit(&f->area, 1, &old);
		f->area.head->journal_slot = 1;
		f->area.head->journal_size = sizeof(new);
		memcpy(journal_of(&f->area), &new, sizeof(new));
		f->area.head->journal_valid = 1;
		memcpy(recovery_record(&f->area, 1), &new, copied);
		assert_int_equal(reopen(f), 0);
		assert_memory_equal(recovery_record(&f->area, 1), &new, sizeof(new));
	}
}

static void counters_survive_a_replayed_commit(void **state)
{
	struct fixture *f = *state;
	struct recovery_record r = record_of("web", 7);

	recovery_commit(&f->area, 1, &r);
	recovery_counters(&f->area, 1, 0)->bytes = 4711;
	f->area.head->journal_valid = 1;
	assert_int_equal(reopen(f), 0);
	assert_int_equal(recovery_counters(&f->area, 1, 0)->bytes, 4711);
}

static void an_area_of_another_boot_is_stale(void **state)
{
	struct fixture *f = *state;
	struct recovery again;

	assert_int_equal(
		recovery_open(&again, f->memory, recovery_size(SLOTS), other_boot), -ESTALE);
}

static void a_malformed_area_is_refused(void **state)
{
	struct fixture *f = *state;
	struct recovery_head good = *f->area.head;
	struct recovery again;

	assert_int_equal(recovery_open(&again, f->memory, RECOVERY_HEAD_SIZE - 1, boot), -EBADMSG);
	assert_int_equal(
		recovery_open(&again, f->memory, recovery_size(SLOTS) - 1, boot), -EBADMSG);
	f->area.head->magic++;
	assert_int_equal(reopen(f), -EBADMSG);
	*f->area.head = good;
	f->area.head->version++;
	assert_int_equal(reopen(f), -EPROTONOSUPPORT);
	*f->area.head = good;
	f->area.head->capacity = SLOTS + 1;
	assert_int_equal(reopen(f), -EBADMSG);
	f->area.head->capacity = RECOVERY_MAX_SLOTS + 1;
	assert_int_equal(reopen(f), -EBADMSG);
	*f->area.head = good;
	f->area.head->journal_valid = 1;
	f->area.head->journal_slot = SLOTS;
	f->area.head->journal_size = sizeof(struct recovery_record);
	assert_int_equal(reopen(f), -EBADMSG);
	f->area.head->journal_slot = 0;
	f->area.head->journal_size = f->area.layout.record_size + 8;
	assert_int_equal(reopen(f), -EBADMSG);
	f->area.head->journal_size = RECOVERY_LEAST_RECORD - 8;
	assert_int_equal(reopen(f), -EBADMSG);
	*f->area.head = good;
	memset(recovery_record(&f->area, 0)->name, 'x', RECOVERY_NAME_SIZE);
	assert_int_equal(reopen(f), -EBADMSG);
}

/* Each number of the layout, at and past its bounds. */
static void a_layout_that_leads_out_of_the_area_is_refused(void **state)
{
	struct fixture *f = *state;
	struct recovery_head *h = f->area.head;
	const struct recovery_layout good = h->layout;
	struct recovery_layout *l = &h->layout;
	const struct {
		uint32_t *number, value;
	} bad[] = {
		{&l->head_size, RECOVERY_HEAD_SIZE - 8},
		{&l->head_size, RECOVERY_MOST_HEAD + 8},
		{&l->head_size, good.journal_offset + 8},
		{&l->record_size, RECOVERY_LEAST_RECORD - 8},
		{&l->record_size, RECOVERY_MOST_RECORD + 8},
		{&l->record_size, good.record_size + 4},
		{&l->record_size, good.counters_offset + 8},
		{&l->counters_size, RECOVERY_LEAST_COUNTERS - 8},
		{&l->counters_size, RECOVERY_MOST_COUNTERS + 8},
		{&l->counters_size, good.counters_size + 8},
		{&l->counters_offset, good.counters_offset - 8},
		{&l->counters_offset, good.counters_offset + 8},
		{&l->counters_offset, UINT32_MAX - 7},
		{&l->intent_size, RECOVERY_LEAST_INTENT - 8},
		{&l->intent_size, RECOVERY_MOST_INTENT + 8},
		{&l->intent_size, good.slots_offset - good.intent_offset + 8},
		{&l->intent_offset, good.journal_offset + good.record_size - 8},
		{&l->intent_offset, good.slots_offset},
		{&l->intent_offset, good.intent_offset + 4},
		{&l->intent_offset, UINT32_MAX - 7},
		{&l->journal_offset, RECOVERY_HEAD_SIZE - 8},
		{&l->journal_offset, good.intent_offset},
		{&l->journal_offset, UINT32_MAX - 7},
		{&l->slots_offset, good.intent_offset},
		{&l->slots_offset, good.slots_offset + 8},
		{&l->slots_offset, UINT32_MAX - 7},
		{&l->slot_size, good.slot_size - 8},
		{&l->slot_size, good.slot_size + 8},
		{&l->slot_size, UINT32_MAX - 7},
	};

	for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
		*bad[i].number = bad[i].value;
		assert_int_equal(reopen(f), -EBADMSG);
		h->layout = good;
		assert_int_equal(reopen(f), 0);
	}
}

static void an_area_grows_and_keeps_what_it_has(void **state)
{
	struct fixture *f = *state;
	struct recovery_record r = record_of("web", 7);
	size_t size = recovery_size(2 * SLOTS);

	recovery_commit(&f->area, SLOTS - 1, &r);
	f->memory = realloc(f->memory, size);
	memset((char *)f->memory + recovery_size(SLOTS), 0, size - recovery_size(SLOTS));
	/* a file that has grown, by an engine that died before it said so, is as before */
	assert_int_equal(recovery_open(&f->area, f->memory, size, boot), 0);
	assert_int_equal(f->area.head->capacity, SLOTS);
	recovery_grow(&f->area, f->memory, 2 * SLOTS);
	r = record_of("new", 1);
	recovery_commit(&f->area, 2 * SLOTS - 1, &r);
	assert_int_equal(recovery_open(&f->area, f->memory, size, boot), 0);
	assert_int_equal(f->area.head->capacity, 2 * SLOTS);
	assert_string_equal(recovery_record(&f->area, SLOTS - 1)->name, "web");
	assert_string_equal(recovery_record(&f->area, 2 * SLOTS - 1)->name, "new");
	assert_string_equal(recovery_record(&f->area, SLOTS)->name, "");
}

static void a_configuration_that_can_not_be_is_refused(void **state)
{
	struct fixture *f = *state;
	struct recovery_record r = record_of("web", 1);

	r.config = RECOVERY_CONFIGS;
	recovery_commit(&f->area, 0, &r);
	assert_int_equal(reopen(f), -EBADMSG);
	r.config = 0;
	recovery_commit(&f->area, 0, &r);
	assert_int_equal(reopen(f), 0);
	f->area.head->config = RECOVERY_CONFIGS;
	assert_int_equal(reopen(f), -EBADMSG);
}

/* --- an area of a newer program --- */

#define TAIL 64 /* bytes that each thing is longer by */

/* The same area, as a program would have it whose structs have grown. */
static void lengthen(struct fixture *f)
{
	struct recovery old = f->area;
	struct recovery_layout l = old.layout;
	size_t size;
	char *memory;

	l.record_size += TAIL;
	l.counters_size += TAIL;
	l.intent_size += TAIL;
	l.counters_offset = l.record_size;
	l.slot_size = l.record_size + RECOVERY_STREAMS * l.counters_size + TAIL;
	size = l.slots_offset + (size_t)SLOTS * l.slot_size;
	memory = calloc(1, size);
	memcpy(memory, old.head, RECOVERY_HEAD_SIZE);
	((struct recovery_head *)memory)->layout = l;
	free(f->memory);
	f->memory = memory;
	assert_int_equal(recovery_open(&f->area, memory, size, boot), 0);
}

static char *tail_of(const struct fixture *f, uint32_t slot)
{
	return (char *)recovery_record(&f->area, slot) + sizeof(struct recovery_record);
}

static bool is_all(const char *bytes, int value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != (char)value)
			return false;
	}
	return true;
}

static void what_a_newer_program_knows_of_a_service_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct recovery_record old = record_of("web", 7), new = record_of("web", 8);

	lengthen(f);
	recovery_commit(&f->area, 1, &old);
	memset(tail_of(f, 1), 'T', TAIL);
	memset(tail_of(f, 2), 'U', TAIL);
	recovery_commit(&f->area, 1, &new);
	assert_memory_equal(recovery_record(&f->area, 1), &new, sizeof(new));
	assert_true(is_all(tail_of(f, 1), 'T', TAIL));
	assert_true(is_all(tail_of(f, 2), 'U', TAIL));
}

static void what_a_newer_program_knows_goes_with_the_service(void **state)
{
	struct fixture *f = *state;
	struct recovery_record old = record_of("web", 7), other = record_of("db", 8);

	lengthen(f);
	recovery_commit(&f->area, 1, &old);
	memset(tail_of(f, 1), 'T', TAIL);
	recovery_commit(&f->area, 1, &other);
	assert_memory_equal(recovery_record(&f->area, 1), &other, sizeof(other));
	assert_true(is_all(tail_of(f, 1), 0, TAIL));
}

static void a_newer_programs_commit_is_finished_with_its_tail(void **state)
{
	struct fixture *f = *state;
	struct recovery_record r = record_of("web", 7);
	struct recovery again;

	lengthen(f);
	memcpy(journal_of(&f->area), &r, sizeof(r));
	memset((char *)journal_of(&f->area) + sizeof(r), 'T', TAIL);
	f->area.head->journal_slot = 3;
	f->area.head->journal_size = sizeof(r) + TAIL;
	f->area.head->journal_valid = 1;
	assert_int_equal(recovery_open(&again, f->memory, f->area.size, boot), 0);
	assert_string_equal(recovery_record(&f->area, 3)->name, "web");
	assert_true(is_all(tail_of(f, 3), 'T', TAIL));
}

static void in_a_newer_area_nothing_lies_where_something_else_does(void **state)
{
	struct fixture *f = *state;
	struct recovery_record r = record_of("web", 7);

	lengthen(f);
	memset(recovery_intent(&f->area), 'I', RECOVERY_INTENT_SIZE);
	for (uint32_t i = 0; i < SLOTS; i++) {
		recovery_commit(&f->area, i, &r);
		for (unsigned k = 0; k < RECOVERY_STREAMS; k++)
			memset(recovery_counters(&f->area, i, k), 'C',
				sizeof(struct recovery_counters));
	}
	assert_true(is_all(recovery_intent(&f->area), 'I', RECOVERY_INTENT_SIZE));
	for (uint32_t i = 0; i < SLOTS; i++) {
		assert_memory_equal(recovery_record(&f->area, i), &r, sizeof(r));
		assert_true(is_all(tail_of(f, i), 0, TAIL));
		for (unsigned k = 0; k < RECOVERY_STREAMS; k++)
			assert_true(is_all((char *)recovery_counters(&f->area, i, k), 'C',
				sizeof(struct recovery_counters)));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_area_can_be_opened),
		TEST(a_committed_record_is_there_after_reopening),
		TEST(a_commit_that_died_before_its_mark_leaves_the_old_record),
		TEST(a_commit_that_died_while_copying_is_finished),
		TEST(counters_survive_a_replayed_commit),
		TEST(an_area_of_another_boot_is_stale),
		TEST(a_malformed_area_is_refused),
		TEST(a_layout_that_leads_out_of_the_area_is_refused),
		TEST(an_area_grows_and_keeps_what_it_has),
		TEST(what_a_newer_program_knows_of_a_service_is_left_alone),
		TEST(what_a_newer_program_knows_goes_with_the_service),
		TEST(a_newer_programs_commit_is_finished_with_its_tail),
		TEST(in_a_newer_area_nothing_lies_where_something_else_does),
		TEST(a_configuration_that_can_not_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
