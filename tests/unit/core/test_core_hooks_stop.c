/* Hooks on the way down: the pre-stop hook, the stop command, and the post-stop hook at the end. */
#include "hooks.h"

/* --- pre-stop and the stop command --- */

static void it_is_stopped_also_where_its_hook_fails(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_run(&g, PRE_STOP);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	g.now += 3 * SEC;
	rig_hook(&g, 0, SPEC_HOOK_PRE_STOP, false);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	assert_int_equal(core_deadline(g.core, 0), g.now + 10 * SEC);
	has_reason(&g, 0, "by request; TERM sent, KILL after 10s");
}

static void a_pre_stop_hook_that_hangs_is_killed_and_the_stop_goes_on(void **state _unused_)
{
	for (int command = 0; command < 2; command++) {
		_cleanup_rig_ struct rig g;

		init_run(&g, PRE_STOP | (command ? STOP : 0));
		rig_ask(&g, 0, CORE_EVENT_STOP);
		assert_int_equal(core_deadline(g.core, 0), g.now + 30 * SEC);
		rig_deadline(&g, 0);
		hook_cancelled(&g, 0, SPEC_HOOK_PRE_STOP);
		assert_int_equal(core_deadline(g.core, 0), g.now + 10 * SEC);
		if (command)
			hook_asked(&g, 0, SPEC_HOOK_STOP);
		else
			signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
		assert_false(rig_record(&g, 0)->killed);
	}
}

static void a_stop_command_that_fails_is_followed_by_the_signal(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	usec_t deadline;

	init_run(&g, STOP);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	deadline = core_deadline(g.core, 0);
	assert_int_equal(deadline, g.now + 10 * SEC);
	g.now += SEC;
	rig_hook(&g, 0, SPEC_HOOK_STOP, false);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	assert_int_equal(core_deadline(g.core, 0), deadline); /* and no time is added */
}

static void a_stop_command_that_hangs_or_helps_nothing_ends_in_a_kill(void **state _unused_)
{
	for (int ended = 0; ended < 2; ended++) {
		_cleanup_rig_ struct rig g;

		init_run(&g, STOP);
		rig_ask(&g, 0, CORE_EVENT_STOP);
		if (ended)
			rig_hook(&g, 0, SPEC_HOOK_STOP, true);
		rig_deadline(&g, 0);
		signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
		if (!ended)
			hook_cancelled(&g, 0, SPEC_HOOK_STOP);
		has_reason(&g, 0, "by request; KILL sent");
		rig_deadline(&g, 0);
		assert_false(rig_change(&g, 0).todo & CORE_DO_CANCEL_HOOK);
	}
}

static void what_it_leaves_behind_gets_the_signal_once_the_command_is_done(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_run(&g, STOP);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_STOP_COMMAND);
	assert_false(signals(&g)); /* the command may be one of those */
	rig_hook(&g, 0, SPEC_HOOK_STOP, true);
	signalled(&g, 0, SIGTERM, SPEC_KILL_TREE);
	rig_gone(&g, 0);
	has_state(&g, 0, CORE_STOPPED);
}

static void a_crash_during_the_pre_stop_hook_is_not_talked_to_any_more(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_run(&g, PRE_STOP | STOP);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGSEGV, true);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_PRE_STOP);
	assert_true(rig_change(&g, 0).todo & CORE_DO_WATCH_TREE);
	rig_hook(&g, 0, SPEC_HOOK_PRE_STOP, true);
	assert_false(asks_hook(&g)); /* to whom should the stop command speak? */
	signalled(&g, 0, SIGTERM, SPEC_KILL_TREE);
	rig_gone(&g, 0);
	has_state(&g, 0, CORE_STOPPED);
	has_reason(&g, 0, "by request");
}

/* It might meet the next process, or the post-stop hook, else. */
static void when_all_is_gone_the_hook_of_the_stop_is_still_waited_for(void **state _unused_)
{
	static const enum spec_hook hooks[] = {SPEC_HOOK_PRE_STOP, SPEC_HOOK_STOP};

	for (size_t i = 0; i < ELEMENTSOF(hooks); i++) {
		for (int hangs = 0; hangs < 2; hangs++) {
			_cleanup_rig_ struct rig g;

			init_run(&g, 1u << hooks[i] | POST_STOP);
			rig_ask(&g, 0, CORE_EVENT_RESTART);
			rig_end(&g, 0, CORE_END_SIGNALLED, SIGSEGV, false);
			has_state(&g, 0, CORE_STOPPING);
			assert_true(rig_change(&g, 0).todo & CORE_DO_WATCH_TREE);
			assert_false(signals(&g));
			rig_gone(&g, 0); /* which is told again */
			assert_int_equal(g.n_changes, 0);
			if (hangs)
				rig_deadline(&g, 0);
			if (hangs)
				hook_cancelled(&g, 0, hooks[i]);
			else
				rig_hook(&g, 0, hooks[i], true);
			assert_true(rig_change(&g, 0).todo & CORE_DO_WATCH_TREE);
			rig_gone(&g, 0);
			hook_asked(&g, 0, SPEC_HOOK_POST_STOP);
			rig_hook(&g, 0, hooks[i], false);
			assert_int_equal(g.n_changes, 0);
			rig_hook(&g, 0, SPEC_HOOK_POST_STOP, true);
			assert_true(spawned(&g, 0));
		}
	}
}

static void a_kill_ends_the_hook_and_all_the_rest(void **state _unused_)
{
	static const enum spec_hook hooks[] = {SPEC_HOOK_PRE_STOP, SPEC_HOOK_STOP};

	for (size_t i = 0; i < ELEMENTSOF(hooks); i++) {
		_cleanup_rig_ struct rig g;

		init_run(&g, 1u << hooks[i]);
		rig_ask(&g, 0, CORE_EVENT_STOP);
		rig_ask(&g, 0, CORE_EVENT_KILL);
		hook_cancelled(&g, 0, hooks[i]);
		signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
		has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_SIGNAL);
		rig_hook(&g, 0, hooks[i], false);
		assert_int_equal(g.n_changes, 0);
		rig_end(&g, 0, CORE_END_SIGNALLED, SIGKILL, false);
		has_state(&g, 0, CORE_STOPPED);
	}
}

static void a_kill_of_what_runs_asks_for_no_hook_but_the_last(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_run(&g, PRE_STOP | STOP | POST_STOP);
	rig_ask(&g, 0, CORE_EVENT_KILL);
	assert_false(asks_hook(&g));
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGKILL, false);
	hook_asked(&g, 0, SPEC_HOOK_POST_STOP);
}

static void what_is_not_executed_yet_is_stopped_without_hooks(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, PRE_STOP | STOP);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	assert_false(asks_hook(&g));
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	rig_started(&g, 0);
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_STOPPED);
}

static void what_hangs_or_has_crashed_is_not_talked_to(void **state _unused_)
{
	enum { CRASHED, HANGS, NOT_READY, WAYS };
	static const int signos[WAYS] = {SIGTERM, SIGABRT, SIGTERM};

	for (int way = 0; way < WAYS; way++) {
		_cleanup_rig_ struct rig g;

		init(&g, PRE_STOP | STOP);
		g.policies[0].watchdog_usec = way == HANGS ? SEC : 0;
		g.policies[0].ready = way == NOT_READY ? SPEC_READY_NOTIFY : SPEC_READY_EXEC;
		g.policies[0].ready_timeout_usec = SEC;
		rig_ask(&g, 0, CORE_EVENT_START);
		rig_started(&g, 0);
		if (way == CRASHED)
			rig_end(&g, 0, CORE_END_SIGNALLED, SIGSEGV, true);
		else
			rig_deadline(&g, 0);
		assert_false(asks_hook(&g));
		signalled(&g, 0, signos[way], way == CRASHED ? SPEC_KILL_TREE : SPEC_KILL_GROUP);
	}
}

static void what_is_unhealthy_or_in_somebodys_way_is_stopped_with_hooks(void **state _unused_)
{
	_cleanup_rig_ struct rig g, other;

	init_run(&g, PRE_STOP);
	g.policies[0].health_failures = 1;
	rig_check(&g, 0, false);
	hook_asked(&g, 0, SPEC_HOOK_PRE_STOP);
	has_reason(&g, 0, "unhealthy; its pre-stop hook runs");

	rig_init(&other, 2, 0);
	other.policies[0].hooks = PRE_STOP;
	rig_link(&other, 0, CORE_LINK_CONFLICTS, 1);
	rig_run(&other, 0);
	rig_ask(&other, 1, CORE_EVENT_START);
	hook_asked(&other, 0, SPEC_HOOK_PRE_STOP);
}

/* --- post-stop --- */

static void the_last_hook_runs_after_every_end(void **state _unused_)
{
	enum { EXITS, CRASHES, FAILS, LEAVES, NO_SPAWN, NO_PRE_START, STOPPED, CANCELLED, WAYS };
	static const enum core_state states[WAYS] = {CORE_EXITED, CORE_BACKOFF, CORE_FAILED,
		CORE_BACKOFF, CORE_BACKOFF, CORE_BACKOFF, CORE_STOPPED, CORE_STOPPED};
	static const char *const reasons[WAYS] = {"exited with code 0",
		"killed by signal SEGV (core dumped)", "exited with code 1", "exited with code 1",
		"cannot execute: No such file or directory", "its pre-start hook failed",
		"by request", "by request"};

	for (int way = 0; way < WAYS; way++) {
		_cleanup_rig_ struct rig g;
		char reason[CORE_REASON_SIZE];

		init(&g, POST_STOP | (way == NO_PRE_START || way == CANCELLED ? PRE_START : 0));
		if (way == FAILS)
			g.policies[0].restart = SPEC_RESTART_NEVER;
		rig_ask(&g, 0, CORE_EVENT_START);
		if (way == NO_SPAWN)
			rig_end(&g, 0, CORE_END_SPAWN_FAILED, ENOENT, false);
		else if (way == NO_PRE_START)
			rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
		else if (way != CANCELLED)
			rig_started(&g, 0);
		if (way == STOPPED || way == CANCELLED)
			rig_ask(&g, 0, CORE_EVENT_STOP);
		if (way == CANCELLED)
			rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
		else if (way == CRASHES)
			rig_end(&g, 0, CORE_END_DUMPED, SIGSEGV, false);
		else if (way != NO_SPAWN && way != NO_PRE_START)
			rig_end(&g, 0, CORE_END_EXITED, way == EXITS ? 0 : 1, way == LEAVES);
		if (way == LEAVES) {
			assert_false(asks_hook(&g)); /* not before all are gone */
			rig_gone(&g, 0);
		}
		has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_POST_STOP);
		hook_asked(&g, 0, SPEC_HOOK_POST_STOP);
		assert_int_equal(core_deadline(g.core, 0), g.now + 30 * SEC);
		assert_int_equal(rig_record(&g, 0)->pid, 0);
		snprintf(reason, sizeof(reason), "%s; its post-stop hook runs", reasons[way]);
		has_reason(&g, 0, reason);
		rig_hook(
			&g, 0, SPEC_HOOK_POST_STOP, way % 2 == 0); /* it changes nothing any more */
		has_state(&g, 0, states[way]);
		has_reason(&g, 0, reasons[way]);
	}
}

static void a_post_stop_hook_that_hangs_is_killed(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_run(&g, POST_STOP);
	rig_exit(&g, 0, 0);
	for (int i = 0; i < 3; i++) {
		rig_deadline(&g, 0);
		hook_cancelled(&g, 0, SPEC_HOOK_POST_STOP);
		assert_false(signals(&g));
		has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_POST_STOP);
		assert_int_equal(core_deadline(g.core, 0), g.now + RIG_AGAIN);
	}
	rig_hook(&g, 0, SPEC_HOOK_POST_STOP, false);
	has_state(&g, 0, CORE_EXITED);
}

static void a_start_during_the_post_stop_hook_comes_after_it(void **state _unused_)
{
	static const enum core_event_type requests[] = {
		CORE_EVENT_START, CORE_EVENT_RESTART, CORE_EVENT_AUTOSTART};

	for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
		_cleanup_rig_ struct rig g;

		init_run(&g, POST_STOP);
		rig_ask(&g, 0, CORE_EVENT_STOP);
		rig_exit(&g, 0, 0);
		rig_ask(&g, 0, requests[i]);
		has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_POST_STOP);
		judged(&g, 0, CORE_EVENT_START, 1, CORE_PENDING);
		rig_hook(&g, 0, SPEC_HOOK_POST_STOP, false);
		assert_true(spawned(&g, 0));
		assert_int_equal(rig_record(&g, 0)->generation, 2);
	}
}

static void a_stop_during_the_post_stop_hook_of_a_crash_is_the_end(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_run(&g, POST_STOP);
	rig_exit(&g, 0, 1);
	rig_ask(&g, 0, CORE_EVENT_STOP);
	assert_false(asks_hook(&g));
	rig_hook(&g, 0, SPEC_HOOK_POST_STOP, true);
	has_state(&g, 0, CORE_STOPPED);
	has_reason(&g, 0, "by request");
}

static void a_kill_during_the_post_stop_hook_ends_that(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_run(&g, POST_STOP);
	rig_exit(&g, 0, 1);
	rig_ask(&g, 0, CORE_EVENT_KILL);
	hook_cancelled(&g, 0, SPEC_HOOK_POST_STOP);
	assert_false(signals(&g)); /* its pid may be another one's by now */
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_POST_STOP);
	rig_hook(&g, 0, SPEC_HOOK_POST_STOP, false);
	has_state(&g, 0, CORE_STOPPED);
}

static void a_restart_goes_through_all_of_them_in_order(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_run(&g, PRE_START | PRE_STOP | POST_STOP);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	hook_asked(&g, 0, SPEC_HOOK_PRE_STOP);
	rig_hook(&g, 0, SPEC_HOOK_PRE_STOP, true);
	rig_exit(&g, 0, 0);
	hook_asked(&g, 0, SPEC_HOOK_POST_STOP);
	rig_hook(&g, 0, SPEC_HOOK_POST_STOP, true);
	hook_asked(&g, 0, SPEC_HOOK_PRE_START);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_PRE_START);
	rig_hook(&g, 0, SPEC_HOOK_PRE_START, true);
	assert_true(spawned(&g, 0));
	assert_int_equal(rig_record(&g, 0)->generation, 2);
}

static void whose_end_ends_everything_has_its_last_hook_first(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	uint32_t which = 99;

	init_run(&g, POST_STOP);
	g.policies[0].essential = true;
	rig_exit(&g, 0, 0);
	assert_false(core_essential_end(g.core, &which));
	rig_hook(&g, 0, SPEC_HOOK_POST_STOP, true);
	assert_true(core_essential_end(g.core, &which));
	assert_int_equal(which, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_stopped_also_where_its_hook_fails),
		cmocka_unit_test(a_pre_stop_hook_that_hangs_is_killed_and_the_stop_goes_on),
		cmocka_unit_test(a_stop_command_that_fails_is_followed_by_the_signal),
		cmocka_unit_test(a_stop_command_that_hangs_or_helps_nothing_ends_in_a_kill),
		cmocka_unit_test(what_it_leaves_behind_gets_the_signal_once_the_command_is_done),
		cmocka_unit_test(a_crash_during_the_pre_stop_hook_is_not_talked_to_any_more),
		cmocka_unit_test(when_all_is_gone_the_hook_of_the_stop_is_still_waited_for),
		cmocka_unit_test(a_kill_ends_the_hook_and_all_the_rest),
		cmocka_unit_test(a_kill_of_what_runs_asks_for_no_hook_but_the_last),
		cmocka_unit_test(what_is_not_executed_yet_is_stopped_without_hooks),
		cmocka_unit_test(what_hangs_or_has_crashed_is_not_talked_to),
		cmocka_unit_test(what_is_unhealthy_or_in_somebodys_way_is_stopped_with_hooks),
		cmocka_unit_test(the_last_hook_runs_after_every_end),
		cmocka_unit_test(a_post_stop_hook_that_hangs_is_killed),
		cmocka_unit_test(a_start_during_the_post_stop_hook_comes_after_it),
		cmocka_unit_test(a_stop_during_the_post_stop_hook_of_a_crash_is_the_end),
		cmocka_unit_test(a_kill_during_the_post_stop_hook_ends_that),
		cmocka_unit_test(a_restart_goes_through_all_of_them_in_order),
		cmocka_unit_test(whose_end_ends_everything_has_its_last_hook_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
