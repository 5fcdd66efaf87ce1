/*
 * Which period a file belongs to is told by its last write, once, and then known until the file
 * is another one: so a clock that is set back can't bring its end again, nor end it early. Only
 * when that end is out of all proportion, because the clock was wrong before, it is told anew.
 * A file that is written to is rotated by that write; for the others there is a walk after each
 * boundary. It needs no step in the ledger, since nothing is on its way to them.
 *
 * The timer goes by the monotonic clock, while boundaries are the real one's: it looks every few
 * minutes instead of being told when the clock is set or the machine has slept.
 */
#include "engine/logs/file/upkeep.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/file/logfile.h"
#include "engine/logs/file/period.h"

#define SLICE_USEC   USEC_PER_MSEC
#define LOOK_USEC    (10 * USEC_PER_MINUTE)
#define FAR_OFF_USEC (2 * USEC_PER_DAY) /* no period's end is so far away */

/* --- which files --- */

static struct upkeep *make(struct logfile_set *set, struct logfile *f)
{
	struct upkeep_set *k = &set->upkeep;
	struct upkeep *u = f->upkeep;

	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->file = f;
	u->round = k->round;
	list_init(&u->all);
	list_init(&u->jobs);
	list_init(&u->turn);
	list_append(&k->all, &u->all);
	f->upkeep = u;
	return u;
}

static void set_every(struct upkeep_set *k, struct upkeep *u, enum spec_every every)
{
	if (u->every == every)
		return;
	k->n_every[u->every]--;
	k->n_every[every]++;
	u->every = (uint8_t)every;
	u->due_usec = 0;
	/* Let the next walk come at once: it may be due already. */
	if (every != SPEC_EVERY_NEVER)
		k->boundary_usec = 0;
}

static void mark(struct upkeep_set *k, struct upkeep *u)
{
	k->n_marked += !u->marked;
	u->marked = true;
}

static bool is_wanted(const struct spec_rotation *r)
{
	return r->every != SPEC_EVERY_NEVER || r->compress || r->keep_age_usec > 0 ||
	       r->keep_size_bytes > 0;
}

static bool is_same(const struct spec_rotation *a, const struct spec_rotation *b)
{
	return a->every == b->every && a->keep == b->keep && a->keep_age_usec == b->keep_age_usec &&
	       a->keep_size_bytes == b->keep_size_bytes && !a->compress == !b->compress;
}

/*
 * What has more to it than a number of files is looked at from the start, also for what an
 * engine that was killed has left half done.
 */
void upkeep_follow(struct logfile_set *set, struct logfile *f, const struct spec_rotation *old)
{
	struct upkeep_set *k = &set->upkeep;
	const struct spec_rotation *r = f->rotation;
	struct upkeep *u = is_wanted(r) ? make(set, f) : f->upkeep;

	if (!u && is_wanted(r))
		log_warning("no memory to look after %s; it is rotated by its size alone until "
			    "that is tried again",
			f->path);
	if (!u)
		return;
	set_every(k, u, r->every);
	if (!r->compress)
		compress_clear(u);
	if (!is_same(r, old))
		mark(k, u);
	upkeep_wake(k);
}

void upkeep_forget(struct logfile_set *set, struct logfile *f)
{
	struct upkeep_set *k = &set->upkeep;
	struct upkeep *u = TAKE_PTR(f->upkeep);

	if (!u)
		return;
	u->file = f; /* it may have been moved, to be taken down */
	sweep_forget(k, u);
	compress_forget(k, u);
	set_every(k, u, SPEC_EVERY_NEVER);
	k->n_marked -= u->marked;
	list_remove(&u->all);
	free(u);
}

void upkeep_settle(struct upkeep_set *k, struct upkeep *u)
{
	if (!u->marked && !is_wanted(u->file->rotation))
		upkeep_forget(CONTAINER_OF(k, struct logfile_set, upkeep), u->file);
}

/* --- periods --- */

static usec_t written_usec(const struct stat *st)
{
	if (st->st_mtim.tv_sec < 0)
		return 0;
	return (usec_t)st->st_mtim.tv_sec * USEC_PER_SEC + (usec_t)st->st_mtim.tv_nsec / 1000;
}

bool upkeep_is_due(struct logfile_set *set, struct logfile *f, const struct stat *st)
{
	struct upkeep *u = f->upkeep;
	usec_t now;

	if (f->rotation->every == SPEC_EVERY_NEVER)
		return false;
	if (!u) {
		u = make(set, f);
		if (!u)
			return false;
		set_every(&set->upkeep, u, f->rotation->every);
		upkeep_wake(&set->upkeep);
	}
	now = usec_now(CLOCK_REALTIME);
	if (st->st_size == 0) {
		if (u->due_usec <= now)
			u->due_usec = period_end(u->every, now);
		return false;
	}
	if (u->due_usec == 0)
		u->due_usec = period_end(u->every, written_usec(st));
	if (usec_sub(u->due_usec, now) > FAR_OFF_USEC)
		u->due_usec = period_end(u->every, now);
	return u->due_usec <= now;
}

static void walk_to(struct logfile_set *set, struct upkeep *u)
{
	struct logfile *f = u->file;
	struct stat st;

	if (u->every == SPEC_EVERY_NEVER)
		return;
	if (f->rotation->keep_age_usec > 0)
		mark(&set->upkeep, u);
	if (f->broken || sys_fstatat(AT_FDCWD, f->path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		!S_ISREG(st.st_mode) || st.st_size == 0)
		return;
	if (upkeep_is_due(set, f, &st) && !set->upkeep.owner->is_mid_line(f))
		logfile_rotate_idle(set, f, set->upkeep.owner->name(f));
}

static usec_t next_boundary(const struct upkeep_set *k)
{
	usec_t now = usec_now(CLOCK_REALTIME), next = USEC_INFINITY;

	for (unsigned i = SPEC_EVERY_NEVER + 1; i < SPEC_EVERY_MAX; i++) {
		if (k->n_every[i] > 0)
			next = MIN_OF(next, period_end((enum spec_every)i, now));
	}
	return next;
}

/* True when every file was seen. */
static bool walk(struct upkeep_set *k, usec_t deadline)
{
	struct logfile_set *set = CONTAINER_OF(k, struct logfile_set, upkeep);
	struct upkeep *u;

	if (!k->is_walking) {
		usec_t next = next_boundary(k);
		bool is_time = next < USEC_INFINITY && usec_now(CLOCK_REALTIME) >= k->boundary_usec;

		k->boundary_usec = next;
		if (!is_time)
			return true;
		k->is_walking = true;
		k->round++;
	}
	while ((u = list_first(&k->all, struct upkeep, all)) && u->round != k->round) {
		list_remove(&u->all);
		list_append(&k->all, &u->all);
		u->round = k->round;
		walk_to(set, u);
		if (usec_now(CLOCK_MONOTONIC) >= deadline)
			return false;
	}
	k->is_walking = false;
	return true;
}

/* --- when --- */

void upkeep_rotated(struct logfile_set *set, struct logfile *f, const char *stamp, bool now)
{
	struct upkeep_set *k = &set->upkeep;
	struct upkeep *u = make(set, f);

	if (!u)
		return; /* the next rotation does it */
	u->due_usec = 0;
	memcpy(u->newest, stamp, ROTATE_STAMP_SIZE);
	mark(k, u);
	/* One that is under way lists another directory, or has listed this one. */
	if (now && !k->sweep.dir)
		sweep_run(k, usec_add(usec_now(CLOCK_MONOTONIC), SLICE_USEC));
	upkeep_wake(k);
}

static bool has_work(const struct upkeep_set *k)
{
	return k->n_marked > 0 || k->sweep.dir || k->is_walking || k->boundary_usec == 0 ||
	       (k->compress.filter.pid == 0 && !list_empty(&k->turns));
}

static void on_timer(struct loop_timer *t)
{
	struct upkeep_set *k = CONTAINER_OF(t, struct upkeep_set, timer);
	usec_t deadline = usec_add(usec_now(CLOCK_MONOTONIC), SLICE_USEC);

	if (walk(k, deadline))
		sweep_run(k, deadline);
	compress_start(k);
	if (has_work(k))
		loop_timer_set(k->loop, t, k->loop->now_usec);
	else if (k->boundary_usec < USEC_INFINITY)
		loop_timer_set(k->loop, t,
			usec_add(k->loop->now_usec,
				MIN_OF(usec_sub(k->boundary_usec, usec_now(CLOCK_REALTIME)),
					LOOK_USEC)));
}

void upkeep_wake(struct upkeep_set *k)
{
	if (!has_work(k))
		return;
	if (!k->loop || !k->owner) {
		sweep_run(k, USEC_INFINITY);
		return;
	}
	if (!k->has_timer && loop_timer_add(k->loop, &k->timer) == 0) {
		k->has_timer = true;
		k->timer.dispatch = on_timer;
	}
	if (k->has_timer)
		loop_timer_set(k->loop, &k->timer, k->loop->now_usec);
	else
		sweep_run(k, USEC_INFINITY);
}

void upkeep_set_init(struct upkeep_set *k, struct loop *loop, const struct upkeep_owner *owner)
{
	*k = (struct upkeep_set){.loop = loop, .owner = owner, .boundary_usec = USEC_INFINITY};
	list_init(&k->all);
	list_init(&k->turns);
	compress_init(&k->compress);
}

void upkeep_set_fini(struct upkeep_set *k)
{
	assert(list_empty(&k->all));
	sweep_fini(k);
	compress_fini(k);
	if (k->has_timer)
		loop_timer_remove(k->loop, &k->timer);
	k->has_timer = false;
}
