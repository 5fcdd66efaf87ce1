/*
 * Services that run by a schedule: when their next run is due. What becomes of a run that is due
 * is the core's to say; here its CORE_DO_SCHEDULE is answered with CORE_EVENT_SCHEDULED.
 *
 * Planning reads /etc/localtime, so a change of zone counts from the next run that is planned.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "conf/spec.h"
#include "engine/loop.h"
#include "engine/part.h"
#include "engine/schedule_next.h"

struct engine;
struct service;

/* Of a service. */
struct schedule {
	struct part part;
	struct service *service;
	struct list node; /* in schedules.to_plan */
	bool renew; /* to be planned because the clock was set */
	usec_t due_usec; /* monotonic, as the core has it; USEC_INFINITY: no run is planned */
	struct schedule_runs runs; /* survives the engine */
};

/* Of all of them. */
struct schedules {
	struct list to_plan;
	struct loop_timer timer;
	/* A timer that never ends, but is told when the real clock is set. fd owned; -1: none. */
	struct loop_source clock;
	bool is_watching;
	bool is_told; /* that it can't be watched */
};

/* 0 or -ENOMEM. */
int schedules_init(struct engine *e);
void schedules_fini(struct engine *e);
/* After recovery: plans anew what the real clock's settings since then have made wrong. */
void schedules_recover(struct engine *e);
/* The real clock was set, or has gone on while the machine was asleep. */
void schedules_clock_set(struct engine *e);

/* Makes room for what a service with a schedule has. 0 or -ENOMEM. */
int schedule_new(struct service *s);
void schedule_free(struct service *s);

/* When it is due, as the core has had it when that was last looked at. */
usec_t schedule_due_usec(const struct service *s);
/* What of it survives the engine; zeros where there is nothing. */
struct schedule_runs schedule_runs_of(const struct service *s);
/* 0 or -ENOMEM. */
int schedule_set_runs(struct service *s, const struct schedule_runs *runs);

/*
 * To be called for each change of a service with a schedule, before its record is committed; plan:
 * the core asks for the next run (CORE_DO_SCHEDULE). The answer is an event of its own, in this
 * round of the loop but not within this call: the core's changes are taken first.
 */
void schedule_follow(struct service *s, bool plan);
/* It goes by another definition now; old is the one before. */
void schedule_adopt(struct service *s, const struct spec_service *old);

/* When its next run is due, on the real clock; 0: never. */
usec_t schedule_next_realtime(const struct service *s);
