/*
 * Pools, and places to start: never more than there are, given to whoever has waited longest,
 * and never kept by somebody who has no use for them.
 */
#include "rig.h"

/* How many have a process, or are about to. */
static uint32_t n_live(const struct rig *g)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n; i++) {
		enum core_state state = (enum core_state)rig_record(g, i)->state;

		n += state == CORE_STARTING || state == CORE_RUNNING || state == CORE_STOPPING;
	}
	return n;
}

static void waits_for_a_slot(const struct rig *g, uint32_t i)
{
	char reason[64];

	/* the rig calls a service's pool by the service's name */
	snprintf(reason, sizeof(reason), "waiting for a slot of pool 's%u'", i);
	has_state(g, i, CORE_WAITING);
	has_reason(g, i, reason);
	judged(g, i, CORE_EVENT_START, 0, CORE_PENDING);
}

static void slots_are_given_in_the_order_of_asking(void **state _unused_)
{
	static const uint32_t order[] = {5, 1, 4, 2, 3, 0};
	_cleanup_rig_ struct rig g;

	rig_init(&g, 6, 0);
	rig_pool(&g, 2, 0, 5);
	for (size_t i = 0; i < 6; i++)
		rig_ask(&g, order[i], i % 2 ? CORE_EVENT_AUTOSTART : CORE_EVENT_START);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(n_live(&g), i < 5 ? 2 : 1);
		for (size_t k = i + 2; k < 6; k++)
			waits_for_a_slot(&g, order[k]);
		rig_started(&g, order[i]);
		has_state(&g, order[i], CORE_RUNNING);
		rig_exit(&g, order[i], 0);
		if (i + 2 < 6)
			assert_true(spawned(&g, order[i + 2]));
	}
}

static void every_way_out_of_life_gives_its_slot_on(void **state _unused_)
{
	enum { EXITS, FAILS, BACKS_OFF, NO_SPAWN, STOPPED, KILLED, NO_PRE_START, WAYS };

	for (int way = 0; way < WAYS; way++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 0);
		rig_pool(&g, 1, 0, 1);
		if (way == NO_PRE_START)
			g.policies[0].hooks = 1u << SPEC_HOOK_PRE_START;
		if (way == FAILS || way == NO_SPAWN)
			g.policies[0].restart = SPEC_RESTART_NEVER;
		rig_ask(&g, 0, CORE_EVENT_START);
		rig_ask(&g, 1, CORE_EVENT_START);
		waits_for_a_slot(&g, 1);
		if (way == NO_PRE_START)
			rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
		else if (way == NO_SPAWN)
			rig_end(&g, 0, CORE_END_SPAWN_FAILED, ENOENT, false);
		else
			rig_started(&g, 0);
		if (way == STOPPED || way == KILLED) {
			rig_ask(&g, 0, way == STOPPED ? CORE_EVENT_STOP : CORE_EVENT_KILL);
			waits_for_a_slot(&g, 1); /* it is not gone yet */
		}
		if (way < NO_SPAWN || way == STOPPED || way == KILLED) {
			rig_end(&g, 0, CORE_END_EXITED, way == EXITS ? 0 : 1, true);
			waits_for_a_slot(&g, 1); /* nor all of it */
			rig_gone(&g, 0);
		}
		assert_true(spawned(&g, 1));
	}
}

static void a_start_asked_for_again_keeps_its_place_in_line(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_pool(&g, 1, 0, 2);
	for (uint32_t i = 0; i < 3; i++)
		rig_ask(&g, i, CORE_EVENT_START);
	rig_ask(&g, 1, CORE_EVENT_START);
	rig_ask(&g, 1, CORE_EVENT_RESTART);
	rig_ask(&g, 1, CORE_EVENT_AUTOSTART);
	rig_exit(&g, 0, 0);
	assert_true(spawned(&g, 1));
	waits_for_a_slot(&g, 2);
}

static void one_that_crashes_goes_to_the_end_of_the_line(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_pool(&g, 1, 0, 2);
	rig_run(&g, 0);
	rig_ask(&g, 1, CORE_EVENT_START);
	rig_exit(&g, 0, 1);
	assert_true(spawned(&g, 1));
	has_state(&g, 0, CORE_BACKOFF);
	rig_ask(&g, 2, CORE_EVENT_START);
	rig_deadline(&g, 0);
	waits_for_a_slot(&g, 0);
	rig_exit(&g, 1, 0);
	assert_true(spawned(&g, 2));
	rig_exit(&g, 2, 0);
	assert_true(spawned(&g, 0));
	assert_int_equal(rig_record(&g, 0)->restarts, 1); /* late, but by itself */
}

static void a_restart_gives_its_slot_to_those_that_wait(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_pool(&g, 1, 0, 1);
	rig_run(&g, 0);
	rig_ask(&g, 1, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	rig_exit(&g, 0, 0);
	assert_true(spawned(&g, 1));
	waits_for_a_slot(&g, 0);
}

static void a_stop_in_line_leaves_it(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_pool(&g, 1, 0, 2);
	for (uint32_t i = 0; i < 3; i++)
		rig_ask(&g, i, CORE_EVENT_START);
	rig_ask(&g, 1, CORE_EVENT_STOP);
	has_state(&g, 1, CORE_STOPPED);
	rig_exit(&g, 0, 0);
	assert_true(spawned(&g, 2));
	has_state(&g, 1, CORE_STOPPED);
}

static void one_that_can_not_start_now_is_in_nobodys_way(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	rig_pool(&g, 1, 0, 2);
	rig_requires(&g, 1, 3);
	rig_run(&g, 3);
	for (uint32_t i = 0; i < 3; i++)
		rig_ask(&g, i, CORE_EVENT_START);
	waits_for_a_slot(&g, 1);
	rig_ask(&g, 3, CORE_EVENT_STOP); /* what it requires goes while it is in line */
	has_reason(&g, 1, "requires 's3', which is stopping");
	rig_exit(&g, 3, 0);
	rig_exit(&g, 0, 0);
	assert_true(spawned(&g, 2));
	rig_run(&g, 3);
	waits_for_a_slot(&g, 1);
	rig_exit(&g, 2, 0);
	assert_true(spawned(&g, 1));
}

static void pools_know_nothing_of_each_other(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 5, 0);
	rig_pool(&g, 1, 0, 1);
	rig_pool(&g, 1, 2, 3);
	for (uint32_t i = 0; i < 5; i++)
		rig_ask(&g, i, CORE_EVENT_START);
	has_state(&g, 0, CORE_STARTING);
	waits_for_a_slot(&g, 1);
	has_state(&g, 2, CORE_STARTING);
	waits_for_a_slot(&g, 3);
	has_state(&g, 4, CORE_STARTING);
	rig_exit(&g, 2, 0);
	assert_true(spawned(&g, 3));
	waits_for_a_slot(&g, 1);
}

static void a_shutdown_empties_the_line(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_pool(&g, 1, 0, 2);
	for (uint32_t i = 0; i < 3; i++)
		rig_ask(&g, i, CORE_EVENT_START);
	rig_shutdown(&g, false);
	rig_exit(&g, 0, 0);
	assert_true(core_is_down(g.core));
	has_state(&g, 1, CORE_STOPPED);
	has_state(&g, 2, CORE_STOPPED);
}

/* --- and places to start --- */

static void who_waits_for_a_slot_takes_no_place_to_start(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 1);
	rig_pool(&g, 1, 0, 1);
	rig_run(&g, 0);
	rig_ask(&g, 1, CORE_EVENT_START);
	waits_for_a_slot(&g, 1);
	rig_ask(&g, 2, CORE_EVENT_START);
	assert_true(spawned(&g, 2));
}

static void who_waits_for_a_place_to_start_has_its_slot(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 1);
	rig_pool(&g, 1, 0, 1);
	rig_ask(&g, 2, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_START);
	has_reason(&g, 0, "waiting: as many services as max-starting allows are starting");
	rig_ask(&g, 1, CORE_EVENT_START);
	waits_for_a_slot(&g, 1);
	rig_started(&g, 2);
	assert_true(spawned(&g, 0));
	waits_for_a_slot(&g, 1);
	rig_started(&g, 0);
	rig_ask(&g, 3, CORE_EVENT_START);
	rig_exit(&g, 0, 0); /* a slot, but no place */
	has_reason(&g, 1, "waiting: as many services as max-starting allows are starting");
	rig_started(&g, 3);
	assert_true(spawned(&g, 1));
}

static void a_stop_in_line_for_a_place_gives_its_slot_on(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 1);
	rig_pool(&g, 1, 0, 1);
	rig_ask(&g, 2, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_ask(&g, 1, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	has_reason(&g, 1, "waiting: as many services as max-starting allows are starting");
	rig_started(&g, 2);
	assert_true(spawned(&g, 1));
}

static void a_hook_before_the_start_has_the_slot_and_the_place(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 1);
	rig_pool(&g, 1, 0, 1);
	g.policies[0].hooks = 1u << SPEC_HOOK_PRE_START | 1u << SPEC_HOOK_POST_STOP;
	for (uint32_t i = 0; i < 3; i++)
		rig_ask(&g, i, CORE_EVENT_START);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_PRE_START);
	waits_for_a_slot(&g, 1);
	has_reason(&g, 2, "waiting: as many services as max-starting allows are starting");
	rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_POST_STOP);
	assert_true(spawned(&g, 2)); /* it is not starting any more, but not gone either */
	waits_for_a_slot(&g, 1);
	rig_started(&g, 2);
	rig_hook(&g, 0, SPEC_HOOK_POST_STOP, true);
	assert_true(spawned(&g, 1));
}

/* --- at run time --- */

static void a_pool_made_larger_gives_its_slots_out(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	rig_pool(&g, 1, 0, 3);
	for (uint32_t i = 0; i < 4; i++)
		rig_ask(&g, i, CORE_EVENT_START);
	g.slots[0] = 3;
	rig_set_graph(&g);
	assert_true(spawned(&g, 1) && spawned(&g, 2));
	waits_for_a_slot(&g, 3);
}

static void a_pool_made_smaller_stops_nobody_but_holds_as_soon_as_it_can(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_pool(&g, 2, 0, 2);
	rig_run(&g, 0);
	rig_run(&g, 1);
	rig_ask(&g, 2, CORE_EVENT_START);
	g.slots[0] = 1;
	rig_set_graph(&g);
	assert_int_equal(n_live(&g), 2);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	rig_exit(&g, 0, 0);
	waits_for_a_slot(&g, 0); /* it has none to keep: there is one too many */
	waits_for_a_slot(&g, 2);
	rig_exit(&g, 1, 0);
	assert_true(spawned(&g, 2)); /* it was first */
	assert_int_equal(n_live(&g), 1);
}

static void one_that_waits_for_a_place_gives_back_a_slot_that_is_one_too_many(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 1);
	rig_run(&g, 0);
	rig_ask(&g, 2, CORE_EVENT_START);
	rig_ask(&g, 1, CORE_EVENT_START);
	rig_pool(&g, 1, 0, 1); /* 0 has its only slot */
	rig_started(&g, 2);
	waits_for_a_slot(&g, 1);
	assert_int_equal(n_live(&g), 2);
	rig_exit(&g, 0, 0);
	assert_true(spawned(&g, 1));
}

static void a_pool_that_is_gone_is_waited_for_no_longer(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_pool(&g, 1, 0, 2);
	for (uint32_t i = 0; i < 3; i++)
		rig_ask(&g, i, CORE_EVENT_START);
	g.pool_of[1] = g.pool_of[2] = CORE_NO_POOL;
	g.n_pools = 0;
	g.pool_of[0] = CORE_NO_POOL;
	rig_set_graph(&g);
	assert_true(spawned(&g, 1) && spawned(&g, 2));
}

static void lines_that_become_one_keep_the_order_of_asking(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 6, 0);
	rig_pool(&g, 1, 0, 2);
	rig_pool(&g, 1, 3, 5);
	rig_run(&g, 0);
	rig_run(&g, 3);
	rig_ask(&g, 4, CORE_EVENT_START);
	rig_ask(&g, 1, CORE_EVENT_START);
	rig_ask(&g, 5, CORE_EVENT_START);
	rig_ask(&g, 2, CORE_EVENT_START);
	for (uint32_t i = 3; i < 6; i++)
		g.pool_of[i] = 0;
	rig_set_graph(&g);
	rig_exit(&g, 0, 0);
	assert_int_equal(n_live(&g), 1); /* two were in a pool of one */
	rig_exit(&g, 3, 0);
	assert_true(spawned(&g, 4));
	rig_exit(&g, 4, 0);
	assert_true(spawned(&g, 1));
	rig_exit(&g, 1, 0);
	assert_true(spawned(&g, 5));
	rig_exit(&g, 5, 0);
	assert_true(spawned(&g, 2));
}

static void who_joins_a_pool_counts_from_then_on(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_run(&g, 0);
	rig_pool(&g, 1, 0, 2);
	rig_ask(&g, 1, CORE_EVENT_START);
	waits_for_a_slot(&g, 1);
	g.pool_of[0] = CORE_NO_POOL;
	rig_set_graph(&g);
	assert_true(spawned(&g, 1));
	rig_ask(&g, 2, CORE_EVENT_START);
	waits_for_a_slot(&g, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_given_in_the_order_of_asking),
		cmocka_unit_test(every_way_out_of_life_gives_its_slot_on),
		cmocka_unit_test(a_start_asked_for_again_keeps_its_place_in_line),
		cmocka_unit_test(one_that_crashes_goes_to_the_end_of_the_line),
		cmocka_unit_test(a_restart_gives_its_slot_to_those_that_wait),
		cmocka_unit_test(a_stop_in_line_leaves_it),
		cmocka_unit_test(one_that_can_not_start_now_is_in_nobodys_way),
		cmocka_unit_test(pools_know_nothing_of_each_other),
		cmocka_unit_test(a_shutdown_empties_the_line),
		cmocka_unit_test(who_waits_for_a_slot_takes_no_place_to_start),
		cmocka_unit_test(who_waits_for_a_place_to_start_has_its_slot),
		cmocka_unit_test(a_stop_in_line_for_a_place_gives_its_slot_on),
		cmocka_unit_test(a_hook_before_the_start_has_the_slot_and_the_place),
		cmocka_unit_test(a_pool_made_larger_gives_its_slots_out),
		cmocka_unit_test(a_pool_made_smaller_stops_nobody_but_holds_as_soon_as_it_can),
		cmocka_unit_test(one_that_waits_for_a_place_gives_back_a_slot_that_is_one_too_many),
		cmocka_unit_test(a_pool_that_is_gone_is_waited_for_no_longer),
		cmocka_unit_test(lines_that_become_one_keep_the_order_of_asking),
		cmocka_unit_test(who_joins_a_pool_counts_from_then_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
