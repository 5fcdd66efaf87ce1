/*
 * Conflicts: of two, never both. Whoever is asked for last gets its way; supervisord's own start
 * of services takes nothing away from what is up.
 */
#include "rig.h"

enum { RED, BLUE, TOP, TAKER };

static void init(struct rig *g)
{
	rig_init(g, 4, 0);
	rig_link(g, RED, CORE_LINK_CONFLICTS, BLUE);
}

static void start_is(const struct rig *g, uint32_t i, enum core_outcome outcome)
{
	judged(g, i, CORE_EVENT_START, rig_record(g, i)->generation, outcome);
}

/* --- by request --- */

static void a_start_stops_the_other_one_and_waits_for_its_end(void **state _unused_)
{
	for (uint32_t first = 0; first < 2; first++) { /* said by either, it holds for both */
		_cleanup_rig_ struct rig g;
		uint32_t second = 1 - first;
		char reason[CORE_REASON_SIZE];

		init(&g);
		rig_run(&g, first);
		rig_ask(&g, second, CORE_EVENT_START);
		assert_int_equal(g.changes[0].service, first);
		signalled(&g, first, SIGTERM, SPEC_KILL_GROUP);
		assert_false(rig_record(&g, first)->desired_up);
		snprintf(reason, sizeof(reason), "conflicts with 's%u'; TERM sent, KILL after 10s",
			second);
		has_reason(&g, first, reason);
		has_state(&g, second, CORE_WAITING);
		snprintf(reason, sizeof(reason),
			"waiting for the end of 's%u', with which it conflicts", first);
		has_reason(&g, second, reason);
		start_is(&g, second, CORE_PENDING);

		rig_end(&g, first, CORE_END_EXITED, 0, true); /* it ends with its tree */
		has_state(&g, second, CORE_WAITING);
		rig_gone(&g, first);
		has_state(&g, first, CORE_STOPPED);
		snprintf(reason, sizeof(reason), "conflicts with 's%u'", second);
		has_reason(&g, first, reason);
		assert_true(spawned(&g, second));
		rig_started(&g, second);
		start_is(&g, second, CORE_DONE);
		has_state(&g, first, CORE_STOPPED);
	}
}

static void they_can_be_swapped_again_and_again(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g);
	rig_run(&g, RED);
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t next = i % 2 ? RED : BLUE;

		rig_ask(&g, next, CORE_EVENT_START);
		rig_exit(&g, 1 - next, 0);
		rig_started(&g, next);
		has_state(&g, next, CORE_RUNNING);
		has_state(&g, 1 - next, CORE_STOPPED);
	}
}

static void a_restart_or_a_start_of_what_is_up_concerns_nobody(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g);
	rig_run(&g, RED);
	rig_ask(&g, RED, CORE_EVENT_START);
	rig_ask(&g, RED, CORE_EVENT_RESTART);
	assert_int_equal(g.n_changes, 1);
	rig_exit(&g, RED, 0);
	assert_true(spawned(&g, RED));
	has_state(&g, BLUE, CORE_STOPPED);
}

static void what_is_not_alive_gives_way_at_once(void **state _unused_)
{
	_cleanup_rig_ struct rig g, waiting;

	init(&g);
	rig_run(&g, RED);
	rig_exit(&g, RED, 1);
	has_state(&g, RED, CORE_BACKOFF);
	rig_ask(&g, BLUE, CORE_EVENT_START);
	has_state(&g, RED, CORE_STOPPED);
	has_reason(&g, RED, "conflicts with 's1'");
	assert_int_equal(core_deadline(g.core, RED), USEC_INFINITY);
	assert_true(spawned(&g, BLUE));

	init(&waiting);
	core_set_max_starting(waiting.core, 1);
	rig_ask(&waiting, TAKER, CORE_EVENT_START);
	rig_ask(&waiting, RED, CORE_EVENT_START);
	rig_ask(&waiting, BLUE, CORE_EVENT_START);
	has_state(&waiting, RED, CORE_STOPPED);
	has_state(&waiting, BLUE, CORE_WAITING);
	rig_started(&waiting, TAKER);
	assert_true(spawned(&waiting, BLUE));
	has_state(&waiting, RED, CORE_STOPPED);
}

static void what_was_to_follow_its_stop_is_given_up(void **state _unused_)
{
	for (int crashed = 0; crashed < 2; crashed++) {
		_cleanup_rig_ struct rig g;

		init(&g);
		rig_run(&g, RED);
		if (crashed)
			rig_end(&g, RED, CORE_END_EXITED, 1, true);
		else
			rig_ask(&g, RED, CORE_EVENT_RESTART);
		rig_ask(&g, BLUE, CORE_EVENT_START);
		assert_false(rig_change(&g, RED).todo & CORE_DO_SIGNAL); /* it has it already */
		if (crashed)
			rig_gone(&g, RED);
		else
			rig_exit(&g, RED, 0);
		has_state(&g, RED, CORE_STOPPED);
		has_reason(&g, RED, "conflicts with 's1'");
		assert_true(spawned(&g, BLUE));
	}
}

static void the_last_start_wins_also_during_the_stop(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g);
	rig_run(&g, RED);
	rig_ask(&g, BLUE, CORE_EVENT_START);
	rig_ask(&g, RED, CORE_EVENT_START); /* after all */
	has_state(&g, BLUE, CORE_STOPPED);
	has_reason(&g, BLUE, "conflicts with 's0'");
	start_is(&g, BLUE, CORE_NOT_DONE);
	start_is(&g, RED, CORE_PENDING);
	rig_exit(&g, RED, 0);
	assert_true(spawned(&g, RED));
	rig_started(&g, RED);
	start_is(&g, RED, CORE_DONE);
	assert_int_equal(rig_record(&g, BLUE)->generation, 0);
}

static void what_a_start_needs_has_its_way_too(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g);
	rig_requires(&g, TOP, RED);
	rig_run(&g, BLUE);
	rig_ask(&g, TOP, CORE_EVENT_START);
	signalled(&g, BLUE, SIGTERM, SPEC_KILL_GROUP);
	has_reason(&g, RED, "waiting for the end of 's1', with which it conflicts");
	has_reason(&g, TOP, "waiting for 's0'");
	start_is(&g, TOP, CORE_PENDING);
	rig_exit(&g, BLUE, 0);
	rig_started(&g, RED);
	assert_true(spawned(&g, TOP));
}

static void what_requires_the_one_that_gives_way_goes_first(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g);
	rig_requires(&g, TOP, RED);
	rig_run(&g, RED);
	rig_run(&g, TOP);
	rig_ask(&g, BLUE, CORE_EVENT_START);
	has_phase(&g, RED, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	has_reason(&g, RED, "conflicts with 's1'; waiting for services that need it to stop");
	rig_exit(&g, TOP, 0);
	rig_exit(&g, RED, 0);
	assert_true(spawned(&g, BLUE));
	has_reason(&g, TOP, "requires 's0', which is stopped");
}

static void an_operators_stop_in_between_is_told_as_such(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g);
	rig_run(&g, RED);
	rig_ask(&g, BLUE, CORE_EVENT_START);
	rig_ask(&g, RED, CORE_EVENT_STOP);
	rig_ask(&g, BLUE, CORE_EVENT_STOP);
	has_state(&g, BLUE, CORE_STOPPED);
	rig_exit(&g, RED, 0);
	has_state(&g, RED, CORE_STOPPED);
	has_reason(&g, RED, "by request");
	has_state(&g, BLUE, CORE_STOPPED);
}

/* --- by itself --- */

static void an_autostart_is_declined_and_says_for_whose_sake(void **state _unused_)
{
	static const enum core_state states[] = {CORE_RUNNING, CORE_BACKOFF, CORE_WAITING};

	for (size_t i = 0; i < ELEMENTSOF(states); i++) {
		_cleanup_rig_ struct rig g;

		init(&g);
		if (states[i] == CORE_WAITING) {
			core_set_max_starting(g.core, 1);
			rig_ask(&g, TAKER, CORE_EVENT_START);
			rig_ask(&g, RED, CORE_EVENT_AUTOSTART);
		} else {
			rig_run(&g, RED);
		}
		if (states[i] == CORE_BACKOFF)
			rig_exit(&g, RED, 1);
		has_state(&g, RED, states[i]);
		rig_ask(&g, BLUE, CORE_EVENT_AUTOSTART);
		has_state(&g, RED, states[i]);
		has_state(&g, BLUE, CORE_STOPPED);
		has_reason(&g, BLUE, "conflicts with 's0'");
		assert_false(rig_record(&g, BLUE)->desired_up);
		assert_int_equal(rig_record(&g, BLUE)->generation, 0);
		assert_true(core_remembers(g.core, BLUE, 7)); /* it was answered nevertheless */
	}
}

static void of_two_with_autostart_the_first_one_is_up(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g);
	rig_ask(&g, BLUE, CORE_EVENT_AUTOSTART);
	rig_ask(&g, RED, CORE_EVENT_AUTOSTART);
	has_state(&g, BLUE, CORE_STARTING);
	has_reason(&g, RED, "conflicts with 's1'");
	rig_started(&g, BLUE);
	rig_ask(&g, BLUE, CORE_EVENT_STOP);
	rig_exit(&g, BLUE, 0);
	has_state(&g, RED, CORE_STOPPED); /* it was not wanted up, and does not wait */
	rig_ask(&g, RED, CORE_EVENT_START);
	assert_true(spawned(&g, RED));
}

static void what_an_autostart_needs_takes_nothing_away_either(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g);
	rig_requires(&g, TOP, RED);
	rig_run(&g, BLUE);
	rig_ask(&g, TOP, CORE_EVENT_AUTOSTART);
	has_state(&g, BLUE, CORE_RUNNING);
	has_reason(&g, RED, "conflicts with 's1'");
	has_reason(&g, TOP, "requires 's0', which is stopped");
	start_is(&g, TOP, CORE_NOT_DONE);
}

/* What was to come with it is not waited for once it is clear that it does not. */
static void what_is_declined_is_not_waited_for_by_those_that_come_after_it(void **state _unused_)
{
	for (int turn = 0; turn < 2; turn++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 4, 0);
		rig_link(&g, RED, CORE_LINK_CONFLICTS, BLUE);
		rig_link(&g, TOP, CORE_LINK_WANTS, turn ? RED : TAKER);
		rig_link(&g, TOP, CORE_LINK_WANTS, turn ? TAKER : RED);
		rig_link(&g, TAKER, CORE_LINK_AFTER, RED);
		rig_run(&g, BLUE);
		rig_ask(&g, TOP, CORE_EVENT_AUTOSTART);
		has_state(&g, RED, CORE_STOPPED);
		assert_true(spawned(&g, TAKER));
		has_reason(&g, TOP, "waiting for 's3'");
	}
}

/* An operator has just asked for the other one, and this one goes for its sake. */
static void an_autostart_is_declined_also_by_one_that_is_on_its_way_out(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g);
	rig_requires(&g, TOP, RED);
	rig_run(&g, RED);
	rig_ask(&g, BLUE, CORE_EVENT_START);
	rig_ask(&g, RED, CORE_EVENT_AUTOSTART);
	assert_false(rig_record(&g, RED)->desired_up);
	rig_ask(&g, TOP, CORE_EVENT_AUTOSTART);
	assert_false(rig_record(&g, RED)->desired_up);
	rig_exit(&g, RED, 0);
	has_state(&g, RED, CORE_STOPPED);
	assert_true(spawned(&g, BLUE));
	has_reason(&g, TOP, "requires 's0', which is stopped");
}

/* Links may come at run time, when both are up: they stay, but do not meet again. */
static void what_was_up_before_the_conflict_is_not_joined_again(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	rig_run(&g, RED);
	rig_run(&g, BLUE);
	rig_link(&g, BLUE, CORE_LINK_CONFLICTS, RED);
	has_state(&g, RED, CORE_RUNNING);
	has_state(&g, BLUE, CORE_RUNNING);
	rig_exit(&g, RED, 1);
	rig_deadline(&g, RED);
	has_reason(&g, RED, "waiting for the end of 's1', with which it conflicts");
	rig_exit(&g, BLUE, 1);
	assert_true(spawned(&g, RED));
	rig_deadline(&g, BLUE);
	has_reason(&g, BLUE, "waiting for the end of 's0', with which it conflicts");
	assert_true(rig_record(&g, BLUE)->automatic);
}

/* --- with a schedule --- */

static void what_waits_for_its_time_is_in_nobodys_way(void **state _unused_)
{
	for (int first = 0; first < 2; first++) {
		_cleanup_rig_ struct rig g;

		init(&g);
		g.policies[BLUE].scheduled = true;
		g.policies[BLUE].type = SPEC_TYPE_ONESHOT;
		if (first)
			rig_ask(&g, BLUE, CORE_EVENT_AUTOSTART);
		rig_ask(&g, RED, first ? CORE_EVENT_AUTOSTART : CORE_EVENT_START);
		if (!first)
			rig_ask(&g, BLUE, CORE_EVENT_AUTOSTART);
		has_state(&g, RED, CORE_STARTING);
		has_reason(&g, BLUE, "waiting for its schedule");
		rig_started(&g, RED);
		rig_schedule(&g, BLUE, g.now + SEC);
		rig_deadline(&g, BLUE); /* its time comes: it takes nothing away, but waits */
		has_state(&g, RED, CORE_RUNNING);
		has_reason(&g, BLUE, "waiting for the end of 's0', with which it conflicts");
		rig_ask(&g, RED, CORE_EVENT_STOP);
		rig_exit(&g, RED, 0);
		assert_true(spawned(&g, BLUE));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_stops_the_other_one_and_waits_for_its_end),
		cmocka_unit_test(they_can_be_swapped_again_and_again),
		cmocka_unit_test(a_restart_or_a_start_of_what_is_up_concerns_nobody),
		cmocka_unit_test(what_is_not_alive_gives_way_at_once),
		cmocka_unit_test(what_was_to_follow_its_stop_is_given_up),
		cmocka_unit_test(the_last_start_wins_also_during_the_stop),
		cmocka_unit_test(what_a_start_needs_has_its_way_too),
		cmocka_unit_test(what_requires_the_one_that_gives_way_goes_first),
		cmocka_unit_test(an_operators_stop_in_between_is_told_as_such),
		cmocka_unit_test(an_autostart_is_declined_and_says_for_whose_sake),
		cmocka_unit_test(of_two_with_autostart_the_first_one_is_up),
		cmocka_unit_test(what_an_autostart_needs_takes_nothing_away_either),
		cmocka_unit_test(what_is_declined_is_not_waited_for_by_those_that_come_after_it),
		cmocka_unit_test(an_autostart_is_declined_also_by_one_that_is_on_its_way_out),
		cmocka_unit_test(what_was_up_before_the_conflict_is_not_joined_again),
		cmocka_unit_test(what_waits_for_its_time_is_in_nobodys_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
