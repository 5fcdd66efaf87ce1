/* Requests that meet a service on its way, what becomes of them, and how they are remembered. */
#include "rig.h"

static void a_start_during_the_stop_starts_it_afterwards(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	judged(&g, 0, CORE_EVENT_STOP, 1, CORE_PENDING);
	rig_ask(&g, 0, CORE_EVENT_START);
	judged(&g, 0, CORE_EVENT_STOP, 1, CORE_NOT_DONE);
	judged(&g, 0, CORE_EVENT_START, 1, CORE_PENDING);
	has_reason(&g, 0, "restart by request; TERM sent, KILL after 10s");
	assert_int_equal(rig_record(&g, 0)->generation, 1);
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_STARTING);
	judged(&g, 0, CORE_EVENT_START, 1, CORE_PENDING);
	rig_started(&g, 0);
	judged(&g, 0, CORE_EVENT_START, 1, CORE_DONE);
	assert_int_equal(rig_record(&g, 0)->generation, 2);
	assert_int_equal(rig_record(&g, 0)->restarts, 0);
	has_reason(&g, 0, "");
}

static void an_autostart_during_a_stop_is_not_lost(void **state _unused_)
{
	_cleanup_rig_ struct rig g, crashed;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_STARTING);

	rig_init(&crashed, 1, 0);
	rig_run(&crashed, 0);
	rig_end(&crashed, 0, CORE_END_EXITED, 1, true);
	rig_ask(&crashed, 0, CORE_EVENT_AUTOSTART); /* what was to follow has its reasons */
	rig_gone(&crashed, 0);
	has_state(&crashed, 0, CORE_BACKOFF);
}

static void one_that_is_wanted_again_after_all_is_not_called_removed(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_step(&g, &(struct core_event){.type = CORE_EVENT_STOP, .why = CORE_WHY_REMOVED});
	has_reason(&g, 0, "removed from the configuration; TERM sent, KILL after 10s");
	rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
	has_reason(&g, 0, "its configuration has changed; TERM sent, KILL after 10s");
	rig_exit(&g, 0, 0);
	assert_true(spawned(&g, 0));
}

static void a_stop_during_the_start_stops_it(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	judged(&g, 0, CORE_EVENT_START, 0, CORE_NOT_DONE);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	g.now += SEC;
	rig_started(&g, 0); /* on its way when the stop came */
	has_state(&g, 0, CORE_STOPPING);
	assert_int_equal(rig_record(&g, 0)->started_usec, g.now);
	assert_int_equal(rig_record(&g, 0)->pid, 100);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGTERM, false);
	has_state(&g, 0, CORE_STOPPED);

	rig_ask(&g, 0, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_end(&g, 0, CORE_END_SPAWN_FAILED, ENOENT, false);
	has_state(&g, 0, CORE_STOPPED);
}

static void a_stop_during_backoff_or_in_line_is_done_at_once(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 1);
	rig_run(&g, 0);
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_BACKOFF);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	has_state(&g, 0, CORE_STOPPED);
	judged(&g, 0, CORE_EVENT_STOP, 1, CORE_DONE);
	assert_int_equal(core_deadline(g.core, 0), USEC_INFINITY);

	rig_ask(&g, 1, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_START);
	has_state(&g, 0, CORE_WAITING);
	has_reason(&g, 0, "waiting: as many services as max-starting allows are starting");
	rig_ask(&g, 0, CORE_EVENT_STOP);
	has_state(&g, 0, CORE_STOPPED);
	rig_started(&g, 1);
	has_state(&g, 0, CORE_STOPPED);
	assert_int_equal(rig_record(&g, 0)->generation, 1);
}

static void a_restart_starts_the_next_generation_once(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	judged(&g, 0, CORE_EVENT_RESTART, 1, CORE_PENDING);
	has_reason(&g, 0, "restart by request; TERM sent, KILL after 10s");
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	judged(&g, 0, CORE_EVENT_RESTART, 1, CORE_PENDING);
	assert_int_equal(rig_record(&g, 0)->signal_op, 1);
	rig_exit(&g, 0, 0);
	judged(&g, 0, CORE_EVENT_RESTART, 1, CORE_PENDING);
	rig_started(&g, 0);
	judged(&g, 0, CORE_EVENT_RESTART, 1, CORE_DONE);
	assert_int_equal(rig_record(&g, 0)->generation, 2);

	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	judged(&g, 0, CORE_EVENT_RESTART, 2, CORE_PENDING);
	rig_exit(&g, 0, 0);
	rig_started(&g, 0);
	judged(&g, 0, CORE_EVENT_RESTART, 2, CORE_DONE);
}

static void a_restart_during_the_start_starts_it_anew(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	judged(&g, 0, CORE_EVENT_START, 0, CORE_PENDING);
	rig_end(&g, 0, CORE_END_SPAWN_FAILED, ENOENT, false);
	has_state(&g, 0, CORE_STARTING);
	rig_started(&g, 0);
	judged(&g, 0, CORE_EVENT_START, 0, CORE_DONE);
	judged(&g, 0, CORE_EVENT_RESTART, 1, CORE_DONE);
}

static void a_restart_that_fails_is_not_done(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	rig_exit(&g, 0, 0);
	rig_end(&g, 0, CORE_END_SPAWN_FAILED, ENOENT, false);
	has_state(&g, 0, CORE_BACKOFF);
	judged(&g, 0, CORE_EVENT_RESTART, 1, CORE_NOT_DONE);
	has_reason(&g, 0, "cannot execute: No such file or directory");
}

static void a_reset_makes_a_failed_service_stopped(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	has_reason(&g, 0, "not started yet");
	g.policies[0].restart_limit = 1;
	rig_run(&g, 0);
	rig_exit(&g, 0, 1);
	rig_deadline(&g, 0);
	rig_end(&g, 0, CORE_END_DUMPED, SIGABRT, false);
	has_state(&g, 0, CORE_FAILED);
	has_reason(&g, 0,
		"killed by signal ABRT (core dumped); gave up after 1 automatic restart in 1min");
	rig_ask(&g, 0, CORE_EVENT_RESET);
	has_state(&g, 0, CORE_STOPPED);
	assert_false(rig_record(&g, 0)->desired_up);
	assert_int_equal(rig_record(&g, 0)->restarts, 0);
	assert_int_equal(rig_past(&g, 0)->n_starts, 0);
	judged(&g, 0, CORE_EVENT_RESET, 2, CORE_DONE);
}

/* It would be there twice. */
static void a_start_of_what_takes_anothers_place_waits_for_that_as_well(void **state _unused_)
{
	static const enum core_event_type requests[] = {
		CORE_EVENT_START, CORE_EVENT_RESTART, CORE_EVENT_AUTOSTART};

	for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 1, 0);
		rig_step(&g, &(struct core_event){
				     .type = CORE_EVENT_AUTOSTART, .why = CORE_WHY_PREDECESSOR});
		rig_ask(&g, 0, requests[i]);
		has_state(&g, 0, CORE_WAITING);
		judged(&g, 0, requests[i], 0, CORE_PENDING);
		rig_ask(&g, 0, CORE_EVENT_UNBLOCK);
		assert_true(spawned(&g, 0));
	}
}

/* Every request at every state that it may be judged in. */
static void requests_are_judged_by_state_and_wish(void **state _unused_)
{
	enum { P = CORE_PENDING, D = CORE_DONE, N = CORE_NOT_DONE };
	static const struct {
		enum core_state state;
		bool up;
		int start, restart_old, restart_new, stop;
	} cases[] = {
		{CORE_STOPPED, false, N, N, N, D},
		{CORE_WAITING, true, P, P, P, N},
		{CORE_STARTING, true, P, N, P, N},
		{CORE_RUNNING, true, D, N, D, N},
		{CORE_STOPPING, true, P, P, P, N},
		{CORE_STOPPING, false, N, N, N, P},
		{CORE_BACKOFF, true, N, N, N, N},
		{CORE_EXITED, true, D, N, D, N},
		{CORE_FAILED, true, N, N, N, N},
	};
	struct spec_policy p = rig_policy();

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct core_record r = {.state = (uint8_t)cases[i].state,
			.desired_up = cases[i].up,
			.generation = 4,
			.then = CORE_THEN_START,
			.deadline_usec = USEC_INFINITY};
		_cleanup_rig_ struct rig g = {.core = core_new(1, 0), .n = 1};

		assert_non_null(g.core);
		core_add(g.core, 0, &p, &r, RIG_START);
		assert_int_equal(core_judge(g.core, 0, CORE_EVENT_START, 4), cases[i].start);
		assert_int_equal(
			core_judge(g.core, 0, CORE_EVENT_RESTART, 4), cases[i].restart_old);
		assert_int_equal(
			core_judge(g.core, 0, CORE_EVENT_RESTART, 3), cases[i].restart_new);
		assert_int_equal(core_judge(g.core, 0, CORE_EVENT_STOP, 4), cases[i].stop);
		assert_int_equal(core_judge(g.core, 0, CORE_EVENT_KILL, 4), cases[i].stop);
		assert_int_equal(core_judge(g.core, 0, CORE_EVENT_RESET, 4), CORE_DONE);
	}
}

static void ask_with(struct rig *g, enum core_event_type type, uint64_t op)
{
	struct core_event e = {.type = type, .op = op, .signo = SIGUSR1};

	rig_step(g, &e);
}

static void the_last_requests_are_remembered_by_their_ids(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	assert_false(core_remembers(g.core, 0, 0));
	ask_with(&g, CORE_EVENT_START, 41);
	assert_true(core_remembers(g.core, 0, 41));
	rig_started(&g, 0);
	ask_with(&g, CORE_EVENT_STOP, 0); /* of supervisord itself */
	assert_int_equal(rig_past(&g, 0)->ops[0], 41);
	ask_with(&g, CORE_EVENT_RESTART, 42);
	ask_with(&g, CORE_EVENT_RESTART, 42); /* once more, by a client that has lost its engine */
	assert_int_equal(rig_past(&g, 0)->ops[0], 42);
	assert_int_equal(rig_past(&g, 0)->ops[1], 41);
	for (uint64_t op = 43; op < 43 + CORE_MAX_OPS; op++) {
		assert_true(core_remembers(g.core, 0, op - 1));
		assert_false(core_remembers(g.core, 0, op));
		ask_with(&g, op % 2 ? CORE_EVENT_SIGNAL : CORE_EVENT_STOP, op);
		assert_true(core_remembers(g.core, 0, op));
	}
	assert_false(core_remembers(g.core, 0, 42)); /* long ago, by then */
	assert_false(core_remembers(g.core, 0, 0));
	assert_true(core_remembers(g.core, 0, 43));
}

/* --- signals --- */

static void an_operators_signal_goes_to_the_main_process_and_changes_nothing_else(
	void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	ask_with(&g, CORE_EVENT_SIGNAL, 5);
	assert_int_equal(rig_change(&g, 0).todo, CORE_DO_SIGNAL | CORE_DO_COMMIT);
	assert_int_equal(rig_change(&g, 0).signo, SIGUSR1);
	assert_int_equal(rig_change(&g, 0).scope, SPEC_KILL_PROCESS);
	assert_int_equal(rig_record(&g, 0)->user_signo, SIGUSR1);
	assert_int_equal(rig_record(&g, 0)->signo, 0);
	assert_int_equal(rig_record(&g, 0)->signal_op, 1);
	ask_with(&g, CORE_EVENT_SIGNAL, 6); /* the same again is another one */
	assert_int_equal(rig_record(&g, 0)->signal_op, 2);
	has_state(&g, 0, CORE_RUNNING);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	assert_int_equal(rig_record(&g, 0)->signal_op, 3);
	assert_int_equal(rig_record(&g, 0)->user_signo, 0);
	ask_with(&g, CORE_EVENT_SIGNAL, 7); /* it may still want to hear it */
	assert_int_equal(rig_record(&g, 0)->user_signo, SIGUSR1);
	assert_int_equal(rig_record(&g, 0)->signo, SIGTERM);
}

static void a_request_of_its_kind_without_a_signal_is_only_remembered(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	rig_step(&g, &(struct core_event){.type = CORE_EVENT_SIGNAL, .op = 9});
	assert_int_equal(rig_change(&g, 0).todo, CORE_DO_COMMIT);
	assert_int_equal(rig_record(&g, 0)->signal_op, 0);
	assert_true(core_remembers(g.core, 0, 9));
}

static void nobody_is_signalled_where_there_is_no_main_process(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	ask_with(&g, CORE_EVENT_SIGNAL, 5);
	assert_int_equal(g.n_changes, 0);
	rig_ask(&g, 0, CORE_EVENT_START);
	ask_with(&g, CORE_EVENT_SIGNAL, 5); /* it is not known yet */
	assert_int_equal(g.n_changes, 0);
	rig_started(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	ask_with(&g, CORE_EVENT_SIGNAL, 5); /* its pid may be another one's by now */
	assert_int_equal(g.n_changes, 0);
}

static void a_request_is_remembered_with_the_generation_that_it_found(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	ask_with(&g, CORE_EVENT_RESTART, 42);
	rig_exit(&g, 0, 0);
	rig_started(&g, 0);
	assert_int_equal(rig_record(&g, 0)->generation, 2);
	ask_with(&g, CORE_EVENT_STOP, 43);
	rig_exit(&g, 0, 0);
	ask_with(&g, CORE_EVENT_RESTART, 44); /* starts it at once */
	assert_int_equal(rig_record(&g, 0)->generation, 3);
	assert_int_equal(core_generation_at(g.core, 0, 42), 1);
	assert_int_equal(core_generation_at(g.core, 0, 43), 2);
	assert_int_equal(core_generation_at(g.core, 0, 44), 2);
	assert_int_equal(core_generation_at(g.core, 0, 45), 3);
	assert_int_equal(core_generation_at(g.core, 0, 0), 3);
	/* Whatever has become of the service since, this restart has happened. */
	rig_started(&g, 0);
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	assert_int_equal(rig_record(&g, 0)->state, CORE_STOPPING);
	judged(&g, 0, CORE_EVENT_RESTART, core_generation_at(g.core, 0, 44), CORE_PENDING);
	rig_gone(&g, 0);
	judged(&g, 0, CORE_EVENT_RESTART, core_generation_at(g.core, 0, 44), CORE_DONE);
}

static void the_generation_of_a_request_is_told_over_255_more(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	ask_with(&g, CORE_EVENT_RESTART, 42);
	for (unsigned i = 0; i < 255; i++) {
		rig_exit(&g, 0, 0);
		rig_started(&g, 0);
		assert_int_equal(core_generation_at(g.core, 0, 42), 1);
		ask_with(&g, CORE_EVENT_RESTART, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_during_the_stop_starts_it_afterwards),
		cmocka_unit_test(an_autostart_during_a_stop_is_not_lost),
		cmocka_unit_test(one_that_is_wanted_again_after_all_is_not_called_removed),
		cmocka_unit_test(a_stop_during_the_start_stops_it),
		cmocka_unit_test(a_stop_during_backoff_or_in_line_is_done_at_once),
		cmocka_unit_test(a_restart_starts_the_next_generation_once),
		cmocka_unit_test(a_restart_during_the_start_starts_it_anew),
		cmocka_unit_test(a_restart_that_fails_is_not_done),
		cmocka_unit_test(a_reset_makes_a_failed_service_stopped),
		cmocka_unit_test(a_start_of_what_takes_anothers_place_waits_for_that_as_well),
		cmocka_unit_test(requests_are_judged_by_state_and_wish),
		cmocka_unit_test(the_last_requests_are_remembered_by_their_ids),
		cmocka_unit_test(
			an_operators_signal_goes_to_the_main_process_and_changes_nothing_else),
		cmocka_unit_test(a_request_of_its_kind_without_a_signal_is_only_remembered),
		cmocka_unit_test(a_request_is_remembered_with_the_generation_that_it_found),
		cmocka_unit_test(the_generation_of_a_request_is_told_over_255_more),
		cmocka_unit_test(nobody_is_signalled_where_there_is_no_main_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
