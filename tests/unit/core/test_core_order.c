/*
 * What must not depend on chance: who waits longest starts first, what comes late or twice
 * changes nothing, a core made of records goes on like the one that wrote them, and the
 * clock's origin doesn't matter. The last two run one script of everything side by side.
 */
#include "rig.h"

/* --- places to start --- */

static void places_are_given_in_the_order_of_asking(void **state _unused_)
{
	static const uint32_t order[] = {5, 1, 4, 2, 3, 0};
	_cleanup_rig_ struct rig g;

	rig_init(&g, 6, 2);
	for (size_t i = 0; i < 6; i++)
		rig_ask(&g, order[i], CORE_EVENT_AUTOSTART);
	for (size_t i = 0; i < 6; i++) {
		uint32_t n_starting = 0;

		for (uint32_t k = 0; k < 6; k++)
			n_starting += rig_record(&g, k)->state == CORE_STARTING;
		assert_int_equal(n_starting, i < 5 ? 2 : 1);
		for (size_t k = i + 2; k < 6; k++)
			has_state(&g, order[k], CORE_WAITING);
		has_state(&g, order[i], CORE_STARTING);
		rig_started(&g, order[i]);
		if (i + 2 < 6)
			assert_true(rig_change(&g, order[i + 2]).todo & CORE_DO_SPAWN);
	}
}

static void every_way_out_of_starting_gives_its_place_on(void **state _unused_)
{
	for (int way = 0; way < 6; way++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 1);
		rig_ask(&g, 0, CORE_EVENT_START);
		rig_ask(&g, 1, CORE_EVENT_START);
		has_state(&g, 1, CORE_WAITING);
		switch (way) {
		case 0:
			rig_started(&g, 0);
			break;
		case 1:
			rig_exit(&g, 0, 0);
			break;
		case 2:
			rig_end(&g, 0, CORE_END_SPAWN_FAILED, ENOENT, false);
			break;
		case 3:
			rig_end(&g, 0, CORE_END_EXITED, 1, true);
			break;
		case 4:
			rig_ask(&g, 0, CORE_EVENT_RESTART);
			break;
		default:
			rig_ask(&g, 0, CORE_EVENT_KILL);
		}
		has_state(&g, 1, CORE_STARTING);
	}
}

static void a_restart_goes_to_the_end_of_the_line(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 3, 1);
	rig_run(&g, 0);
	rig_ask(&g, 1, CORE_EVENT_START);
	rig_ask(&g, 2, CORE_EVENT_START);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	rig_exit(&g, 0, 0);
	has_state(&g, 0, CORE_WAITING);
	assert_int_equal(core_judge(g.core, 0, CORE_EVENT_RESTART, 1), CORE_PENDING);
	rig_started(&g, 1);
	has_state(&g, 2, CORE_STARTING);
	rig_started(&g, 2);
	has_state(&g, 0, CORE_STARTING);
	rig_started(&g, 0);
	assert_int_equal(core_judge(g.core, 0, CORE_EVENT_RESTART, 1), CORE_DONE);
}

/* An engine may die after it has committed that a place is free, before it is given away. */
static void a_recovered_engine_gives_places_that_were_left_free(void **state _unused_)
{
	_cleanup_rig_ struct rig old, g;
	struct core_record waiting[2];

	rig_init(&old, 3, 1);
	rig_ask(&old, 2, CORE_EVENT_START);
	rig_ask(&old, 1, CORE_EVENT_START);
	rig_ask(&old, 0, CORE_EVENT_START);
	waiting[0] = *rig_record(&old, 0);
	waiting[1] = *rig_record(&old, 1);
	rig_started(&old, 2);
	g = old;
	g.core = core_new(3, 1);
	assert_non_null(g.core);
	core_add(g.core, 0, &g.policies[0], &waiting[0], g.now);
	core_add(g.core, 1, &g.policies[1], &waiting[1], g.now);
	core_add(g.core, 2, &g.policies[2], rig_record(&old, 2), g.now);
	rig_ask(&g, 0, CORE_EVENT_SETTLE); /* whomever it is told: 1 was first */
	has_state(&g, 1, CORE_STARTING);
	has_state(&g, 0, CORE_WAITING);
	rig_ask(&g, 0, CORE_EVENT_SETTLE);
	has_state(&g, 0, CORE_WAITING);
}

/* --- what comes late or twice --- */

static void late_and_repeated_news_change_nothing(void **state _unused_)
{
	enum { STOPPED_AGAIN, NEXT_STARTING, NEXT_RUNNING, TREE_LEFT, IN_BACKOFF, KINDS };
	static const enum core_event_type news[] = {
		CORE_EVENT_STARTED, CORE_EVENT_ENDED, CORE_EVENT_GONE};

	for (int kind = 0; kind < KINDS; kind++) {
		_cleanup_rig_ struct rig g;
		struct core_record before;

		rig_init(&g, 1, 0);
		rig_run(&g, 0);
		if (kind == IN_BACKOFF) {
			rig_exit(&g, 0, 1);
		} else {
			rig_ask(&g, 0, CORE_EVENT_STOP);
			rig_end(&g, 0, CORE_END_EXITED, 0, kind == TREE_LEFT);
		}
		if (kind == NEXT_STARTING || kind == NEXT_RUNNING)
			rig_ask(&g, 0, CORE_EVENT_START);
		if (kind == NEXT_RUNNING)
			rig_started(&g, 0);
		g.now += SEC;
		before = *rig_record(&g, 0);
		for (size_t i = 0; i < ELEMENTSOF(news); i++) {
			for (uint64_t generation = 0; generation < 4; generation++) {
				struct core_event e = {.type = news[i],
					.generation = generation,
					.pid = 999,
					.end = CORE_END_SIGNALLED,
					.status = SIGKILL,
					.at_usec = g.now};
				bool news_to_it = (kind == NEXT_STARTING && generation == 2 &&
							  news[i] != CORE_EVENT_GONE) ||
						  (kind == NEXT_RUNNING && generation == 2 &&
							  news[i] == CORE_EVENT_ENDED) ||
						  (kind == TREE_LEFT && generation == 1 &&
							  news[i] == CORE_EVENT_GONE);

				if (news_to_it)
					continue;
				rig_step(&g, &e);
				assert_int_equal(g.n_changes, 0);
				assert_memory_equal(&before, rig_record(&g, 0), sizeof(before));
			}
		}
		rig_ask(&g, 0, CORE_EVENT_SETTLE);
		assert_int_equal(g.n_changes, 0);
	}
}

/* --- one script of everything --- */

struct line {
	enum { ASK, STARTED, EXIT, CRASH, LEAVES, FAILS, GONE, DEADLINE, PAUSE, SHUTDOWN } what;
	uint32_t service;
	enum core_event_type type;
};

static const struct line script[] = {
	{ASK, 3, CORE_EVENT_AUTOSTART},
	{ASK, 1, CORE_EVENT_AUTOSTART},
	{ASK, 0, CORE_EVENT_AUTOSTART},
	{ASK, 2, CORE_EVENT_START},
	{STARTED, 3},
	{FAILS, 1},
	{STARTED, 0},
	{STARTED, 2},
	{PAUSE, 0},
	{LEAVES, 3},
	{DEADLINE, 1},
	{CRASH, 0},
	{DEADLINE, 0},
	{STARTED, 1},
	{STARTED, 0},
	{CRASH, 0},
	{CRASH, 1},
	{ASK, 2, CORE_EVENT_RESTART},
	{DEADLINE, 0},
	{DEADLINE, 1},
	{EXIT, 2},
	{GONE, 3},
	{DEADLINE, 3},
	{ASK, 1, CORE_EVENT_START},
	{STARTED, 0},
	{STARTED, 1},
	{STARTED, 2},
	{STARTED, 3},
	{PAUSE, 0},
	{ASK, 0, CORE_EVENT_RESTART},
	{ASK, 1, CORE_EVENT_STOP},
	{LEAVES, 1},
	{DEADLINE, 1},
	{ASK, 1, CORE_EVENT_START},
	{GONE, 1},
	{CRASH, 2},
	{ASK, 2, CORE_EVENT_RESET},
	{ASK, 3, CORE_EVENT_KILL},
	{DEADLINE, 2},
	{DEADLINE, 3},
	{EXIT, 0},
	{EXIT, 3},
	{STARTED, 1},
	{EXIT, 1},
	{STARTED, 2},
	{CRASH, 2},
	{DEADLINE, 2},
	{STARTED, 0},
	{ASK, 3, CORE_EVENT_START},
	{ASK, 1, CORE_EVENT_START},
	{SHUTDOWN, 0},
	{STARTED, 2},
	{DEADLINE, 0},
	{CRASH, 0},
	{LEAVES, 3},
	{DEADLINE, 3},
	{ASK, 3, CORE_EVENT_START},
	{GONE, 3},
};

static void play(struct rig *g, const struct line *l)
{
	g->random += UINT64_C(0x9E3779B97F4A7C15);
	g->now += 1000 * USEC_PER_MSEC / 8;
	g->n_changes = 0;
	switch (l->what) {
	case ASK:
		rig_ask(g, l->service, l->type);
		break;
	case STARTED:
		rig_started(g, l->service);
		break;
	case EXIT:
		rig_exit(g, l->service, 0);
		break;
	case CRASH:
		rig_end(g, l->service, CORE_END_SIGNALLED, SIGSEGV, false);
		break;
	case LEAVES:
		rig_end(g, l->service, CORE_END_EXITED, 1, true);
		break;
	case FAILS:
		rig_end(g, l->service, CORE_END_SPAWN_FAILED, ENOENT, false);
		break;
	case GONE:
		rig_gone(g, l->service);
		break;
	case DEADLINE:
		if (core_deadline(g->core, l->service) != USEC_INFINITY)
			rig_deadline(g, l->service);
		break;
	case PAUSE:
		g->now += 11 * SEC;
		break;
	case SHUTDOWN:
		core_shutdown(g->core, false, g->now);
		rig_take_changes(g);
		break;
	}
}

static void script_init(struct rig *g, unsigned max_starting)
{
	rig_init(g, 4, max_starting);
	for (uint32_t i = 0; i < 4; i++)
		g->policies[i].restart_jitter_percent = 50;
	g->policies[2].restart_limit = 1;
}

/* The script is worth something only while it gets everywhere. */
static void the_script_gets_into_every_state(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	unsigned seen = 0;

	script_init(&g, 1);
	for (size_t i = 0; i < ELEMENTSOF(script); i++) {
		play(&g, &script[i]);
		for (uint32_t k = 0; k < g.n; k++)
			seen |= 1u << rig_record(&g, k)->state;
	}
	assert_int_equal(seen, (1u << CORE_STATE_MAX) - 1);
	assert_true(core_is_down(g.core));
}

static void a_core_made_of_records_goes_on_like_the_one_before(void **state _unused_)
{
	for (unsigned max_starting = 0; max_starting < 4; max_starting++) {
		_cleanup_rig_ struct rig old;

		script_init(&old, max_starting);
		for (size_t i = 0; i < ELEMENTSOF(script); i++) {
			_cleanup_rig_ struct rig g;

			rig_restore(&g, &old, max_starting);
			play(&old, &script[i]);
			play(&g, &script[i]);
			rig_same_changes(&old, &g);
			for (uint32_t k = 0; k < g.n; k++)
				rig_same(&old, &g, k);
		}
	}
}

/* Not only the next step: from each point on, all that follows is the same. */
static void a_core_made_of_records_ends_like_the_one_before(void **state _unused_)
{
	for (size_t cut = 0; cut < 4 * ELEMENTSOF(script); cut++) {
		_cleanup_rig_ struct rig old, g;
		unsigned max_starting = cut % 4;

		script_init(&old, max_starting);
		for (size_t i = 0; i < cut / 4; i++)
			play(&old, &script[i]);
		rig_restore(&g, &old, max_starting);
		for (size_t i = cut / 4; i < ELEMENTSOF(script); i++) {
			play(&old, &script[i]);
			play(&g, &script[i]);
			rig_same_changes(&old, &g);
		}
		for (uint32_t k = 0; k < g.n; k++)
			rig_same(&old, &g, k);
	}
}

static usec_t shifted(usec_t t, usec_t by)
{
	return t == 0 ? 0 : usec_add(t, by);
}

static void the_origin_of_the_clock_does_not_matter(void **state _unused_)
{
	static const usec_t wrap = (UINT64_C(1) << 32) * USEC_PER_MSEC;
	static const usec_t shifts[] = {USEC_PER_MSEC, wrap - RIG_START - SEC,
		wrap - RIG_START - 20 * SEC, 1000 * wrap + 3 * SEC};

	for (size_t s = 0; s < ELEMENTSOF(shifts); s++) {
		_cleanup_rig_ struct rig a, b;
		usec_t by = shifts[s];

		script_init(&a, 1);
		rig_init(&b, 4, 1);
		core_free(b.core);
		b = a;
		b.now += by;
		b.core = core_new(4, 1);
		assert_non_null(b.core);
		for (uint32_t i = 0; i < 4; i++)
			core_add(b.core, i, &b.policies[i], NULL, b.now);
		for (size_t i = 0; i < ELEMENTSOF(script); i++) {
			play(&a, &script[i]);
			play(&b, &script[i]);
			rig_same_changes(&a, &b);
			for (uint32_t k = 0; k < 4; k++) {
				const struct core_record *x = rig_record(&b, k);
				struct core_record r = *rig_record(&a, k);
				struct core_past past = *rig_past(&a, k);

				r.since_usec = shifted(r.since_usec, by);
				r.started_usec = shifted(r.started_usec, by);
				r.ended_usec = shifted(r.ended_usec, by);
				r.deadline_usec = shifted(r.deadline_usec, by);
				for (unsigned n = 0; n < past.n_starts; n++)
					past.starts_msec[n] += (uint32_t)(by / USEC_PER_MSEC);
				rig_same_record(&r, x);
				rig_same_past(&past, rig_past(&b, k));
			}
		}
	}
}

static void records_from_outside_are_checked(void **state _unused_)
{
	struct core_record r = {.state = CORE_FAILED,
		.why = CORE_WHY_MAX - 1,
		.then = CORE_THEN_FAILED,
		.end = CORE_END_MAX - 1};
	struct core_past past = {.n_starts = SPEC_MAX_RESTART_LIMIT};

	assert_true(core_record_is_valid(&r));
	r.state = CORE_STATE_MAX;
	assert_false(core_record_is_valid(&r));
	r.state = 0;
	r.why = CORE_WHY_MAX;
	assert_false(core_record_is_valid(&r));
	r.why = 0;
	r.then = CORE_THEN_FAILED + 1;
	assert_false(core_record_is_valid(&r));
	r.then = 0;
	r.end = CORE_END_MAX;
	assert_false(core_record_is_valid(&r));
	r.end = 0;
	assert_true(core_past_is_valid(&past));
	past.n_starts++;
	assert_false(core_past_is_valid(&past));
	r.phase = CORE_PHASE_MAX;
	assert_false(core_record_is_valid(&r));
	r.phase = CORE_PHASE_MAX - 1;
	r.cause = CORE_CAUSE_MAX;
	assert_false(core_record_is_valid(&r));
	r.cause = CORE_CAUSE_MAX - 1;
	r.last_cause = CORE_CAUSE_MAX;
	assert_false(core_record_is_valid(&r));
	r.last_cause = CORE_CAUSE_MAX - 1;
	r.health = CORE_HEALTH_MAX;
	assert_false(core_record_is_valid(&r));
	r.health = CORE_HEALTH_MAX - 1;
	assert_true(core_record_is_valid(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_given_in_the_order_of_asking),
		cmocka_unit_test(every_way_out_of_starting_gives_its_place_on),
		cmocka_unit_test(a_restart_goes_to_the_end_of_the_line),
		cmocka_unit_test(a_recovered_engine_gives_places_that_were_left_free),
		cmocka_unit_test(late_and_repeated_news_change_nothing),
		cmocka_unit_test(the_script_gets_into_every_state),
		cmocka_unit_test(a_core_made_of_records_goes_on_like_the_one_before),
		cmocka_unit_test(a_core_made_of_records_ends_like_the_one_before),
		cmocka_unit_test(the_origin_of_the_clock_does_not_matter),
		cmocka_unit_test(records_from_outside_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
