/* Daemons that fork: the process that is started is not the one that stays. */
#include "rig.h"

static void init(struct rig *g, enum spec_ready ready)
{
	rig_init(g, 1, 0);
	g->policies[0].type = SPEC_TYPE_FORKING;
	g->policies[0].ready = ready;
	g->policies[0].ready_timeout_usec = 5 * SEC;
	rig_ask(g, 0, CORE_EVENT_START);
	rig_started(g, 0);
	has_phase(g, 0, CORE_STARTING, CORE_PHASE_FORKED);
	has_reason(g, 0, "waiting for its main process");
}

static void a_daemon_runs_when_the_one_that_stays_is_known(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	usec_t started, deadline;

	init(&g, SPEC_READY_EXEC);
	started = g.now;
	deadline = core_deadline(g.core, 0);
	g.now += SEC;
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_FORKED);
	assert_int_equal(
		rig_change(&g, 0).todo, CORE_DO_WATCH_TREE | CORE_DO_FIND_MAIN | CORE_DO_COMMIT);
	assert_int_equal(rig_record(&g, 0)->pid, 0);
	assert_int_equal(core_deadline(g.core, 0), deadline);
	g.now += SEC;
	rig_mainpid(&g, 0, 4711);
	has_state(&g, 0, CORE_RUNNING);
	assert_int_equal(rig_record(&g, 0)->pid, 4711);
	assert_int_equal(rig_record(&g, 0)->started_usec, started);
	judged(&g, 0, CORE_EVENT_START, 0, CORE_DONE);
	rig_gone(&g, 0); /* its tree was watched for the case that it does not stay */
	assert_int_equal(g.n_changes, 0);
	rig_exit(&g, 0, 3);
	has_state(&g, 0, CORE_BACKOFF);
	has_reason(&g, 0, "exited with code 3");
}

static void a_daemon_may_be_known_before_its_first_process_has_ended(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_READY_EXEC);
	rig_mainpid(&g, 0, 4711);
	has_state(&g, 0, CORE_RUNNING);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_exit(&g, 0, 0); /* the launcher tells that of the one that it was told */
	has_state(&g, 0, CORE_STOPPED);
}

static void a_daemon_says_that_it_is_ready_too(void **state _unused_)
{
	for (int early = 0; early < 2; early++) {
		_cleanup_rig_ struct rig g;

		init(&g, SPEC_READY_NOTIFY);
		if (early)
			rig_ready(&g, 0);
		rig_end(&g, 0, CORE_END_EXITED, 0, true);
		has_phase(&g, 0, CORE_STARTING, CORE_PHASE_FORKED);
		rig_mainpid(&g, 0, 4711);
		has_state(&g, 0, early ? CORE_RUNNING : CORE_STARTING);
		if (!early)
			rig_ready(&g, 0);
		has_state(&g, 0, CORE_RUNNING);
	}
}

static void a_daemon_that_leaves_nobody_has_failed(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_READY_EXEC);
	rig_end(&g, 0, CORE_END_EXITED, 0, false);
	has_state(&g, 0, CORE_BACKOFF);
	has_reason(&g, 0, "left no main process behind, exited with code 0");
	rig_deadline(&g, 0);
	has_reason(&g, 0, "restarted: left no main process behind, exited with code 0");
	rig_started(&g, 0);
	has_reason(&g, 0,
		"restarted: left no main process behind, exited with code 0; waiting for its main "
		"process");
}

static void a_daemon_that_dies_before_it_is_known_has_failed(void **state _unused_)
{
	static const enum spec_restart restarts[] = {
		SPEC_RESTART_ON_FAILURE, SPEC_RESTART_ON_ABNORMAL, SPEC_RESTART_NEVER};

	for (size_t i = 0; i < ELEMENTSOF(restarts); i++) {
		_cleanup_rig_ struct rig g;

		init(&g, SPEC_READY_EXEC);
		g.policies[0].restart = restarts[i];
		rig_exit(&g, 0, 77); /* of another run */
		rig_ask(&g, 0, CORE_EVENT_START);
		rig_started(&g, 0);
		rig_end(&g, 0, CORE_END_EXITED, 0, true);
		rig_gone(&g, 0);
		has_state(&g, 0, i == 0 ? CORE_BACKOFF : CORE_FAILED);
		has_reason(&g, 0, "left no main process behind");
		rig_tell_of(&g, 0, CORE_EVENT_MAINPID, 2); /* its pid-file is still there */
		assert_int_equal(g.n_changes, 0);
	}
}

static void a_daemon_whose_first_process_fails_leaves_nothing(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_READY_EXEC);
	rig_end(&g, 0, CORE_END_EXITED, 1, true);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_SIGNAL);
	signalled(&g, 0, SIGTERM, SPEC_KILL_TREE);
	assert_true(rig_change(&g, 0).todo & CORE_DO_WATCH_TREE);
	has_reason(
		&g, 0, "exited with code 1; waiting for the rest of its processes, KILL after 10s");
	rig_mainpid(&g, 0, 4711);
	assert_int_equal(g.n_changes, 0);
	rig_gone(&g, 0);
	has_state(&g, 0, CORE_BACKOFF);
}

static void a_daemon_that_nobody_finds_in_time_is_ended(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_READY_EXEC);
	rig_exit(&g, 0, 77); /* how another one ended is not how this one does */
	rig_deadline(&g, 0);
	rig_started(&g, 0);
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	has_reason(&g, 0, "restarted: exited with code 77; waiting for its main process");
	rig_deadline(&g, 0);
	signalled(&g, 0, SIGTERM, SPEC_KILL_TREE);
	has_reason(&g, 0,
		"was not ready within 5s; waiting for the rest of its processes, KILL after 10s");
	rig_deadline(&g, 0);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	assert_true(rig_change(&g, 0).todo & CORE_DO_WATCH_TREE);
	rig_gone(&g, 0);
	has_state(&g, 0, CORE_BACKOFF);
	has_reason(&g, 0, "was not ready within 5s");
}

static void a_daemon_can_be_stopped_before_it_is_known(void **state _unused_)
{
	for (int ended = 0; ended < 2; ended++) {
		_cleanup_rig_ struct rig g;

		init(&g, SPEC_READY_EXEC);
		if (ended)
			rig_end(&g, 0, CORE_END_EXITED, 0, true);
		rig_ask(&g, 0, CORE_EVENT_STOP);
		signalled(&g, 0, SIGTERM, ended ? SPEC_KILL_TREE : SPEC_KILL_GROUP);
		if (!ended) {
			rig_end(&g, 0, CORE_END_EXITED, 0, true);
			assert_true(rig_change(&g, 0).todo & CORE_DO_WATCH_TREE);
		}
		rig_mainpid(&g, 0, 4711);
		assert_int_equal(g.n_changes, 0);
		rig_gone(&g, 0);
		has_state(&g, 0, CORE_STOPPED);
		has_reason(&g, 0, "by request");
	}
}

/* The signal went to one that was about to leave it alone. */
static void one_that_takes_over_during_a_stop_gets_the_signal_too(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	usec_t deadline;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	deadline = core_deadline(g.core, 0);
	g.now += SEC;
	rig_mainpid(&g, 0, 100); /* that is the one that has it */
	assert_false(rig_change(&g, 0).todo & CORE_DO_SIGNAL);
	rig_mainpid(&g, 0, 4711);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	assert_int_equal(core_deadline(g.core, 0), deadline);
	assert_int_equal(rig_record(&g, 0)->pid, 4711);
	rig_deadline(&g, 0);
	rig_mainpid(&g, 0, 4712); /* KILL went to all of the tree */
	assert_false(rig_change(&g, 0).todo & CORE_DO_SIGNAL);
}

static void one_that_takes_over_after_a_stop_command_gets_no_signal_either(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].hooks = 1u << SPEC_HOOK_STOP;
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_hook(&g, 0, SPEC_HOOK_STOP, true);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_SIGNAL);
	rig_mainpid(&g, 0, 4711);
	assert_int_equal(rig_change(&g, 0).todo, CORE_DO_COMMIT);
}

static void any_service_may_name_another_main_process(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].ready = SPEC_READY_NOTIFY;
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_mainpid(&g, 0, 4710); /* nothing is executed yet: it can't be */
	assert_int_equal(g.n_changes, 0);
	rig_started(&g, 0);
	rig_mainpid(&g, 0, 4711);
	assert_int_equal(rig_record(&g, 0)->pid, 4711);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_READY);
	rig_ready(&g, 0);
	rig_mainpid(&g, 0, 4712);
	assert_int_equal(rig_record(&g, 0)->pid, 4712);
	has_state(&g, 0, CORE_RUNNING);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_mainpid(&g, 0, 4713);
	assert_int_equal(rig_record(&g, 0)->pid, 4713);
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	rig_mainpid(&g, 0, 4714);
	assert_int_equal(rig_record(&g, 0)->pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_daemon_runs_when_the_one_that_stays_is_known),
		cmocka_unit_test(a_daemon_may_be_known_before_its_first_process_has_ended),
		cmocka_unit_test(a_daemon_says_that_it_is_ready_too),
		cmocka_unit_test(a_daemon_that_leaves_nobody_has_failed),
		cmocka_unit_test(a_daemon_that_dies_before_it_is_known_has_failed),
		cmocka_unit_test(a_daemon_whose_first_process_fails_leaves_nothing),
		cmocka_unit_test(a_daemon_that_nobody_finds_in_time_is_ended),
		cmocka_unit_test(a_daemon_can_be_stopped_before_it_is_known),
		cmocka_unit_test(one_that_takes_over_during_a_stop_gets_the_signal_too),
		cmocka_unit_test(one_that_takes_over_after_a_stop_command_gets_no_signal_either),
		cmocka_unit_test(any_service_may_name_another_main_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
