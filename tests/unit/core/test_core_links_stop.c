/*
 * Dependencies on the way down: what requires a service goes before it does; a shutdown goes
 * down the links, whenever things were started, and does not wait for ever.
 */
#include "links.h"

/* 1 and 2 require 0, and 3 both of them. */
static void diamond(struct rig *g)
{
	rig_init(g, 4, 0);
	rig_requires(g, 3, 1);
	rig_requires(g, 3, 2);
	rig_requires(g, 1, 0);
	rig_requires(g, 2, 0);
	run_all(g);
}

/* --- one of them --- */

static void what_requires_it_is_stopped_first(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	run_all(&g);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	assert_false(rig_change(&g, DB).todo & CORE_DO_SIGNAL);
	assert_int_equal(core_deadline(g.core, DB), USEC_INFINITY); /* the other one has one */
	has_reason(&g, DB, "by request; waiting for services that need it to stop");
	signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP);
	judged(&g, DB, CORE_EVENT_STOP, 1, CORE_PENDING);

	rig_end(&g, WEB, CORE_END_EXITED, 0, true); /* it is gone with its tree only */
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	g.now += SEC;
	rig_gone(&g, WEB);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_SIGNAL);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
	assert_int_equal(core_deadline(g.core, DB), g.now + 10 * SEC);
	rig_exit(&g, DB, 0);
	judged(&g, DB, CORE_EVENT_STOP, 1, CORE_DONE);
	assert_true(rig_record(&g, WEB)->desired_up);
	assert_false(rig_record(&g, DB)->desired_up);
}

static void one_that_requires_it_and_ignores_its_signal_is_killed_in_time(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	run_all(&g);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	rig_deadline(&g, WEB);
	signalled(&g, WEB, SIGKILL, SPEC_KILL_TREE);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	rig_end(&g, WEB, CORE_END_SIGNALLED, SIGKILL, false);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
}

static void a_chain_of_six_goes_down_from_the_top(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 6, 0);
	for (uint32_t i = 5; i > 0; i--)
		rig_requires(&g, i, i - 1);
	run_all(&g);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	assert_int_equal(g.n_changes, 6); /* all know at once what is coming */
	for (uint32_t i = 6; i-- > 0;) {
		signalled(&g, i, SIGTERM, SPEC_KILL_GROUP);
		for (uint32_t k = 0; k < i; k++)
			has_phase(&g, k, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
		rig_exit(&g, i, 0);
		has_state(&g, i, i > 0 ? CORE_WAITING : CORE_STOPPED);
	}
}

static void a_diamond_goes_down_with_its_middle_side_by_side(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	diamond(&g);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	signalled(&g, 3, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, 3, 0);
	signalled(&g, 1, SIGTERM, SPEC_KILL_GROUP);
	signalled(&g, 2, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, 1, 0);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	rig_exit(&g, 2, 0);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
}

static void one_in_the_middle_takes_only_those_above_it(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	diamond(&g);
	rig_ask(&g, 1, CORE_EVENT_STOP);
	signalled(&g, 3, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, 3, 0);
	rig_exit(&g, 1, 0);
	has_state(&g, 0, CORE_RUNNING);
	has_state(&g, 2, CORE_RUNNING);
	has_reason(&g, 3, "requires 's1', which is stopped");
}

static void what_comes_after_it_and_is_going_too_goes_first(void **state _unused_)
{
	static const unsigned kinds[] = {CORE_LINK_AFTER, CORE_LINK_WANTS};

	for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 0);
		rig_link(&g, WEB, kinds[i], DB);
		run_all(&g);
		rig_ask(&g, WEB, CORE_EVENT_STOP); /* supctl stop web db */
		rig_ask(&g, DB, CORE_EVENT_STOP);
		has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
		rig_exit(&g, WEB, 0);
		signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
	}
}

static void what_crashes_in_wait_for_others_waits_no_longer(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_requires(&g, TOP, DB);
	rig_requires(&g, TOP, WEB);
	run_all(&g);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	rig_ask(&g, WEB, CORE_EVENT_STOP);
	rig_end(&g, DB, CORE_END_SIGNALLED, SIGSEGV, false);
	has_state(&g, DB, CORE_STOPPED);
	rig_end(&g, WEB, CORE_END_SIGNALLED, SIGSEGV, true); /* its rest is of no use to anybody */
	signalled(&g, WEB, SIGTERM, SPEC_KILL_TREE);
	assert_true(rig_change(&g, WEB).todo & CORE_DO_WATCH_TREE);
	assert_int_equal(core_deadline(g.core, WEB), g.now + 10 * SEC);
	has_state(&g, TOP, CORE_STOPPING);
	rig_gone(&g, WEB);
	has_state(&g, WEB, CORE_STOPPED);
}

/* It came after the one that is being stopped, but does not need it. */
static void what_comes_back_at_once_is_not_waited_for(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_link(&g, WEB, CORE_LINK_AFTER, DB);
	run_all(&g);
	rig_ask(&g, WEB, CORE_EVENT_RESTART);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	rig_exit(&g, WEB, 0);
	assert_int_equal(rig_record(&g, WEB)->state, CORE_STARTING);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
}

static void a_kill_waits_for_nobody(void **state _unused_)
{
	for (int late = 0; late < 2; late++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 0);
		rig_requires(&g, WEB, DB);
		run_all(&g);
		if (late)
			rig_ask(&g, DB, CORE_EVENT_STOP);
		rig_ask(&g, DB, CORE_EVENT_KILL);
		signalled(&g, DB, SIGKILL, SPEC_KILL_TREE);
		if (!late)
			signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP); /* it alone was killed */
		assert_int_equal(rig_record(&g, WEB)->killed, false);
	}
}

static void what_hangs_is_not_kept_for_those_that_need_it(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	g.policies[DB].watchdog_usec = 5 * SEC;
	run_all(&g);
	rig_deadline(&g, DB);
	signalled(&g, DB, SIGABRT, SPEC_KILL_GROUP);
	signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP);
}

static void what_is_unhealthy_goes_after_those_that_need_it(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	g.policies[DB].health_failures = 1;
	run_all(&g);
	rig_check(&g, DB, false);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	has_reason(&g, DB, "unhealthy; waiting for services that need it to stop");
	rig_exit(&g, WEB, 0);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, DB, 0);
	has_state(&g, DB, CORE_BACKOFF);
	rig_deadline(&g, DB);
	rig_started(&g, DB);
	assert_int_equal(rig_change(&g, WEB).todo & CORE_DO_SPAWN, CORE_DO_SPAWN);
}

/* --- all of them --- */

static void a_shutdown_goes_down_the_links(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	diamond(&g);
	rig_shutdown(&g, false);
	assert_int_equal(g.n_changes, 1);
	signalled(&g, 3, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, 3, 0);
	signalled(&g, 2, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, 2, 0); /* 1 was ready before 2 was started */
	signalled(&g, 1, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, 1, 0);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	has_reason(&g, 0, "supervisord is shutting down; TERM sent, KILL after 10s");
	rig_exit(&g, 0, 0);
	assert_true(core_is_down(g.core));
	for (uint32_t i = 0; i < 4; i++) {
		has_state(&g, i, CORE_STOPPED);
		has_reason(&g, i, "supervisord is shutting down");
	}
}

static void a_chain_of_six_is_shut_down_from_the_top(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 6, 0);
	for (uint32_t i = 5; i > 0; i--)
		rig_link(&g, i, i % 2 ? CORE_LINK_REQUIRES : CORE_LINK_AFTER, i - 1);
	for (uint32_t i = 0; i < 6; i++)
		rig_ask(&g, i, CORE_EVENT_AUTOSTART);
	for (uint32_t i = 0; i < 6; i++)
		rig_started(&g, i);
	rig_shutdown(&g, false);
	for (uint32_t i = 6; i-- > 0;) {
		assert_int_equal(g.n_changes, i == 5 ? 1 : 2);
		signalled(&g, i, SIGTERM, SPEC_KILL_GROUP);
		rig_exit(&g, i, 0);
	}
	assert_true(core_is_down(g.core));
}

/* The links say so, though by time it is the other way round. */
static void also_what_was_restarted_later_goes_after_those_that_want_it(void **state _unused_)
{
	static const unsigned kinds[] = {CORE_LINK_WANTS, CORE_LINK_AFTER};

	for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 0);
		rig_link(&g, WEB, kinds[i], DB);
		run_all(&g);
		rig_ask(&g, DB, CORE_EVENT_RESTART);
		rig_exit(&g, DB, 0);
		rig_started(&g, DB);
		assert_true(rig_record(&g, DB)->start_order > rig_record(&g, WEB)->start_order);
		rig_shutdown(&g, false);
		signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP);
		has_state(&g, DB, CORE_RUNNING);
		rig_exit(&g, WEB, 0);
		signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
		rig_exit(&g, DB, 0);
		assert_true(core_is_down(g.core));
	}
}

static void what_nobody_relies_on_is_shut_down_beside_the_chain(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	rig_requires(&g, WEB, DB);
	rig_requires(&g, TOP, WEB);
	for (uint32_t i = 0; i < 4; i++)
		rig_ask(&g, i, CORE_EVENT_AUTOSTART);
	for (uint32_t i = 0; i < 3; i++)
		rig_started(&g, i);
	rig_started(&g, CACHE);
	rig_shutdown(&g, false);
	signalled(&g, TOP, SIGTERM, SPEC_KILL_GROUP);
	signalled(&g, CACHE, SIGTERM, SPEC_KILL_GROUP);
	assert_int_equal(g.n_changes, 2);
}

static void what_is_not_ready_yet_is_shut_down_in_its_turn_too(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_requires(&g, WEB, DB);
	g.policies[WEB].hooks = 1u << SPEC_HOOK_PRE_START;
	rig_run(&g, DB);
	rig_ask(&g, WEB, CORE_EVENT_START);
	rig_ask(&g, TOP, CORE_EVENT_START);
	rig_shutdown(&g, false);
	has_phase(&g, WEB, CORE_STOPPING, CORE_PHASE_CANCELLED);
	hook_cancelled(&g, WEB, SPEC_HOOK_PRE_START);
	signalled(&g, TOP, SIGTERM, SPEC_KILL_GROUP);
	has_state(&g, DB, CORE_RUNNING);
	rig_exit(&g, TOP, 0);
	rig_hook(&g, WEB, SPEC_HOOK_PRE_START, false);
	has_state(&g, WEB, CORE_STOPPED);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
}

static void what_loses_its_dependency_in_a_shutdown_stays_down(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_requires(&g, WEB, DB);
	run_all(&g);
	rig_shutdown(&g, false);
	signalled(&g, TOP, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, DB, 1);
	signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP); /* before its turn */
	rig_exit(&g, WEB, 0);
	has_state(&g, WEB, CORE_STOPPED);
	has_reason(&g, WEB, "supervisord is shutting down");
	rig_exit(&g, TOP, 0);
	assert_true(core_is_down(g.core));
}

static void what_waits_is_dropped_by_a_shutdown(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_requires(&g, WEB, DB);
	g.policies[TOP].scheduled = true;
	rig_ask(&g, TOP, CORE_EVENT_AUTOSTART);
	rig_ask(&g, WEB, CORE_EVENT_START);
	rig_shutdown(&g, false);
	has_state(&g, WEB, CORE_STOPPED);
	has_state(&g, TOP, CORE_STOPPED);
	rig_started(&g, DB);
	rig_exit(&g, DB, 0);
	has_state(&g, WEB, CORE_STOPPED);
	assert_true(core_is_down(g.core));
}

static void one_that_waited_for_others_when_a_shutdown_began_goes_on_when_they_are_gone(
	void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	run_all(&g);
	rig_ask(&g, DB, CORE_EVENT_RESTART);
	rig_shutdown(&g, false);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	has_reason(
		&g, DB, "supervisord is shutting down; waiting for services that need it to stop");
	rig_exit(&g, WEB, 0);
	has_state(&g, WEB, CORE_STOPPED);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, DB, 0);
	assert_true(core_is_down(g.core));
}

/* --- patience --- */

static void when_patience_ends_links_count_no_more(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_requires(&g, WEB, DB);
	rig_requires(&g, TOP, WEB);
	run_all(&g);
	rig_ask(&g, DB, CORE_EVENT_STOP); /* both wait for the one above */
	rig_shutdown(&g, false);
	has_phase(&g, WEB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	rig_deadline(&g, TOP);
	signalled(&g, TOP, SIGKILL, SPEC_KILL_TREE);
	has_phase(&g, WEB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	rig_deadline(&g, TOP); /* KILL does not end it either */
	signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
}

static void when_patience_ends_what_runs_is_stopped_at_once(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	diamond(&g);
	rig_shutdown(&g, false);
	rig_deadline(&g, 3);
	g.now++;
	rig_end(&g, 3, CORE_END_SIGNALLED, SIGKILL, true);
	for (uint32_t i = 0; i < 3; i++)
		signalled(&g, i, SIGTERM, SPEC_KILL_GROUP);
}

/* All that a stop may take by its configuration, not only the wait for its signal. */
static void patience_lasts_as_long_as_the_hooks_of_a_stop_may_take(void **state _unused_)
{
	static const enum spec_hook hooks[] = {SPEC_HOOK_PRE_STOP, SPEC_HOOK_POST_STOP};

	for (size_t i = 0; i < ELEMENTSOF(hooks); i++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 0);
		rig_requires(&g, WEB, DB);
		g.policies[WEB].hooks = 1u << hooks[i];
		run_all(&g);
		rig_shutdown(&g, false);
		if (hooks[i] == SPEC_HOOK_POST_STOP)
			rig_exit(&g, WEB, 0);
		hook_asked(&g, WEB, hooks[i]);
		g.now += 40 * SEC;
		rig_ask(&g, DB, CORE_EVENT_RESET); /* any news make it look at the clock */
		has_state(&g, DB, CORE_RUNNING);
		g.now++;
		rig_ask(&g, DB, CORE_EVENT_RESET);
		has_state(&g, DB, CORE_STOPPING);
	}
}

static void hurry_kills_all_at_once_whatever_they_wait_for(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	diamond(&g);
	rig_ask(&g, 1, CORE_EVENT_STOP);
	has_phase(&g, 1, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	rig_shutdown(&g, false);
	rig_shutdown(&g, true);
	for (uint32_t i = 0; i < 4; i++)
		signalled(&g, i, SIGKILL, SPEC_KILL_TREE);
	for (uint32_t i = 0; i < 4; i++)
		rig_end(&g, i, CORE_END_SIGNALLED, SIGKILL, false);
	assert_true(core_is_down(g.core));
}

static void hurry_skips_the_hooks_of_a_stop(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	for (uint32_t i = 0; i < 4; i++)
		g.policies[i].hooks = (1u << SPEC_HOOK_MAX) - 1;
	for (uint32_t i = 0; i < 3; i++) {
		rig_ask(&g, i, CORE_EVENT_START);
		rig_hook(&g, i, SPEC_HOOK_PRE_START, true);
		rig_started(&g, i);
	}
	rig_ask(&g, 1, CORE_EVENT_STOP);
	has_phase(&g, 1, CORE_STOPPING, CORE_PHASE_PRE_STOP);
	rig_exit(&g, 2, 0);
	has_phase(&g, 2, CORE_STOPPING, CORE_PHASE_POST_STOP);
	rig_ask(&g, 3, CORE_EVENT_START);
	rig_shutdown(&g, true);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	signalled(&g, 1, SIGKILL, SPEC_KILL_TREE);
	hook_cancelled(&g, 1, SPEC_HOOK_PRE_STOP);
	hook_cancelled(&g, 2, SPEC_HOOK_POST_STOP);
	hook_cancelled(&g, 3, SPEC_HOOK_PRE_START);
	for (uint32_t i = 0; i < 2; i++) {
		rig_end(&g, i, CORE_END_SIGNALLED, SIGKILL, false);
		has_state(&g, i, CORE_STOPPED);
	}
	rig_hook(&g, 2, SPEC_HOOK_POST_STOP, false);
	assert_false(core_is_down(g.core));
	rig_hook(&g, 3, SPEC_HOOK_PRE_START, false);
	assert_true(core_is_down(g.core));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_requires_it_is_stopped_first),
		cmocka_unit_test(one_that_requires_it_and_ignores_its_signal_is_killed_in_time),
		cmocka_unit_test(a_chain_of_six_goes_down_from_the_top),
		cmocka_unit_test(a_diamond_goes_down_with_its_middle_side_by_side),
		cmocka_unit_test(one_in_the_middle_takes_only_those_above_it),
		cmocka_unit_test(what_comes_after_it_and_is_going_too_goes_first),
		cmocka_unit_test(what_crashes_in_wait_for_others_waits_no_longer),
		cmocka_unit_test(what_comes_back_at_once_is_not_waited_for),
		cmocka_unit_test(a_kill_waits_for_nobody),
		cmocka_unit_test(what_hangs_is_not_kept_for_those_that_need_it),
		cmocka_unit_test(what_is_unhealthy_goes_after_those_that_need_it),
		cmocka_unit_test(a_shutdown_goes_down_the_links),
		cmocka_unit_test(a_chain_of_six_is_shut_down_from_the_top),
		cmocka_unit_test(also_what_was_restarted_later_goes_after_those_that_want_it),
		cmocka_unit_test(what_nobody_relies_on_is_shut_down_beside_the_chain),
		cmocka_unit_test(what_is_not_ready_yet_is_shut_down_in_its_turn_too),
		cmocka_unit_test(what_loses_its_dependency_in_a_shutdown_stays_down),
		cmocka_unit_test(what_waits_is_dropped_by_a_shutdown),
		cmocka_unit_test(
			one_that_waited_for_others_when_a_shutdown_began_goes_on_when_they_are_gone),
		cmocka_unit_test(when_patience_ends_links_count_no_more),
		cmocka_unit_test(when_patience_ends_what_runs_is_stopped_at_once),
		cmocka_unit_test(patience_lasts_as_long_as_the_hooks_of_a_stop_may_take),
		cmocka_unit_test(hurry_kills_all_at_once_whatever_they_wait_for),
		cmocka_unit_test(hurry_skips_the_hooks_of_a_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
