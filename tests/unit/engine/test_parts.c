/*
 * What only some services have: found by its kind, made once, and gone when it is dropped; and who
 * takes whose place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/succession.h"

struct number {
	struct part part;
	int value;
};

static void one_is_made_zeroed_and_once_of_each_kind(void **state _unused_)
{
	struct service s = {0};
	struct number *a, *b;

	assert_null(part_find(&s, PART_HEALTH));
	a = part_get(&s, PART_HEALTH, sizeof(*a));
	b = part_get(&s, PART_EXITS, sizeof(*b));
	assert_int_equal(a->value, 0);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(part_get(&s, PART_HEALTH, sizeof(*a)), a);
	assert_ptr_equal(part_find(&s, PART_EXITS), b);
	part_drop(&s, PART_HEALTH);
	part_drop(&s, PART_HEALTH);
	assert_null(part_find(&s, PART_HEALTH));
	assert_ptr_equal(part_find(&s, PART_EXITS), b);
	part_drop_all(&s);
	assert_null(s.parts);
}

static void several_of_a_kind_are_found_one_after_the_other(void **state _unused_)
{
	struct service s = {0};
	struct number numbers[3];
	unsigned found = 0;

	for (unsigned i = 0; i < 3; i++) {
		numbers[i].value = 1 << i;
		part_attach(&s, &numbers[i].part, PART_WAITER);
		assert_non_null(part_get(&s, (enum part_kind)i, sizeof(struct number)));
	}
	part_detach(&s, &numbers[1].part);
	for (struct number *n = part_find(&s, PART_WAITER); n; n = part_next(&n->part))
		found += (unsigned)n->value;
	assert_int_equal(found, 1 | 4);
	part_detach(&s, &numbers[0].part);
	part_detach(&s, &numbers[2].part);
	assert_null(part_find(&s, PART_WAITER));
	part_drop_all(&s);
}

static void who_waits_for_an_end_is_told_in_turn(void **state _unused_)
{
	struct service old = {0}, next[3] = {0};

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(succession_add(&old, &next[i]), 0);
	assert_ptr_equal(succession_predecessor(&next[1]), &old);
	succession_leave(&next[1]);
	succession_leave(&next[1]);
	assert_null(succession_predecessor(&next[1]));
	assert_ptr_equal(succession_take(&old), &next[0]);
	assert_null(succession_predecessor(&next[0]));
	assert_ptr_equal(succession_take(&old), &next[2]);
	assert_null(succession_take(&old));
	assert_null(old.parts);
}

static void who_goes_waits_for_nobody_and_nobody_for_it(void **state _unused_)
{
	struct service first = {0}, second = {0}, third = {0};

	assert_int_equal(succession_add(&first, &second), 0);
	assert_int_equal(succession_add(&second, &third), 0);
	succession_end(&second);
	assert_null(succession_take(&first));
	assert_null(succession_predecessor(&third));
	assert_null(second.parts);
	assert_null(third.parts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_made_zeroed_and_once_of_each_kind),
		cmocka_unit_test(several_of_a_kind_are_found_one_after_the_other),
		cmocka_unit_test(who_waits_for_an_end_is_told_in_turn),
		cmocka_unit_test(who_goes_waits_for_nobody_and_nobody_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
