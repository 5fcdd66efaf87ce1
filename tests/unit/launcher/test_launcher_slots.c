/*
 * When the launcher takes it that what is executed hangs, and copies its memory and descriptors for
 * the next child rather than wait for a slot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"

/* The source itself, for its slots. */
#include "launcher/spawn/spawn.c"

#define T0 USEC_PER_SEC

static struct spawner s;

static int setup(void **state _unused_)
{
	s = (struct spawner){.n_slots = SPAWN_SLOTS};
	while (!spawner_is_full(&s))
		assert_true(take_slot(&s) >= 0);
	return 0;
}

static void it_waits_for_a_slot_before_it_goes_on_without(void **state _unused_)
{
	usec_t due = spawner_tick(&s, T0);

	assert_int_equal(due, T0 + SPAWN_SLOT_WAIT_USEC);
	assert_int_equal(spawner_tick(&s, due - 1), due);
	assert_true(spawner_is_full(&s));
	assert_int_equal(spawner_tick(&s, due), USEC_INFINITY);
	assert_false(spawner_is_full(&s));
	/* until one comes free: then there may be others soon */
	free_slot(&s, 3);
	assert_int_equal(take_slot(&s), 3);
	assert_true(spawner_is_full(&s));
	assert_int_equal(spawner_tick(&s, due), due + SPAWN_SLOT_WAIT_USEC);
}

static void slots_that_go_from_one_to_the_next_do_not_hang(void **state _unused_)
{
	usec_t now = T0;

	for (int i = 0; i < 10; i++, now += SPAWN_SLOT_WAIT_USEC - 1) {
		assert_int_equal(spawner_tick(&s, now), now + SPAWN_SLOT_WAIT_USEC);
		free_slot(&s, i % SPAWN_SLOTS);
		assert_int_equal(take_slot(&s), i % SPAWN_SLOTS);
		assert_true(spawner_is_full(&s));
	}
	assert_int_equal(take_slot(&s), -1);
	free_slot(&s, 0);
	assert_int_equal(spawner_tick(&s, now), USEC_INFINITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_waits_for_a_slot_before_it_goes_on_without, setup),
		cmocka_unit_test_setup(slots_that_go_from_one_to_the_next_do_not_hang, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
