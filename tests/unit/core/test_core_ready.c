/* From exec to readiness, and how long that may take. */
#include "rig.h"

static void init(struct rig *g, enum spec_type type, enum spec_ready ready)
{
	rig_init(g, 1, 0);
	g->policies[0].type = type;
	g->policies[0].ready = ready;
	g->policies[0].ready_timeout_usec = 5 * SEC;
}

/* --- readiness --- */

static void exec_alone_makes_it_ready_where_nothing_else_is_asked_for(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_EXEC);
	rig_ask(&g, 0, CORE_EVENT_START);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_EXEC);
	assert_int_equal(core_deadline(g.core, 0), g.now + 5 * SEC);
	rig_started(&g, 0);
	has_phase(&g, 0, CORE_RUNNING, CORE_PHASE_NONE);
	assert_int_equal(core_deadline(g.core, 0), USEC_INFINITY);
}

/* What is queued, at the launcher or on the way there, has not had its time yet. */
static void the_time_to_get_ready_counts_from_exec(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
	rig_ask(&g, 0, CORE_EVENT_START);
	g.now += 4 * SEC;
	rig_started(&g, 0);
	assert_int_equal(core_deadline(g.core, 0), g.now + 5 * SEC);
	g.now += 4 * SEC;
	rig_ask(&g, 0, CORE_EVENT_DEADLINE); /* that of before */
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_READY);
	rig_deadline(&g, 0);
	has_state(&g, 0, CORE_STOPPING);
}

static void more_time_that_was_given_before_exec_stays(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	usec_t later;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
	rig_ask(&g, 0, CORE_EVENT_START);
	later = g.now + 60 * SEC;
	rig_extend(&g, 0, 60 * SEC);
	g.now += SEC;
	rig_started(&g, 0);
	assert_int_equal(core_deadline(g.core, 0), later);
}

static void it_is_starting_until_it_says_that_it_is_ready(void **state _unused_)
{
	for (int ready = SPEC_READY_NOTIFY; ready < SPEC_READY_MAX; ready++) {
		_cleanup_rig_ struct rig g;

		init(&g, SPEC_TYPE_SIMPLE, (enum spec_ready)ready);
		rig_ask(&g, 0, CORE_EVENT_START);
		g.now += SEC;
		rig_started(&g, 0);
		has_phase(&g, 0, CORE_STARTING, CORE_PHASE_READY);
		assert_int_equal(rig_record(&g, 0)->pid, 100);
		judged(&g, 0, CORE_EVENT_START, 0, CORE_PENDING);
		g.now += SEC;
		rig_ready(&g, 0);
		has_phase(&g, 0, CORE_RUNNING, CORE_PHASE_NONE);
		assert_int_equal(core_deadline(g.core, 0), USEC_INFINITY);
		assert_int_equal(rig_record(&g, 0)->started_usec, g.now - SEC);
		judged(&g, 0, CORE_EVENT_START, 0, CORE_DONE);
		nothing_changes(&g, 0, rig_ready); /* said once more */
	}
}

/* A descriptor and the launcher's message come by different ways. */
static void ready_may_be_heard_before_the_exec(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_ready(&g, 0);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_EXEC);
	assert_int_equal(rig_change(&g, 0).todo, CORE_DO_COMMIT); /* the next engine knows it too */
	nothing_changes(&g, 0, rig_ready);
	rig_started(&g, 0);
	has_state(&g, 0, CORE_RUNNING);

	rig_ask(&g, 0, CORE_EVENT_RESTART); /* that was the last one's */
	rig_exit(&g, 0, 0);
	rig_started(&g, 0);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_READY);
}

static void news_of_an_earlier_generation_are_none(void **state _unused_)
{
	static const enum core_event_type news[] = {CORE_EVENT_READY, CORE_EVENT_MAINPID,
		CORE_EVENT_ALIVE, CORE_EVENT_TRIGGER, CORE_EVENT_EXTEND, CORE_EVENT_HEALTH,
		CORE_EVENT_HOOK};
	enum { EXECS, AWAITED, RUNS, STOPS, WAYS };

	for (int way = 0; way < WAYS; way++) {
		_cleanup_rig_ struct rig g;
		struct core_record before;

		init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
		g.policies[0].watchdog_usec = SEC;
		g.policies[0].health_failures = 1;
		rig_ask(&g, 0, CORE_EVENT_START);
		rig_started(&g, 0);
		rig_exit(&g, 0, 1);
		rig_deadline(&g, 0);
		if (way > EXECS)
			rig_started(&g, 0);
		if (way > AWAITED)
			rig_ready(&g, 0);
		if (way > RUNS)
			rig_ask(&g, 0, CORE_EVENT_STOP);
		before = *rig_record(&g, 0);
		assert_int_equal(before.generation, 2);
		g.now += SEC / 2;
		for (size_t i = 0; i < ELEMENTSOF(news); i++) {
			rig_tell_of(&g, 0, news[i], 1);
			assert_int_equal(g.n_changes, 0);
			rig_tell_of(&g, 0, news[i], 3);
			assert_int_equal(g.n_changes, 0);
			rig_same_record(&before, rig_record(&g, 0));
		}
	}
}

static void ready_and_gone_at_once_is_an_end_like_any_other(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	rig_ready(&g, 0);
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_BACKOFF);
	has_reason(&g, 0, "exited with code 1");
	rig_tell_of(&g, 0, CORE_EVENT_READY, 1); /* still under way when it died */
	assert_int_equal(g.n_changes, 0);

	rig_deadline(&g, 0);
	rig_ready(&g, 0); /* heard before the exec, and that only with the end */
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_EXITED);
	assert_int_equal(rig_record(&g, 0)->restarts, 1);
}

static void one_that_ends_before_it_is_ready_has_failed_to_start(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
	g.policies[0].stable_after_usec = SEC;
	g.policies[0].ready_timeout_usec = USEC_INFINITY;
	g.policies[0].restart_window_usec = 1000 * SEC;
	for (int i = 0; i < 6; i++) {
		if (i == 0)
			rig_ask(&g, 0, CORE_EVENT_START);
		else
			rig_deadline(&g, 0);
		rig_started(&g, 0);
		g.now += 20 * SEC; /* as long as it likes: it was never stable */
		rig_exit(&g, 0, 1);
	}
	has_state(&g, 0, CORE_FAILED);
	has_reason(&g, 0, "exited with code 1; gave up after 5 automatic restarts in 16min 40s");
}

static void a_oneshot_is_ready_by_its_end_whatever_it_says(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_ONESHOT, SPEC_READY_EXEC);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_ready(&g, 0);
	rig_started(&g, 0);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_READY);
	nothing_changes(&g, 0, rig_ready);
	judged(&g, 0, CORE_EVENT_START, 0, CORE_PENDING);
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_EXITED);
	judged(&g, 0, CORE_EVENT_START, 0, CORE_DONE);
}

/* --- in time --- */

static void one_that_is_not_ready_in_time_is_stopped_and_started_again(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	rig_deadline(&g, 0);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_SIGNAL);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	assert_true(rig_record(&g, 0)->desired_up);
	assert_int_equal(core_deadline(g.core, 0), g.now + 10 * SEC);
	has_reason(&g, 0, "was not ready within 5s; TERM sent, KILL after 10s");
	judged(&g, 0, CORE_EVENT_START, 0, CORE_PENDING);
	nothing_changes(&g, 0, rig_ready); /* too late */
	rig_exit(&g, 0, 0); /* however politely it goes */
	has_state(&g, 0, CORE_BACKOFF);
	has_reason(&g, 0, "was not ready within 5s, exited with code 0");
	judged(&g, 0, CORE_EVENT_START, 0, CORE_NOT_DONE);
	rig_deadline(&g, 0);
	has_reason(&g, 0, "restarted: was not ready within 5s, exited with code 0");
	assert_int_equal(rig_record(&g, 0)->restarts, 1);
	rig_started(&g, 0);
	rig_ready(&g, 0);
	has_reason(&g, 0, "restarted: was not ready within 5s, exited with code 0");
}

static void a_run_has_nothing_to_do_with_what_ailed_the_one_before(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	rig_deadline(&g, 0);
	rig_exit(&g, 0, 0);
	rig_deadline(&g, 0);
	rig_started(&g, 0);
	rig_ready(&g, 0);
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_EXITED);
	has_reason(&g, 0, "exited with code 0");
}

/* What is told of the end may not be that of the generation before. */
static void while_it_is_stopped_nothing_is_said_of_an_end_that_is_not_its_own(void **state _unused_)
{
	enum { TIMEOUT, WATCHDOG, UNHEALTHY, WAYS };
	static const char *const reasons[WAYS] = {
		"was not ready within 5s", "gave no sign of life for 2s", "unhealthy"};

	for (int way = 0; way < WAYS; way++) {
		_cleanup_rig_ struct rig g;
		char reason[CORE_REASON_SIZE];

		init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
		g.policies[0].watchdog_usec = 2 * SEC;
		g.policies[0].health_failures = 1;
		rig_ask(&g, 0, CORE_EVENT_START);
		rig_exit(&g, 0, 77);
		rig_deadline(&g, 0);
		rig_started(&g, 0);
		if (way != TIMEOUT)
			rig_ready(&g, 0);
		if (way == UNHEALTHY)
			rig_check(&g, 0, false);
		else
			rig_deadline(&g, 0);
		snprintf(reason, sizeof(reason), "%s; %s sent, KILL after 10s", reasons[way],
			way == WATCHDOG ? "ABRT" : "TERM");
		has_reason(&g, 0, reason);
		rig_end(&g, 0, CORE_END_SIGNALLED, SIGTERM, true);
		snprintf(reason, sizeof(reason),
			"%s, killed by signal TERM; waiting for the rest of its processes, KILL "
			"after 10s",
			reasons[way]);
		has_reason(&g, 0, reason);
	}
}

static void a_start_timeout_has_the_consequences_that_policy_says(void **state _unused_)
{
	static const struct {
		enum spec_restart restart;
		unsigned limit;
		enum core_state state;
		const char *reason;
	} cases[] = {
		{SPEC_RESTART_ALWAYS, 5, CORE_BACKOFF,
			"was not ready within 5s, exited with code 0"},
		{SPEC_RESTART_ON_FAILURE, 5, CORE_BACKOFF,
			"was not ready within 5s, exited with code 0"},
		{SPEC_RESTART_ON_ABNORMAL, 5, CORE_BACKOFF,
			"was not ready within 5s, exited with code 0"},
		{SPEC_RESTART_NEVER, 5, CORE_FAILED, "was not ready within 5s, exited with code 0"},
		{SPEC_RESTART_ALWAYS, 1, CORE_FAILED,
			"was not ready within 5s, exited with code 0; gave up after 1 automatic "
			"restart in 1min"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_rig_ struct rig g;

		init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_TCP);
		g.policies[0].restart = cases[i].restart;
		g.policies[0].restart_limit = cases[i].limit;
		rig_ask(&g, 0, CORE_EVENT_START);
		if (cases[i].limit == 1) {
			rig_exit(&g, 0, 1);
			rig_deadline(&g, 0);
		}
		rig_started(&g, 0);
		rig_deadline(&g, 0);
		rig_exit(&g, 0, 0);
		has_state(&g, 0, cases[i].state);
		has_reason(&g, 0, cases[i].reason);
	}
}

static void a_stop_overtakes_the_consequences(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	rig_deadline(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	assert_false(rig_change(&g, 0).todo & CORE_DO_SIGNAL);
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_STOPPED);
	has_reason(&g, 0, "by request");
}

/* The program may hang in a file system before it is executed. */
static void the_time_counts_from_the_spawn(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_EXEC);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_deadline(&g, 0);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	rig_started(&g, 0);
	has_state(&g, 0, CORE_STOPPING);
	assert_int_equal(rig_record(&g, 0)->pid, 100);
	rig_deadline(&g, 0);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
}

static void a_oneshot_has_to_end_in_time(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_ONESHOT, SPEC_READY_EXEC);
	g.policies[0].restart = SPEC_RESTART_NEVER;
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	g.now += 5 * SEC - 1;
	rig_ask(&g, 0, CORE_EVENT_DEADLINE);
	assert_int_equal(g.n_changes, 0);
	rig_deadline(&g, 0);
	has_reason(&g, 0, "did not end within 5s; TERM sent, KILL after 10s");
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGTERM, false);
	has_state(&g, 0, CORE_FAILED);
	has_reason(&g, 0, "did not end within 5s, killed by signal TERM");
}

static void without_a_limit_it_may_take_for_ever(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_ONESHOT, SPEC_READY_EXEC);
	g.policies[0].ready_timeout_usec = USEC_INFINITY;
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	assert_int_equal(core_deadline(g.core, 0), USEC_INFINITY);
	rig_extend(&g, 0, SEC); /* which is not more, but less */
	assert_int_equal(g.n_changes, 0);
	assert_int_equal(core_deadline(g.core, 0), USEC_INFINITY);
}

static void it_may_ask_for_more_time_to_start_but_not_for_less(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_NOTIFY);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	g.now += 3 * SEC;
	rig_extend(&g, 0, SEC);
	assert_int_equal(g.n_changes, 0);
	rig_extend(&g, 0, 20 * SEC);
	assert_int_equal(rig_change(&g, 0).todo, CORE_DO_COMMIT);
	assert_int_equal(core_deadline(g.core, 0), g.now + 20 * SEC);
	g.now += 19 * SEC;
	rig_extend(&g, 0, 20 * SEC);
	assert_int_equal(core_deadline(g.core, 0), g.now + 20 * SEC);
	rig_ready(&g, 0);
	rig_extend(&g, 0, 20 * SEC); /* there is nothing that it has to do in time now */
	assert_int_equal(g.n_changes, 0);
	assert_int_equal(core_deadline(g.core, 0), USEC_INFINITY);
}

static void it_may_ask_for_more_time_to_stop_until_it_is_killed(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_TYPE_SIMPLE, SPEC_READY_EXEC);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_extend(&g, 0, 5 * SEC);
	assert_int_equal(g.n_changes, 0);
	rig_extend(&g, 0, 60 * SEC);
	assert_int_equal(core_deadline(g.core, 0), g.now + 60 * SEC);
	rig_deadline(&g, 0);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	rig_extend(&g, 0, 60 * SEC);
	assert_int_equal(g.n_changes, 0);
	assert_int_equal(core_deadline(g.core, 0), g.now + RIG_AGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exec_alone_makes_it_ready_where_nothing_else_is_asked_for),
		cmocka_unit_test(the_time_to_get_ready_counts_from_exec),
		cmocka_unit_test(more_time_that_was_given_before_exec_stays),
		cmocka_unit_test(it_is_starting_until_it_says_that_it_is_ready),
		cmocka_unit_test(ready_may_be_heard_before_the_exec),
		cmocka_unit_test(news_of_an_earlier_generation_are_none),
		cmocka_unit_test(ready_and_gone_at_once_is_an_end_like_any_other),
		cmocka_unit_test(one_that_ends_before_it_is_ready_has_failed_to_start),
		cmocka_unit_test(a_oneshot_is_ready_by_its_end_whatever_it_says),
		cmocka_unit_test(one_that_is_not_ready_in_time_is_stopped_and_started_again),
		cmocka_unit_test(a_run_has_nothing_to_do_with_what_ailed_the_one_before),
		cmocka_unit_test(while_it_is_stopped_nothing_is_said_of_an_end_that_is_not_its_own),
		cmocka_unit_test(a_start_timeout_has_the_consequences_that_policy_says),
		cmocka_unit_test(a_stop_overtakes_the_consequences),
		cmocka_unit_test(the_time_counts_from_the_spawn),
		cmocka_unit_test(a_oneshot_has_to_end_in_time),
		cmocka_unit_test(without_a_limit_it_may_take_for_ever),
		cmocka_unit_test(it_may_ask_for_more_time_to_start_but_not_for_less),
		cmocka_unit_test(it_may_ask_for_more_time_to_stop_until_it_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
