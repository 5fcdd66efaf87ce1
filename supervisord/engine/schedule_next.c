/*
 * The next run follows from the last one, not from now: so `every` keeps its grid, jitter can't
 * push a run past the one after it, and a clock that is set back a little, or a timer that comes a
 * moment early, does not run anything twice. What was missed is left out at once.
 */
#include "engine/schedule_next.h"

#include "conf/values/cron.h"

/* splitmix64: each bit of the seed and of the run counts. */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Of a run, and less than the time until the next one. */
static usec_t jitter_of(const struct spec_schedule *s, uint64_t seed, usec_t run)
{
	usec_t most = s->jitter_usec, gap;

	if (most == 0)
		return 0;
	gap = s->every_usec > 0 ? s->every_usec : usec_sub(cron_next(&s->cron, run), run);
	if (most >= gap)
		most = gap - 1;
	return mix(seed ^ run) % (most + 1);
}

static usec_t with_jitter(const struct spec_schedule *s, uint64_t seed, usec_t run)
{
	return run == USEC_INFINITY ? run : usec_add(run, jitter_of(s, seed, run));
}

static usec_t next_of_grid(
	const struct spec_schedule *s, uint64_t seed, usec_t now, struct schedule_runs *runs)
{
	usec_t every = s->every_usec, next;

	if (runs->last_usec == 0 || runs->last_usec > now)
		return usec_add(now, every);
	next = usec_add(runs->last_usec, every);
	if (with_jitter(s, seed, next) > now)
		return next;
	return usec_add(now - (now - runs->last_usec) % every, every);
}

static usec_t next_of_calendar(
	const struct spec_schedule *s, uint64_t seed, usec_t now, struct schedule_runs *runs)
{
	usec_t back = s->cron.any_hour ? USEC_PER_MINUTE : SCHEDULE_MAKE_UP_USEC, next;

	/*
	 * The clock was set back since the last run. By little: fixed hours have had their run.
	 * By much: it was wrong before, and that run stood for nothing.
	 */
	if (runs->last_usec > usec_add(now, back))
		runs->last_usec = 0;
	if (runs->last_usec > 0) {
		next = cron_next(&s->cron, runs->last_usec);
		if (with_jitter(s, seed, next) > now)
			return next;
	}
	return cron_next(&s->cron, now);
}

usec_t schedule_due_realtime(const struct spec_schedule *s, uint64_t seed,
	const struct schedule_clock *now, const struct schedule_runs *runs)
{
	usec_t due;

	if (runs->next_usec == 0)
		return USEC_INFINITY;
	due = with_jitter(s, seed, runs->next_usec);
	if (s->every_usec == 0 || due == USEC_INFINITY)
		return due;
	return usec_add(now->realtime_usec, usec_sub(due, now->monotonic_usec));
}

usec_t schedule_due(const struct spec_schedule *s, uint64_t seed, const struct schedule_clock *now,
	const struct schedule_runs *runs)
{
	usec_t due;

	if (runs->next_usec == 0)
		return USEC_INFINITY;
	due = with_jitter(s, seed, runs->next_usec);
	if (s->every_usec > 0 || due == USEC_INFINITY)
		return due;
	return usec_add(now->monotonic_usec, usec_sub(due, now->realtime_usec));
}

usec_t schedule_next(const struct spec_schedule *s, uint64_t seed, const struct schedule_clock *now,
	struct schedule_runs *runs)
{
	if (s->every_usec > 0)
		runs->next_usec = next_of_grid(s, seed, now->monotonic_usec, runs);
	else
		runs->next_usec = next_of_calendar(s, seed, now->realtime_usec, runs);
	if (runs->next_usec == USEC_INFINITY)
		runs->next_usec = 0;
	return schedule_due(s, seed, now, runs);
}

usec_t schedule_renew(const struct spec_schedule *s, uint64_t seed,
	const struct schedule_clock *now, struct schedule_runs *runs)
{
	usec_t run = runs->next_usec;

	if (s->every_usec > 0)
		return schedule_due(s, seed, now, runs);
	if (run > 0 && run <= now->realtime_usec &&
		now->realtime_usec - run < SCHEDULE_MAKE_UP_USEC)
		return schedule_due(s, seed, now, runs);
	return schedule_next(s, seed, now, runs);
}
