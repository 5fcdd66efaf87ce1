/* What of a log is to be shown: --run, --since, --until and -n, in this order. */
#pragma once

#include "ctl/logs/range/range.h"
#include "ctl/logs/range/runs.h"
#include "ctl/logs/where/sources.h"

struct select {
	struct ctl *ctl;
	struct matcher *matcher; /* NULL: every line counts */
	uint64_t n_lines; /* UINT64_MAX: all */
	const struct runs_book *runs; /* filled where it is needed, see below */
};

/* Does that log need to know about runs? has_times: as range_has_times() says. */
bool select_needs_runs(const struct ctl *ctl, bool has_times);

/* The run that --run means; NULL after saying why there is none. *ret_next: the one after it. */
const struct run *select_run(
	struct select *s, const struct source *source, const struct run **ret_next);

/*
 * Makes the range as small as is wanted. 0; 1: what was asked for is not there, which was told;
 * -ENOMEM.
 */
int select_range(struct select *s, const struct source *source, bool has_times, struct range *r);
