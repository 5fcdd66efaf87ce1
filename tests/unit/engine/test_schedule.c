/*
 * When scheduled services run: the arithmetic, on clocks that are set as needed, and the engine's
 * part of it, with the real core, where the machine's clocks are replaced by ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/schedule.h"
#include "engine/services.h"
#include "tests/unit/zone.h"

#define SEC    USEC_PER_SEC
#define MINUTE USEC_PER_MINUTE
#define HOUR   USEC_PER_HOUR
#define DAY    USEC_PER_DAY

/* 2026-11-25 00:00 UTC, a Wednesday */
#define MIDNIGHT (UINT64_C(1795564800) * SEC)

static struct schedule_clock clocks;

usec_t __wrap_usec_now(clockid_t clock);
usec_t __wrap_usec_now(clockid_t clock)
{
	return clock == CLOCK_REALTIME ? clocks.realtime_usec : clocks.monotonic_usec;
}

static void pass(usec_t span)
{
	clocks.monotonic_usec += span;
	clocks.realtime_usec += span;
}

static struct spec_schedule by_cron(const char *text, usec_t jitter)
{
	struct spec_schedule s = {.cron_text = (char *)text, .jitter_usec = jitter};
	char what[CRON_WHAT_SIZE];

	assert_int_equal(cron_parse(text, &s.cron, what), 0);
	return s;
}

static int set_clocks(void **state _unused_)
{
	zone_set("UTC");
	clocks = (struct schedule_clock){1000 * SEC, MIDNIGHT + 12 * HOUR};
	return 0;
}

/* --- every --- */

static void every_begins_one_period_from_now(void **state _unused_)
{
	struct spec_schedule s = {.every_usec = 10 * SEC};
	struct schedule_runs runs = {0};

	assert_int_equal(schedule_next(&s, 1, &clocks, &runs), 1010 * SEC);
	assert_int_equal(runs.next_usec, 1010 * SEC);
	assert_int_equal(schedule_due(&s, 1, &clocks, &runs), 1010 * SEC);
	assert_int_equal(
		schedule_due_realtime(&s, 1, &clocks, &runs), clocks.realtime_usec + 10 * SEC);
}

static void every_keeps_its_grid_however_late_it_is_planned(void **state _unused_)
{
	struct spec_schedule s = {.every_usec = 10 * SEC};
	struct schedule_runs runs = {.last_usec = 1000 * SEC};

	pass(3 * SEC);
	assert_int_equal(schedule_next(&s, 1, &clocks, &runs), 1010 * SEC);
	runs.last_usec = runs.next_usec;
	pass(42 * SEC); /* 1045: those of 1020, 1030, 1040 are missed */
	assert_int_equal(schedule_next(&s, 1, &clocks, &runs), 1050 * SEC);
	pass(5 * SEC);
	assert_int_equal(schedule_next(&s, 1, &clocks, &runs), 1060 * SEC);
}

static void a_last_run_in_the_future_is_none(void **state _unused_)
{
	struct spec_schedule s = {.every_usec = 10 * SEC};
	struct schedule_runs runs = {.last_usec = MIDNIGHT};

	assert_int_equal(schedule_next(&s, 1, &clocks, &runs), 1010 * SEC);
}

static void the_longest_period_does_not_overflow(void **state _unused_)
{
	struct spec_schedule s = {.every_usec = USEC_INFINITY / 4};
	struct schedule_runs runs = {0};

	assert_int_equal(schedule_next(&s, 1, &clocks, &runs), USEC_INFINITY / 4 + 1000 * SEC);
	s.every_usec = USEC_INFINITY - 1;
	assert_int_equal(schedule_next(&s, 1, &clocks, &runs), USEC_INFINITY);
	assert_int_equal(runs.next_usec, 0);
}

/* --- jitter --- */

/* Follows a schedule whose runs are each due at once when their time has come. */
static void follow_with_jitter(const struct spec_schedule *s, usec_t period, usec_t most)
{
	struct schedule_runs runs = {0};
	usec_t sum = 0, first, base = 0;
	unsigned n = 400;

	for (unsigned i = 0; i < n; i++) {
		usec_t due = schedule_next(s, 7, &clocks, &runs), jitter;

		first = s->every_usec > 0
				? runs.next_usec
				: clocks.monotonic_usec + runs.next_usec - clocks.realtime_usec;
		if (i > 0)
			assert_int_equal(first, base + period); /* none is left out */
		base = first;
		assert_true(due >= first);
		jitter = due - first;
		assert_true(jitter <= most && jitter < period);
		sum += jitter;
		assert_int_equal(schedule_due(s, 7, &clocks, &runs), due); /* it does not change */
		pass(due - clocks.monotonic_usec + 300);
		runs.last_usec = runs.next_usec;
	}
	/* About half of it on the average: the chance to be further off is below one in 10^9. */
	assert_in_range(sum / n, MIN_OF(most, period) * 4 / 10, MIN_OF(most, period) * 6 / 10);
}

static void jitter_comes_on_top_and_moves_no_run_past_the_next(void **state)
{
	struct spec_schedule every = {.every_usec = 10 * SEC, .jitter_usec = 4 * SEC};
	struct spec_schedule minutes = by_cron("* * * * *", 20 * SEC);

	follow_with_jitter(&every, 10 * SEC, 4 * SEC);
	every.jitter_usec = HOUR;
	set_clocks(state);
	follow_with_jitter(&every, 10 * SEC, HOUR);
	set_clocks(state);
	follow_with_jitter(&minutes, MINUTE, 20 * SEC);
	minutes.jitter_usec = DAY;
	set_clocks(state);
	follow_with_jitter(&minutes, MINUTE, DAY);
}

static void jitter_reaches_up_to_the_next_run_and_not_that_far(void **state _unused_)
{
	struct spec_schedule s = {.every_usec = 3, .jitter_usec = 3};
	unsigned seen[3] = {0};

	for (unsigned seed = 0; seed < 1000; seed++) {
		struct schedule_runs runs = {0};
		usec_t jitter = schedule_next(&s, seed, &clocks, &runs) - runs.next_usec;

		assert_true(jitter < ELEMENTSOF(seen));
		seen[jitter]++;
	}
	for (size_t i = 0; i < ELEMENTSOF(seen); i++)
		assert_in_range(seen[i], 200, 500);
}

static void jitter_differs_between_services(void **state _unused_)
{
	struct spec_schedule s = by_cron("@daily", HOUR);
	usec_t dues[20];

	for (unsigned i = 0; i < ELEMENTSOF(dues); i++) {
		struct schedule_runs runs = {0};

		dues[i] = schedule_next(&s, i, &clocks, &runs);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(dues[i], dues[k]);
	}
}

/* --- the calendar --- */

static void the_calendar_becomes_monotonic(void **state _unused_)
{
	struct spec_schedule s = by_cron("30 12 * * *", 0);
	struct schedule_runs runs = {0};

	assert_int_equal(schedule_next(&s, 1, &clocks, &runs), 1000 * SEC + 30 * MINUTE);
	assert_int_equal(runs.next_usec, MIDNIGHT + 12 * HOUR + 30 * MINUTE);
	assert_int_equal(schedule_due_realtime(&s, 1, &clocks, &runs), runs.next_usec);
}

static void a_timer_that_comes_early_runs_nothing_twice(void **state _unused_)
{
	struct spec_schedule s = by_cron("0 12 * * *", 0);
	struct schedule_runs runs = {.last_usec = MIDNIGHT + 12 * HOUR};

	clocks.realtime_usec -= 1;
	schedule_next(&s, 1, &clocks, &runs);
	assert_int_equal(runs.next_usec, MIDNIGHT + DAY + 12 * HOUR);
}

static void what_was_missed_is_left_out(void **state _unused_)
{
	struct spec_schedule s = by_cron("*/5 * * * *", 0);
	struct schedule_runs runs = {.last_usec = MIDNIGHT};

	pass(MINUTE);
	schedule_next(&s, 1, &clocks, &runs);
	assert_int_equal(runs.next_usec, MIDNIGHT + 12 * HOUR + 5 * MINUTE);
}

static void what_never_comes_is_never_due(void **state _unused_)
{
	struct spec_schedule s = by_cron("0 0 30 2 *", HOUR);
	struct schedule_runs runs = {.last_usec = MIDNIGHT};

	assert_int_equal(schedule_next(&s, 1, &clocks, &runs), USEC_INFINITY);
	assert_int_equal(runs.next_usec, 0);
	assert_int_equal(schedule_due(&s, 1, &clocks, &runs), USEC_INFINITY);
	assert_int_equal(schedule_due_realtime(&s, 1, &clocks, &runs), USEC_INFINITY);
	assert_int_equal(schedule_renew(&s, 1, &clocks, &runs), USEC_INFINITY);
}

/* The clock shows another time, at the same moment: what is planned at noon for 12:30? */
static usec_t renewed(const char *text, struct schedule_runs *runs, usec_t realtime)
{
	struct spec_schedule s = by_cron(text, 0);

	clocks.realtime_usec = realtime;
	return schedule_renew(&s, 1, &clocks, runs);
}

static void a_clock_set_forward_brings_a_run_nearer(void **state _unused_)
{
	struct schedule_runs runs = {.next_usec = MIDNIGHT + 12 * HOUR + 30 * MINUTE};
	usec_t run = runs.next_usec;

	assert_int_equal(renewed("30 12 * * *", &runs, run - 10 * MINUTE),
		clocks.monotonic_usec + 10 * MINUTE);
	assert_int_equal(runs.next_usec, run);
}

static void a_run_that_was_leapt_over_is_made_up_for_within_limits(void **state _unused_)
{
	usec_t run = MIDNIGHT + 12 * HOUR + 30 * MINUTE;
	struct schedule_runs runs = {.next_usec = run};

	assert_int_equal(renewed("30 12 * * *", &runs, run), clocks.monotonic_usec);
	assert_int_equal(renewed("30 12 * * *", &runs, run + SCHEDULE_MAKE_UP_USEC - 1),
		clocks.monotonic_usec);
	assert_int_equal(runs.next_usec, run);
	renewed("30 12 * * *", &runs, run + SCHEDULE_MAKE_UP_USEC);
	assert_int_equal(runs.next_usec, run + DAY);
}

static void a_clock_set_back_a_little_runs_nothing_twice(void **state _unused_)
{
	usec_t noon = MIDNIGHT + 12 * HOUR;
	struct schedule_runs runs = {.last_usec = noon, .next_usec = noon + DAY};

	assert_int_equal(
		renewed("0 12 * * *", &runs, noon - HOUR), clocks.monotonic_usec + DAY + HOUR);
	assert_int_equal(runs.next_usec, noon + DAY);
	assert_int_equal(renewed("0 12 * * *", &runs, noon - SCHEDULE_MAKE_UP_USEC),
		clocks.monotonic_usec + DAY + SCHEDULE_MAKE_UP_USEC);
}

static void a_clock_set_back_a_lot_was_wrong_before(void **state _unused_)
{
	usec_t noon = MIDNIGHT + 12 * HOUR;
	struct schedule_runs runs = {.last_usec = noon, .next_usec = noon + DAY};

	assert_int_equal(renewed("0 12 * * *", &runs, noon - SCHEDULE_MAKE_UP_USEC - 1),
		clocks.monotonic_usec + SCHEDULE_MAKE_UP_USEC + 1);
	assert_int_equal(runs.next_usec, noon);
	runs = (struct schedule_runs){.last_usec = noon, .next_usec = noon + DAY};
	renewed("0 12 * * *", &runs, noon - 100 * DAY - HOUR);
	assert_int_equal(runs.next_usec, noon - 100 * DAY);
}

static void what_has_no_fixed_hour_follows_a_clock_set_back(void **state _unused_)
{
	usec_t noon = MIDNIGHT + 12 * HOUR;
	struct schedule_runs runs = {.last_usec = noon, .next_usec = noon + 10 * MINUTE};

	renewed("*/10 * * * *", &runs, noon - 30 * MINUTE + SEC);
	assert_int_equal(runs.next_usec, noon - 20 * MINUTE);
	runs = (struct schedule_runs){.last_usec = noon, .next_usec = noon + 10 * MINUTE};
	renewed("*/10 * * * *", &runs, noon - SEC);
	assert_int_equal(runs.next_usec, noon + 10 * MINUTE);
}

static void the_real_clock_is_no_matter_to_every(void **state _unused_)
{
	struct spec_schedule s = {.every_usec = 10 * SEC, .jitter_usec = SEC};
	struct schedule_runs runs = {0};
	usec_t due = schedule_next(&s, 1, &clocks, &runs);

	clocks.realtime_usec = 0;
	assert_int_equal(schedule_renew(&s, 1, &clocks, &runs), due);
}

/* --- in the engine --- */

#define N_SERVICES 3

struct fixture {
	struct engine engine;
	struct service services[N_SERVICES];
	struct service *list[N_SERVICES];
	struct spec_service specs[N_SERVICES];
	struct spec_policy policies[N_SERVICES];
	struct spec_contact contacts[N_SERVICES];
	struct spec_schedule schedules[N_SERVICES];
	struct loop_timer tick; /* always due, so that no round waits */
	unsigned n_planned;
};

static struct fixture *fixture_of(struct engine *e)
{
	return CONTAINER_OF(e, struct fixture, engine);
}

/* What perform.c does of it. */
static void take_changes(struct fixture *f)
{
	struct engine *e = &f->engine;
	struct core_change change;

	while (core_next_change(e->core, &change)) {
		struct service *s = &f->services[change.service];

		schedule_follow(s, (change.todo & CORE_DO_SCHEDULE) != 0);
		loop_timer_set(&e->loop, &s->timer, core_deadline(e->core, s->id));
	}
}

void engine_event(struct engine *e, const struct core_event *event)
{
	struct fixture *f = fixture_of(e);

	f->n_planned += event->type == CORE_EVENT_SCHEDULED;
	assert_true(core_step(e->core, event, e->loop.now_usec, 0));
	take_changes(f);
}

static void on_deadline(struct loop_timer *t)
{
	struct service *s = CONTAINER_OF(t, struct service, timer);

	engine_event(
		s->engine, &(struct core_event){.type = CORE_EVENT_DEADLINE, .service = s->id});
}

static void on_tick(struct loop_timer *t)
{
	(void)t;
}

static const char *const names[N_SERVICES] = {"a", "b", "c"};

static struct fixture *fixture_new(const struct core_record *records)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct engine *e = &f->engine;

	assert_int_equal(loop_init(&e->loop), 0);
	e->loop.now_usec = clocks.monotonic_usec;
	e->services = f->list;
	e->n_services = N_SERVICES;
	e->core = core_new(N_SERVICES, 0);
	assert_non_null(e->core);
	assert_int_equal(schedules_init(e), 0);
	f->tick.dispatch = on_tick;
	assert_int_equal(loop_timer_add(&e->loop, &f->tick), 0);
	for (uint32_t i = 0; i < N_SERVICES; i++) {
		struct service *s = &f->services[i];

		f->list[i] = s;
		f->specs[i].policy = &f->policies[i];
		f->specs[i].contact = &f->contacts[i];
		f->contacts[i].schedule = &f->schedules[i];
		f->policies[i] = (struct spec_policy){.type = SPEC_TYPE_ONESHOT,
			.restart = SPEC_RESTART_NEVER,
			.scheduled = i < 2,
			.ready_timeout_usec = USEC_INFINITY,
			.success_codes = {1}};
		*s = (struct service){.engine = e,
			.id = i,
			.name = (char *)names[i],
			.spec = &f->specs[i],
			.timer.dispatch = on_deadline};
		schedule_init(&s->schedule);
		assert_int_equal(loop_timer_add(&e->loop, &s->timer), 0);
		core_add(e->core, i, &f->policies[i], records ? &records[i] : NULL,
			clocks.monotonic_usec);
	}
	f->schedules[0] = (struct spec_schedule){.every_usec = 10 * SEC};
	f->schedules[1] = by_cron("30 12 * * *", 0);
	return f;
}

static void fixture_free(struct fixture *f)
{
	for (uint32_t i = 0; i < N_SERVICES; i++) {
		schedule_fini(&f->services[i].schedule);
		loop_timer_remove(&f->engine.loop, &f->services[i].timer);
	}
	loop_timer_remove(&f->engine.loop, &f->tick);
	schedules_fini(&f->engine);
	core_free(f->engine.core);
	loop_fini(&f->engine.loop);
	free(f);
}

/* One round of the loop, that much later. */
static void round_after(struct fixture *f, usec_t span)
{
	pass(span);
	loop_timer_set(&f->engine.loop, &f->tick, clocks.monotonic_usec);
	assert_int_equal(loop_once(&f->engine.loop), 0);
}

static const struct core_record *record(struct fixture *f, uint32_t id)
{
	return core_record(f->engine.core, id);
}

static void event(struct fixture *f, enum core_event_type type, uint32_t id)
{
	engine_event(&f->engine, &(struct core_event){.type = type, .service = id});
}

/* It is started, and its process ends well at once. */
static void run_once(struct fixture *f, uint32_t id)
{
	uint64_t generation = record(f, id)->generation;

	assert_int_equal(record(f, id)->state, CORE_STARTING);
	engine_event(&f->engine, &(struct core_event){.type = CORE_EVENT_STARTED,
					 .service = id,
					 .generation = generation,
					 .pid = 2,
					 .at_usec = clocks.monotonic_usec});
	engine_event(&f->engine, &(struct core_event){.type = CORE_EVENT_ENDED,
					 .service = id,
					 .generation = generation,
					 .end = CORE_END_EXITED,
					 .at_usec = clocks.monotonic_usec});
	assert_int_equal(record(f, id)->state, CORE_WAITING);
}

static void the_core_asks_and_is_answered_in_the_same_round(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);
	usec_t start = clocks.monotonic_usec;

	event(f, CORE_EVENT_AUTOSTART, 0);
	assert_int_equal(record(f, 0)->state, CORE_WAITING);
	assert_int_equal(record(f, 0)->due_usec, USEC_INFINITY);
	assert_int_equal(f->n_planned, 0);
	assert_int_equal(schedule_next_realtime(&f->services[0]), 0);
	round_after(f, 3);
	assert_int_equal(record(f, 0)->due_usec, start + 3 + 10 * SEC);
	assert_int_equal(f->n_planned, 1);
	assert_int_equal(schedule_next_realtime(&f->services[0]), clocks.realtime_usec + 10 * SEC);
	assert_int_equal(f->engine.schedules.clock.fd, -1); /* no calendar, nothing to watch */
	fixture_free(f);
}

static void every_runs_on_its_grid(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);
	usec_t start = clocks.monotonic_usec;

	event(f, CORE_EVENT_AUTOSTART, 0);
	round_after(f, 0);
	for (unsigned i = 1; i <= 50; i++) {
		usec_t late = i * 1000;

		/* A little late each time, and it does not add up. */
		round_after(f, start + i * 10 * SEC + late - clocks.monotonic_usec);
		run_once(f, 0);
		assert_int_equal(record(f, 0)->generation, i);
		round_after(f, 0);
		assert_int_equal(record(f, 0)->due_usec, start + (i + 1) * 10 * SEC);
	}
	fixture_free(f);
}

static void every_begins_anew_with_a_start(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);

	event(f, CORE_EVENT_AUTOSTART, 0);
	round_after(f, 0);
	round_after(f, 10 * SEC);
	run_once(f, 0);
	event(f, CORE_EVENT_STOP, 0);
	round_after(f, 0);
	assert_int_equal(record(f, 0)->due_usec, USEC_INFINITY);
	assert_int_equal(schedule_next_realtime(&f->services[0]), 0);
	pass(13 * SEC);
	f->engine.loop.now_usec = clocks.monotonic_usec;
	event(f, CORE_EVENT_START, 0);
	run_once(f, 0);
	round_after(f, 0);
	assert_int_equal(record(f, 0)->due_usec, clocks.monotonic_usec + 10 * SEC);
	fixture_free(f);
}

static void the_calendar_is_watched_and_shown(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);
	usec_t run = MIDNIGHT + 12 * HOUR + 30 * MINUTE;

	event(f, CORE_EVENT_AUTOSTART, 1);
	round_after(f, 0);
	assert_true(f->engine.schedules.clock.fd >= 0);
	assert_int_equal(schedule_next_realtime(&f->services[1]), run);
	round_after(f, 30 * MINUTE);
	run_once(f, 1);
	round_after(f, 0);
	assert_int_equal(schedule_next_realtime(&f->services[1]), run + DAY);
	assert_int_equal(record(f, 1)->due_usec, clocks.monotonic_usec + DAY);
	fixture_free(f);
}

static void next_call_fails(const char *rule)
{
	setenv("SUPERVISOR_FAULT", rule, 1);
	sys_faults_init("test");
	unsetenv("SUPERVISOR_FAULT");
}

/* The clock is set, and the timer tells it. */
static void set_realtime(struct fixture *f, usec_t realtime)
{
	struct loop_source *clock = &f->engine.schedules.clock;

	clocks.realtime_usec = realtime;
	next_call_fails("test:read:1:ECANCELED");
	clock->dispatch(clock, EPOLLIN);
}

static void a_clock_that_is_set_moves_the_calendar_and_nothing_else(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);
	usec_t every;

	event(f, CORE_EVENT_AUTOSTART, 0);
	event(f, CORE_EVENT_AUTOSTART, 1);
	event(f, CORE_EVENT_START, 2);
	round_after(f, 0);
	assert_int_equal(f->n_planned, 2);
	every = record(f, 0)->due_usec;
	set_realtime(f, MIDNIGHT + 12 * HOUR + 29 * MINUTE);
	round_after(f, 0);
	assert_int_equal(f->n_planned, 3);
	assert_int_equal(record(f, 0)->due_usec, every);
	assert_int_equal(record(f, 1)->due_usec, clocks.monotonic_usec + MINUTE);
	fixture_free(f);
}

static void a_clock_set_past_a_run_makes_it_run_once(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);

	event(f, CORE_EVENT_AUTOSTART, 1);
	round_after(f, 0);
	set_realtime(f, MIDNIGHT + 13 * HOUR);
	round_after(f, 0);
	round_after(f, 0);
	run_once(f, 1);
	round_after(f, 0);
	assert_int_equal(
		schedule_next_realtime(&f->services[1]), MIDNIGHT + DAY + 12 * HOUR + 30 * MINUTE);
	fixture_free(f);
}

static void without_a_calendar_the_clock_is_not_watched_any_more(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);

	event(f, CORE_EVENT_AUTOSTART, 1);
	round_after(f, 0);
	assert_true(f->engine.schedules.is_watching);
	event(f, CORE_EVENT_STOP, 1);
	set_realtime(f, MIDNIGHT);
	assert_false(f->engine.schedules.is_watching);
	event(f, CORE_EVENT_AUTOSTART, 1);
	round_after(f, 0);
	assert_true(f->engine.schedules.is_watching);
	assert_int_equal(
		schedule_next_realtime(&f->services[1]), MIDNIGHT + 12 * HOUR + 30 * MINUTE);
	fixture_free(f);
}

static void a_calendar_is_followed_also_where_the_clock_cannot_be_watched(void **state _unused_)
{
	static const char *const rules[] = {"test:timerfd_create:1:EMFILE",
		"test:epoll_ctl:1:ENOSPC", "test:timerfd_settime:1:EINVAL"};

	for (size_t i = 0; i < ELEMENTSOF(rules); i++) {
		struct fixture *f = fixture_new(NULL);

		next_call_fails(rules[i]);
		event(f, CORE_EVENT_AUTOSTART, 1);
		round_after(f, 0);
		assert_false(f->engine.schedules.is_watching);
		assert_int_not_equal(record(f, 1)->due_usec, USEC_INFINITY);
		/* It is tried again with the next run. */
		round_after(f, record(f, 1)->due_usec - clocks.monotonic_usec);
		run_once(f, 1);
		round_after(f, 0);
		assert_true(f->engine.schedules.is_watching);
		fixture_free(f);
	}
}

static void a_schedule_that_is_asked_for_and_stopped_is_not_planned(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);

	event(f, CORE_EVENT_AUTOSTART, 0);
	event(f, CORE_EVENT_STOP, 0);
	round_after(f, 0);
	assert_int_equal(f->n_planned, 0);
	assert_int_equal(record(f, 0)->due_usec, USEC_INFINITY);
	fixture_free(f);
}

static void a_service_may_go_while_its_schedule_is_to_be_planned(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);

	event(f, CORE_EVENT_AUTOSTART, 0);
	event(f, CORE_EVENT_AUTOSTART, 1);
	schedule_fini(&f->services[0].schedule);
	round_after(f, 0);
	assert_int_equal(f->n_planned, 1);
	fixture_free(f);
}

/* It has gone by another schedule until now. */
static void adopt(struct fixture *f, unsigned i, struct spec_schedule *old)
{
	struct spec_contact contact = {.schedule = old};
	const struct spec_service before = {.contact = &contact};

	schedule_adopt(&f->services[i], &before);
}

static void another_schedule_is_planned_at_once(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);
	struct spec_schedule old = f->schedules[0];

	event(f, CORE_EVENT_AUTOSTART, 0);
	round_after(f, 0);
	round_after(f, 10 * SEC);
	run_once(f, 0);
	round_after(f, 0);
	f->schedules[0].every_usec = 4 * SEC;
	adopt(f, 0, &old);
	round_after(f, 5 * SEC);
	assert_int_equal(record(f, 0)->due_usec, 1000 * SEC + 18 * SEC); /* the grid of the last */
	old = f->schedules[0];
	f->schedules[0] = by_cron("@hourly", 0);
	adopt(f, 0, &old);
	round_after(f, 0);
	assert_int_equal(schedule_next_realtime(&f->services[0]), MIDNIGHT + 13 * HOUR);
	old = f->schedules[0];
	f->schedules[0] = (struct spec_schedule){.every_usec = MINUTE};
	adopt(f, 0, &old);
	round_after(f, 0);
	assert_int_equal(record(f, 0)->due_usec, clocks.monotonic_usec + MINUTE);
	fixture_free(f);
}

static void the_same_schedule_in_another_configuration_changes_nothing(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);
	char text[] = "30 12 * * *";
	struct spec_schedule old = f->schedules[1];

	event(f, CORE_EVENT_AUTOSTART, 1);
	round_after(f, 0);
	old.cron_text = text;
	adopt(f, 1, &old);
	assert_true(list_empty(&f->services[1].schedule.node));
	text[1] = '1';
	adopt(f, 1, &old);
	assert_false(list_empty(&f->services[1].schedule.node));
	fixture_free(f);
}

/* --- the next engine --- */

/* What is committed, in the hands of another engine. */
static struct fixture *next_engine(struct fixture *f)
{
	struct core_record records[N_SERVICES];
	struct schedule_runs runs[N_SERVICES];
	struct fixture *next;

	for (uint32_t i = 0; i < N_SERVICES; i++) {
		records[i] = *record(f, i);
		runs[i] = f->services[i].schedule.runs;
	}
	fixture_free(f);
	next = fixture_new(records);
	for (uint32_t i = 0; i < N_SERVICES; i++) {
		next->services[i].schedule.runs = runs[i];
		loop_timer_set(&next->engine.loop, &next->services[i].timer,
			core_deadline(next->engine.core, i));
	}
	schedules_recover(&next->engine);
	event(next, CORE_EVENT_SETTLE, 0);
	return next;
}

static void the_next_engine_keeps_what_is_planned(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);
	usec_t every, calendar;

	event(f, CORE_EVENT_AUTOSTART, 0);
	event(f, CORE_EVENT_AUTOSTART, 1);
	round_after(f, 0);
	every = record(f, 0)->due_usec;
	calendar = record(f, 1)->due_usec;
	pass(SEC);
	clocks.realtime_usec += 1000; /* reading clocks is not exact */
	f = next_engine(f);
	assert_true(list_empty(&f->engine.schedules.to_plan));
	assert_int_equal(f->n_planned, 0);
	assert_int_equal(record(f, 0)->due_usec, every);
	assert_int_equal(record(f, 1)->due_usec, calendar);
	assert_true(f->engine.schedules.is_watching);
	round_after(f, 9 * SEC);
	run_once(f, 0);
	round_after(f, 0);
	assert_int_equal(record(f, 0)->due_usec, every + 10 * SEC);
	fixture_free(f);
}

static void the_next_engine_answers_what_the_last_one_could_not(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);
	usec_t every;

	event(f, CORE_EVENT_AUTOSTART, 0);
	round_after(f, 0);
	every = record(f, 0)->due_usec;
	pass(10 * SEC + 500);
	f->engine.loop.now_usec = clocks.monotonic_usec;
	event(f, CORE_EVENT_DEADLINE, 0); /* committed, and dead */
	f = next_engine(f);
	assert_int_equal(record(f, 0)->due_usec, USEC_INFINITY);
	round_after(f, 0);
	assert_int_equal(record(f, 0)->due_usec, every + 10 * SEC);
	fixture_free(f);
}

static void the_next_engine_sees_that_the_clock_was_set(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);

	event(f, CORE_EVENT_AUTOSTART, 1);
	round_after(f, 0);
	clocks.realtime_usec += 20 * MINUTE;
	f = next_engine(f);
	assert_int_equal(f->n_planned, 1);
	assert_int_equal(record(f, 1)->due_usec, clocks.monotonic_usec + 10 * MINUTE);
	clocks.realtime_usec = MIDNIGHT;
	pass(10 * MINUTE); /* it would be due now */
	f = next_engine(f);
	round_after(f, 0);
	assert_int_equal(record(f, 1)->state, CORE_WAITING);
	assert_int_equal(record(f, 1)->generation, 0);
	assert_int_equal(
		schedule_next_realtime(&f->services[1]), MIDNIGHT + 12 * HOUR + 30 * MINUTE);
	fixture_free(f);
}

static void the_next_engine_plans_a_schedule_that_was_just_changed(void **state _unused_)
{
	struct fixture *f = fixture_new(NULL);
	struct spec_schedule old = f->schedules[0];

	event(f, CORE_EVENT_AUTOSTART, 0);
	round_after(f, 0);
	old.every_usec = 100 * SEC;
	adopt(f, 0, &old); /* committed, and dead */
	pass(SEC);
	f = next_engine(f);
	round_after(f, 0);
	assert_int_equal(f->n_planned, 1);
	assert_int_equal(record(f, 0)->due_usec, clocks.monotonic_usec + 10 * SEC);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_begins_one_period_from_now),
		cmocka_unit_test(every_keeps_its_grid_however_late_it_is_planned),
		cmocka_unit_test(a_last_run_in_the_future_is_none),
		cmocka_unit_test(the_longest_period_does_not_overflow),
		cmocka_unit_test(jitter_comes_on_top_and_moves_no_run_past_the_next),
		cmocka_unit_test(jitter_reaches_up_to_the_next_run_and_not_that_far),
		cmocka_unit_test(jitter_differs_between_services),
		cmocka_unit_test(the_calendar_becomes_monotonic),
		cmocka_unit_test(a_timer_that_comes_early_runs_nothing_twice),
		cmocka_unit_test(what_was_missed_is_left_out),
		cmocka_unit_test(what_never_comes_is_never_due),
		cmocka_unit_test(a_clock_set_forward_brings_a_run_nearer),
		cmocka_unit_test(a_run_that_was_leapt_over_is_made_up_for_within_limits),
		cmocka_unit_test(a_clock_set_back_a_little_runs_nothing_twice),
		cmocka_unit_test(a_clock_set_back_a_lot_was_wrong_before),
		cmocka_unit_test(what_has_no_fixed_hour_follows_a_clock_set_back),
		cmocka_unit_test(the_real_clock_is_no_matter_to_every),
		cmocka_unit_test(the_core_asks_and_is_answered_in_the_same_round),
		cmocka_unit_test(every_runs_on_its_grid),
		cmocka_unit_test(every_begins_anew_with_a_start),
		cmocka_unit_test(the_calendar_is_watched_and_shown),
		cmocka_unit_test(a_clock_that_is_set_moves_the_calendar_and_nothing_else),
		cmocka_unit_test(a_clock_set_past_a_run_makes_it_run_once),
		cmocka_unit_test(without_a_calendar_the_clock_is_not_watched_any_more),
		cmocka_unit_test(a_calendar_is_followed_also_where_the_clock_cannot_be_watched),
		cmocka_unit_test(a_schedule_that_is_asked_for_and_stopped_is_not_planned),
		cmocka_unit_test(a_service_may_go_while_its_schedule_is_to_be_planned),
		cmocka_unit_test(another_schedule_is_planned_at_once),
		cmocka_unit_test(the_same_schedule_in_another_configuration_changes_nothing),
		cmocka_unit_test(the_next_engine_keeps_what_is_planned),
		cmocka_unit_test(the_next_engine_answers_what_the_last_one_could_not),
		cmocka_unit_test(the_next_engine_sees_that_the_clock_was_set),
		cmocka_unit_test(the_next_engine_plans_a_schedule_that_was_just_changed),
	};
	struct CMUnitTest with_setup[ELEMENTSOF(tests)];

	for (size_t i = 0; i < ELEMENTSOF(tests); i++) {
		with_setup[i] = tests[i];
		with_setup[i].setup_func = set_clocks;
	}
	return _cmocka_run_group_tests("schedule", with_setup, ELEMENTSOF(tests), NULL, NULL);
}
