/* While it runs: signs of life for its watchdog, and checks of its health. */
#include "rig.h"

static void init(struct rig *g)
{
	rig_init(g, 1, 0);
	g->policies[0].ready = SPEC_READY_NOTIFY;
	rig_ask(g, 0, CORE_EVENT_START);
	rig_started(g, 0);
}

static void is_alive(struct rig *g, uint32_t i)
{
	rig_tell(g, i, CORE_EVENT_ALIVE);
}

static void triggers(struct rig *g, uint32_t i)
{
	rig_tell(g, i, CORE_EVENT_TRIGGER);
}

static void fails_check(struct rig *g, uint32_t i)
{
	rig_check(g, i, false);
}

/* --- watchdog --- */

static void init_watchdog(struct rig *g)
{
	init(g);
	g->policies[0].watchdog_usec = 2 * SEC;
	nothing_changes(g, 0, is_alive);
	nothing_changes(g, 0, triggers);
	rig_ready(g, 0);
}

static void without_a_sign_of_life_it_is_aborted_and_then_killed(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_watchdog(&g);
	assert_int_equal(core_deadline(g.core, 0), g.now + 2 * SEC);
	for (int i = 0; i < 5; i++) {
		g.now += 2 * SEC - 1;
		is_alive(&g, 0);
		assert_int_equal(core_deadline(g.core, 0), g.now + 2 * SEC);
	}
	rig_deadline(&g, 0);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_SIGNAL);
	signalled(&g, 0, SIGABRT, SPEC_KILL_GROUP);
	has_reason(&g, 0, "gave no sign of life for 2s; ABRT sent, KILL after 10s");
	nothing_changes(&g, 0, is_alive);
	nothing_changes(&g, 0, triggers);
	rig_deadline(&g, 0);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGKILL, false);
	has_state(&g, 0, CORE_BACKOFF);
	has_reason(&g, 0, "gave no sign of life for 2s, killed by signal KILL");
}

static void one_without_a_sign_of_life_is_abnormal_and_counts_as_a_restart(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_watchdog(&g);
	g.policies[0].restart = SPEC_RESTART_ON_ABNORMAL;
	rig_deadline(&g, 0);
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_BACKOFF);
	rig_deadline(&g, 0);
	assert_int_equal(rig_record(&g, 0)->restarts, 1);
	has_reason(&g, 0, "restarted: gave no sign of life for 2s, exited with code 0");
}

static void it_may_say_itself_that_it_hangs(void **state _unused_)
{
	for (int watched = 0; watched < 2; watched++) {
		_cleanup_rig_ struct rig g;

		init_watchdog(&g);
		g.policies[0].restart = SPEC_RESTART_ON_ABNORMAL;
		if (!watched)
			g.policies[0].watchdog_usec = 0;
		triggers(&g, 0);
		signalled(&g, 0, SIGABRT, SPEC_KILL_GROUP);
		has_reason(&g, 0, "said that it hangs; ABRT sent, KILL after 10s");
		rig_exit(&g, 0, 0);
		has_state(&g, 0, CORE_BACKOFF);
		has_reason(&g, 0, "said that it hangs, exited with code 0");
	}
}

/* Without a restart it has no reason to stop saying so, and nobody to listen. */
static void a_watchdog_that_is_switched_off_bites_no_more(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_watchdog(&g);
	g.policies[0].watchdog_usec = 0;
	rig_deadline(&g, 0);
	has_state(&g, 0, CORE_RUNNING);
	assert_int_equal(rig_change(&g, 0).todo, CORE_DO_COMMIT);
	assert_int_equal(core_deadline(g.core, 0), USEC_INFINITY);
	nothing_changes(&g, 0, is_alive);
}

static void a_long_run_is_forgiven_before_it_hangs(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_watchdog(&g);
	g.policies[0].restart_limit = 1;
	rig_exit(&g, 0, 1);
	rig_deadline(&g, 0);
	rig_started(&g, 0);
	rig_ready(&g, 0);
	for (int i = 0; i < 11; i++) {
		g.now += SEC;
		is_alive(&g, 0);
	}
	rig_deadline(&g, 0);
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_BACKOFF); /* else it would have been given up */
	assert_int_equal(rig_record(&g, 0)->streak, 0);
}

/* --- health --- */

static void init_health(struct rig *g, unsigned failures, enum spec_action action)
{
	init(g);
	g->policies[0].health_failures = failures;
	g->policies[0].health_action = action;
	nothing_changes(
		g, 0, fails_check); /* it is asked only when it is ready, and after a grace */
	rig_ready(g, 0);
	assert_int_equal(rig_record(g, 0)->health, CORE_HEALTH_UNKNOWN);
}

static bool tells_health(const struct rig *g)
{
	return (rig_change(g, 0).todo & CORE_DO_HEALTH) != 0;
}

static void only_so_many_failures_in_a_row_make_it_unhealthy(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_health(&g, 3, SPEC_ACTION_RESTART);
	rig_check(&g, 0, true);
	assert_true(tells_health(&g));
	assert_int_equal(rig_record(&g, 0)->health, CORE_HEALTH_GOOD);
	for (int i = 0; i < 3; i++) {
		rig_check(&g, 0, false);
		rig_check(&g, 0, false);
		assert_int_equal(rig_record(&g, 0)->n_unhealthy, 2);
		assert_false(tells_health(&g));
		rig_check(&g, 0, true);
		assert_false(tells_health(&g));
		assert_int_equal(rig_record(&g, 0)->n_unhealthy, 0);
	}
	for (int i = 0; i < 3; i++)
		rig_check(&g, 0, false);
	assert_true(tells_health(&g));
	assert_int_equal(rig_record(&g, 0)->health, CORE_HEALTH_BAD);
	assert_int_equal(rig_record(&g, 0)->n_unhealthy, 3);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_SIGNAL);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	has_reason(&g, 0, "unhealthy; TERM sent, KILL after 10s");
	nothing_changes(&g, 0, fails_check);
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_BACKOFF);
	has_reason(&g, 0, "unhealthy, exited with code 0");
	rig_deadline(&g, 0);
	assert_int_equal(rig_record(&g, 0)->health, CORE_HEALTH_UNKNOWN);
	assert_int_equal(rig_record(&g, 0)->n_unhealthy, 0);
	has_reason(&g, 0, "restarted: unhealthy, exited with code 0");
}

static void the_action_says_what_follows_and_not_restart(void **state _unused_)
{
	static const enum spec_restart restarts[] = {SPEC_RESTART_ALWAYS, SPEC_RESTART_NEVER};

	for (size_t i = 0; i < ELEMENTSOF(restarts); i++) {
		_cleanup_rig_ struct rig g, stop;

		init_health(&g, 1, SPEC_ACTION_RESTART);
		g.policies[0].restart = restarts[i];
		rig_check(&g, 0, false);
		rig_exit(&g, 0, 0);
		has_state(&g, 0, CORE_BACKOFF);

		init_health(&stop, 1, SPEC_ACTION_STOP);
		stop.policies[0].restart = restarts[i];
		rig_check(&stop, 0, false);
		rig_exit(&stop, 0, 0);
		has_state(&stop, 0, CORE_FAILED);
		has_reason(&stop, 0, "unhealthy, exited with code 0");
	}
}

static void restarts_for_its_health_are_limited_too(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_health(&g, 1, SPEC_ACTION_RESTART);
	g.policies[0].restart_limit = 1;
	rig_check(&g, 0, false);
	rig_exit(&g, 0, 0);
	rig_deadline(&g, 0);
	rig_started(&g, 0);
	rig_ready(&g, 0);
	rig_check(&g, 0, false);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGTERM, false);
	has_state(&g, 0, CORE_FAILED);
	has_reason(&g, 0,
		"unhealthy, killed by signal TERM; gave up after 1 automatic restart in 1min");
}

static void without_an_action_it_is_only_told(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_health(&g, 2, SPEC_ACTION_NONE);
	rig_check(&g, 0, false);
	rig_check(&g, 0, false);
	assert_true(tells_health(&g));
	has_state(&g, 0, CORE_RUNNING);
	assert_int_equal(rig_record(&g, 0)->health, CORE_HEALTH_BAD);
	rig_check(&g, 0, false);
	assert_false(tells_health(&g)); /* once is enough */
	rig_check(&g, 0, true);
	assert_true(tells_health(&g));
	assert_int_equal(rig_record(&g, 0)->health, CORE_HEALTH_GOOD);
	rig_check(&g, 0, false);
	rig_check(&g, 0, false);
	assert_true(tells_health(&g));
	assert_int_equal(rig_record(&g, 0)->cause, CORE_CAUSE_NONE);
	rig_exit(&g, 0, 0);
	has_reason(&g, 0, "exited with code 0"); /* its health had nothing to do with that */
}

static void another_action_applies_to_one_that_is_unhealthy_already(void **state _unused_)
{
	static const enum spec_action actions[] = {SPEC_ACTION_RESTART, SPEC_ACTION_STOP};

	for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
		_cleanup_rig_ struct rig g;

		init_health(&g, 2, SPEC_ACTION_NONE);
		rig_check(&g, 0, false);
		rig_check(&g, 0, false);
		assert_int_equal(rig_record(&g, 0)->health, CORE_HEALTH_BAD);
		g.policies[0].health_action = actions[i];
		rig_ask(&g, 0, CORE_EVENT_SETTLE);
		has_state(&g, 0, CORE_RUNNING); /* it may be well by now */
		rig_check(&g, 0, false);
		assert_false(tells_health(&g)); /* which has not changed */
		has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_SIGNAL);
		assert_int_equal(rig_record(&g, 0)->cause, CORE_CAUSE_UNHEALTHY);
		rig_exit(&g, 0, 0);
		has_state(&g, 0, i == 0 ? CORE_BACKOFF : CORE_FAILED);
	}
}

static void checks_that_fail_on_and_on_are_counted_without_end(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_health(&g, 1, SPEC_ACTION_NONE);
	for (unsigned i = 0; i < UINT16_MAX + 10u; i++)
		rig_check(&g, 0, false);
	assert_int_equal(rig_record(&g, 0)->n_unhealthy, UINT16_MAX);
	assert_int_equal(rig_record(&g, 0)->health, CORE_HEALTH_BAD);
	rig_check(&g, 0, true);
	assert_int_equal(rig_record(&g, 0)->n_unhealthy, 0);
}

static void nobody_who_is_not_asked_is_judged(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_health(&g, 0, SPEC_ACTION_RESTART);
	nothing_changes(&g, 0, fails_check); /* the last check of a configuration that had some */
	assert_int_equal(rig_record(&g, 0)->health, CORE_HEALTH_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_sign_of_life_it_is_aborted_and_then_killed),
		cmocka_unit_test(one_without_a_sign_of_life_is_abnormal_and_counts_as_a_restart),
		cmocka_unit_test(it_may_say_itself_that_it_hangs),
		cmocka_unit_test(a_watchdog_that_is_switched_off_bites_no_more),
		cmocka_unit_test(a_long_run_is_forgiven_before_it_hangs),
		cmocka_unit_test(only_so_many_failures_in_a_row_make_it_unhealthy),
		cmocka_unit_test(the_action_says_what_follows_and_not_restart),
		cmocka_unit_test(restarts_for_its_health_are_limited_too),
		cmocka_unit_test(without_an_action_it_is_only_told),
		cmocka_unit_test(another_action_applies_to_one_that_is_unhealthy_already),
		cmocka_unit_test(checks_that_fail_on_and_on_are_counted_without_end),
		cmocka_unit_test(nobody_who_is_not_asked_is_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
