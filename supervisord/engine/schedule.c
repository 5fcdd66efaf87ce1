/*
 * Planning is put off to a timer that is due at once. The core asks for it in the middle of its
 * changes, which must all be taken before its next event; and what is planned together costs one
 * look at the time zone. An engine that dies in between is followed by one whose core asks again:
 * the last run is committed with the change that asks, so the grid of `every` goes on.
 *
 * The core's clock is monotonic, the calendar's is real. So a run of cron is planned anew when
 * the real clock is set, or the machine was suspended (the monotonic clock stands still then):
 * timerfd tells both. It is only armed once there is such a schedule, and never wakes us otherwise.
 */
#include "engine/schedule.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"

/* Reading two clocks takes no longer, unless we were not on a processor in between. */
#define MOMENT_USEC  USEC_PER_MSEC
#define MOMENT_TRIES 5
/* What a new engine takes for a clock that was set meanwhile. */
#define JUMP_USEC USEC_PER_SEC

static bool is_of_calendar(const struct service *s)
{
	return s->spec->policy->scheduled && s->spec->contact->schedule->every_usec == 0;
}

/* The real clock first: a run may come late by what lies between, but never early. */
static struct schedule_clock read_clocks(void)
{
	struct schedule_clock now;
	usec_t before;
	unsigned tries = 0;

	do {
		before = usec_now(CLOCK_MONOTONIC);
		now.realtime_usec = usec_now(CLOCK_REALTIME);
		now.monotonic_usec = usec_now(CLOCK_MONOTONIC);
	} while (now.monotonic_usec - before > MOMENT_USEC && ++tries < MOMENT_TRIES);
	return now;
}

/* FNV-1a of this boot and the name: jitter of its own for each service of each machine. */
static uint64_t seed_of(const struct service *s)
{
	const struct recovery_head *head = &s->engine->store.head;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < sizeof(head->boot_id); i++)
		hash = (hash ^ head->boot_id[i]) * UINT64_C(0x100000001b3);
	for (const char *c = s->name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	return hash;
}

/* --- the real clock --- */

static void on_clock(struct loop_source *source, uint32_t events)
{
	struct engine *e = CONTAINER_OF(source, struct engine, schedules.clock);
	uint64_t n;

	(void)events;
	if (sys_read(source->fd, &n, sizeof(n)) == -ECANCELED)
		schedules_clock_set(e);
}

static int open_clock(struct engine *e)
{
	_cleanup_close_
	int fd = sys_timerfd_create(CLOCK_REALTIME);
	int r = fd < 0 ? fd : loop_add(&e->loop, &e->schedules.clock, fd, EPOLLIN);

	if (r == 0)
		TAKE_FD(fd);
	return r;
}

static int arm_clock(struct engine *e)
{
	static const struct itimerspec never = {.it_value.tv_sec = INT64_MAX};

	return sys_timerfd_settime(
		e->schedules.clock.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never);
}

/* Before a run is planned, so that no setting of the clock falls in between. */
static void watch_clock(struct engine *e)
{
	struct schedules *all = &e->schedules;
	int r = 0;

	if (all->is_watching)
		return;
	if (all->clock.fd < 0)
		r = open_clock(e);
	if (r == 0)
		r = arm_clock(e);
	/* The clock was set since it was last asked: it is armed, and what we plan knows of it. */
	all->is_watching = r == 0 || r == -ECANCELED;
	if (!all->is_watching && !all->is_told)
		log_warning("cannot watch the clock: %s; if it is set, schedules follow it only "
			    "from the run after the next",
			strerror(-r));
	all->is_told = !all->is_watching;
}

static void unwatch_clock(struct engine *e)
{
	static const struct itimerspec off = {0};

	/* Without the flags, or it would still be told. */
	if (e->schedules.is_watching)
		sys_timerfd_settime(e->schedules.clock.fd, 0, &off);
	e->schedules.is_watching = false;
}

/* --- planning --- */

static void ask(struct schedule *p, bool renew)
{
	struct engine *e = p->service->engine;

	if (list_empty(&p->node))
		p->renew = renew;
	else
		p->renew &= renew;
	list_remove(&p->node);
	list_append(&e->schedules.to_plan, &p->node);
	loop_timer_set(&e->loop, &e->schedules.timer, e->loop.now_usec);
}

static void plan(struct schedule *p)
{
	struct service *s = p->service;
	struct engine *e = s->engine;
	const struct spec_schedule *spec = s->spec->contact->schedule;
	struct schedule_clock now;

	if (!s->spec->policy->scheduled || !core_record(e->core, s->id)->desired_up)
		return;
	if (is_of_calendar(s))
		watch_clock(e);
	now = read_clocks();
	p->due_usec = p->renew ? schedule_renew(spec, seed_of(s), &now, &p->runs)
			       : schedule_next(spec, seed_of(s), &now, &p->runs);
	engine_event(
		e, &(struct core_event){
			   .type = CORE_EVENT_SCHEDULED, .service = s->id, .at_usec = p->due_usec});
}

/* Those that are there now: what they bring about is for the next round. */
static void on_plan(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, schedules.timer);
	struct list now;

	list_init(&now);
	list_foreach_safe (it, &e->schedules.to_plan) {
		list_remove(it);
		list_append(&now, it);
	}
	tzset();
	while (!list_empty(&now)) {
		struct schedule *p = list_first(&now, struct schedule, node);

		list_remove(&p->node);
		plan(p);
	}
}

void schedules_clock_set(struct engine *e)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < e->n_services; i++) {
		struct schedule *p = part_find(e->services[i], PART_SCHEDULE);

		if (!p || !is_of_calendar(p->service) || p->due_usec == USEC_INFINITY)
			continue;
		ask(p, true);
		n++;
	}
	if (n > 0)
		log_info("the clock was set: planning %u schedule%s anew", n, n == 1 ? "" : "s");
	else
		unwatch_clock(e);
}

/* --- one service --- */

static struct schedule *obtain(struct service *s)
{
	struct schedule *p = part_get(s, PART_SCHEDULE, sizeof(*p));

	if (!p || p->service)
		return p;
	p->service = s;
	p->due_usec = USEC_INFINITY;
	list_init(&p->node);
	return p;
}

int schedule_new(struct service *s)
{
	return s->spec->policy->scheduled && !obtain(s) ? -ENOMEM : 0;
}

void schedule_free(struct service *s)
{
	struct schedule *p = part_find(s, PART_SCHEDULE);

	if (p)
		list_remove(&p->node);
	part_drop(s, PART_SCHEDULE);
}

usec_t schedule_due_usec(const struct service *s)
{
	const struct schedule *p = part_find(s, PART_SCHEDULE);

	return p ? p->due_usec : USEC_INFINITY;
}

struct schedule_runs schedule_runs_of(const struct service *s)
{
	const struct schedule *p = part_find(s, PART_SCHEDULE);

	return p ? p->runs : (struct schedule_runs){0};
}

int schedule_set_runs(struct service *s, const struct schedule_runs *runs)
{
	struct schedule *p = obtain(s);

	if (!p)
		return -ENOMEM;
	p->runs = *runs;
	return 0;
}

static void tell_lack(const struct service *s)
{
	log_error("service '%s': no memory for its schedule; it does not run by it", s->name);
}

void schedule_follow(struct service *s, bool plan)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	struct schedule *p = plan ? obtain(s) : part_find(s, PART_SCHEDULE);

	if (!p) {
		if (plan)
			tell_lack(s);
		return;
	}
	if (plan) {
		if (p->due_usec <= s->engine->loop.now_usec)
			p->runs.last_usec = p->runs.next_usec;
		p->runs.next_usec = 0;
		ask(p, false);
	} else if (!r->desired_up) {
		/* Once it is wanted again, `every` begins anew. */
		if (!is_of_calendar(s))
			p->runs.last_usec = 0;
		p->runs.next_usec = 0;
	}
	p->due_usec = r->due_usec;
}

static bool is_same(const struct spec_schedule *a, const struct spec_schedule *b)
{
	if (!a->cron_text != !b->cron_text)
		return false;
	return a->every_usec == b->every_usec && a->jitter_usec == b->jitter_usec &&
	       (!a->cron_text || strcmp(a->cron_text, b->cron_text) == 0);
}

void schedule_adopt(struct service *s, const struct spec_service *old)
{
	const struct spec_schedule *from = old->contact->schedule, *to = s->spec->contact->schedule;

	struct schedule *p;

	if (is_same(from, to))
		return;
	p = obtain(s);
	if (!p)
		return tell_lack(s);
	if (!from->every_usec != !to->every_usec)
		p->runs.last_usec = 0; /* of another clock */
	p->runs.next_usec = 0;
	ask(p, false);
}

usec_t schedule_next_realtime(const struct service *s)
{
	const struct schedule *p = part_find(s, PART_SCHEDULE);
	struct schedule_clock now = read_clocks();
	usec_t due;

	if (!p || !s->spec->policy->scheduled || p->due_usec == USEC_INFINITY)
		return 0;
	due = schedule_due_realtime(s->spec->contact->schedule, seed_of(s), &now, &p->runs);
	/* It is planned, but not by what the clocks are now: those are about to be seen to. */
	if (due == USEC_INFINITY || due < now.realtime_usec)
		return usec_add(now.realtime_usec, usec_sub(p->due_usec, now.monotonic_usec));
	return due;
}

/* --- all of them --- */

int schedules_init(struct engine *e)
{
	struct schedules *all = &e->schedules;

	list_init(&all->to_plan);
	all->clock = (struct loop_source){.fd = -1, .dispatch = on_clock};
	all->timer.dispatch = on_plan;
	return loop_timer_add(&e->loop, &all->timer);
}

void schedules_fini(struct engine *e)
{
	int fd = e->schedules.clock.fd;

	loop_remove(&e->loop, &e->schedules.clock);
	close_fd(fd);
	loop_timer_remove(&e->loop, &e->schedules.timer);
	e->schedules.is_watching = false;
}

static void recover(struct service *s)
{
	struct engine *e = s->engine;
	usec_t due_usec = core_record(e->core, s->id)->due_usec, due, off;
	struct schedule_clock now;
	struct schedule *p;

	if (due_usec == USEC_INFINITY)
		return; /* the core asks, if there should be one */
	p = obtain(s);
	if (!p)
		return tell_lack(s);
	p->due_usec = due_usec;
	if (p->runs.next_usec == 0) {
		ask(p, false); /* by another schedule than it has now */
		return;
	}
	if (!is_of_calendar(s))
		return;
	watch_clock(e);
	now = read_clocks();
	due = schedule_due(s->spec->contact->schedule, seed_of(s), &now, &p->runs);
	/* What was due already counts as it is, unless it should not have been. */
	if (due <= now.monotonic_usec && p->due_usec <= now.monotonic_usec)
		return;
	off = due > p->due_usec ? due - p->due_usec : p->due_usec - due;
	if (off <= JUMP_USEC)
		return;
	p->renew = true;
	plan(p); /* at once, before the core hears that it is due */
}

void schedules_recover(struct engine *e)
{
	tzset();
	for (uint32_t i = 0; i < e->n_services; i++)
		recover(e->services[i]);
}
