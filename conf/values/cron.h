/*
 * When a schedule in cron's notation comes round: five fields (minute, hour, day of month, month,
 * day of week) with numbers, names, lists, ranges and steps, or @hourly, @daily and the like.
 *
 * As in Vixie cron, a day matches by either of its two fields where both are given. Times are in
 * the machine's zone. An hour that daylight saving skips runs what was due in it when it ends; an
 * hour that comes twice runs what has fixed times only once. What has no fixed hour (*, or steps
 * of it) goes with the clock on the wall instead: through both, and not in an hour that isn't
 * there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

struct cron {
	uint64_t minutes; /* bit n: minute n */
	uint32_t hours, days; /* bit n: hour n; day n of the month, from 1 */
	uint16_t months; /* bit n: month n, from 1 */
	uint8_t weekdays; /* bit n: day n of the week, 0 is Sunday */
	bool any_day, any_weekday; /* given as * (or as steps of it): the other one decides */
	bool any_hour; /* the hour is given as * or steps of it */
};

/* 0, or -EINVAL with what is wrong: "field 2 (hour): 25 is not in 0-23". */
#define CRON_WHAT_SIZE 128
int cron_parse(const char *text, struct cron *ret_cron, char reterr_what[static CRON_WHAT_SIZE]);

/*
 * The first time after `after` (real clock, microseconds) that it comes round, in the machine's
 * zone; USEC_INFINITY where that is never (February 30).
 */
usec_t cron_next(const struct cron *c, usec_t after_usec);
