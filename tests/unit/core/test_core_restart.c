/*
 * Whether and when a service is started again: backoff, limit, window, stability and the
 * counters, each at its edge and one step past it.
 */
#include <errno.h>

#include "core/state.h"
#include "rig.h"

#define MSEC USEC_PER_MSEC

static const char *reason(const struct rig *g)
{
	return rig_reason(g, 0, "cannot execute");
}

/* From BACKOFF or STARTING to the next end, `ran` after exec. */
static void crash_after(struct rig *g, usec_t ran)
{
	if (rig_record(g, 0)->state == CORE_BACKOFF)
		rig_deadline(g, 0);
	if (rig_record(g, 0)->state == CORE_STARTING)
		rig_started(g, 0);
	g->now += ran;
	rig_exit(g, 0, 1);
}

static usec_t delay(const struct rig *g)
{
	assert_int_equal(rig_record(g, 0)->state, CORE_BACKOFF);
	return core_deadline(g->core, 0) - g->now;
}

static void the_delay_doubles_up_to_its_maximum(void **state _unused_)
{
	static const usec_t expected[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].restart_max_delay_usec = 5 * SEC;
	g.policies[0].restart_limit = 0;
	rig_run(&g, 0);
	for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
		crash_after(&g, MSEC);
		assert_int_equal(delay(&g), expected[i] * MSEC);
		assert_int_equal(rig_record(&g, 0)->restarts, i);
	}
}

static void what_explains_a_restart_is_what_decides_it(void **state _unused_)
{
	struct core_restart_facts facts;
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].restart_limit = 2;
	rig_run(&g, 0);
	for (unsigned i = 0; i < 2; i++) {
		crash_after(&g, MSEC);
		core_restart_facts(g.core, 0, g.now, &facts);
		assert_true(facts.wanted);
		assert_false(facts.success);
		assert_int_equal(facts.n_counted, i);
		assert_int_equal(facts.delay_usec, delay(&g));
	}
	crash_after(&g, MSEC);
	assert_int_equal(rig_record(&g, 0)->state, CORE_FAILED);
	core_restart_facts(g.core, 0, g.now, &facts);
	assert_true(facts.wanted);
	assert_int_equal(facts.n_counted, 2);
	/* the window leaves them behind */
	core_restart_facts(g.core, 0, g.now + 61 * SEC, &facts);
	assert_int_equal(facts.n_counted, 0);
	g.policies[0].restart = SPEC_RESTART_NEVER;
	core_restart_facts(g.core, 0, g.now, &facts);
	assert_false(facts.wanted);
	rig_run(&g, 0);
	rig_exit(&g, 0, 0);
	core_restart_facts(g.core, 0, g.now, &facts);
	assert_true(facts.success);
}

static void the_delay_is_bounded_for_every_streak(void **state _unused_)
{
	struct spec_policy p = rig_policy();

	p.restart_max_delay_usec = p.restart_delay_usec;
	assert_int_equal(restart_delay(&p, 7, 0), p.restart_delay_usec);
	p.restart_max_delay_usec = p.restart_delay_usec - 1;
	assert_int_equal(restart_delay(&p, 0, 0), p.restart_delay_usec - 1);
	p.restart_max_delay_usec = UINT64_MAX / 4;
	assert_int_equal(restart_delay(&p, UINT32_MAX, 0), UINT64_MAX / 4);
	p.restart_max_delay_usec = USEC_INFINITY - 1;
	p.restart_jitter_percent = 100;
	assert_int_equal(restart_delay(&p, UINT32_MAX, UINT64_MAX), USEC_INFINITY);
	p.restart_delay_usec = 0;
	assert_int_equal(restart_delay(&p, UINT32_MAX, UINT64_MAX), 0);
	p.restart_max_delay_usec = 0;
	assert_int_equal(restart_delay(&p, 3, UINT64_MAX), 0);
}

static void what_the_machine_lacks_is_not_asked_for_without_a_pause(void **state _unused_)
{
	static const struct {
		int error;
		usec_t pause;
	} table[] = {{EMFILE, SEC}, {ENFILE, SEC}, {ENOMEM, SEC}, {EAGAIN, SEC}, {ENOENT, 0}};
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].restart_limit = 0;
	g.policies[0].restart_delay_usec = 0;
	rig_run(&g, 0);
	rig_exit(&g, 0, EMFILE); /* that number as an exit code says nothing of the machine */
	assert_int_equal(delay(&g), 0);
	for (size_t i = 0; i < ELEMENTSOF(table); i++) {
		rig_deadline(&g, 0);
		rig_end(&g, 0, CORE_END_SPAWN_FAILED, table[i].error, false);
		assert_int_equal(delay(&g), table[i].pause);
	}
	g.policies[0].restart_delay_usec = 3 * SEC; /* a longer one stays */
	g.policies[0].restart_max_delay_usec = 3 * SEC;
	rig_deadline(&g, 0);
	rig_end(&g, 0, CORE_END_SPAWN_FAILED, EMFILE, false);
	assert_int_equal(delay(&g), 3 * SEC);
}

static void jitter_is_only_added_and_stays_below_its_percentage(void **state _unused_)
{
	struct spec_policy p = rig_policy();
	usec_t base = 10 * SEC, last = 0;

	p.restart_delay_usec = base;
	for (unsigned percent = 0; percent <= 100; percent += 10) {
		p.restart_jitter_percent = percent;
		assert_int_equal(restart_delay(&p, 0, 0), base);
		if (percent > 0)
			assert_int_equal(
				restart_delay(&p, 0, UINT64_MAX), base + base / 100 * percent - 1);
		else
			assert_int_equal(restart_delay(&p, 0, UINT64_MAX), base);
	}
	assert_int_equal(restart_delay(&p, 0, UINT64_C(1) << 63), base + base / 2);
	for (uint64_t random = 0; random < UINT64_MAX / 2; random += UINT64_MAX / 100) {
		assert_true(restart_delay(&p, 0, random) >= last);
		last = restart_delay(&p, 0, random);
	}
}

static void the_limit_is_the_number_of_automatic_starts(void **state _unused_)
{
	static const unsigned limits[] = {1, 2, 5, SPEC_MAX_RESTART_LIMIT};

	for (size_t k = 0; k < ELEMENTSOF(limits); k++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 1, 0);
		g.policies[0].restart_limit = limits[k];
		g.policies[0].restart_max_delay_usec = 200 * MSEC;
		rig_run(&g, 0);
		for (unsigned i = 0; i < limits[k]; i++) {
			crash_after(&g, MSEC);
			assert_int_equal(rig_record(&g, 0)->state, CORE_BACKOFF);
		}
		crash_after(&g, MSEC);
		assert_int_equal(rig_record(&g, 0)->state, CORE_FAILED);
		assert_int_equal(rig_record(&g, 0)->why, CORE_WHY_GAVE_UP);
		assert_int_equal(rig_record(&g, 0)->restarts, limits[k]);
		assert_true(rig_record(&g, 0)->desired_up);
		assert_non_null(strstr(reason(&g), "exited with code 1; gave up after "));
		assert_non_null(strstr(reason(&g), " in 1min"));
	}
}

static void without_a_limit_it_never_gives_up(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].restart_limit = 0;
	g.policies[0].restart_max_delay_usec = MSEC;
	rig_run(&g, 0);
	for (unsigned i = 0; i < 3 * SPEC_MAX_RESTART_LIMIT; i++) {
		crash_after(&g, 0);
		assert_int_equal(rig_record(&g, 0)->state, CORE_BACKOFF);
	}
	assert_int_equal(rig_record(&g, 0)->restarts, 3 * SPEC_MAX_RESTART_LIMIT - 1);
}

/* One automatic start is allowed; the next end comes `age` after it. */
static enum core_state after_age(usec_t age, usec_t stable_after, usec_t first)
{
	_cleanup_rig_ struct rig g;
	usec_t started;

	rig_init(&g, 1, 0);
	g.now = first;
	g.policies[0].restart_limit = 1;
	g.policies[0].stable_after_usec = stable_after;
	rig_run(&g, 0);
	crash_after(&g, 0);
	rig_deadline(&g, 0);
	started = g.now;
	rig_started(&g, 0);
	g.now = started + age;
	rig_exit(&g, 0, 1);
	return (enum core_state)rig_record(&g, 0)->state;
}

static void a_start_counts_until_the_window_is_over_and_not_later(void **state _unused_)
{
	static const usec_t wrap = (UINT64_C(1) << 32) * MSEC;
	static const usec_t firsts[] = {RIG_START, wrap - 200 * MSEC, wrap - 100 * MSEC,
		wrap - 30 * SEC, wrap - 60 * SEC - 100 * MSEC, wrap, 7 * wrap + SEC};

	for (size_t i = 0; i < ELEMENTSOF(firsts); i++) {
		assert_int_equal(after_age(60 * SEC, 0, firsts[i]), CORE_FAILED);
		assert_int_equal(after_age(60 * SEC + MSEC, 0, firsts[i]), CORE_BACKOFF);
	}
}

static void a_start_of_long_ago_does_not_come_back_when_milliseconds_wrap(void **state _unused_)
{
	static const usec_t wrap = (UINT64_C(1) << 32) * MSEC;

	assert_int_equal(after_age(wrap, 0, RIG_START), CORE_BACKOFF);
	assert_int_equal(after_age(wrap + 30 * SEC, 0, RIG_START), CORE_BACKOFF);
	assert_int_equal(after_age(wrap - 30 * SEC, 0, RIG_START), CORE_BACKOFF);
	assert_int_equal(after_age(3 * wrap + SEC, 0, RIG_START), CORE_BACKOFF);
}

static void a_window_of_years_is_cut_to_what_can_be_told(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].restart_limit = 1;
	g.policies[0].restart_window_usec = 3650 * USEC_PER_DAY;
	g.policies[0].stable_after_usec = 0;
	rig_run(&g, 0);
	crash_after(&g, 0);
	crash_after(&g, 20 * USEC_PER_DAY);
	assert_int_equal(rig_record(&g, 0)->state, CORE_FAILED);
}

static void starts_are_counted_over_a_sliding_window(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].restart_limit = 2;
	g.policies[0].restart_max_delay_usec = 100 * MSEC;
	g.policies[0].stable_after_usec = 0;
	rig_run(&g, 0);
	crash_after(&g, 0);
	/* A start every 31 s or so: never more than two within 60 s, the one to come included. */
	for (int i = 0; i < 50; i++) {
		crash_after(&g, 31 * SEC);
		assert_int_equal(rig_record(&g, 0)->state, CORE_BACKOFF);
		assert_true(rig_past(&g, 0)->n_starts <= 2);
	}
	crash_after(&g, 0);
	assert_int_equal(rig_record(&g, 0)->state, CORE_FAILED);
}

static void backoff_resets_after_a_stable_run(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	for (int i = 0; i < 3; i++)
		crash_after(&g, 0);
	assert_int_equal(delay(&g), 400 * MSEC);
	crash_after(&g, 10 * SEC - 1);
	assert_int_equal(delay(&g), 800 * MSEC);
	assert_int_equal(rig_past(&g, 0)->n_starts, 3);
	crash_after(&g, 10 * SEC);
	assert_int_equal(delay(&g), 100 * MSEC);
	assert_int_equal(rig_past(&g, 0)->n_starts, 0);
	assert_int_equal(rig_record(&g, 0)->streak, 0);
	assert_int_equal(rig_record(&g, 0)->restarts, 4); /* what users see goes on counting */
}

static void a_stable_run_counts_from_exec_to_the_end_as_they_happened(void **state _unused_)
{
	_cleanup_rig_ struct rig g;
	struct core_event e = {
		.type = CORE_EVENT_ENDED, .end = CORE_END_SIGNALLED, .status = SIGSEGV};

	rig_init(&g, 1, 0);
	rig_run(&g, 0);
	crash_after(&g, 0);
	rig_deadline(&g, 0);
	g.now += 3 * SEC; /* exec took its time */
	rig_started(&g, 0);
	e.generation = rig_record(&g, 0)->generation;
	e.at_usec = g.now + 10 * SEC - 1;
	g.now += 20 * SEC; /* and so did the news */
	rig_step(&g, &e);
	assert_int_equal(rig_record(&g, 0)->ended_usec, e.at_usec);
	assert_int_equal(rig_record(&g, 0)->streak, 1);
	assert_int_equal(delay(&g), 200 * MSEC);
}

static void with_stable_after_0_failures_are_never_forgotten(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].stable_after_usec = 0;
	rig_run(&g, 0);
	crash_after(&g, USEC_PER_DAY);
	crash_after(&g, USEC_PER_DAY);
	crash_after(&g, USEC_PER_DAY);
	assert_int_equal(delay(&g), 400 * MSEC);
}

static void a_stable_run_is_not_forgotten_by_the_restart_that_ends_it(void **state _unused_)
{
	static const usec_t ran[] = {10 * SEC - 1, 10 * SEC};

	for (unsigned stable = 0; stable < 2; stable++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 1, 0);
		rig_run(&g, 0);
		crash_after(&g, 0);
		crash_after(&g, 0);
		rig_deadline(&g, 0);
		rig_started(&g, 0);
		g.now += ran[stable];
		rig_ask(&g, 0, CORE_EVENT_RESTART);
		rig_end(&g, 0, CORE_END_SIGNALLED, SIGTERM, false);
		crash_after(&g, 0);
		assert_int_equal(rig_record(&g, 0)->restarts, 2);
		assert_int_equal(delay(&g), stable ? 100 * MSEC : 400 * MSEC);
	}
}

static void policies_and_ends_decide_together(void **state _unused_)
{
	static const struct {
		enum core_end end;
		int status;
		enum core_state then[SPEC_RESTART_MAX];
	} cases[] = {
#define THEN(always, failure, abnormal, never)         \
	{[SPEC_RESTART_ALWAYS] = always,               \
		[SPEC_RESTART_ON_FAILURE] = failure,   \
		[SPEC_RESTART_ON_ABNORMAL] = abnormal, \
		[SPEC_RESTART_NEVER] = never}
#define X CORE_EXITED
#define A CORE_BACKOFF
#define F CORE_FAILED
		{CORE_END_EXITED, 0, THEN(A, X, X, X)},
		{CORE_END_EXITED, 3, THEN(A, X, X, X)},
		{CORE_END_EXITED, 255, THEN(A, X, X, X)},
		{CORE_END_EXITED, 1, THEN(A, A, F, F)},
		{CORE_END_EXITED, 254, THEN(A, A, F, F)},
		{CORE_END_SIGNALLED, SIGTERM, THEN(A, A, A, F)},
		{CORE_END_SIGNALLED, 3, THEN(A, A, A, F)}, /* no exit code 3 */
		{CORE_END_DUMPED, SIGSEGV, THEN(A, A, A, F)},
		{CORE_END_SPAWN_FAILED, ENOENT, THEN(A, A, F, F)},
		{CORE_END_SPAWN_FAILED, 3, THEN(A, A, F, F)},
		{CORE_END_UNKNOWN, 0, THEN(A, A, A, F)},
		{CORE_END_UNKNOWN, 3, THEN(A, A, A, F)},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		for (int p = 0; p < SPEC_RESTART_MAX; p++) {
			for (int survivors = 0; survivors < 2; survivors++) {
				_cleanup_rig_ struct rig g;

				rig_init(&g, 1, 0);
				g.policies[0].restart = (enum spec_restart)p;
				g.policies[0].success_codes[0] = 1 | 1 << 3;
				g.policies[0].success_codes[3] = UINT64_C(1) << 63;
				rig_ask(&g, 0, CORE_EVENT_START);
				if (cases[i].end != CORE_END_SPAWN_FAILED)
					rig_started(&g, 0);
				rig_end(&g, 0, cases[i].end, cases[i].status, survivors);
				if (survivors) {
					assert_int_equal(rig_record(&g, 0)->state, CORE_STOPPING);
					rig_gone(&g, 0);
				}
				assert_int_equal(rig_record(&g, 0)->state, cases[i].then[p]);
				assert_int_equal(rig_record(&g, 0)->why, CORE_WHY_ENDED);
				assert_true(rig_record(&g, 0)->desired_up);
			}
		}
	}
#undef THEN
#undef X
#undef A
#undef F
}

static void an_end_that_needs_no_restart_did_not_give_up(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].restart = SPEC_RESTART_ON_ABNORMAL;
	g.policies[0].restart_limit = 1;
	rig_run(&g, 0);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGABRT, false);
	crash_after(&g, 0); /* with code 1: not abnormal */
	assert_int_equal(rig_record(&g, 0)->state, CORE_FAILED);
	assert_string_equal(reason(&g), "exited with code 1");
}

static void a_oneshot_is_done_when_it_has_exited_well(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 1, 0);
	g.policies[0].type = SPEC_TYPE_ONESHOT;
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	assert_int_equal(rig_record(&g, 0)->state, CORE_STARTING);
	assert_int_equal(rig_record(&g, 0)->pid, 100);
	assert_int_equal(core_judge(g.core, 0, CORE_EVENT_START, 0), CORE_PENDING);
	rig_exit(&g, 0, 0);
	assert_int_equal(rig_record(&g, 0)->state, CORE_EXITED);
	assert_int_equal(core_judge(g.core, 0, CORE_EVENT_START, 0), CORE_DONE);
	rig_ask(&g, 0, CORE_EVENT_START);
	rig_started(&g, 0);
	rig_exit(&g, 0, 2);
	assert_int_equal(rig_record(&g, 0)->state, CORE_BACKOFF);
}

static void prepare_counters(struct rig *g)
{
	rig_init(g, 1, 0);
	rig_run(g, 0);
	crash_after(g, 0);
	crash_after(g, 0);
	rig_deadline(g, 0);
	rig_started(g, 0);
	assert_int_equal(rig_record(g, 0)->restarts, 2);
	assert_int_equal(rig_record(g, 0)->streak, 2);
	assert_int_equal(rig_past(g, 0)->n_starts, 2);
}

static void counters_are(const struct rig *g, unsigned n)
{
	assert_int_equal(rig_record(g, 0)->restarts, n);
	assert_int_equal(rig_record(g, 0)->streak, n);
	assert_int_equal(rig_past(g, 0)->n_starts, n);
}

static void an_operators_restart_is_not_counted_and_clears_nothing(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	prepare_counters(&g);
	rig_ask(&g, 0, CORE_EVENT_RESTART);
	rig_end(&g, 0, CORE_END_SIGNALLED, SIGTERM, false);
	assert_int_equal(rig_record(&g, 0)->state, CORE_STARTING);
	rig_started(&g, 0);
	counters_are(&g, 2);
}

static void a_reset_forgets_and_leaves_a_running_service_alone(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	prepare_counters(&g);
	rig_ask(&g, 0, CORE_EVENT_RESET);
	assert_int_equal(rig_record(&g, 0)->state, CORE_RUNNING);
	counters_are(&g, 0);
}

static void an_operators_start_forgets_unless_the_service_is_up(void **state _unused_)
{
	_cleanup_rig_ struct rig up, down, failed, stopping;

	prepare_counters(&up);
	rig_ask(&up, 0, CORE_EVENT_START);
	counters_are(&up, 2);

	prepare_counters(&down);
	rig_exit(&down, 0, 1);
	assert_int_equal(rig_record(&down, 0)->state, CORE_BACKOFF);
	rig_ask(&down, 0, CORE_EVENT_START);
	counters_are(&down, 0);

	prepare_counters(&failed);
	failed.policies[0].restart = SPEC_RESTART_NEVER;
	rig_exit(&failed, 0, 1);
	counters_are(&failed, 2);
	rig_ask(&failed, 0, CORE_EVENT_START);
	counters_are(&failed, 0);

	prepare_counters(&stopping);
	rig_ask(&stopping, 0, CORE_EVENT_STOP);
	rig_ask(&stopping, 0, CORE_EVENT_START);
	counters_are(&stopping, 0);
}

static void a_start_is_counted_when_it_happens_and_not_while_it_waits(void **state _unused_)
{
	_cleanup_rig_ struct rig g;

	rig_init(&g, 2, 1);
	rig_run(&g, 0);
	rig_exit(&g, 0, 1);
	rig_ask(&g, 1, CORE_EVENT_START);
	rig_deadline(&g, 0);
	assert_int_equal(rig_record(&g, 0)->state, CORE_WAITING);
	counters_are(&g, 0);
	g.now += 5 * SEC;
	rig_started(&g, 1);
	assert_int_equal(rig_record(&g, 0)->state, CORE_STARTING);
	assert_int_equal(rig_record(&g, 0)->why, CORE_WHY_ENDED);
	counters_are(&g, 1);
	assert_int_equal(rig_past(&g, 0)->starts_msec[0], g.now / MSEC);
}

static void a_start_by_request_in_line_is_not_automatic(void **state _unused_)
{
	static const enum core_event_type requests[] = {CORE_EVENT_START, CORE_EVENT_RESTART};

	for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
		_cleanup_rig_ struct rig g;

		rig_init(&g, 2, 1);
		rig_run(&g, 0);
		crash_after(&g, 0);
		crash_after(&g, 0);
		rig_ask(&g, 1, CORE_EVENT_START);
		rig_deadline(&g, 0);
		rig_ask(&g, 0, requests[i]);
		assert_int_equal(rig_record(&g, 0)->state, CORE_WAITING);
		rig_started(&g, 1);
		assert_int_equal(rig_record(&g, 0)->why, CORE_WHY_OPERATOR);
		counters_are(&g, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_delay_doubles_up_to_its_maximum),
		cmocka_unit_test(the_delay_is_bounded_for_every_streak),
		cmocka_unit_test(what_explains_a_restart_is_what_decides_it),
		cmocka_unit_test(what_the_machine_lacks_is_not_asked_for_without_a_pause),
		cmocka_unit_test(jitter_is_only_added_and_stays_below_its_percentage),
		cmocka_unit_test(the_limit_is_the_number_of_automatic_starts),
		cmocka_unit_test(without_a_limit_it_never_gives_up),
		cmocka_unit_test(a_start_counts_until_the_window_is_over_and_not_later),
		cmocka_unit_test(a_start_of_long_ago_does_not_come_back_when_milliseconds_wrap),
		cmocka_unit_test(a_window_of_years_is_cut_to_what_can_be_told),
		cmocka_unit_test(starts_are_counted_over_a_sliding_window),
		cmocka_unit_test(backoff_resets_after_a_stable_run),
		cmocka_unit_test(a_stable_run_counts_from_exec_to_the_end_as_they_happened),
		cmocka_unit_test(with_stable_after_0_failures_are_never_forgotten),
		cmocka_unit_test(a_stable_run_is_not_forgotten_by_the_restart_that_ends_it),
		cmocka_unit_test(policies_and_ends_decide_together),
		cmocka_unit_test(an_end_that_needs_no_restart_did_not_give_up),
		cmocka_unit_test(a_oneshot_is_done_when_it_has_exited_well),
		cmocka_unit_test(an_operators_restart_is_not_counted_and_clears_nothing),
		cmocka_unit_test(a_reset_forgets_and_leaves_a_running_service_alone),
		cmocka_unit_test(an_operators_start_forgets_unless_the_service_is_up),
		cmocka_unit_test(a_start_is_counted_when_it_happens_and_not_while_it_waits),
		cmocka_unit_test(a_start_by_request_in_line_is_not_automatic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
