/*
 * Dependencies that go: what requires them follows, and comes back by itself when they do.
 */
#include "links.h"

static void what_it_requires_is_lost_and_comes_back_and_so_does_it(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	rig_run(&g, DB);
	rig_run(&g, WEB);
	rig_exit(&g, DB, 1);
	has_state(&g, DB, CORE_BACKOFF);
	has_phase(&g, WEB, CORE_STOPPING, CORE_PHASE_SIGNAL);
	signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP);
	has_reason(&g, WEB, "'s0', which it requires, is not there; TERM sent, KILL after 10s");
	assert_true(rig_record(&g, WEB)->desired_up);
	start_is(&g, WEB, CORE_PENDING);
	rig_end(&g, WEB, CORE_END_SIGNALLED, SIGTERM, false);
	has_state(&g, WEB, CORE_WAITING);
	has_reason(&g, WEB, "waiting for 's0'");
	rig_deadline(&g, DB);
	has_state(&g, WEB, CORE_WAITING);
	rig_started(&g, DB);
	assert_true(spawned(&g, WEB));
	rig_started(&g, WEB);
	assert_int_equal(rig_record(&g, WEB)->generation, 2);
	assert_int_equal(rig_record(&g, WEB)->restarts, 0);
	assert_int_equal(rig_past(&g, WEB)->n_starts, 0);
	assert_int_equal(rig_record(&g, DB)->restarts, 1);
	has_reason(&g, WEB, "");
}

static void it_comes_back_also_where_that_came_back_before_it_was_gone(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	rig_run(&g, DB);
	rig_run(&g, WEB);
	rig_exit(&g, DB, 1);
	rig_deadline(&g, DB);
	rig_started(&g, DB);
	has_state(&g, WEB, CORE_STOPPING); /* what has been told to stop can't be told otherwise */
	rig_exit(&g, WEB, 0);
	assert_true(spawned(&g, WEB));
}

static void it_comes_back_by_itself_after_somebody_had_stopped_what_it_requires(
	void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_requires(&g, WEB, DB);
	rig_requires(&g, TOP, WEB);
	for (uint32_t i = 0; i < 3; i++)
		rig_run(&g, i);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	for (uint32_t i = 3; i-- > 0;)
		rig_exit(&g, i, 0);
	has_state(&g, DB, CORE_STOPPED);
	has_reason(&g, WEB, "requires 's0', which is stopped");
	has_reason(&g, TOP, "requires 's1', which is waiting");
	rig_ask(&g, DB, CORE_EVENT_START);
	for (uint32_t i = 0; i < 3; i++)
		rig_started(&g, i);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(rig_record(&g, i)->generation, 2);
}

static void a_restart_takes_those_along_that_require_it(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_requires(&g, WEB, DB);
	rig_link(&g, TOP, CORE_LINK_WANTS, DB);
	for (uint32_t i = 0; i < 3; i++)
		rig_run(&g, i);
	rig_ask(&g, DB, CORE_EVENT_RESTART);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	has_reason(&g, DB, "restart by request; waiting for services that need it to stop");
	signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, WEB, 0);
	has_reason(&g, WEB, "waiting for 's0'"); /* it is on its way, and is not stuck */
	start_is(&g, WEB, CORE_PENDING);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, DB, 0);
	assert_true(spawned(&g, DB));
	judged(&g, DB, CORE_EVENT_RESTART, 1, CORE_PENDING);
	rig_started(&g, DB);
	judged(&g, DB, CORE_EVENT_RESTART, 1, CORE_DONE);
	assert_true(spawned(&g, WEB));
	assert_int_equal(rig_record(&g, TOP)->generation, 1);
	has_state(&g, TOP, CORE_RUNNING);
}

/* What is decided of it meanwhile is news for those that wait for it. */
static void the_way_out_of_its_stop_is_known_at_once(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	rig_run(&g, DB);
	rig_run(&g, WEB);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	rig_exit(&g, WEB, 0);
	has_state(&g, DB, CORE_STOPPING);
	has_reason(&g, WEB, "requires 's0', which is stopping");
	rig_ask(&g, DB, CORE_EVENT_START);
	has_reason(&g, WEB, "waiting for 's0'");
	start_is(&g, WEB, CORE_PENDING);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	has_reason(&g, WEB, "requires 's0', which is stopping");
	start_is(&g, WEB, CORE_NOT_DONE);
	rig_ask(&g, DB, CORE_EVENT_AUTOSTART);
	start_is(&g, WEB, CORE_PENDING);
	rig_ask(&g, DB, CORE_EVENT_KILL);
	start_is(&g, WEB, CORE_NOT_DONE);
	rig_ask(&g, WEB, CORE_EVENT_START);
	start_is(&g, WEB, CORE_PENDING);
	rig_end(&g, DB, CORE_END_SIGNALLED, SIGKILL, false);
	assert_true(spawned(&g, DB));
}

static void one_that_is_starting_loses_what_it_requires_too(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	g.policies[WEB].ready = SPEC_READY_NOTIFY;
	rig_run(&g, DB);
	rig_ask(&g, WEB, CORE_EVENT_START);
	rig_started(&g, WEB);
	rig_end(&g, DB, CORE_END_SIGNALLED, SIGKILL, true);
	signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, WEB, 0);
	has_reason(&g, WEB, "waiting for 's0'");
	start_is(&g, WEB, CORE_PENDING);
}

static void a_stop_of_one_that_waits_is_the_last_word(void **state _unused_)
{
	for (int early = 0; early < 2; early++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 0);
		rig_requires(&g, WEB, DB);
		rig_run(&g, DB);
		rig_run(&g, WEB);
		rig_exit(&g, DB, 1);
		if (early)
			rig_ask(&g, WEB, CORE_EVENT_STOP);
		rig_exit(&g, WEB, 0);
		if (!early)
			rig_ask(&g, WEB, CORE_EVENT_STOP);
		has_state(&g, WEB, CORE_STOPPED);
		has_reason(&g, WEB, "by request");
		rig_deadline(&g, DB);
		rig_started(&g, DB);
		has_state(&g, WEB, CORE_STOPPED);
	}
}

static void a_restart_by_policy_that_has_to_wait_counts_when_it_comes(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	rig_run(&g, DB);
	rig_run(&g, WEB);
	rig_exit(&g, WEB, 3);
	rig_exit(&g, DB, 1);
	has_state(&g, WEB, CORE_BACKOFF); /* nothing of it is there that could be lost */
	g.now += SEC;
	rig_deadline(&g, WEB);
	has_reason(&g, WEB, "waiting for 's0'");
	assert_int_equal(rig_record(&g, WEB)->restarts, 0);
	rig_deadline(&g, DB);
	rig_started(&g, DB);
	assert_true(spawned(&g, WEB));
	assert_int_equal(rig_record(&g, WEB)->restarts, 1);
	has_reason(&g, WEB, "restarted: exited with code 3");
}

static void a_start_of_one_that_waits_counts_as_the_operators(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	rig_run(&g, DB);
	rig_run(&g, WEB);
	rig_exit(&g, WEB, 3);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	rig_exit(&g, DB, 0);
	rig_deadline(&g, WEB);
	has_reason(&g, WEB, "requires 's0', which is stopped");
	rig_ask(&g, WEB, CORE_EVENT_START);
	rig_started(&g, DB);
	assert_true(spawned(&g, WEB));
	assert_int_equal(rig_record(&g, WEB)->restarts, 0);
	has_reason(&g, WEB, "");
}

/* A dependency that is added, as when a definition gets more instances. */
static void what_has_not_been_there_yet_is_not_lost(void **state _unused_)
{
	for (int fails = 0; fails < 2; fails++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 0);
		g.policies[DB].ready = SPEC_READY_NOTIFY;
		rig_run(&g, WEB);
		rig_requires(&g, WEB, DB);
		has_state(&g, WEB, CORE_RUNNING);
		rig_ask(&g, DB, CORE_EVENT_AUTOSTART);
		rig_started(&g, DB);
		has_state(&g, DB, CORE_STARTING);
		has_state(&g, WEB, CORE_RUNNING);
		if (!fails)
			rig_ready(&g, DB);
		has_state(&g, WEB, CORE_RUNNING);
		rig_exit(&g, DB, 1); /* now it is: a dependency that fails */
		has_state(&g, WEB, CORE_STOPPING);
		rig_exit(&g, WEB, 0);
		has_reason(&g, WEB, "waiting for 's0'");
	}
}

static void what_has_not_been_there_yet_is_waited_for_by_a_start(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	g.policies[DB].ready = SPEC_READY_NOTIFY;
	rig_run(&g, WEB);
	rig_requires(&g, WEB, DB);
	rig_ask(&g, WEB, CORE_EVENT_RESTART);
	rig_exit(&g, WEB, 0);
	has_reason(&g, WEB, "waiting for 's0'");
	rig_started(&g, DB);
	rig_ready(&g, DB);
	assert_true(spawned(&g, WEB));
}

/* It waits for those that require it, which have to hear of that. */
static void what_is_stopped_in_its_first_start_is_lost(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	g.policies[DB].ready = SPEC_READY_NOTIFY;
	rig_run(&g, WEB);
	rig_requires(&g, WEB, DB);
	rig_ask(&g, DB, CORE_EVENT_AUTOSTART);
	rig_started(&g, DB);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	has_state(&g, WEB, CORE_STOPPING);
	rig_exit(&g, WEB, 0);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_SIGNAL);
	rig_exit(&g, DB, 0);
	has_state(&g, DB, CORE_STOPPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_requires_is_lost_and_comes_back_and_so_does_it),
		cmocka_unit_test(it_comes_back_also_where_that_came_back_before_it_was_gone),
		cmocka_unit_test(
			it_comes_back_by_itself_after_somebody_had_stopped_what_it_requires),
		cmocka_unit_test(a_restart_takes_those_along_that_require_it),
		cmocka_unit_test(the_way_out_of_its_stop_is_known_at_once),
		cmocka_unit_test(one_that_is_starting_loses_what_it_requires_too),
		cmocka_unit_test(a_stop_of_one_that_waits_is_the_last_word),
		cmocka_unit_test(a_restart_by_policy_that_has_to_wait_counts_when_it_comes),
		cmocka_unit_test(a_start_of_one_that_waits_counts_as_the_operators),
		cmocka_unit_test(what_has_not_been_there_yet_is_not_lost),
		cmocka_unit_test(what_has_not_been_there_yet_is_waited_for_by_a_start),
		cmocka_unit_test(what_is_stopped_in_its_first_start_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
