/*
 * The recovery area: a record is the old or the new one, whenever the writer died, and an
 * area that is not what it should be is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
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

static void a_new_area_can_be_opened(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(reopen(f), 0);
	assert_int_equal(f->area.head->capacity, SLOTS);
	assert_int_equal(f->area.head->queue_id, -1);
	assert_string_equal(recovery_slot(&f->area, SLOTS - 1)->record.name, "");
}

static void a_committed_record_is_there_after_reopening(void **state)
{
	struct fixture *f = *state;
	struct recovery_record r = record_of("web", 7);

	recovery_commit(&f->area, 2, &r);
	assert_int_equal(reopen(f), 0);
	assert_memory_equal(&recovery_slot(&f->area, 2)->record, &r, sizeof(r));
	assert_int_equal(f->area.head->journal_valid, 0);
}

static void a_commit_that_died_before_its_mark_leaves_the_old_record(void **state)
{
	struct fixture *f = *state;
	struct recovery_record old = record_of("web", 7), new = record_of("web", 8);

	recovery_commit(&f->area, 1, &old);
	f->area.head->journal_slot = 1;
	memcpy(&f->area.head->journal, &new, sizeof(new) / 2); /* torn, and not marked */
	assert_int_equal(reopen(f), 0);
	assert_memory_equal(&recovery_slot(&f->area, 1)->record, &old, sizeof(old));
}

static void a_commit_that_died_while_copying_is_finished(void **state)
{
	struct fixture *f = *state;
	struct recovery_record old = record_of("web", 7), new = record_of("web", 8);

	for (size_t copied = 0; copied <= sizeof(new); copied += 8) {
		recovery_commit(&f->area, 1, &old);
		f->area.head->journal_slot = 1;
		f->area.head->journal = new;
		f->area.head->journal_valid = 1;
		memcpy(&recovery_slot(&f->area, 1)->record, &new, copied);
		assert_int_equal(reopen(f), 0);
		assert_memory_equal(&recovery_slot(&f->area, 1)->record, &new, sizeof(new));
	}
}

static void counters_survive_a_replayed_commit(void **state)
{
	struct fixture *f = *state;
	struct recovery_record r = record_of("web", 7);

	recovery_commit(&f->area, 1, &r);
	recovery_slot(&f->area, 1)->counters[0].bytes = 4711;
	f->area.head->journal_valid = 1;
	assert_int_equal(reopen(f), 0);
	assert_int_equal(recovery_slot(&f->area, 1)->counters[0].bytes, 4711);
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
	f->area.head->slot_size -= 8;
	assert_int_equal(reopen(f), -EPROTONOSUPPORT);
	*f->area.head = good;
	f->area.head->capacity = SLOTS + 1;
	assert_int_equal(reopen(f), -EBADMSG);
	f->area.head->capacity = RECOVERY_MAX_SLOTS + 1;
	assert_int_equal(reopen(f), -EBADMSG);
	*f->area.head = good;
	f->area.head->journal_valid = 1;
	f->area.head->journal_slot = SLOTS;
	assert_int_equal(reopen(f), -EBADMSG);
	*f->area.head = good;
	memset(recovery_slot(&f->area, 0)->record.name, 'x', RECOVERY_NAME_SIZE);
	assert_int_equal(reopen(f), -EBADMSG);
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
	assert_string_equal(recovery_slot(&f->area, SLOTS - 1)->record.name, "web");
	assert_string_equal(recovery_slot(&f->area, 2 * SLOTS - 1)->record.name, "new");
	assert_string_equal(recovery_slot(&f->area, SLOTS)->record.name, "");
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
		TEST(an_area_grows_and_keeps_what_it_has),
		TEST(a_configuration_that_can_not_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
