/*
 * Whole courses of events: stops with their signals, ends that leave something behind, shutdown.
 */
#include "rig.h"

/* --- stopping --- */

static void a_stop_signals_then_kills_and_kills_again(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].stop_signal = SIGINT;
	g.policies[0].stop_kill = SPEC_KILL_PROCESS;
	rig_run(&g, 0);
	g.now += SEC;
	rig_ask(&g, 0, CORE_EVENT_STOP);
	signalled(&g, 0, SIGINT, SPEC_KILL_PROCESS);
	assert_int_equal(rig_record(&g, 0)->signal_op, 1);
	assert_int_equal(core_deadline(g.core, 0), g.now + 10 * SEC);
	has_reason(&g, 0, "by request; INT sent, KILL after 10s");
	g.now += 10 * SEC - 1;
	rig_ask(&g, 0, CORE_EVENT_DEADLINE); /* too early */
	assert_int_equal(g.n_changes, 0);
	g.now++;
	for (unsigned i = 2; i < 5; i++) {
		rig_deadline(&g, 0);
		signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
		assert_int_equal(rig_record(&g, 0)->signal_op, i);
		assert_int_equal(core_deadline(g.core, 0), g.now + RIG_AGAIN);
		has_reason(&g, 0, "by request; KILL sent");
		judged(&g, 0, CORE_EVENT_STOP, 1, CORE_PENDING);
	}
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGKILL, false);
	has_state(&g, 0, CORE_STOPPED);
	has_reason(&g, 0, "by request");
	judged(&g, 0, CORE_EVENT_STOP, 1, CORE_DONE);
	assert_int_equal(core_deadline(g.core, 0), USEC_INFINITY);
}

static void a_stop_is_over_only_when_the_tree_is_gone(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	usec_t deadline;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	deadline = core_deadline(g.core, 0);
	g.now += SEC;
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	has_state(&g, 0, CORE_STOPPING);
	assert_int_equal(rig_change(&g, 0).todo, CORE_DO_WATCH_TREE | CORE_DO_COMMIT);
	assert_int_equal(core_deadline(g.core, 0), deadline);
	assert_int_equal(rig_record(&g, 0)->pid, 0);
	has_reason(&g, 0, "by request; waiting for the rest of its processes, KILL after 10s");
	rig_deadline(&g, 0);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	assert_true(rig_change(&g, 0).todo & CORE_DO_WATCH_TREE);
	has_reason(&g, 0, "by request; KILL sent to the rest of its processes");
	judged(&g, 0, CORE_EVENT_STOP, 1, CORE_PENDING);
	rig_gone(&g, 0);
	has_state(&g, 0, CORE_STOPPED);
	judged(&g, 0, CORE_EVENT_STOP, 1, CORE_DONE);
}

static void a_kill_does_not_wait_for_the_timeout(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_KILL);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	assert_true(rig_record(&g, 0)->killed);
	judged(&g, 0, CORE_EVENT_KILL, 1, CORE_PENDING);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGKILL, false);
	judged(&g, 0, CORE_EVENT_KILL, 1, CORE_DONE);

	rig_run(&g, 0);
	assert_false(rig_record(&g, 0)->killed); /* that was another generation */
	assert_int_equal(rig_record(&g, 0)->signo, 0);
	assert_int_equal(rig_record(&g, 0)->signal_op, 0);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	rig_ask(&g, 0, CORE_EVENT_KILL);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	assert_false(rig_record(&g, 0)->desired_up);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGKILL, false);
	has_state(&g, 0, CORE_STOPPED);
}

static void leftovers_of_a_crash_are_ended_before_it_starts_again(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGSEGV, true);
	has_state(&g, 0, CORE_STOPPING);
	signalled(&g, 0, SIGTERM, SPEC_KILL_TREE); /* the group's leader is gone */
	assert_true(rig_change(&g, 0).todo & CORE_DO_WATCH_TREE);
	has_reason(&g, 0,
		"killed by signal SEGV; waiting for the rest of its processes, KILL after 10s");
	g.now += 3 * SEC;
	rig_gone(&g, 0);
	has_state(&g, 0, CORE_BACKOFF);
	assert_int_equal(core_deadline(g.core, 0), g.now + 100 * USEC_PER_MSEC);
	assert_int_equal(rig_record(&g, 0)->generation, 1);
	has_reason(&g, 0, "killed by signal SEGV");
	rig_deadline(&g, 0);
	assert_int_equal(rig_record(&g, 0)->generation, 2);
	assert_false(rig_record(&g, 0)->main_ended);
	has_reason(&g, 0, "restarted: killed by signal SEGV");
}

static void a_stop_ends_what_a_crash_has_left_and_nothing_follows(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_end(&g, 0, CORE_END_EXITED, 1, true);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	assert_false(rig_change(&g, 0).todo & CORE_DO_SIGNAL); /* they have it already */
	rig_gone(&g, 0);
	has_state(&g, 0, CORE_STOPPED);
	has_reason(&g, 0, "by request");
}

/* For core_reason()'s caller, which has the words for it. */
static void where_a_spawn_failed_is_remembered(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_step(&g, &(struct core_event){.type = CORE_EVENT_ENDED,
			     .generation = 1,
			     .end = CORE_END_SPAWN_FAILED,
			     .status = ENOENT,
			     .stage = 4,
			     .at_usec = g.now});
	assert_int_equal(rig_record(&g, 0)->stage, 4);
	has_reason(&g, 0, "cannot execute: No such file or directory");
}

/* --- shutdown --- */

static void a_shutdown_goes_backwards_and_takes_all_along(void **state _unused_)
{
	static const uint32_t first[] = {1, 3, 2}; /* 1 waits, 3 is in backoff, 2 is the newest */
	_cleanup_rig_ struct rig g;

	rig_init(&g, 6, 1);
	rig_run(&g, 3);
	rig_exit(&g, 3, 1);
	rig_run(&g, 0);
	rig_run(&g, 4);
	rig_run(&g, 5);
	rig_exit(&g, 5, 0);
	rig_ask(&g, 2, CORE_EVENT_START);
	rig_ask(&g, 1, CORE_EVENT_START);
	rig_shutdown(&g, false);
	assert_int_equal(g.n_changes, ELEMENTSOF(first));
	for (size_t i = 0; i < ELEMENTSOF(first); i++)
		assert_int_equal(g.changes[i].service, first[i]);
	signalled(&g, 2, SIGTERM, SPEC_KILL_GROUP);
	has_reason(&g, 2, "supervisord is shutting down; TERM sent, KILL after 10s");
	has_state(&g, 1, CORE_STOPPED);
	has_state(&g, 3, CORE_STOPPED);
	has_state(&g, 5, CORE_EXITED);
	assert_true(core_is_shutting_down(g.core));
	has_state(&g, 4, CORE_RUNNING); /* 2 may need it to the last */
	rig_end(&g, 2, CORE_END_EXITED, 1, true);
	has_state(&g, 4, CORE_RUNNING);
	rig_gone(&g, 2);
	signalled(&g, 4, SIGTERM, SPEC_KILL_GROUP);
	has_state(&g, 0, CORE_RUNNING);
	rig_exit(&g, 4, 1);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	rig_end(&g, 0, CORE_END_EXITED, 1, true);
	assert_false(core_is_down(g.core));
	rig_gone(&g, 0);
	assert_true(core_is_down(g.core));
	for (uint32_t i = 0; i < 5; i++)
		has_state(&g, i, CORE_STOPPED);
}

static void what_was_started_side_by_side_is_stopped_side_by_side(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	for (uint32_t i = 0; i < 4; i++)
		rig_ask(&g, i, CORE_EVENT_AUTOSTART);
	for (uint32_t i = 0; i < 4; i++)
		rig_started(&g, i);
	rig_shutdown(&g, false);
	assert_int_equal(g.n_changes, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(g.changes[i].service, 3 - i);
}

static void a_service_that_was_restarted_is_the_newest(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	for (uint32_t i = 0; i < 3; i++)
		rig_run(&g, i);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	rig_exit(&g, 0, 0);
	rig_started(&g, 0);
	rig_shutdown(&g, false);
	has_state(&g, 0, CORE_STOPPING);
	has_state(&g, 1, CORE_RUNNING);
	has_state(&g, 2, CORE_RUNNING);
	rig_exit(&g, 0, 0);
	has_state(&g, 1, CORE_RUNNING);
	has_state(&g, 2, CORE_STOPPING);
}

static void what_ends_before_its_turn_stays_down(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	for (uint32_t i = 0; i < 4; i++)
		rig_run(&g, i);
	rig_shutdown(&g, false);
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_STOPPED);
	assert_false(rig_record(&g, 0)->desired_up);
	rig_end(&g, 1, CORE_END_EXITED, 1, true);
	has_state(&g, 1, CORE_STOPPING);
	rig_gone(&g, 1);
	has_state(&g, 1, CORE_STOPPED);
	rig_ask(&g, 2, CORE_EVENT_STOP); /* by an operator, out of turn */
	has_state(&g, 2, CORE_STOPPING);
	rig_exit(&g, 2, 0);
	rig_exit(&g, 3, 0);
	assert_true(core_is_down(g.core));
}

static void a_shutdown_loses_patience_after_the_longest_stop_timeout(void **state _unused_)
{
	struct rig g;

	rig_init(&g, 3, 0);
	for (uint32_t i = 0; i < 3; i++)
		rig_run(&g, i);
	rig_shutdown(&g, false);
	assert_int_equal(rig_record(&g, 2)->state, CORE_STOPPING);
	assert_int_equal(rig_record(&g, 1)->state, CORE_RUNNING);
	rig_deadline(&g, 2); /* it ignores the signal, and is killed */
	assert_int_equal(rig_record(&g, 2)->killed, true);
	assert_int_equal(rig_record(&g, 1)->state, CORE_RUNNING);
	g.now++;
	rig_end(&g, 2, CORE_END_SIGNALLED, SIGKILL, true); /* and still others of it are left */
	assert_int_equal(rig_record(&g, 1)->state, CORE_STOPPING);
	assert_int_equal(rig_record(&g, 0)->state, CORE_STOPPING);
	assert_int_equal(rig_change(&g, 0).signo, SIGTERM);
	rig_fini(&g);
}

static void nothing_starts_during_a_shutdown(void **state _unused_)
{
	static const enum core_event_type requests[] = {
		CORE_EVENT_START, CORE_EVENT_AUTOSTART, CORE_EVENT_RESTART, CORE_EVENT_SETTLE};
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	rig_run(&g, 0);
	rig_run(&g, 1);
	rig_exit(&g, 1, 0);
	rig_run(&g, 2);
	rig_ask(&g, 2, CORE_EVENT_RESTART); /* under way */
	rig_run(&g, 3);
	rig_end(&g, 3, CORE_END_EXITED, 1, true); /* a backoff was to follow */
	rig_shutdown(&g, false);
	for (uint32_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < ELEMENTSOF(requests); k++) {
			rig_ask(&g, i, requests[k]);
			assert_int_equal(g.n_changes, 0);
		}
		assert_int_equal(core_judge(g.core, i, CORE_EVENT_START, 1), CORE_NOT_DONE);
		assert_int_equal(core_judge(g.core, i, CORE_EVENT_RESTART, 1), CORE_NOT_DONE);
		assert_int_equal(core_judge(g.core, i, CORE_EVENT_RESTART, 0), CORE_NOT_DONE);
	}
	assert_false(rig_record(&g, 2)->desired_up);
	has_reason(&g, 2, "supervisord is shutting down; TERM sent, KILL after 10s");
	rig_exit(&g, 2, 0);
	rig_gone(&g, 3);
	rig_exit(&g, 0, 0);
	assert_true(core_is_down(g.core));
	has_state(&g, 2, CORE_STOPPED);
	has_state(&g, 3, CORE_STOPPED);
	rig_ask(&g, 0, CORE_EVENT_START);
	has_state(&g, 0, CORE_STOPPED);
}

/* An engine that recovers in one hears of services before it can go on with it. */
static void before_a_shutdown_goes_on_nothing_starts_and_nothing_stops(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 5, 1);
	rig_run(&g, 0);
	rig_run(&g, 1);
	rig_ask(&g, 1, CORE_EVENT_RESTART);
	rig_run(&g, 2);
	rig_exit(&g, 2, 1);
	rig_ask(&g, 3, CORE_EVENT_START);
	rig_ask(&g, 4, CORE_EVENT_START);
	has_state(&g, 4, CORE_WAITING);
	core_expect_shutdown(g.core);
	assert_false(core_is_shutting_down(g.core));
	rig_settle(&g);
	rig_exit(&g, 3, 0); /* its place is not given on */
	rig_exit(&g, 1, 0);
	has_state(&g, 0, CORE_RUNNING);
	has_state(&g, 1, CORE_STOPPED);
	has_reason(&g, 1, "supervisord is shutting down");
	has_state(&g, 4, CORE_WAITING);
	rig_ask(&g, 3, CORE_EVENT_START);
	has_state(&g, 3, CORE_EXITED);
	judged(&g, 3, CORE_EVENT_START, 1, CORE_NOT_DONE);
	rig_shutdown(&g, false);
	has_state(&g, 2, CORE_STOPPED);
	has_state(&g, 4, CORE_STOPPED);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, 0, 0);
	assert_true(core_is_down(g.core));
}

static void a_second_shutdown_can_hurry(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_run(&g, 0);
	rig_run(&g, 1);
	rig_shutdown(&g, false);
	rig_exit(&g, 1, 0);
	rig_shutdown(&g, false); /* patience changes nothing */
	assert_false(rig_change(&g, 0).todo & (CORE_DO_SIGNAL | CORE_DO_PUBLISH));
	rig_shutdown(&g, true);
	assert_int_equal(g.n_changes, 1);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGKILL, false);
	assert_true(core_is_down(g.core));
}

static void a_shutdown_in_a_hurry_kills_at_once(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_run(&g, 0);
	rig_ask(&g, 1, CORE_EVENT_START);
	rig_shutdown(&g, true);
	signalled(&g, 1, SIGKILL, SPEC_KILL_TREE);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	assert_int_equal(g.changes[0].service, 1);
	assert_int_equal(core_deadline(g.core, 0), g.now + RIG_AGAIN);
}

/* --- words --- */

static void a_reason_is_cut_where_it_does_not_fit(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	char stage[2 * CORE_REASON_SIZE];
	const char *text;

	memset(stage, 'x', sizeof(stage) - 1);
	stage[sizeof(stage) - 1] = '\0';
	rig_init(&g, 1, 0);
	g.policies[0].restart_limit = 1;
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_end(&g, 0, CORE_END_SPAWN_FAILED, ENOENT, false);
	rig_deadline(&g, 0);

	text = rig_reason(&g, 0, "");
	assert_string_equal(text, "restarted: No such file or directory");
	rig_end(&g, 0, CORE_END_SPAWN_FAILED, ENOENT, false);
	text = rig_reason(&g, 0, stage);
	assert_int_equal(strlen(text), CORE_REASON_SIZE - 1);
	text = rig_reason(&g, 0, "cannot execute");
	assert_string_equal(text, "cannot execute: No such file or directory; "
				  "gave up after 1 automatic restart in 1min");
}

static void the_first_process_of_a_daemon_is_no_end(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].type = SPEC_TYPE_FORKING;
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	assert_int_equal(rig_record(&g, 0)->end, CORE_END_NONE);
	rig_mainpid(&g, 0, 200);
	assert_int_equal(rig_record(&g, 0)->state, CORE_RUNNING);
	rig_exit(&g, 0, 7);
	assert_int_equal(rig_record(&g, 0)->state, CORE_BACKOFF);
	rig_deadline(&g, 0);
	rig_started(&g, 0);
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	rig_mainpid(&g, 0, 201);
	assert_int_equal(rig_record(&g, 0)->state, CORE_RUNNING);
	assert_int_equal(rig_record(&g, 0)->end, CORE_END_EXITED);
	assert_int_equal(rig_record(&g, 0)->end_status, 7);
}

static void a_daemon_that_leaves_nobody_behind_has_no_status(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].type = SPEC_TYPE_FORKING;
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	rig_gone(&g, 0);
	assert_int_equal(rig_record(&g, 0)->state, CORE_BACKOFF);
	assert_int_equal(rig_record(&g, 0)->cause, CORE_CAUSE_NO_MAIN);
	assert_int_equal(rig_record(&g, 0)->end, CORE_END_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_signals_then_kills_and_kills_again),
		cmocka_unit_test(a_stop_is_over_only_when_the_tree_is_gone),
		cmocka_unit_test(a_kill_does_not_wait_for_the_timeout),
		cmocka_unit_test(leftovers_of_a_crash_are_ended_before_it_starts_again),
		cmocka_unit_test(a_stop_ends_what_a_crash_has_left_and_nothing_follows),
		cmocka_unit_test(where_a_spawn_failed_is_remembered),
		cmocka_unit_test(a_shutdown_goes_backwards_and_takes_all_along),
		cmocka_unit_test(what_was_started_side_by_side_is_stopped_side_by_side),
		cmocka_unit_test(a_service_that_was_restarted_is_the_newest),
		cmocka_unit_test(what_ends_before_its_turn_stays_down),
		cmocka_unit_test(a_shutdown_loses_patience_after_the_longest_stop_timeout),
		cmocka_unit_test(nothing_starts_during_a_shutdown),
		cmocka_unit_test(before_a_shutdown_goes_on_nothing_starts_and_nothing_stops),
		cmocka_unit_test(a_second_shutdown_can_hurry),
		cmocka_unit_test(a_shutdown_in_a_hurry_kills_at_once),
		cmocka_unit_test(a_reason_is_cut_where_it_does_not_fit),
		cmocka_unit_test(the_first_process_of_a_daemon_is_no_end),
		cmocka_unit_test(a_daemon_that_leaves_nobody_behind_has_no_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
