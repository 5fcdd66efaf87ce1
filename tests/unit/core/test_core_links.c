/*
 * Dependencies on the way up: what is needed is started first, from the ground up, and a service
 * waits for it by name.
 */
#include "links.h"

/* The changes of the last step were of these services, in this order. */
static void changed_in_order(const struct rig *g, const uint32_t *services, unsigned n)
{
	assert_int_equal(g->n_changes, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(g->changes[i].service, services[i]);
}

/* --- pulled up --- */

static void it_waits_by_name_until_what_it_requires_is_ready(void **state _unused_)
{
	static const uint32_t both[] = {DB, WEB};
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	g.policies[DB].ready = SPEC_READY_NOTIFY;
	rig_ask(&g, WEB, CORE_EVENT_START);
	changed_in_order(
		&g, both, 2); /* an engine that dies in between has begun with the ground */
	assert_true(spawned(&g, DB));
	assert_true(rig_record(&g, DB)->desired_up);
	has_reason(&g, DB, "needed by 's1'");
	has_state(&g, WEB, CORE_WAITING);
	has_reason(&g, WEB, "waiting for 's0'");
	start_is(&g, WEB, CORE_PENDING);
	rig_started(&g, DB);
	has_state(&g, WEB, CORE_WAITING);
	rig_ready(&g, DB);
	assert_true(spawned(&g, WEB));
	has_reason(&g, DB, "");
	rig_started(&g, WEB);
	has_reason(&g, WEB, "");
	start_is(&g, WEB, CORE_DONE);
	assert_int_equal(rig_record(&g, WEB)->generation, 1);
	assert_int_equal(rig_record(&g, WEB)->restarts, 0);
}

static void a_chain_of_six_comes_up_from_the_ground(void **state _unused_)
{
	static const uint32_t all[] = {0, 1, 2, 3, 4, 5};
	_cleanup_rig_ struct rig g;

	rig_init(&g, 6, 0);
	for (uint32_t i = 5; i > 0; i--)
		rig_link(&g, i, i % 2 ? CORE_LINK_REQUIRES : CORE_LINK_WANTS, i - 1);
	rig_ask(&g, 5, CORE_EVENT_START);
	changed_in_order(&g, all, 6);
	for (uint32_t i = 0; i < 6; i++) {
		for (uint32_t k = 0; k < 6; k++)
			has_state(&g, k,
				k < i	 ? CORE_RUNNING
				: k == i ? CORE_STARTING
					 : CORE_WAITING);
		start_is(&g, 5, CORE_PENDING);
		rig_started(&g, i);
	}
	start_is(&g, 5, CORE_DONE);
}

static void a_diamond_comes_up_with_its_middle_side_by_side(void **state _unused_)
{
	static const uint32_t all[] = {0, 1, 2, 3}, middle[] = {0, 1, 2};
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	rig_requires(&g, 3, 1);
	rig_requires(&g, 3, 2);
	rig_requires(&g, 1, 0);
	rig_requires(&g, 2, 0);
	rig_ask(&g, 3, CORE_EVENT_START);
	changed_in_order(&g, all, 4);
	rig_started(&g, 0);
	changed_in_order(&g, middle, 3);
	assert_true(spawned(&g, 1) && spawned(&g, 2));
	has_reason(&g, 3, "waiting for 's1'");
	rig_started(&g, 1);
	has_reason(&g, 3, "waiting for 's2'");
	has_state(&g, 3, CORE_WAITING);
	rig_started(&g, 2);
	assert_true(spawned(&g, 3));
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(rig_record(&g, i)->generation, 1);
}

static void what_is_up_already_is_left_alone(void **state _unused_)
{
	static const uint32_t web[] = {WEB};
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	rig_run(&g, DB);
	rig_ask(&g, WEB, CORE_EVENT_START);
	changed_in_order(&g, web, 1);
	assert_true(spawned(&g, WEB));
}

static void an_autostart_brings_up_what_it_needs_too(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_link(&g, WEB, CORE_LINK_WANTS, DB);
	rig_requires(&g, TOP, WEB);
	rig_ask(&g, TOP, CORE_EVENT_AUTOSTART);
	has_state(&g, DB, CORE_STARTING);
	has_reason(&g, WEB, "waiting for 's0'");
	has_reason(&g, TOP, "waiting for 's1'");
}

static void a_start_asked_for_again_brings_up_what_had_failed(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	g.policies[DB].restart_limit = 1;
	rig_ask(&g, WEB, CORE_EVENT_START);
	rig_exit(&g, DB, 1);
	rig_deadline(&g, DB);
	rig_exit(&g, DB, 1);
	has_state(&g, DB, CORE_FAILED);
	start_is(&g, WEB, CORE_NOT_DONE);
	rig_ask(&g, WEB, CORE_EVENT_START);
	assert_true(spawned(&g, DB));
	assert_int_equal(rig_record(&g, DB)->restarts, 0);
	assert_int_equal(rig_past(&g, DB)->n_starts, 0);
	start_is(&g, WEB, CORE_PENDING);
}

static void a_start_reaches_through_one_that_waits_to_be_restarted(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	usec_t due;

	rig_init(&g, 3, 0);
	rig_requires(&g, WEB, DB);
	rig_requires(&g, TOP, WEB);
	rig_run(&g, DB);
	rig_run(&g, WEB);
	rig_exit(&g, WEB, 1);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	rig_exit(&g, DB, 0);
	due = core_deadline(g.core, WEB);
	rig_ask(&g, TOP, CORE_EVENT_START);
	assert_true(spawned(&g, DB)); /* else its backoff would end in vain */
	has_state(&g, WEB, CORE_BACKOFF);
	assert_int_equal(core_deadline(g.core, WEB), due);
	has_reason(&g, TOP, "waiting for 's1'");
	rig_started(&g, DB);
	rig_deadline(&g, WEB);
	rig_started(&g, WEB);
	assert_true(spawned(&g, TOP));
}

static void what_is_on_its_way_out_is_called_back(void **state _unused_)
{
	enum { STOPPED, GIVEN_UP, CRASHED, WAYS };

	for (int way = 0; way < WAYS; way++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 0);
		rig_requires(&g, WEB, DB);
		g.policies[DB].restart_limit = 1;
		rig_run(&g, DB);
		if (way == GIVEN_UP) {
			rig_exit(&g, DB, 1);
			rig_deadline(&g, DB);
			rig_started(&g, DB);
		}
		if (way == STOPPED)
			rig_ask(&g, DB, CORE_EVENT_STOP);
		else
			rig_end(&g, DB, CORE_END_EXITED, 1, true);
		rig_ask(&g, WEB, CORE_EVENT_START);
		assert_true(rig_record(&g, DB)->desired_up);
		has_reason(&g, WEB, "waiting for 's0'");
		if (way == STOPPED)
			has_reason(&g, DB, "restart by request; TERM sent, KILL after 10s");
		if (way == STOPPED)
			rig_exit(&g, DB, 0);
		else
			rig_gone(&g, DB);
		/* a crash is followed by its delay all the same */
		has_state(&g, DB, way == CRASHED ? CORE_BACKOFF : CORE_STARTING);
		assert_int_equal(rig_record(&g, DB)->restarts, 0);
		assert_int_equal(rig_past(&g, DB)->n_starts, 0);
	}
}

static void a_restart_of_what_is_down_brings_up_what_it_needs(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	rig_ask(&g, WEB, CORE_EVENT_RESTART);
	assert_true(spawned(&g, DB));
	judged(&g, WEB, CORE_EVENT_RESTART, 0, CORE_PENDING);
	rig_started(&g, DB);
	rig_started(&g, WEB);
	judged(&g, WEB, CORE_EVENT_RESTART, 0, CORE_DONE);
}

static void a_start_of_what_is_up_brings_up_nothing_but_a_restart_does(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_link(&g, WEB, CORE_LINK_WANTS, DB);
	rig_run(&g, DB);
	rig_run(&g, WEB);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	rig_exit(&g, DB, 0);
	rig_ask(&g, WEB, CORE_EVENT_START); /* somebody wanted that one to be down */
	has_state(&g, DB, CORE_STOPPED);
	rig_ask(&g, WEB, CORE_EVENT_RESTART);
	assert_true(spawned(&g, DB));
	rig_exit(&g, WEB, 0);
	has_reason(&g, WEB, "waiting for 's0'");
}

/* It has waited for the end of the one whose name it bears now, and only then looks around. */
static void one_that_takes_anothers_place_brings_up_what_it_needs_in_its_turn(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	rig_step(&g,
		&(struct core_event){
			.type = CORE_EVENT_AUTOSTART, .service = WEB, .why = CORE_WHY_PREDECESSOR});
	has_reason(&g, WEB, "waiting for the end of the service whose place it takes");
	has_state(&g, DB, CORE_STOPPED);
	rig_ask(&g, WEB, CORE_EVENT_UNBLOCK);
	assert_true(spawned(&g, DB));
	has_reason(&g, WEB, "waiting for 's0'");
	start_is(&g, WEB, CORE_PENDING);
}

/* All that a start brings up is coming, also what has not had its turn yet. */
static void what_comes_up_together_keeps_its_own_order(void **state _unused_)
{
	for (int turn = 0; turn < 2; turn++) {
		_cleanup_rig_ struct rig g;
		uint32_t first = turn ? DB : CACHE, second = turn ? CACHE : DB;

		rig_init(&g, 4, 0);
		rig_requires(&g, TOP, DB);
		rig_requires(&g, TOP, CACHE);
		rig_link(&g, second, CORE_LINK_AFTER, first);
		rig_ask(&g, TOP, CORE_EVENT_START);
		assert_true(spawned(&g, first));
		has_state(&g, second, CORE_WAITING);
		rig_started(&g, first);
		assert_true(spawned(&g, second));
		rig_started(&g, second);
		assert_true(spawned(&g, TOP));
	}
}

/* --- what it waits for may fail --- */

static void a_dependency_that_fails_leaves_it_stuck_and_the_request_not_done(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_requires(&g, WEB, DB);
	rig_requires(&g, TOP, WEB);
	g.policies[DB].restart = SPEC_RESTART_NEVER;
	rig_ask(&g, TOP, CORE_EVENT_START);
	rig_exit(&g, DB, 1);
	has_state(&g, WEB, CORE_WAITING);
	has_reason(&g, WEB, "requires 's0', which is failed");
	has_reason(&g, TOP, "requires 's1', which is waiting");
	start_is(&g, WEB, CORE_NOT_DONE);
	start_is(&g, TOP, CORE_NOT_DONE);
	judged(&g, TOP, CORE_EVENT_RESTART, 0, CORE_NOT_DONE);
	assert_true(rig_record(&g, TOP)->desired_up);

	rig_ask(&g, DB, CORE_EVENT_START); /* somebody mends it */
	has_reason(&g, WEB, "waiting for 's0'");
	has_reason(&g, TOP, "waiting for 's1'");
	start_is(&g, TOP, CORE_PENDING);
	rig_started(&g, DB);
	rig_started(&g, WEB);
	rig_started(&g, TOP);
	start_is(&g, TOP, CORE_DONE);
}

static void a_dependency_in_backoff_is_waited_for(void **state _unused_)
{
	for (int wants = 0; wants < 2; wants++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 0);
		rig_link(&g, WEB, wants ? CORE_LINK_WANTS : CORE_LINK_REQUIRES, DB);
		rig_ask(&g, WEB, CORE_EVENT_START);
		rig_exit(&g, DB, 1);
		has_state(&g, DB, CORE_BACKOFF);
		has_reason(&g, WEB, "waiting for 's0'");
		start_is(&g, WEB, CORE_PENDING);
		rig_deadline(&g, DB);
		rig_started(&g, DB);
		assert_true(spawned(&g, WEB));
	}
}

static void of_several_it_names_the_one_that_nobody_brings_about(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	rig_requires(&g, WEB, DB);
	rig_requires(&g, WEB, CACHE);
	g.policies[DB].ready = SPEC_READY_NOTIFY;
	g.policies[CACHE].restart = SPEC_RESTART_NEVER;
	rig_ask(&g, WEB, CORE_EVENT_START);
	has_reason(&g, WEB, "waiting for 's0'");
	rig_exit(&g, CACHE, 1);
	has_reason(&g, WEB, "requires 's3', which is failed");
	start_is(&g, WEB, CORE_NOT_DONE);
}

static void a_oneshot_is_there_once_it_has_ended_well(void **state _unused_)
{
	for (int code = 0; code < 2; code++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 3, 0);
		rig_requires(&g, WEB, DB);
		rig_requires(&g, TOP, DB);
		g.policies[DB].type = SPEC_TYPE_ONESHOT;
		g.policies[DB].restart = SPEC_RESTART_NEVER;
		rig_ask(&g, WEB, CORE_EVENT_START);
		rig_started(&g, DB);
		has_reason(&g, WEB, "waiting for 's0'");
		rig_exit(&g, DB, code);
		has_state(&g, WEB, code == 0 ? CORE_STARTING : CORE_WAITING);
		if (code != 0)
			continue;
		rig_ask(&g, TOP, CORE_EVENT_START); /* it is not run once more for another one */
		has_state(&g, DB, CORE_EXITED);
		has_state(&g, TOP, CORE_STARTING);
	}
}

/* Its end is decided: there is nothing to wait for but that the rest of it goes. */
static void a_oneshot_that_has_ended_well_is_coming_until_its_rest_is_gone(void **state _unused_)
{
	for (int hook = 0; hook < 2; hook++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 3, 0);
		rig_requires(&g, WEB, DB);
		rig_link(&g, TOP, CORE_LINK_WANTS, DB);
		g.policies[DB].type = SPEC_TYPE_ONESHOT;
		g.policies[DB].hooks = hook ? 1u << SPEC_HOOK_POST_STOP : 0;
		rig_ask(&g, WEB, CORE_EVENT_START);
		rig_ask(&g, TOP, CORE_EVENT_START);
		rig_started(&g, DB);
		rig_end(&g, DB, CORE_END_EXITED, 0, !hook);
		has_state(&g, DB, CORE_STOPPING);
		has_state(&g, TOP, CORE_WAITING);
		has_reason(&g, WEB, "waiting for 's0'");
		start_is(&g, WEB, CORE_PENDING);
		if (hook)
			rig_hook(&g, DB, SPEC_HOOK_POST_STOP, true);
		else
			rig_gone(&g, DB);
		has_state(&g, DB, CORE_EXITED);
		assert_true(spawned(&g, WEB) && spawned(&g, TOP));
	}
}

static void a_daemon_that_exits_well_is_not_there(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	g.policies[DB].ready = SPEC_READY_NOTIFY;
	rig_ask(&g, WEB, CORE_EVENT_START);
	rig_started(&g, DB);
	rig_end(&g, DB, CORE_END_EXITED, 0, true);
	has_reason(&g, WEB, "requires 's0', which is stopping");
	rig_gone(&g, DB);
	has_reason(&g, WEB, "requires 's0', which is exited");
	rig_ask(&g, WEB, CORE_EVENT_START); /* it is started again, unlike a oneshot */
	has_state(&g, DB, CORE_STARTING);
}

/* It never stays exited: its end is the beginning of a wait for its next time. */
static void what_runs_by_a_schedule_is_never_there(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_requires(&g, WEB, DB);
	g.policies[DB].type = SPEC_TYPE_ONESHOT;
	g.policies[DB].scheduled = true;
	rig_ask(&g, WEB, CORE_EVENT_START);
	assert_true(spawned(&g, DB)); /* a start is a start */
	rig_started(&g, DB);
	rig_end(&g, DB, CORE_END_EXITED, 0, true);
	has_reason(&g, WEB, "requires 's0', which is stopping");
	rig_gone(&g, DB);
	has_reason(&g, WEB, "requires 's0', which is waiting");
	start_is(&g, WEB, CORE_NOT_DONE);

	core_set_max_starting(g.core, 1);
	rig_ask(&g, TOP, CORE_EVENT_START);
	rig_schedule(&g, DB, g.now + SEC);
	rig_deadline(&g, DB); /* its time has come, and it waits for nothing but a place */
	has_reason(&g, WEB, "waiting for 's0'");
	start_is(&g, WEB, CORE_PENDING);
}

/* --- wants and after --- */

static void what_it_wants_is_waited_for_only_while_it_comes(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_link(&g, WEB, CORE_LINK_WANTS, DB);
	g.policies[DB].restart = SPEC_RESTART_NEVER;
	g.policies[DB].ready = SPEC_READY_NOTIFY;
	rig_ask(&g, WEB, CORE_EVENT_START);
	assert_true(spawned(&g, DB));
	rig_started(&g, DB);
	has_reason(&g, WEB, "waiting for 's0'");
	rig_exit(&g, DB, 1);
	has_state(&g, DB, CORE_FAILED);
	assert_true(spawned(&g, WEB));
}

static void what_it_wants_may_go_without_it(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_link(&g, WEB, CORE_LINK_WANTS, DB);
	rig_run(&g, DB);
	rig_run(&g, WEB);
	rig_exit(&g, DB, 1);
	has_state(&g, WEB, CORE_RUNNING);
	assert_int_equal(rig_change(&g, WEB).todo, 0);
	rig_deadline(&g, DB);
	rig_started(&g, DB);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP); /* it waits for nobody either */
	rig_exit(&g, DB, 0);
	has_state(&g, WEB, CORE_RUNNING);
	assert_int_equal(rig_record(&g, WEB)->generation, 1);
}

static void after_starts_nothing_and_waits_only_for_what_comes(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_link(&g, WEB, CORE_LINK_AFTER, DB);
	rig_run(&g, WEB);
	has_state(&g, DB, CORE_STOPPED);
	rig_ask(&g, WEB, CORE_EVENT_STOP);
	rig_exit(&g, WEB, 0);

	rig_ask(&g, DB, CORE_EVENT_START);
	rig_ask(&g, WEB, CORE_EVENT_START);
	has_reason(&g, WEB, "waiting for 's0'");
	rig_started(&g, DB);
	assert_true(spawned(&g, WEB));
}

static void asked_for_in_any_order_at_once_they_come_up_in_theirs(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_link(&g, WEB, CORE_LINK_AFTER, DB);
	rig_ask(&g, WEB, CORE_EVENT_AUTOSTART); /* the engine asks in order; an operator may not */
	rig_ask(&g, DB, CORE_EVENT_AUTOSTART);
	has_state(&g, WEB, CORE_STARTING);
	has_state(&g, DB, CORE_STARTING);
	assert_true(core_rank(g.core, DB) < core_rank(g.core, WEB));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_waits_by_name_until_what_it_requires_is_ready),
		cmocka_unit_test(a_chain_of_six_comes_up_from_the_ground),
		cmocka_unit_test(a_diamond_comes_up_with_its_middle_side_by_side),
		cmocka_unit_test(what_is_up_already_is_left_alone),
		cmocka_unit_test(an_autostart_brings_up_what_it_needs_too),
		cmocka_unit_test(a_start_asked_for_again_brings_up_what_had_failed),
		cmocka_unit_test(a_start_reaches_through_one_that_waits_to_be_restarted),
		cmocka_unit_test(what_is_on_its_way_out_is_called_back),
		cmocka_unit_test(a_restart_of_what_is_down_brings_up_what_it_needs),
		cmocka_unit_test(a_start_of_what_is_up_brings_up_nothing_but_a_restart_does),
		cmocka_unit_test(one_that_takes_anothers_place_brings_up_what_it_needs_in_its_turn),
		cmocka_unit_test(what_comes_up_together_keeps_its_own_order),
		cmocka_unit_test(a_dependency_that_fails_leaves_it_stuck_and_the_request_not_done),
		cmocka_unit_test(a_dependency_in_backoff_is_waited_for),
		cmocka_unit_test(of_several_it_names_the_one_that_nobody_brings_about),
		cmocka_unit_test(a_oneshot_is_there_once_it_has_ended_well),
		cmocka_unit_test(a_oneshot_that_has_ended_well_is_coming_until_its_rest_is_gone),
		cmocka_unit_test(a_daemon_that_exits_well_is_not_there),
		cmocka_unit_test(what_runs_by_a_schedule_is_never_there),
		cmocka_unit_test(what_it_wants_is_waited_for_only_while_it_comes),
		cmocka_unit_test(what_it_wants_may_go_without_it),
		cmocka_unit_test(after_starts_nothing_and_waits_only_for_what_comes),
		cmocka_unit_test(asked_for_in_any_order_at_once_they_come_up_in_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
