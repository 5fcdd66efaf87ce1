/* Another configuration while services live: what counts at once, what later, and what stays. */
#include "rig.h"

static void another_policy_counts_at_once(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	struct spec_policy other = rig_policy();

	rig_init(&g, 1, 0);
	other.restart = SPEC_RESTART_NEVER;
	other.stop_signal = SIGINT;
	rig_run(&g, 0);
	core_set_policy(g.core, 0, &other);
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_FAILED);
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	signalled(&g, 0, SIGINT, SPEC_KILL_GROUP);
}

static void what_is_under_way_stays(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	struct spec_policy other = rig_policy();
	usec_t deadline;

	rig_init(&g, 1, 0);
	other.stop_timeout_usec = SEC;
	other.restart_delay_usec = other.restart_max_delay_usec = 20 * SEC;
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	deadline = core_deadline(g.core, 0);
	core_set_policy(g.core, 0, &other);
	rig_settle(&g);
	assert_int_equal(g.n_changes, 0);
	assert_int_equal(core_deadline(g.core, 0), deadline);
	rig_exit(&g, 0, 0);
	rig_started(&g, 0);
	core_set_policy(g.core, 0, &g.policies[0]);
	rig_exit(&g, 0, 1);
	deadline = core_deadline(g.core, 0);
	core_set_policy(g.core, 0, &other);
	assert_int_equal(core_deadline(g.core, 0), deadline);
}

static void the_next_policy_counts_from_the_next_generation_on(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	struct spec_policy next = rig_policy();

	rig_init(&g, 1, 0);
	next.restart = SPEC_RESTART_NEVER;
	next.ready = SPEC_READY_NOTIFY;
	next.ready_timeout_usec = 5 * SEC;
	rig_run(&g, 0);
	core_set_next_policy(g.core, 0, &next);
	rig_settle(&g);
	assert_int_equal(g.n_changes, 0);
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_BACKOFF); /* it ran by the old one, and ended by it */
	rig_deadline(&g, 0);
	assert_int_equal(core_deadline(g.core, 0), g.now + 5 * SEC);
	rig_started(&g, 0);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_READY);
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_FAILED);
}

static void the_next_policy_can_be_taken_back(void **state _unused_)
{
	for (int by_set = 0; by_set < 2; by_set++) {
		_cleanup_rig_ struct rig g;
		struct spec_policy next = rig_policy();

		rig_init(&g, 1, 0);
		next.ready = SPEC_READY_NOTIFY;
		rig_run(&g, 0);
		core_set_next_policy(g.core, 0, &next);
		if (by_set)
			core_set_policy(g.core, 0, &g.policies[0]);
		else
			core_set_next_policy(g.core, 0, NULL);
		rig_ask(&g, 0, CORE_EVENT_RESTART);
		rig_exit(&g, 0, 0);
		rig_started(&g, 0);
		has_state(&g, 0, CORE_RUNNING);
	}
}

static void more_places_to_start_are_given_out_by_the_next_step(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 6, 1);
	for (uint32_t i = 0; i < 6; i++)
		rig_ask(&g, i, CORE_EVENT_START);
	core_set_max_starting(g.core, 4);
	rig_settle(&g);
	for (uint32_t i = 1; i < 6; i++)
		assert_int_equal(spawned(&g, i), i < 4);
	core_set_max_starting(g.core, 0);
	rig_settle(&g);
	assert_true(spawned(&g, 4) && spawned(&g, 5));
}

static void fewer_places_to_start_hold_as_soon_as_they_can(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	for (uint32_t i = 0; i < 3; i++)
		rig_ask(&g, i, CORE_EVENT_START);
	core_set_max_starting(g.core, 1);
	rig_settle(&g);
	assert_int_equal(g.n_changes, 0);
	rig_ask(&g, 3, CORE_EVENT_START);
	for (uint32_t i = 0; i < 3; i++) {
		has_state(&g, 3, CORE_WAITING);
		rig_started(&g, i);
	}
	assert_true(spawned(&g, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_policy_counts_at_once),
		cmocka_unit_test(what_is_under_way_stays),
		cmocka_unit_test(the_next_policy_counts_from_the_next_generation_on),
		cmocka_unit_test(the_next_policy_can_be_taken_back),
		cmocka_unit_test(more_places_to_start_are_given_out_by_the_next_step),
		cmocka_unit_test(fewer_places_to_start_hold_as_soon_as_they_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
