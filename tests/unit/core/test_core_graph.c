/*
 * The graph itself: what it refuses, the order that follows from it, what becomes of services
 * when it is replaced under them; and that a core made of records and a graph goes on like the
 * one before it, wherever that was.
 */
#include "links.h"

static int make(uint32_t n, const struct core_link *links, size_t n_links)
{
	struct core_graph *g = NULL;
	int r = core_graph_new(n, links, n_links, NULL, NULL, 0, &g);

	if (r < 0)
		assert_null(g);
	core_graph_free(g);
	return r;
}

/* --- what it is --- */

static void a_circle_is_refused_whatever_it_is_made_of(void **state _unused_)
{
	static const unsigned kinds[] = {CORE_LINK_REQUIRES, CORE_LINK_WANTS, CORE_LINK_AFTER,
		CORE_LINK_AFTER | CORE_LINK_CONFLICTS};

	for (size_t a = 0; a < ELEMENTSOF(kinds); a++) {
		for (size_t b = 0; b < ELEMENTSOF(kinds); b++) {
			struct core_link two[] = {{0, 1, kinds[a]}, {1, 0, kinds[b]}};
			struct core_link three[] = {{3, 0, kinds[a]}, {0, 1, kinds[a]},
				{1, 2, kinds[b]}, {2, 0, kinds[b]}};

			assert_int_equal(make(2, two, 2), -ELOOP);
			assert_int_equal(make(2, two, 1), 0);
			assert_int_equal(make(4, three, 4), -ELOOP);
			assert_int_equal(make(4, three, 3), 0);
		}
	}
}

static void a_conflict_orders_nothing_and_makes_no_circle(void **state _unused_)
{
	struct core_link links[] = {
		{0, 1, CORE_LINK_CONFLICTS}, {1, 0, CORE_LINK_CONFLICTS}, {0, 1, CORE_LINK_AFTER}};

	assert_int_equal(make(2, links, 2), 0);
	assert_int_equal(make(2, links, 3), 0);
}

static void nothing_at_all_is_a_graph_too(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	assert_int_equal(make(0, NULL, 0), 0);
	assert_int_equal(make(1, NULL, 0), 0);
	core_graph_free(NULL);
	rig_init(&g, 2, 0);
	rig_set_graph(&g);
	rig_run(&g, 0);
	rig_run(&g, 1);
}

static void ranks_follow_the_links(void **state _unused_)
{
	static const struct core_link links[] = {{5, 3, CORE_LINK_AFTER}, {3, 4, CORE_LINK_WANTS},
		{4, 0, CORE_LINK_REQUIRES}, {5, 2, CORE_LINK_WANTS}, {2, 4, CORE_LINK_AFTER}};
	_cleanup_rig_ struct rig g;
	unsigned seen = 0;

	rig_init(&g, 6, 0);
	assert_int_equal(core_rank(g.core, 5), 0); /* without a graph there is no order */
	for (size_t i = 0; i < ELEMENTSOF(links); i++)
		rig_link(&g, links[i].from, links[i].kinds, links[i].to);
	for (size_t i = 0; i < ELEMENTSOF(links); i++)
		assert_true(core_rank(g.core, links[i].from) > core_rank(g.core, links[i].to));
	for (uint32_t i = 0; i < 6; i++)
		seen |= 1u << core_rank(g.core, i);
	assert_int_equal(seen, (1u << 6) - 1);
}

static void links_can_be_read_from_either_end(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	struct core_link link;
	unsigned seen = 0;

	rig_init(&g, 4, 0);
	assert_false(core_link(g.core, WEB, false, 0, &link)); /* there is no graph */
	rig_link(&g, WEB, CORE_LINK_REQUIRES | CORE_LINK_WANTS, DB);
	rig_link(&g, WEB, CORE_LINK_AFTER, CACHE);
	rig_link(&g, TOP, CORE_LINK_CONFLICTS, WEB);
	for (uint32_t i = 0; core_link(g.core, WEB, false, i, &link); i++) {
		assert_int_equal(link.from, WEB);
		assert_int_equal(link.kinds, link.to == DB ? CORE_LINK_REQUIRES | CORE_LINK_WANTS
					     : link.to == CACHE ? CORE_LINK_AFTER
								: CORE_LINK_CONFLICTS);
		seen |= 1u << link.to;
	}
	assert_int_equal(seen, 1u << DB | 1u << CACHE | 1u << TOP);
	assert_false(core_link(g.core, WEB, false, 3, &link));
	assert_false(core_link(g.core, WEB, true, 0, &link)); /* a conflict has no upper end */
	assert_true(core_link(g.core, DB, true, 0, &link));
	assert_int_equal(link.from, WEB);
	assert_int_equal(link.to, DB);
	assert_false(core_link(g.core, DB, true, 1, &link));
	assert_false(core_link(g.core, DB, false, 0, &link));
	assert_true(core_link(g.core, TOP, false, 0, &link));
	assert_int_equal(link.to, WEB);
	assert_false(core_link(g.core, 4, false, 0, &link)); /* nor such a service */
}

/* requires = {"db"} wants = {"db"}, and db says before = {"web"}: all count, and all go. */
static void what_is_said_twice_holds_once(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_link(&g, WEB, CORE_LINK_REQUIRES | CORE_LINK_WANTS, DB);
	rig_link(&g, WEB, CORE_LINK_AFTER, DB);
	rig_link(&g, WEB, CORE_LINK_REQUIRES, DB);
	rig_ask(&g, WEB, CORE_EVENT_START);
	assert_int_equal(g.n_changes, 2);
	rig_started(&g, DB);
	rig_started(&g, WEB);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	rig_exit(&g, WEB, 0);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
}

/* --- replaced --- */

static void who_waits_for_what_it_needs_no_longer_starts(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	g.policies[DB].restart = SPEC_RESTART_NEVER;
	rig_ask(&g, WEB, CORE_EVENT_START);
	rig_exit(&g, DB, 1);
	judged(&g, WEB, CORE_EVENT_START, 0, CORE_NOT_DONE);
	g.n_links = 0;
	rig_set_graph(&g);
	assert_true(spawned(&g, WEB));
}

static void who_stops_after_others_that_need_it_no_longer_goes_on(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_requires(&g, WEB, DB);
	rig_run(&g, DB);
	rig_run(&g, WEB);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	g.n_links = 0;
	rig_set_graph(&g);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, WEB, 0);
	assert_int_equal(rig_record(&g, WEB)->state, CORE_STARTING);
}

static void who_waits_has_another_to_wait_for(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 4, 0);
	rig_requires(&g, WEB, DB);
	rig_ask(&g, CACHE, CORE_EVENT_START);
	rig_ask(&g, WEB, CORE_EVENT_START);
	has_reason(&g, WEB, "waiting for 's0'");
	g.links[0].to = CACHE;
	rig_set_graph(&g);
	has_reason(&g, WEB, "waiting for 's3'");
	rig_started(&g, DB);
	has_state(&g, WEB, CORE_WAITING);
	rig_started(&g, CACHE);
	assert_true(spawned(&g, WEB));
}

static void what_is_up_counts_in_the_new_order_at_once(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_run(&g, DB);
	rig_run(&g, WEB);
	rig_requires(&g, WEB, DB);
	assert_int_equal(g.n_changes, 0); /* all that it asks for is there */
	rig_ask(&g, DB, CORE_EVENT_STOP);
	has_phase(&g, DB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP);
}

static void what_it_requires_from_now_on_has_to_be_there(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_run(&g, DB);
	rig_ask(&g, DB, CORE_EVENT_STOP);
	rig_exit(&g, DB, 0); /* it has been there: what never has is another case */
	rig_run(&g, WEB);
	rig_run(&g, TOP);
	rig_link(&g, TOP, CORE_LINK_WANTS, DB);
	assert_int_equal(g.n_changes, 0);
	rig_requires(&g, WEB, DB);
	has_reason(&g, WEB, "'s0', which it requires, is not there; TERM sent, KILL after 10s");
	rig_exit(&g, WEB, 0);
	has_reason(&g, WEB, "requires 's0', which is stopped");
}

static void who_is_removed_is_in_nobodys_way(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 0);
	rig_requires(&g, WEB, DB);
	rig_link(&g, WEB, CORE_LINK_AFTER, TOP);
	rig_ask(&g, DB, CORE_EVENT_AUTOSTART);
	rig_ask(&g, WEB, CORE_EVENT_AUTOSTART);
	rig_step(&g, &(struct core_event){
			     .type = CORE_EVENT_STOP, .service = DB, .why = CORE_WHY_REMOVED});
	has_reason(&g, DB, "removed from the configuration; TERM sent, KILL after 10s");
	has_reason(&g, WEB, "requires 's0', which is stopping");
	rig_end(&g, DB, CORE_END_SIGNALLED, SIGTERM, false);
	has_reason(&g, DB, "removed from the configuration");
	core_remove(g.core, DB);
	rig_settle(&g); /* its links are there still, but nobody at their end */
	assert_true(spawned(&g, WEB));
	rig_started(&g, WEB);
	rig_ask(&g, WEB, CORE_EVENT_RESTART); /* which asks for nobody that is not there */
	assert_int_equal(g.n_changes, 1);
	rig_exit(&g, WEB, 0);
	rig_started(&g, WEB);
	rig_shutdown(&g, false);
	rig_exit(&g, WEB, 0);
	assert_true(core_is_down(g.core));
}

static void a_graph_may_know_more_services_than_there_are_yet(void **state _unused_)
{
	static const struct core_link link = {4, 1, CORE_LINK_REQUIRES};
	struct core_graph *graph = NULL;
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 0);
	rig_run(&g, 1);
	assert_int_equal(core_grow(g.core, 5), 0);
	assert_int_equal(core_graph_new(5, &link, 1, NULL, NULL, 0, &graph), 0);
	core_set_graph(g.core, graph);
	rig_settle(&g);
	assert_int_equal(g.n_changes, 0);
	g.policies[4] = rig_policy();
	core_add(g.core, 4, &g.policies[4], NULL, g.now);
	g.n = 5;
	rig_run(&g, 4);
	rig_ask(&g, 1, CORE_EVENT_STOP);
	has_phase(&g, 1, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
}

/* --- restored --- */

/* There is nothing to do or to tell; a schedule that was asked for is asked for again. */
static void settles_without_a_trace(const struct rig *g)
{
	for (unsigned i = 0; i < g->n_changes; i++)
		assert_int_equal(g->changes[i].todo & ~(unsigned)CORE_DO_SCHEDULE, CORE_DO_COMMIT);
}

struct line {
	enum { ASK, STARTED, EXIT, LEAVES, GONE, DEADLINE, READY, HOOK, MAIN, BAD, AT, PAUSE } what;
	uint32_t service;
	unsigned more; /* the request, or the hook */
};

/*
 * 0 is required by 1, that by 2; 2 wants 3. 4 and 5 conflict, 4 comes after 3; 5 to 7 share a
 * pool of one, and 7 runs by a schedule.
 */
static const struct line script[] = {
	{ASK, 7, CORE_EVENT_AUTOSTART},
	{AT, 7, 0},
	{ASK, 2, CORE_EVENT_AUTOSTART},
	{ASK, 4, CORE_EVENT_AUTOSTART},
	{ASK, 5, CORE_EVENT_AUTOSTART},
	{ASK, 6, CORE_EVENT_START},
	{HOOK, 0, SPEC_HOOK_PRE_START},
	{STARTED, 0, 0},
	{STARTED, 6, 0},
	{READY, 0, 0},
	{STARTED, 3, 0},
	{STARTED, 1, 0},
	{DEADLINE, 7, 0},
	{STARTED, 4, 0},
	{MAIN, 4, 0},
	{STARTED, 2, 0},
	{BAD, 2, 0},
	{ASK, 5, CORE_EVENT_START},
	{EXIT, 4, 0},
	{EXIT, 6, 1},
	{ASK, 0, CORE_EVENT_STOP},
	{DEADLINE, 6, 0},
	{HOOK, 2, SPEC_HOOK_PRE_STOP},
	{LEAVES, 2, 0},
	{STARTED, 7, 0},
	{EXIT, 7, 0},
	{AT, 7, 0},
	{GONE, 2, 0},
	{EXIT, 1, 0},
	{DEADLINE, 7, 0},
	{ASK, 0, CORE_EVENT_START},
	{ASK, 1, CORE_EVENT_RESET},
	{EXIT, 0, 0},
	{HOOK, 0, SPEC_HOOK_POST_STOP},
	{ASK, 4, CORE_EVENT_START},
	{HOOK, 0, SPEC_HOOK_PRE_START},
	{STARTED, 5, 0},
	{EXIT, 5, 0},
	{STARTED, 0, 0},
	{DEADLINE, 0, 0}, /* it does not get ready in time */
	{ASK, 3, CORE_EVENT_RESTART},
	{HOOK, 3, SPEC_HOOK_STOP},
	{STARTED, 4, 0},
	{EXIT, 3, 0},
	{LEAVES, 4, 0},
	{DEADLINE, 0, 0},
	{EXIT, 0, 0},
	{HOOK, 0, SPEC_HOOK_POST_STOP},
	{GONE, 4, 0},
	{DEADLINE, 0, 0},
	{STARTED, 3, 0},
	{HOOK, 0, SPEC_HOOK_PRE_START},
	{STARTED, 0, 0},
	{READY, 0, 0},
	{STARTED, 6, 0},
	{STARTED, 1, 0},
	{PAUSE, 0, 0},
	{ASK, 1, CORE_EVENT_RESTART},
	{ASK, 1, CORE_EVENT_KILL},
	{EXIT, 1, 0},
	{ASK, 2, CORE_EVENT_START},
	{STARTED, 1, 0},
	{EXIT, 2, 0},
	{STARTED, 2, 0},
	{ASK, 5, CORE_EVENT_START},
	{EXIT, 6, 1}, /* it gives up */
	{STARTED, 7, 0},
	{EXIT, 7, 0},
	{STARTED, 5, 0},
	{EXIT, 5, 0},
	{BAD, 2, 0},
	{BAD, 2, 0},
	{ASK, 0, CORE_EVENT_STOP},
	{HOOK, 2, SPEC_HOOK_PRE_STOP},
	{EXIT, 2, 0},
	{EXIT, 1, 0},
	{EXIT, 0, 0},
	{HOOK, 0, SPEC_HOOK_POST_STOP},
	{ASK, 2, CORE_EVENT_START},
	{ASK, 0, CORE_EVENT_STOP},
	{ASK, 0, CORE_EVENT_START},
	{HOOK, 0, SPEC_HOOK_PRE_START},
	{HOOK, 0, SPEC_HOOK_POST_STOP},
	{HOOK, 0, SPEC_HOOK_PRE_START},
	{STARTED, 0, 0},
};

static void script_init(struct rig *g, unsigned max_starting)
{
	rig_init(g, 8, max_starting);
	for (uint32_t i = 0; i < 8; i++)
		g->policies[i].restart_jitter_percent = 50;
	g->policies[0].hooks = 1u << SPEC_HOOK_PRE_START | 1u << SPEC_HOOK_POST_STOP;
	g->policies[0].ready = SPEC_READY_NOTIFY;
	g->policies[0].ready_timeout_usec = 5 * SEC;
	g->policies[2].hooks = 1u << SPEC_HOOK_PRE_STOP;
	g->policies[2].health_failures = 2;
	g->policies[3].hooks = 1u << SPEC_HOOK_STOP;
	g->policies[3].watchdog_usec = 3600 * SEC;
	g->policies[4].type = SPEC_TYPE_FORKING;
	g->policies[6].restart_limit = 1;
	g->policies[6].stable_after_usec = 0;
	g->policies[7].type = SPEC_TYPE_ONESHOT;
	g->policies[7].scheduled = true;
	rig_requires(g, 1, 0);
	rig_requires(g, 2, 1);
	rig_link(g, 2, CORE_LINK_WANTS, 3);
	rig_link(g, 4, CORE_LINK_AFTER, 3);
	rig_link(g, 5, CORE_LINK_CONFLICTS, 4);
	rig_pool(g, 1, 5, 7);
}

static void play(struct rig *g, const struct line *l)
{
	g->random += UINT64_C(0x9E3779B97F4A7C15);
	g->now += USEC_PER_SEC / 8;
	g->n_changes = 0;
	switch (l->what) {
	case ASK:
		rig_ask(g, l->service, (enum core_event_type)l->more);
		break;
	case STARTED:
		rig_started(g, l->service);
		break;
	case EXIT:
		rig_exit(g, l->service, (int)l->more);
		break;
	case LEAVES:
		rig_end(g, l->service, CORE_END_EXITED, 0, true);
		break;
	case GONE:
		rig_gone(g, l->service);
		break;
	case DEADLINE:
		if (core_deadline(g->core, l->service) != USEC_INFINITY)
			rig_deadline(g, l->service);
		break;
	case READY:
		rig_ready(g, l->service);
		break;
	case HOOK:
		rig_hook(g, l->service, (enum spec_hook)l->more, true);
		break;
	case MAIN:
		rig_mainpid(g, l->service, 77);
		break;
	case BAD:
		rig_check(g, l->service, false);
		break;
	case AT:
		rig_schedule(g, l->service, g->now + SEC / 2);
		break;
	case PAUSE:
		g->now += 11 * SEC;
		break;
	}
}

/* The script is worth something only while it gets everywhere. */
static void the_script_gets_into_every_state_and_phase(void **state _unused_)
{
	static const enum core_why reasons[] = {CORE_WHY_DEPENDENCY, CORE_WHY_CONFLICT,
		CORE_WHY_POOL, CORE_WHY_SLOT, CORE_WHY_SCHEDULE};
	unsigned states = 0, phases = 0, waits = 0;

	for (unsigned max_starting = 0; max_starting < 3; max_starting++) {
		_cleanup_rig_ struct rig g;

		script_init(&g, max_starting);
		for (size_t i = 0; i < ELEMENTSOF(script); i++) {
			play(&g, &script[i]);
			for (uint32_t k = 0; k < g.n; k++) {
				const struct core_record *r = rig_record(&g, k);

				states |= 1u << r->state;
				phases |= 1u << r->phase;
				waits |= r->state == CORE_WAITING ? 1u << r->why : 0;
			}
		}
	}
	assert_int_equal(states, (1u << CORE_STATE_MAX) - 1);
	assert_int_equal(phases, (1u << CORE_PHASE_MAX) - 1);
	for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
		assert_true(waits & 1u << reasons[i]);
}

static void a_core_made_of_records_goes_on_like_the_one_before(void **state _unused_)
{
	for (size_t cut = 0; cut < 3 * ELEMENTSOF(script); cut++) {
		_cleanup_rig_ struct rig old, g;
		unsigned max_starting = cut % 3;

		script_init(&old, max_starting);
		for (size_t i = 0; i < cut / 3; i++)
			play(&old, &script[i]);
		rig_restore(&g, &old, max_starting);
		settles_without_a_trace(&g);
		for (uint32_t k = 0; k < g.n; k++)
			rig_same(&old, &g, k);
		for (size_t i = cut / 3; i < ELEMENTSOF(script); i++) {
			play(&old, &script[i]);
			play(&g, &script[i]);
			rig_same_changes(&old, &g);
			for (uint32_t k = 0; k < g.n; k++) {
				rig_same(&old, &g, k);
				assert_int_equal(core_judge(old.core, k, CORE_EVENT_START, 0),
					core_judge(g.core, k, CORE_EVENT_START, 0));
			}
		}
	}
}

/* An engine may die after it has committed one service's change, before those of the others. */
static void what_was_committed_in_part_is_made_good(void **state _unused_)
{
	_cleanup_rig_ struct rig old, g;
	struct core_record web, top;

	rig_init(&old, 3, 0);
	rig_requires(&old, WEB, DB);
	rig_requires(&old, TOP, WEB);
	for (uint32_t i = 0; i < 3; i++)
		rig_run(&old, i);
	web = *rig_record(&old, WEB);
	top = *rig_record(&old, TOP);
	rig_exit(&old, DB, 1);
	g = old;
	g.core = core_new(3, 0);
	assert_non_null(g.core);
	core_add(g.core, DB, &g.policies[DB], rig_record(&old, DB), g.now);
	core_add(g.core, WEB, &g.policies[WEB], &web, g.now);
	core_add(g.core, TOP, &g.policies[TOP], &top, g.now);
	rig_set_graph(&g);
	has_phase(&g, WEB, CORE_STOPPING, CORE_PHASE_DEPENDENTS);
	signalled(&g, TOP, SIGTERM, SPEC_KILL_GROUP);
	rig_exit(&g, TOP, 0);
	signalled(&g, WEB, SIGTERM, SPEC_KILL_GROUP);
}

static void one_that_waited_for_others_goes_on_though_their_end_was_the_last_news(
	void **state _unused_)
{
	_cleanup_rig_ struct rig old, g;
	struct core_record db;

	rig_init(&old, 2, 0);
	rig_requires(&old, WEB, DB);
	rig_run(&old, DB);
	rig_run(&old, WEB);
	rig_ask(&old, DB, CORE_EVENT_STOP);
	db = *rig_record(&old, DB);
	rig_exit(&old, WEB, 0);
	g = old;
	g.core = core_new(2, 0);
	assert_non_null(g.core);
	core_add(g.core, DB, &g.policies[DB], &db, g.now);
	core_add(g.core, WEB, &g.policies[WEB], rig_record(&old, WEB), g.now);
	rig_set_graph(&g);
	signalled(&g, DB, SIGTERM, SPEC_KILL_GROUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_circle_is_refused_whatever_it_is_made_of),
		cmocka_unit_test(a_conflict_orders_nothing_and_makes_no_circle),
		cmocka_unit_test(nothing_at_all_is_a_graph_too),
		cmocka_unit_test(ranks_follow_the_links),
		cmocka_unit_test(links_can_be_read_from_either_end),
		cmocka_unit_test(what_is_said_twice_holds_once),
		cmocka_unit_test(who_waits_for_what_it_needs_no_longer_starts),
		cmocka_unit_test(who_stops_after_others_that_need_it_no_longer_goes_on),
		cmocka_unit_test(who_waits_has_another_to_wait_for),
		cmocka_unit_test(what_is_up_counts_in_the_new_order_at_once),
		cmocka_unit_test(what_it_requires_from_now_on_has_to_be_there),
		cmocka_unit_test(who_is_removed_is_in_nobodys_way),
		cmocka_unit_test(a_graph_may_know_more_services_than_there_are_yet),
		cmocka_unit_test(the_script_gets_into_every_state_and_phase),
		cmocka_unit_test(a_core_made_of_records_goes_on_like_the_one_before),
		cmocka_unit_test(what_was_committed_in_part_is_made_good),
		cmocka_unit_test(
			one_that_waited_for_others_goes_on_though_their_end_was_the_last_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
