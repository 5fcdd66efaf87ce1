/*
 * The table alone: what is found, in which order ends are told, when entries go, and
 * what happens where memory runs out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"

static bool memory_is_gone;

/* The launcher's table lives as long as the launcher; here each test gives its memory back. */
static void *allocated[1024];
static size_t n_allocated;

static void *table_calloc(size_t n, size_t size)
{
	void *p = memory_is_gone ? NULL : calloc(n, size);

	if (p) {
		assert_true(n_allocated < ELEMENTSOF(allocated));
		allocated[n_allocated++] = p;
	}
	return p;
}

/* The source itself, so that its memory can run out. */
#define calloc table_calloc
#include "launcher/table/table.c"
#undef calloc

static struct table t;
static const struct link_exit some_end = {.code = 1, .status = 3};
static const struct link_started some_start = {.monotonic_usec = 5};

static int setup(void **state _unused_)
{
	memset(&t, 0, sizeof(t));
	table_init(&t);
	return 0;
}

static int teardown(void **state _unused_)
{
	while (n_allocated > 0)
		free(allocated[--n_allocated]);
	return 0;
}

static struct entry *add(uint32_t id, uint64_t generation, pid_t pid)
{
	bool spare = true;
	struct entry *e = table_add(&t, id, generation, &spare);

	assert_non_null(e);
	assert_false(spare);
	table_set_pid(&t, e, pid, &some_start);
	return e;
}

static struct entry *running(uint32_t id, pid_t pid)
{
	struct entry *e = add(id, 1, pid);

	e->read_fds[0] = dup(STDIN_FILENO);
	table_started(&t, e);
	table_told_start(&t, e);
	return e;
}

static uint64_t told_next(void)
{
	struct entry *e = table_next_exit(&t);

	if (!e)
		return 0;
	table_told_exit(&t, e);
	return e->note->serial;
}

static void ten_thousand_entries_are_found_by_both_keys(void **state _unused_)
{
	for (uint32_t i = 0; i < 10000; i++)
		add(i * 3, i + 1, (pid_t)(100 + i * 7));
	assert_int_equal(t.n_alive, 10000);
	for (uint32_t i = 0; i < 10000; i++) {
		struct entry *e = table_find(&t, i * 3, i + 1);

		assert_non_null(e);
		assert_ptr_equal(table_find_pid(&t, (pid_t)(100 + i * 7)), e);
		assert_null(table_find(&t, i * 3, i + 2));
		assert_null(table_find(&t, i * 3 + 1, i + 1));
		assert_int_equal(table_find_service(&t, i * 3)->newest, i + 1);
	}
	assert_null(table_find_pid(&t, 99));
}

static void a_pid_is_found_only_until_it_is_reaped(void **state _unused_)
{
	struct entry *first = add(1, 1, 500), *second = add(2, 1, 500 + TABLE_BUCKETS);

	table_ended(&t, first, &some_end);
	assert_null(table_find_pid(&t, 500));
	assert_ptr_equal(table_find_pid(&t, 500 + TABLE_BUCKETS), second);
	assert_int_equal(t.n_alive, 1);
	assert_int_equal(first->told_pid, 500);
}

static void ends_are_told_by_serial_whatever_the_order_of_starts(void **state _unused_)
{
	struct entry *a = running(1, 10), *b = running(2, 11), *c = running(3, 12);

	table_ended(&t, c, &some_end);
	table_ended(&t, a, &some_end);
	assert_int_equal(told_next(), 1);
	assert_int_equal(told_next(), 2);
	assert_int_equal(told_next(), 0);
	table_ended(&t, b, &some_end);
	table_tell_again(&t, a); /* and so all after it */
	assert_int_equal(told_next(), 2);
	table_tell_again(&t, b); /* not told yet: changes nothing */
	assert_int_equal(told_next(), 3);
	table_tell_all(&t);
	for (uint64_t serial = 1; serial <= 3; serial++)
		assert_int_equal(told_next(), serial);
	assert_int_equal(told_next(), 0);
}

static void an_acknowledgement_moves_what_is_told_next(void **state _unused_)
{
	struct entry *a = running(1, 10), *b = running(2, 11);

	table_ended(&t, a, &some_end);
	table_ended(&t, b, &some_end);
	table_ack(&t, a); /* it was told by an engine before this one */
	assert_int_equal(told_next(), 2);
	table_ack(&t, b);
	assert_int_equal(told_next(), 0);
	table_tell_again(&t, a);
	assert_int_equal(told_next(), 0);
}

static void an_entry_goes_when_acknowledged_and_released(void **state _unused_)
{
	for (int order = 0; order < 2; order++) {
		uint32_t id = 1 + (uint32_t)order;
		struct entry *e = running(id, 10);

		table_ended(&t, e, &some_end);
		if (order)
			table_release(&t, e->service, 1);
		else
			table_ack(&t, e);
		assert_ptr_equal(table_find(&t, id, 1), e);
		if (order)
			table_ack(&t, e);
		else
			table_release(&t, e->service, 1);
		assert_null(table_find(&t, id, 1));
		/* but a generation that is over stays refused */
		assert_int_equal(table_find_service(&t, id)->newest, 1);
		table_remove_service(&t, table_find_service(&t, id));
		assert_null(table_find_service(&t, id));
	}
}

static void a_release_is_of_earlier_generations_as_well(void **state _unused_)
{
	struct entry *e[3];
	bool spare;

	for (uint64_t g = 0; g < 3; g++) {
		e[g] = table_add(&t, 7, g + 1, &spare);
		table_started(&t, e[g]);
		table_ended(&t, e[g], &some_end);
		table_ack(&t, e[g]);
	}
	table_release(&t, e[0]->service, 2);
	assert_null(table_find(&t, 7, 1));
	assert_null(table_find(&t, 7, 2));
	assert_ptr_equal(table_find(&t, 7, 3), e[2]);
	table_release(&t, e[2]->service, 3);
	assert_null(table_find(&t, 7, 3));
}

static void an_adopted_process_takes_the_place_of_an_end(void **state _unused_)
{
	struct entry *e[4];

	for (uint32_t i = 0; i < 4; i++) {
		e[i] = running(i, (pid_t)(10 + i));
		table_ended(&t, e[i], &some_end);
	}
	assert_int_equal(told_next(), 1);
	table_adopt(&t, e[0], 20, &some_start); /* told, not acknowledged */
	table_adopt(&t, e[1], 21, &some_start); /* to be told next */
	table_adopt(&t, e[2], 22, &some_start); /* to be told later */
	assert_int_equal(t.n_alive, 3);
	assert_ptr_equal(table_find_pid(&t, 21), e[1]);
	assert_int_equal(told_next(), 4);
	assert_int_equal(told_next(), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_ptr_equal(table_next_start(&t), e[i]);
		table_told_start(&t, e[i]);
	}
	table_ended(&t, e[1], &some_end);
	assert_int_equal(told_next(), 5);
	table_tell_all(&t);
	assert_int_equal(told_next(), 4);
	assert_int_equal(told_next(), 5);
	assert_int_equal(told_next(), 0);
	/* one that was acknowledged comes back as well */
	table_ack(&t, e[3]);
	table_adopt(&t, e[3], 23, &some_start);
	table_release(&t, e[3]->service, 1);
	assert_ptr_equal(table_find_pid(&t, 23), e[3]);
	table_ended(&t, e[3], &some_end);
	assert_int_equal(told_next(), 6);
	table_ack(&t, e[3]);
	assert_null(table_find(&t, 3, 1));
}

static void refuse(uint32_t id, pid_t pid, int error)
{
	table_refused(&t, &(struct refusal){.id = id, .generation = 1, .pid = pid, .error = error});
}

static void the_last_refusal_is_told_unless_it_is_none_any_more(void **state _unused_)
{
	struct entry *a = running(1, 10), *b = running(2, 11);

	refuse(1, 20, 10);
	refuse(2, 21, 10);
	refuse(1, 22, 16);
	assert_int_equal(table_next_refusal(&t)->id, 1);
	assert_int_equal(table_next_refusal(&t)->pid, 22);
	assert_int_equal(table_next_refusal(&t)->error, 16);
	table_adopt(&t, a, 20, &some_start); /* another one */
	assert_int_equal(table_next_refusal(&t)->id, 1);
	table_adopt(&t, a, 22, &some_start);
	assert_int_equal(table_next_refusal(&t)->id, 2);
	table_told_refusal(&t);
	assert_null(table_next_refusal(&t));
	refuse(1, 20, 10);
	table_tell_all(&t); /* another engine, which has not asked */
	assert_null(table_next_refusal(&t));
	/* one that goes takes it along */
	refuse(2, 21, 10);
	table_ended(&t, b, &some_end);
	table_ack(&t, b);
	table_release(&t, b->service, 1);
	assert_null(table_next_refusal(&t));
}

static void refusals_have_a_limit_and_are_told_in_their_order(void **state _unused_)
{
	for (uint32_t id = 1; id <= TABLE_MAX_REFUSALS; id++) {
		assert_false(table_is_full_of_refusals(&t));
		refuse(id, 20, 10);
	}
	assert_true(table_is_full_of_refusals(&t));
	refuse(TABLE_MAX_REFUSALS + 1, 20, 10); /* nobody takes the answers */
	refuse(2, 21, 10); /* that one has its place */
	for (uint32_t id = 1; id <= TABLE_MAX_REFUSALS; id++) {
		assert_int_equal(table_next_refusal(&t)->id, id);
		assert_int_equal(table_next_refusal(&t)->pid, id == 2 ? 21 : 20);
		table_told_refusal(&t);
		assert_false(table_is_full_of_refusals(&t));
	}
	assert_null(table_next_refusal(&t));
}

static void what_was_added_for_nothing_leaves_all_as_it_was(void **state _unused_)
{
	bool spare;

	table_take_back(&t, table_add(&t, 1, 7, &spare), 0);
	assert_null(table_find_service(&t, 1));
	running(1, 10);
	table_take_back(&t, table_add(&t, 1, 7, &spare), 1);
	assert_null(table_find(&t, 1, 7));
	assert_non_null(table_find(&t, 1, 1));
	assert_int_equal(table_find_service(&t, 1)->newest, 1);
}

static void a_start_is_told_in_its_order_unless_its_entry_goes_first(void **state _unused_)
{
	struct entry *e[4];

	for (uint32_t i = 0; i < 4; i++)
		e[i] = running(i, (pid_t)(10 + i));
	table_tell_all(&t);
	for (uint32_t i = 1; i < 4; i += 2) { /* from the middle, and the last one */
		table_ended(&t, e[i], &some_end);
		table_ack(&t, e[i]);
		table_release(&t, e[i]->service, 1);
	}
	table_tell_again(&t, e[0]);
	assert_ptr_equal(table_next_start(&t), e[0]);
	table_told_start(&t, e[0]);
	table_tell_again(&t, e[0]);
	assert_ptr_equal(table_next_start(&t), e[2]);
	table_told_start(&t, e[2]);
	assert_ptr_equal(table_next_start(&t), e[0]);
	table_told_start(&t, e[0]);
	assert_null(table_next_start(&t));
}

static void names_of_cgroups_may_be_short_or_long(void **state _unused_)
{
	static const char *const names[] = {"a", "fifteen-letters", "sixteen-letters.",
		"a-name-that-is-longer-than-a-pointer", "b", NULL,
		"another-one-that-is-longer-than-a-pointer"};
	struct service *s = table_add_service(&t, 1);

	assert_null(table_cgroup(s));
	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		assert_int_equal(table_set_cgroup(s, names[i]), 0);
		if (names[i])
			assert_string_equal(table_cgroup(s), names[i]);
		else
			assert_null(table_cgroup(s));
	}
	table_set_cgroup(s, NULL);
	assert_null(table_cgroup(s));
}

static void a_removed_service_stays_while_it_has_entries(void **state _unused_)
{
	struct entry *e = running(1, 10);

	table_remove_service(&t, e->service);
	assert_ptr_equal(table_find(&t, 1, 1), e);
	assert_int_equal(e->service->newest, 1);
}

static void without_memory_spawns_can_still_be_refused(void **state _unused_)
{
	unsigned n_good = 0, n_spare = 0;
	bool spare = false;

	memory_is_gone = true;
	while (table_add(&t, n_good + n_spare, 1, &spare)) {
		n_good += !spare;
		n_spare += spare;
		assert_true(spare || n_spare == 0);
	}
	memory_is_gone = false;
	assert_int_equal(n_spare, 16);
	assert_true(n_good > 0);
	/* a service made for nothing does not stay */
	assert_null(table_find_service(&t, n_good + n_spare));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TABLE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TABLE_TEST(ten_thousand_entries_are_found_by_both_keys),
		TABLE_TEST(a_pid_is_found_only_until_it_is_reaped),
		TABLE_TEST(ends_are_told_by_serial_whatever_the_order_of_starts),
		TABLE_TEST(an_acknowledgement_moves_what_is_told_next),
		TABLE_TEST(an_entry_goes_when_acknowledged_and_released),
		TABLE_TEST(a_release_is_of_earlier_generations_as_well),
		TABLE_TEST(an_adopted_process_takes_the_place_of_an_end),
		TABLE_TEST(the_last_refusal_is_told_unless_it_is_none_any_more),
		TABLE_TEST(refusals_have_a_limit_and_are_told_in_their_order),
		TABLE_TEST(what_was_added_for_nothing_leaves_all_as_it_was),
		TABLE_TEST(a_start_is_told_in_its_order_unless_its_entry_goes_first),
		TABLE_TEST(names_of_cgroups_may_be_short_or_long),
		TABLE_TEST(a_removed_service_stays_while_it_has_entries),
		TABLE_TEST(without_memory_spawns_can_still_be_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
