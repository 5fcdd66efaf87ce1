/*
 * Commands that the core waits for: the pre-start hook, on the way down the pre-stop hook and the
 * stop command, and the post-stop hook at the end. Each in its turn, each with an end in sight,
 * and none of them still running when the next one begins. Here those of the way up, and what
 * holds for all; test_core_hooks_stop.c has those of the way down.
 */
#include "hooks.h"

/* --- all of them --- */

static void each_hook_has_its_turn(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, (1u << SPEC_HOOK_MAX) - 1);
	rig_ask(&g, 0, CORE_EVENT_START);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_PRE_START);
	hook_asked(&g, 0, SPEC_HOOK_PRE_START);
	assert_false(spawned(&g, 0));
	assert_int_equal(rig_record(&g, 0)->generation, 1); /* the hook is a part of it */
	has_reason(&g, 0, "its pre-start hook runs");
	rig_hook(&g, 0, SPEC_HOOK_PRE_START, true);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_EXEC);
	assert_true(spawned(&g, 0));
	assert_int_equal(rig_record(&g, 0)->generation, 1);
	has_reason(&g, 0, "");
	rig_started(&g, 0);
	assert_false(asks_hook(&g)); /* for post-start nobody waits: it is the engine's */

	rig_ask(&g, 0, CORE_EVENT_STOP);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_PRE_STOP);
	hook_asked(&g, 0, SPEC_HOOK_PRE_STOP);
	assert_false(signals(&g));
	has_reason(&g, 0, "by request; its pre-stop hook runs");
	rig_hook(&g, 0, SPEC_HOOK_PRE_STOP, true);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_STOP_COMMAND);
	hook_asked(&g, 0, SPEC_HOOK_STOP);
	assert_false(signals(&g)); /* the command is there in place of it */
	has_reason(&g, 0, "by request; its stop command runs, KILL after 10s");
	rig_hook(&g, 0, SPEC_HOOK_STOP, true);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_SIGNAL);
	assert_false(signals(&g));
	has_reason(&g, 0, "by request; its stop command has ended, KILL after 10s");
	rig_exit(&g, 0, 0);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_POST_STOP);
	hook_asked(&g, 0, SPEC_HOOK_POST_STOP);
	has_reason(&g, 0, "by request; its post-stop hook runs");
	judged(&g, 0, CORE_EVENT_STOP, 1, CORE_PENDING);
	rig_hook(&g, 0, SPEC_HOOK_POST_STOP, true);
	has_state(&g, 0, CORE_STOPPED);
	judged(&g, 0, CORE_EVENT_STOP, 1, CORE_DONE);
	assert_false(asks_hook(&g));
}

/* What a hook says comes late, comes twice, or is of another generation or another hook. */
static void only_the_end_of_the_hook_that_is_waited_for_counts(void **state _unused_)
{
	static const enum core_phase phases[] = {CORE_PHASE_PRE_START, CORE_PHASE_EXEC,
		CORE_PHASE_NONE, CORE_PHASE_PRE_STOP, CORE_PHASE_STOP_COMMAND, CORE_PHASE_SIGNAL,
		CORE_PHASE_POST_STOP};
	_cleanup_rig_ struct rig g;

	init(&g, PRE_START | PRE_STOP | STOP | POST_STOP);
	rig_ask(&g, 0, CORE_EVENT_START);
	for (size_t i = 0; i < ELEMENTSOF(phases); i++) {
		struct core_record before = *rig_record(&g, 0);

		assert_int_equal(before.phase, phases[i]);
		for (int hook = 0; hook < SPEC_HOOK_MAX; hook++) {
			for (uint64_t generation = 0; generation < 3; generation++) {
				struct core_event e = {.type = CORE_EVENT_HOOK,
					.generation = generation,
					.hook = (enum spec_hook)hook,
					.ok = true};
				bool awaited = (phases[i] == CORE_PHASE_PRE_START &&
						       hook == SPEC_HOOK_PRE_START) ||
					       (phases[i] == CORE_PHASE_PRE_STOP &&
						       hook == SPEC_HOOK_PRE_STOP) ||
					       (phases[i] == CORE_PHASE_STOP_COMMAND &&
						       hook == SPEC_HOOK_STOP) ||
					       (phases[i] == CORE_PHASE_POST_STOP &&
						       hook == SPEC_HOOK_POST_STOP);

				if (awaited && generation == 1)
					continue;
				rig_step(&g, &e);
				assert_int_equal(g.n_changes, 0);
				rig_same_record(&before, rig_record(&g, 0));
			}
		}
		switch (phases[i]) {
		case CORE_PHASE_PRE_START:
			rig_hook(&g, 0, SPEC_HOOK_PRE_START, true);
			break;
		case CORE_PHASE_EXEC:
			rig_started(&g, 0);
			break;
		case CORE_PHASE_NONE:
			rig_ask(&g, 0, CORE_EVENT_STOP);
			break;
		case CORE_PHASE_PRE_STOP:
			rig_hook(&g, 0, SPEC_HOOK_PRE_STOP, true);
			break;
		case CORE_PHASE_STOP_COMMAND:
			rig_hook(&g, 0, SPEC_HOOK_STOP, true);
			break;
		default:
			rig_exit(&g, 0, 0);
		}
	}
}

/* --- pre-start --- */

static void without_its_pre_start_hook_nothing_is_started(void **state _unused_)
{
	static const struct {
		enum spec_restart restart;
		enum core_state state;
	} cases[] = {{SPEC_RESTART_ALWAYS, CORE_BACKOFF}, {SPEC_RESTART_ON_FAILURE, CORE_BACKOFF},
		{SPEC_RESTART_ON_ABNORMAL, CORE_FAILED}, {SPEC_RESTART_NEVER, CORE_FAILED}};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_rig_ struct rig g;

		init(&g, PRE_START);
		g.policies[0].restart = cases[i].restart;
		rig_ask(&g, 0, CORE_EVENT_START);
		g.now += SEC;
		rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
		has_state(&g, 0, cases[i].state);
		has_reason(&g, 0, "its pre-start hook failed");
		assert_false(spawned(&g, 0));
		judged(&g, 0, CORE_EVENT_START, 0, CORE_NOT_DONE);
		if (cases[i].state != CORE_BACKOFF)
			continue;
		rig_deadline(&g, 0);
		hook_asked(&g, 0, SPEC_HOOK_PRE_START);
		has_reason(&g, 0, "restarted: its pre-start hook failed; its pre-start hook runs");
		assert_int_equal(rig_record(&g, 0)->generation, 2);
		assert_int_equal(rig_record(&g, 0)->restarts, 1);
	}
}

static void a_pre_start_hook_that_fails_again_and_again_is_given_up(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, PRE_START);
	g.policies[0].restart_limit = 1;
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
	rig_deadline(&g, 0);
	rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
	has_state(&g, 0, CORE_FAILED);
	has_reason(&g, 0, "its pre-start hook failed; gave up after 1 automatic restart in 1min");
}

/* An exit code of the run before is not the end of one that never was. */
static void a_failed_hook_hides_how_the_run_before_ended(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_run(&g, PRE_START);
	rig_exit(&g, 0, 77);
	rig_deadline(&g, 0);
	has_reason(&g, 0, "restarted: exited with code 77; its pre-start hook runs");
	rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
	has_reason(&g, 0, "its pre-start hook failed");
	assert_int_equal(rig_record(&g, 0)->end, CORE_END_NONE);
}

static void a_pre_start_hook_that_hangs_is_killed_and_has_failed(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, PRE_START);
	g.policies[0].ready_timeout_usec = 5 * SEC; /* which begins with the spawn */
	rig_ask(&g, 0, CORE_EVENT_START);
	assert_int_equal(core_deadline(g.core, 0), g.now + 30 * SEC);
	rig_deadline(&g, 0);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_CANCELLED);
	hook_cancelled(&g, 0, SPEC_HOOK_PRE_START);
	assert_false(signals(&g)); /* there is nobody to signal */
	has_reason(&g, 0, "its pre-start hook failed; ending its pre-start hook");
	for (int i = 0; i < 3; i++) { /* KILL can't end it at once */
		assert_int_equal(core_deadline(g.core, 0), g.now + RIG_AGAIN);
		rig_deadline(&g, 0);
		has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_CANCELLED);
		hook_cancelled(&g, 0, SPEC_HOOK_PRE_START);
		assert_false(signals(&g));
	}
	rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
	has_state(&g, 0, CORE_BACKOFF);
	has_reason(&g, 0, "its pre-start hook failed");
}

static void a_slow_hook_takes_nothing_of_the_time_to_get_ready(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, PRE_START);
	g.policies[0].ready_timeout_usec = 5 * SEC;
	rig_ask(&g, 0, CORE_EVENT_START);
	g.now += 20 * SEC;
	rig_hook(&g, 0, SPEC_HOOK_PRE_START, true);
	assert_int_equal(core_deadline(g.core, 0), g.now + 5 * SEC);
	assert_int_equal(rig_record(&g, 0)->started_usec, g.now);
}

static void a_stop_during_the_pre_start_hook_ends_the_hook_only(void **state _unused_)
{
	for (int ok = 0; ok < 2; ok++) { /* it may have ended by itself just then */
		for (int kill = 0; kill < 2; kill++) {
			_cleanup_rig_ struct rig g;

			init(&g, PRE_START);
			rig_ask(&g, 0, CORE_EVENT_START);
			rig_ask(&g, 0, kill ? CORE_EVENT_KILL : CORE_EVENT_STOP);
			has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_CANCELLED);
			hook_cancelled(&g, 0, SPEC_HOOK_PRE_START);
			assert_false(signals(&g));
			has_reason(&g, 0, "by request; ending its pre-start hook");
			judged(&g, 0, CORE_EVENT_STOP, 1, CORE_PENDING);
			rig_hook(&g, 0, SPEC_HOOK_PRE_START, ok);
			has_state(&g, 0, CORE_STOPPED);
			assert_false(spawned(&g, 0));
			has_reason(&g, 0, "by request");
		}
	}
}

static void a_restart_during_the_pre_start_hook_begins_it_anew(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, PRE_START);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	hook_cancelled(&g, 0, SPEC_HOOK_PRE_START);
	assert_false(asks_hook(&g));
	rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
	has_phase(&g, 0, CORE_STARTING, CORE_PHASE_PRE_START);
	hook_asked(&g, 0, SPEC_HOOK_PRE_START);
	assert_int_equal(rig_record(&g, 0)->generation, 2);
	judged(&g, 0, CORE_EVENT_RESTART, 1, CORE_PENDING);
}

static void what_it_requires_is_lost_during_the_pre_start_hook(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	g.policies[0].hooks = PRE_START | POST_STOP;
	rig_requires(&g, 0, 1);
	rig_run(&g, 1);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_exit(&g, 1, 1);
	hook_cancelled(&g, 0, SPEC_HOOK_PRE_START);
	has_reason(&g, 0, "'s1', which it requires, is not there; ending its pre-start hook");
	rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
	hook_asked(&g, 0, SPEC_HOOK_POST_STOP); /* which tidies up after the other one too */
	rig_hook(&g, 0, SPEC_HOOK_POST_STOP, true);
	has_reason(&g, 0, "waiting for 's1'");
	assert_int_equal(rig_record(&g, 0)->restarts, 0);
}

static void news_of_a_process_that_can_not_be_yet_are_none(void **state _unused_)
{
	static const enum core_event_type news[] = {CORE_EVENT_STARTED, CORE_EVENT_ENDED,
		CORE_EVENT_GONE, CORE_EVENT_MAINPID, CORE_EVENT_READY, CORE_EVENT_ALIVE,
		CORE_EVENT_TRIGGER, CORE_EVENT_EXTEND, CORE_EVENT_HEALTH, CORE_EVENT_SIGNAL};
	enum { BEFORE, CANCELLED, AFTER, WAYS };

	for (int way = 0; way < WAYS; way++) {
		_cleanup_rig_ struct rig g;
		struct core_record before;

		init(&g, PRE_START | POST_STOP);
		rig_ask(&g, 0, CORE_EVENT_START);
		if (way == CANCELLED)
			rig_ask(&g, 0, CORE_EVENT_STOP);
		if (way == AFTER)
			rig_hook(&g, 0, SPEC_HOOK_PRE_START, false);
		before = *rig_record(&g, 0);
		for (size_t i = 0; i < ELEMENTSOF(news); i++) {
			rig_tell_of(&g, 0, news[i], 1);
			assert_int_equal(g.n_changes, 0);
			rig_same_record(&before, rig_record(&g, 0));
		}
	}
}

/* --- an engine that dies --- */

static void a_hook_is_waited_for_by_the_next_engine_too(void **state _unused_)
{
	static const enum core_phase phases[] = {CORE_PHASE_PRE_START, CORE_PHASE_PRE_STOP,
		CORE_PHASE_STOP_COMMAND, CORE_PHASE_POST_STOP, CORE_PHASE_CANCELLED};
	static const enum spec_hook hooks[] = {SPEC_HOOK_PRE_START, SPEC_HOOK_PRE_STOP,
		SPEC_HOOK_STOP, SPEC_HOOK_POST_STOP, SPEC_HOOK_PRE_START};

	for (size_t i = 0; i < ELEMENTSOF(phases); i++) {
		for (int late = 0; late < 2; late++) {
			_cleanup_rig_ struct rig old, g;

			init(&old, 1u << hooks[i]);
			if (hooks[i] != SPEC_HOOK_PRE_START)
				run(&old);
			rig_ask(&old, 0, i == 0 ? CORE_EVENT_START : CORE_EVENT_STOP);
			if (phases[i] == CORE_PHASE_CANCELLED) {
				rig_ask(&old, 0, CORE_EVENT_START);
				rig_ask(&old, 0, CORE_EVENT_STOP);
			}
			if (phases[i] == CORE_PHASE_POST_STOP)
				rig_exit(&old, 0, 0);
			assert_int_equal(rig_record(&old, 0)->phase, phases[i]);
			rig_restore(&g, &old, 0);
			rig_settle(&g);
			assert_int_equal(g.n_changes, 0);
			if (late) {
				rig_deadline(&old, 0);
				rig_deadline(&g, 0);
			} else {
				rig_hook(&old, 0, hooks[i], true);
				rig_hook(&g, 0, hooks[i], true);
			}
			assert_int_equal(g.n_changes, 1);
			assert_memory_equal(&g.changes[0], &old.changes[0], sizeof(g.changes[0]));
			rig_same(&g, &old, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_hook_has_its_turn),
		cmocka_unit_test(only_the_end_of_the_hook_that_is_waited_for_counts),
		cmocka_unit_test(without_its_pre_start_hook_nothing_is_started),
		cmocka_unit_test(a_pre_start_hook_that_fails_again_and_again_is_given_up),
		cmocka_unit_test(a_failed_hook_hides_how_the_run_before_ended),
		cmocka_unit_test(a_pre_start_hook_that_hangs_is_killed_and_has_failed),
		cmocka_unit_test(a_slow_hook_takes_nothing_of_the_time_to_get_ready),
		cmocka_unit_test(a_stop_during_the_pre_start_hook_ends_the_hook_only),
		cmocka_unit_test(a_restart_during_the_pre_start_hook_begins_it_anew),
		cmocka_unit_test(what_it_requires_is_lost_during_the_pre_start_hook),
		cmocka_unit_test(news_of_a_process_that_can_not_be_yet_are_none),
		cmocka_unit_test(a_hook_is_waited_for_by_the_next_engine_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
