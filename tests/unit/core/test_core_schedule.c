/*
 * Services that run by a schedule: they wait for their time, a run is a start like any other, and
 * what is due while the last one is still on is skipped, follows, or takes its place.
 */
#include "rig.h"

static void init(struct rig *g, enum spec_overlap overlap)
{
	rig_init(g, 2, 0);
	g->policies[0].type = SPEC_TYPE_ONESHOT;
	g->policies[0].scheduled = true;
	g->policies[0].overlap = overlap;
}

static bool asks_when(const struct rig *g)
{
	return (rig_change(g, 0).todo & CORE_DO_SCHEDULE) != 0;
}

static void waits_for_its_time(const struct rig *g)
{
	has_state(g, 0, CORE_WAITING);
	assert_int_equal(rig_record(g, 0)->why, CORE_WHY_SCHEDULE);
}

/* The core has asked when: in so many seconds. */
static void plan(struct rig *g, unsigned seconds)
{
	assert_true(asks_when(g));
	rig_schedule(g, 0, g->now + seconds * SEC);
}

/* Its time has come, and the next one is planned. */
static void come(struct rig *g, unsigned next_seconds)
{
	struct core_change due;

	assert_true(rig_record(g, 0)->due_usec != USEC_INFINITY);
	assert_int_equal(core_deadline(g->core, 0), rig_record(g, 0)->due_usec);
	rig_deadline(g, 0);
	due = rig_change(g, 0);
	plan(g, next_seconds);
	g->changes[0] = due; /* for what is looked at next */
	g->n_changes = 1;
}

/* The same, before any other time that it has. */
static void come_at_once(struct rig *g)
{
	rig_schedule(g, 0, g->now);
	come(g, 60);
}

static void init_running(struct rig *g, enum spec_overlap overlap)
{
	init(g, overlap);
	rig_ask(g, 0, CORE_EVENT_AUTOSTART);
	plan(g, 60);
	come(g, 60);
	rig_started(g, 0);
}

/* --- waiting, and running --- */

static void an_autostart_waits_for_its_time(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_OVERLAP_SKIP);
	rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
	waits_for_its_time(&g);
	assert_true(rig_record(&g, 0)->desired_up);
	assert_false(spawned(&g, 0));
	has_reason(&g, 0, "waiting for its schedule");
	judged(&g, 0, CORE_EVENT_AUTOSTART, 0, CORE_DONE);
	plan(&g, 60);
	assert_int_equal(rig_change(&g, 0).todo, CORE_DO_COMMIT);
	assert_int_equal(core_deadline(g.core, 0), g.now + 60 * SEC);
	g.now += 60 * SEC - 1;
	rig_ask(&g, 0, CORE_EVENT_DEADLINE);
	assert_int_equal(g.n_changes, 0);
	g.now++;
	rig_ask(&g, 0, CORE_EVENT_DEADLINE);
	assert_true(spawned(&g, 0));
	assert_true(asks_when(&g));
	assert_int_equal(rig_record(&g, 0)->due_usec, USEC_INFINITY);
}

static void a_run_that_ends_well_is_followed_by_the_wait_for_the_next(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_running(&g, SPEC_OVERLAP_SKIP);
	for (uint64_t i = 1; i < 4; i++) {
		assert_int_equal(rig_record(&g, 0)->generation, i);
		g.now += SEC;
		rig_exit(&g, 0, 0);
		waits_for_its_time(&g);
		has_reason(&g, 0, "waiting for its schedule; last run: exited with code 0");
		come(&g, 60);
		assert_true(spawned(&g, 0));
		rig_started(&g, 0);
	}
	assert_int_equal(rig_record(&g, 0)->restarts, 0);
}

static void a_schedule_without_another_time_waits_for_ever(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_OVERLAP_SKIP);
	rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
	rig_schedule(&g, 0, USEC_INFINITY);
	waits_for_its_time(&g);
	assert_int_equal(core_deadline(g.core, 0), USEC_INFINITY);
	rig_ask(&g, 0, CORE_EVENT_START);
	assert_true(spawned(&g, 0));
}

static void a_start_by_an_operator_runs_it_now(void **state _unused_)
{
	static const enum core_event_type requests[] = {CORE_EVENT_START, CORE_EVENT_RESTART};

	for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
		_cleanup_rig_ struct rig g;
		usec_t due;

		init(&g, SPEC_OVERLAP_SKIP);
		rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
		plan(&g, 60);
		due = core_deadline(g.core, 0);
		rig_ask(&g, 0, requests[i]);
		assert_true(spawned(&g, 0));
		assert_false(asks_when(&g)); /* which changes nothing about its schedule */
		assert_int_equal(core_deadline(g.core, 0), due);
		judged(&g, 0, requests[i], 0, CORE_PENDING);
		rig_started(&g, 0);
		rig_exit(&g, 0, 0);
		judged(&g, 0, requests[i], 0, CORE_DONE);
		judged(&g, 0, requests[i], 1, CORE_DONE); /* nothing more comes of it */
		waits_for_its_time(&g);
		assert_int_equal(core_deadline(g.core, 0), due);
	}
}

static void a_start_of_one_that_is_off_puts_it_on_its_schedule_again(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_OVERLAP_SKIP);
	rig_ask(&g, 0, CORE_EVENT_START);
	assert_true(spawned(&g, 0));
	plan(&g, 60);
	rig_started(&g, 0);
	rig_exit(&g, 0, 0);
	waits_for_its_time(&g);
	come(&g, 60);
	assert_true(spawned(&g, 0));
}

static void a_stop_takes_it_off_its_schedule(void **state _unused_)
{
	static const enum core_event_type requests[] = {CORE_EVENT_STOP, CORE_EVENT_KILL};

	for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
		_cleanup_rig_ struct rig g, running;

		init(&g, SPEC_OVERLAP_SKIP);
		rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
		plan(&g, 60);
		rig_ask(&g, 0, requests[i]);
		has_state(&g, 0, CORE_STOPPED);
		assert_int_equal(core_deadline(g.core, 0), USEC_INFINITY);
		rig_schedule(&g, 0, g.now + SEC); /* an answer that was on its way */
		assert_int_equal(g.n_changes, 0);

		init_running(&running, SPEC_OVERLAP_QUEUE);
		come(&running, 60);
		rig_ask(&running, 0, requests[i]);
		assert_int_equal(rig_record(&running, 0)->due_usec, USEC_INFINITY);
		rig_end(&running, 0, CORE_END_SIGNALLED, SIGTERM, false);
		has_state(&running, 0, CORE_STOPPED); /* also with a run that had been queued */
	}
}

static void the_clock_may_be_set_and_the_plan_with_it(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_OVERLAP_SKIP);
	rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
	plan(&g, 60);
	rig_schedule(&g, 0, g.now + 10 * SEC);
	assert_int_equal(core_deadline(g.core, 0), g.now + 10 * SEC);
	rig_schedule(&g, 0, g.now + 3600 * SEC);
	assert_int_equal(core_deadline(g.core, 0), g.now + 3600 * SEC);
}

/* --- overlap --- */

static void a_run_that_is_due_during_the_last_one_is_skipped(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_running(&g, SPEC_OVERLAP_SKIP);
	come(&g, 60);
	assert_int_equal(rig_change(&g, 0).todo, CORE_DO_SCHEDULE | CORE_DO_COMMIT);
	assert_false(rig_record(&g, 0)->queued);
	rig_exit(&g, 0, 0);
	waits_for_its_time(&g);
	come(&g, 60);
	assert_true(spawned(&g, 0));
}

static void a_run_that_is_due_during_the_last_one_follows_it_once(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_running(&g, SPEC_OVERLAP_QUEUE);
	for (int i = 0; i < 3; i++) {
		come(&g, 60);
		has_state(&g, 0, CORE_STARTING);
		assert_true(rig_record(&g, 0)->queued);
	}
	rig_exit(&g, 0, 0);
	assert_true(spawned(&g, 0));
	assert_int_equal(rig_record(&g, 0)->generation, 2);
	assert_false(rig_record(&g, 0)->queued);
	rig_started(&g, 0);
	rig_exit(&g, 0, 0);
	waits_for_its_time(&g);
}

static void a_queued_run_waits_for_all_that_the_last_one_left(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_running(&g, SPEC_OVERLAP_QUEUE);
	g.policies[0].hooks = 1u << SPEC_HOOK_POST_STOP;
	rig_end(&g, 0, CORE_END_EXITED, 0, true);
	has_state(&g, 0, CORE_STOPPING);
	come_at_once(&g);
	assert_true(rig_record(&g, 0)->queued);
	rig_gone(&g, 0);
	rig_hook(&g, 0, SPEC_HOOK_POST_STOP, true);
	assert_true(spawned(&g, 0));
}

/* The last one's slot is not its own. */
static void a_queued_run_stands_in_line_behind_those_that_wait(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_OVERLAP_QUEUE);
	rig_pool(&g, 1, 0, 1);
	rig_ask(&g, 0, CORE_EVENT_START);
	plan(&g, 60);
	rig_started(&g, 0);
	rig_ask(&g, 1, CORE_EVENT_START);
	come(&g, 60);
	rig_exit(&g, 0, 0);
	assert_true(spawned(&g, 1));
	has_reason(&g, 0, "waiting for a slot of pool 's0'");
	rig_exit(&g, 1, 0);
	assert_true(spawned(&g, 0));
}

static void a_run_that_is_due_takes_the_place_of_the_last_one(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_running(&g, SPEC_OVERLAP_KILL);
	come(&g, 60);
	has_phase(&g, 0, CORE_STOPPING, CORE_PHASE_SIGNAL);
	signalled(&g, 0, SIGTERM, SPEC_KILL_GROUP);
	has_reason(&g, 0, "its next run is due; TERM sent, KILL after 10s");
	assert_true(rig_record(&g, 0)->desired_up);
	judged(&g, 0, CORE_EVENT_START, 0, CORE_PENDING);
	come_at_once(&g); /* and once more: that is the same run */
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGTERM, false);
	assert_true(spawned(&g, 0));
	assert_int_equal(rig_record(&g, 0)->generation, 2);
	assert_int_equal(rig_record(&g, 0)->restarts, 0);
	rig_started(&g, 0);
	rig_exit(&g, 0, 0);
	waits_for_its_time(&g);
}

static void a_run_that_waits_is_the_one_that_is_due(void **state _unused_)
{
	static const enum spec_overlap overlaps[] = {
		SPEC_OVERLAP_SKIP, SPEC_OVERLAP_QUEUE, SPEC_OVERLAP_KILL};

	for (size_t i = 0; i < ELEMENTSOF(overlaps); i++) {
		_cleanup_rig_ struct rig g;

		init(&g, overlaps[i]);
		core_set_max_starting(g.core, 1);
		rig_ask(&g, 1, CORE_EVENT_START);
		rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
		plan(&g, 60);
		come(&g, 60);
		has_reason(&g, 0, "waiting: as many services as max-starting allows are starting");
		come(&g, 60);
		assert_false(rig_record(&g, 0)->queued);
		rig_started(&g, 1);
		assert_true(spawned(&g, 0));
		rig_started(&g, 0);
		rig_exit(&g, 0, 0);
		waits_for_its_time(&g);
	}
}

/* --- needs and failures --- */

static void a_run_waits_for_what_it_requires(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_OVERLAP_SKIP);
	rig_requires(&g, 0, 1);
	rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
	plan(&g, 60);
	rig_started(&g, 1); /* which was brought up together with it */
	rig_ask(&g, 1, CORE_EVENT_STOP); /* it does not run now, and has nothing to lose */
	assert_false(rig_change(&g, 0).todo & CORE_DO_PUBLISH);
	rig_exit(&g, 1, 0);
	waits_for_its_time(&g);
	come(&g, 60);
	has_reason(&g, 0, "requires 's1', which is stopped");
	rig_run(&g, 1);
	assert_true(spawned(&g, 0));
}

static void a_run_that_fails_is_restarted_as_policy_says(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_running(&g, SPEC_OVERLAP_SKIP);
	g.policies[0].restart_limit = 2;
	for (uint32_t i = 0; i < 2; i++) {
		rig_exit(&g, 0, 1);
		has_state(&g, 0, CORE_BACKOFF);
		assert_int_equal(core_deadline(g.core, 0), g.now + (100 * USEC_PER_MSEC << i));
		rig_deadline(&g, 0);
		rig_started(&g, 0);
	}
	assert_int_equal(rig_record(&g, 0)->restarts, 2);
	rig_exit(&g, 0, 0);
	waits_for_its_time(&g);
	rig_schedule(&g, 0, g.now + 3600 * SEC);
	come(&g, 3600);
	rig_started(&g, 0);
	rig_exit(&g, 0, 1);
	assert_int_equal(core_deadline(g.core, 0), g.now + 100 * USEC_PER_MSEC); /* from anew */
}

static void what_is_due_during_the_delay_of_a_restart_is_that_restart(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	usec_t next;

	init_running(&g, SPEC_OVERLAP_QUEUE);
	g.policies[0].restart_delay_usec = 300 * SEC;
	g.policies[0].restart_max_delay_usec = 300 * SEC;
	rig_exit(&g, 0, 1);
	next = rig_record(&g, 0)->deadline_usec;
	come(&g, 600);
	has_state(&g, 0, CORE_BACKOFF);
	assert_int_equal(rig_record(&g, 0)->deadline_usec, next);
	assert_false(rig_record(&g, 0)->queued);
	rig_deadline(&g, 0);
	assert_true(spawned(&g, 0));
	rig_started(&g, 0);
	rig_exit(&g, 0, 0);
	waits_for_its_time(&g);
}

static void a_run_that_is_given_up_is_tried_again_at_its_next_time(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_running(&g, SPEC_OVERLAP_SKIP);
	g.policies[0].restart = SPEC_RESTART_NEVER;
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_FAILED);
	has_reason(&g, 0, "exited with code 1");
	assert_true(rig_record(&g, 0)->desired_up);
	come(&g, 60);
	assert_true(spawned(&g, 0));
	rig_started(&g, 0);
	rig_exit(&g, 0, 0);
	waits_for_its_time(&g);
}

static void fail_with_a_queued_run(struct rig *g)
{
	init_running(g, SPEC_OVERLAP_QUEUE);
	g->policies[0].restart = SPEC_RESTART_NEVER;
	come(g, 60);
	rig_exit(g, 0, 1);
	has_state(g, 0, CORE_FAILED);
	assert_int_equal(core_deadline(g->core, 0), g->now);
}

static void a_queued_run_follows_also_one_that_has_failed_and_that_is_told(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	fail_with_a_queued_run(&g);
	assert_true(rig_change(&g, 0).todo & CORE_DO_PUBLISH);
	rig_deadline(&g, 0);
	assert_true(spawned(&g, 0));
	rig_started(&g, 0);
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_FAILED);
	assert_int_not_equal(core_deadline(g.core, 0), g.now);
}

static void a_request_before_the_queued_run_begins_is_heard(void **state _unused_)
{
	static const enum core_event_type starts[] = {
		CORE_EVENT_START, CORE_EVENT_RESTART, CORE_EVENT_AUTOSTART};
	_cleanup_rig_ struct rig reset, stop;

	for (size_t i = 0; i < ELEMENTSOF(starts); i++) {
		_cleanup_rig_ struct rig g;

		fail_with_a_queued_run(&g);
		rig_ask(&g, 0, starts[i]);
		assert_true(spawned(&g, 0));
		rig_started(&g, 0);
		rig_exit(&g, 0, 0);
		waits_for_its_time(&g); /* there is no second one */
	}
	fail_with_a_queued_run(&reset);
	rig_ask(&reset, 0, CORE_EVENT_RESET);
	rig_deadline(&reset, 0);
	assert_true(spawned(&reset, 0));

	fail_with_a_queued_run(&stop);
	rig_ask(&stop, 0, CORE_EVENT_STOP);
	has_state(&stop, 0, CORE_STOPPED);
	assert_int_equal(core_deadline(stop.core, 0), USEC_INFINITY);
}

static void a_reset_leaves_one_that_has_failed_on_its_schedule(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_running(&g, SPEC_OVERLAP_SKIP);
	rig_ask(&g, 0, CORE_EVENT_RESET); /* it runs, and goes on by it */
	assert_true(rig_record(&g, 0)->due_usec != USEC_INFINITY);
	g.policies[0].restart = SPEC_RESTART_NEVER;
	rig_exit(&g, 0, 1);
	has_state(&g, 0, CORE_FAILED);
	rig_ask(&g, 0, CORE_EVENT_RESET);
	waits_for_its_time(&g);
	come(&g, 60);
	assert_true(spawned(&g, 0));
}

/* Both of its clocks may tell at once: of its state, and of its schedule. */
static void a_deadline_and_a_run_that_are_due_at_once_are_both_heard(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_running(&g, SPEC_OVERLAP_SKIP);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	rig_schedule(&g, 0, rig_record(&g, 0)->deadline_usec);
	rig_deadline(&g, 0);
	signalled(&g, 0, SIGKILL, SPEC_KILL_TREE);
	assert_true(asks_when(&g));
}

/* --- at the end, and at run time --- */

static void a_shutdown_lets_no_time_come(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init_running(&g, SPEC_OVERLAP_QUEUE);
	rig_shutdown(&g, false);
	if (rig_record(&g, 0)->due_usec != USEC_INFINITY)
		rig_schedule(&g, 0, g.now);
	rig_ask(&g, 0, CORE_EVENT_DEADLINE);
	assert_false(asks_when(&g));
	assert_false(rig_record(&g, 0)->queued);
	rig_exit(&g, 0, 0);
	assert_false(spawned(&g, 0));
	assert_true(core_is_down(g.core));
}

static void what_a_shutdown_has_not_come_to_ends_for_good(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_OVERLAP_QUEUE);
	rig_link(&g, 1, CORE_LINK_AFTER, 0);
	rig_run(&g, 1);
	rig_ask(&g, 0, CORE_EVENT_START);
	come_at_once(&g);
	assert_true(rig_record(&g, 0)->queued);
	rig_shutdown(&g, false);
	has_state(&g, 0, CORE_STARTING); /* its turn comes later */
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_EXITED);
	rig_exit(&g, 1, 0);
	assert_true(core_is_down(g.core));
}

static void a_schedule_that_is_switched_on_begins(void **state _unused_)
{
	_cleanup_rig_ struct rig g, down;

	init(&g, SPEC_OVERLAP_SKIP);
	g.policies[0].scheduled = false;
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_EXITED);
	g.policies[0].scheduled = true;
	rig_settle(&g);
	plan(&g, 60);
	come(&g, 60);
	assert_true(spawned(&g, 0));
	rig_settle(&g); /* what is planned is not asked for again */
	assert_int_equal(g.n_changes, 0);

	init(&down, SPEC_OVERLAP_SKIP);
	rig_settle(&down); /* what nobody wants has no time */
	assert_int_equal(down.n_changes, 0);
}

static void a_schedule_that_is_switched_off_is_not_waited_for(void **state _unused_)
{
	_cleanup_rig_ struct rig g, running;

	init(&g, SPEC_OVERLAP_SKIP);
	rig_ask(&g, 0, CORE_EVENT_AUTOSTART);
	plan(&g, 60);
	g.policies[0].scheduled = false;
	rig_settle(&g);
	assert_true(spawned(&g, 0)); /* as any service that is wanted up */
	assert_int_equal(rig_record(&g, 0)->due_usec, USEC_INFINITY);
	rig_started(&g, 0);
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_EXITED);

	init_running(&running, SPEC_OVERLAP_KILL);
	running.policies[0].scheduled = false;
	rig_deadline(&running, 0); /* before anybody settles it */
	has_state(&running, 0, CORE_STARTING);
	assert_int_equal(rig_change(&running, 0).todo, CORE_DO_COMMIT);
	rig_settle(&running);
	assert_int_equal(running.n_changes, 0);
}

static void the_next_engine_asks_again_where_no_answer_came(void **state _unused_)
{
	_cleanup_rig_ struct rig old, g, again;

	init(&old, SPEC_OVERLAP_SKIP);
	rig_ask(&old, 0, CORE_EVENT_AUTOSTART);
	rig_restore(&g, &old, 0);
	rig_settle(&g);
	waits_for_its_time(&g);
	plan(&g, 60);
	rig_restore(&again, &g, 0);
	rig_settle(&again);
	assert_int_equal(again.n_changes, 0);
	assert_int_equal(core_deadline(again.core, 0), again.now + 60 * SEC);
}

static void one_that_takes_anothers_place_waits_for_its_time_after_that(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	init(&g, SPEC_OVERLAP_SKIP);
	rig_step(&g,
		&(struct core_event){.type = CORE_EVENT_AUTOSTART, .why = CORE_WHY_PREDECESSOR});
	plan(&g, 60);
	come(&g, 60); /* it can't run yet */
	has_state(&g, 0, CORE_WAITING);
	rig_ask(&g, 0, CORE_EVENT_UNBLOCK);
	waits_for_its_time(&g);
	come(&g, 60);
	assert_true(spawned(&g, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_autostart_waits_for_its_time),
		cmocka_unit_test(a_run_that_ends_well_is_followed_by_the_wait_for_the_next),
		cmocka_unit_test(a_schedule_without_another_time_waits_for_ever),
		cmocka_unit_test(a_start_by_an_operator_runs_it_now),
		cmocka_unit_test(a_start_of_one_that_is_off_puts_it_on_its_schedule_again),
		cmocka_unit_test(a_stop_takes_it_off_its_schedule),
		cmocka_unit_test(the_clock_may_be_set_and_the_plan_with_it),
		cmocka_unit_test(a_run_that_is_due_during_the_last_one_is_skipped),
		cmocka_unit_test(a_run_that_is_due_during_the_last_one_follows_it_once),
		cmocka_unit_test(a_queued_run_waits_for_all_that_the_last_one_left),
		cmocka_unit_test(a_queued_run_stands_in_line_behind_those_that_wait),
		cmocka_unit_test(a_run_that_is_due_takes_the_place_of_the_last_one),
		cmocka_unit_test(a_run_that_waits_is_the_one_that_is_due),
		cmocka_unit_test(a_run_waits_for_what_it_requires),
		cmocka_unit_test(a_run_that_fails_is_restarted_as_policy_says),
		cmocka_unit_test(what_is_due_during_the_delay_of_a_restart_is_that_restart),
		cmocka_unit_test(a_run_that_is_given_up_is_tried_again_at_its_next_time),
		cmocka_unit_test(a_queued_run_follows_also_one_that_has_failed_and_that_is_told),
		cmocka_unit_test(a_request_before_the_queued_run_begins_is_heard),
		cmocka_unit_test(a_reset_leaves_one_that_has_failed_on_its_schedule),
		cmocka_unit_test(a_deadline_and_a_run_that_are_due_at_once_are_both_heard),
		cmocka_unit_test(a_shutdown_lets_no_time_come),
		cmocka_unit_test(what_a_shutdown_has_not_come_to_ends_for_good),
		cmocka_unit_test(a_schedule_that_is_switched_on_begins),
		cmocka_unit_test(a_schedule_that_is_switched_off_is_not_waited_for),
		cmocka_unit_test(the_next_engine_asks_again_where_no_answer_came),
		cmocka_unit_test(one_that_takes_anothers_place_waits_for_its_time_after_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
