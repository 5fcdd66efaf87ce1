/* Essential services: whose end ends everything, and whose does not. */
#include "rig.h"

static void init(struct rig *g, uint32_t n)
{
	rig_init(g, n, 0);
	g->policies[0].essential = true;
	for (uint32_t i = 0; i < n; i++)
		rig_run(g, i);
}

static uint32_t ended(const struct rig *g)
{
	uint32_t which = UINT32_MAX;

	if (!core_essential_end(g->core, &which))
		return UINT32_MAX;
	assert_true(core_is_shutting_down(g->core));
	return which;
}

static void when_it_exits_all_others_are_stopped_in_the_same_step(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, 3);
	rig_exit(&g, 0, 0);
	assert_int_equal(ended(&g), 0);
	assert_int_equal(rig_record(&g, 0)->state, CORE_EXITED);
	assert_int_equal(rig_record(&g, 2)->state, CORE_STOPPING);
	assert_int_equal(rig_record(&g, 2)->why, CORE_WHY_SHUTDOWN);
	assert_int_equal(rig_change(&g, 2).signo, SIGTERM);
	rig_exit(&g, 2, 0);
	rig_exit(&g, 1, 0);
	assert_true(core_is_down(g.core));
	assert_int_equal(ended(&g), 0);
}

static void what_will_be_started_again_ends_nothing_until_it_is_given_up(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, 2);
	g.policies[0].restart_limit = 1;
	rig_exit(&g, 0, 3);
	assert_int_equal(rig_record(&g, 0)->state, CORE_BACKOFF);
	assert_int_equal(ended(&g), UINT32_MAX);
	rig_deadline(&g, 0);
	rig_started(&g, 0);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGSEGV, false);
	assert_int_equal(rig_record(&g, 0)->why, CORE_WHY_GAVE_UP);
	assert_int_equal(ended(&g), 0);
	assert_int_equal(rig_record(&g, 1)->state, CORE_STOPPING);
}

static void one_that_can_not_be_started_counts_as_ended(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	g.policies[0].essential = true;
	g.policies[0].restart = SPEC_RESTART_NEVER;
	rig_run(&g, 1);
	rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
	rig_end(&g, 0, CORE_END_SPAWN_FAILED, ENOENT, false);
	assert_int_equal(rig_record(&g, 0)->state, CORE_FAILED);
	assert_int_equal(ended(&g), 0);
}

static void what_it_leaves_behind_is_ended_first(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, 2);
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	assert_int_equal(rig_record(&g, 0)->state, CORE_STOPPING);
	assert_int_equal(ended(&g), UINT32_MAX);
	rig_gone(&g, 0);
	assert_int_equal(ended(&g), 0);
}

static void an_operator_may_stop_kill_and_restart_it(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, 2);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	rig_exit(&g, 0, 1);
	rig_started(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_exit(&g, 0, 1);
	assert_int_equal(rig_record(&g, 0)->state, CORE_STOPPED);
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_KILL);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGKILL, false);
	assert_int_equal(ended(&g), UINT32_MAX);
	assert_int_equal(rig_record(&g, 1)->state, CORE_RUNNING);
}

static void an_operator_who_stops_what_it_left_behind_is_obeyed(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, 2);
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_gone(&g, 0);
	assert_int_equal(rig_record(&g, 0)->state, CORE_STOPPED);
	assert_int_equal(ended(&g), UINT32_MAX);
}

static void the_end_of_any_other_service_ends_nothing(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, 3);
	g.policies[2].restart = SPEC_RESTART_NEVER;
	rig_exit(&g, 1, 0);
	rig_exit(&g, 2, 1);
	assert_int_equal(rig_record(&g, 2)->state, CORE_FAILED);
	assert_int_equal(ended(&g), UINT32_MAX);
}

static void the_first_that_ends_decides(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, 3);
	g.policies[2].essential = true;
	g.policies[0].restart = g.policies[2].restart = SPEC_RESTART_NEVER;
	rig_exit(&g, 2, 5);
	assert_int_equal(ended(&g), 2);
	rig_exit(&g, 0, 6);
	assert_int_equal(ended(&g), 2);
}

static void in_a_shutdown_that_was_asked_for_it_decides_nothing(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, 2);
	core_shutdown(g.core, false, g.now);
	rig_take_changes(&g);
	rig_exit(&g, 0, 5);
	rig_exit(&g, 1, 0);
	assert_true(core_is_down(g.core));
	assert_int_equal(ended(&g), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_it_exits_all_others_are_stopped_in_the_same_step),
		cmocka_unit_test(what_will_be_started_again_ends_nothing_until_it_is_given_up),
		cmocka_unit_test(one_that_can_not_be_started_counts_as_ended),
		cmocka_unit_test(what_it_leaves_behind_is_ended_first),
		cmocka_unit_test(an_operator_may_stop_kill_and_restart_it),
		cmocka_unit_test(an_operator_who_stops_what_it_left_behind_is_obeyed),
		cmocka_unit_test(the_end_of_any_other_service_ends_nothing),
		cmocka_unit_test(the_first_that_ends_decides),
		cmocka_unit_test(in_a_shutdown_that_was_asked_for_it_decides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
