/*
 * When a schedule comes round next: arithmetic on clocks that the caller has read, so that a test
 * can set them. Runs of `every` stand on the monotonic clock, those of cron on the real one.
 *
 * Jitter is drawn from a seed and the run that it is for: random between services and machines,
 * but the same however often that run is planned, also by another engine.
 */
#pragma once

#include "base/usec.h"
#include "conf/spec.h"

/* A run that was missed by less, because the clock was set or stood still, is made up for. */
#define SCHEDULE_MAKE_UP_USEC (3 * USEC_PER_HOUR)

struct schedule_clock {
	usec_t monotonic_usec, realtime_usec; /* of one moment */
};

/* Both without jitter, on the clock of the schedule; 0: none. */
struct schedule_runs {
	usec_t last_usec; /* the last one that was due */
	usec_t next_usec; /* the one that is planned */
};

/*
 * Plans the run that follows the last one, without those that are missed by now, and the first
 * one of all from now on. Returns when it is due (monotonic); USEC_INFINITY: never.
 */
usec_t schedule_next(const struct spec_schedule *s, uint64_t seed, const struct schedule_clock *now,
	struct schedule_runs *runs);
/* The same after the real clock was set, while a run was planned. */
usec_t schedule_renew(const struct spec_schedule *s, uint64_t seed,
	const struct schedule_clock *now, struct schedule_runs *runs);
/* When the planned run is due (monotonic), as the clocks are now; USEC_INFINITY where none is. */
usec_t schedule_due(const struct spec_schedule *s, uint64_t seed, const struct schedule_clock *now,
	const struct schedule_runs *runs);
/* Also on the real clock. */
usec_t schedule_due_realtime(const struct spec_schedule *s, uint64_t seed,
	const struct schedule_clock *now, const struct schedule_runs *runs);
