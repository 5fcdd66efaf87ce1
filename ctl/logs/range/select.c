/*
 * Where lines tell no time, the starts in the event journal do, and the names of rotated files:
 * both are points that are known for sure, and the nearest one that leaves nothing out is taken
 * and told.
 */
#include "ctl/logs/range/select.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/output/moment.h"
#include "ctl/verbs.h"

bool select_needs_runs(const struct ctl *ctl, bool has_times)
{
	return (ctl->given & VERB_RUN) || (!has_times && (ctl->given & (VERB_SINCE | VERB_UNTIL)));
}

/* --- a run --- */

const struct run *select_run(
	struct select *s, const struct source *source, const struct run **ret_next)
{
	const struct runs *runs = runs_of(s->runs, source->name);
	size_t back = (size_t)s->ctl->run_back;

	if (!runs || runs->n <= back) {
		ctl_error(s->ctl, "%s: the journal of events knows of %zu run%s of it",
			source->name, runs ? runs->n : 0, runs && runs->n == 1 ? "" : "s");
		return NULL;
	}
	*ret_next = back > 0 ? &runs->items[runs->n - back] : NULL;
	return &runs->items[runs->n - 1 - back];
}

/* The place where a run begins in this log: 0, or -ENOENT. */
static int find_run(const struct range *r, const struct run *run, const struct source *source,
	size_t *ret_piece, off_t *ret_offset)
{
	const struct run_log *log = runs_log(run, source->is_error);

	if (!log || strcmp(log->path, source->path) != 0)
		return -ENOENT;
	return range_find(r, &log->place, ret_piece, ret_offset);
}

static int end_before(
	struct range *r, const struct run *next, const struct source *source, bool has_times)
{
	size_t piece;
	off_t offset;
	int result = find_run(r, next, source, &piece, &offset);

	if (result == -ENOENT && has_times)
		return range_until(r, next->realtime - 1);
	if (result == -ENOENT) {
		/* The log has another name since, or was taken away: what of it has ended. */
		if (runs_log(next, source->is_error) &&
			strcmp(runs_log(next, source->is_error)->path, source->path) == 0)
			range_drop_newer(r, range_at(r, next->realtime));
		return 0;
	}
	if (result < 0)
		return result;
	range_drop_newer(r, piece + 1);
	r->pieces[piece].end = MIN_OF(r->pieces[piece].end, offset);
	return 0;
}

static int begin_with(struct select *s, struct range *r, const struct run *run,
	const struct source *source, bool has_times)
{
	size_t piece;
	off_t offset;
	int result = find_run(r, run, source, &piece, &offset);

	if (result == -ENOENT) {
		ctl_error(s->ctl, "%s: where that run begins is not in its log any more",
			source->label);
		if (has_times)
			return range_since(r, run->realtime);
		range_drop_older(r, range_at(r, run->realtime));
		return 0;
	}
	if (result < 0)
		return result;
	/* The next run may have begun before: then this one has written nothing. */
	if (piece >= r->n)
		piece = r->n;
	else
		r->pieces[piece].start = MIN_OF(offset, r->pieces[piece].end);
	range_drop_older(r, piece);
	return 0;
}

static int cut_run(struct select *s, const struct source *source, bool has_times, struct range *r)
{
	const struct run *next, *run = select_run(s, source, &next);
	int result = 0;

	if (!run)
		return 1;
	if (next)
		result = end_before(r, next, source, has_times);
	return result < 0 ? result : begin_with(s, r, run, source, has_times);
}

/* --- times without time stamps --- */

/* A point in a log whose time is known. */
struct point {
	size_t piece;
	off_t offset;
	usec_t realtime;
	const char *what; /* NULL: there is none */
};

static bool is_before(const struct point *a, const struct point *b)
{
	return a->piece != b->piece ? a->piece < b->piece : a->offset < b->offset;
}

/* Where a run begins, if that is known. */
static bool point_of_run(const struct range *r, const struct run *run, const struct source *source,
	struct point *ret_point)
{
	*ret_point = (struct point){.realtime = run->realtime, .what = "the start of a run"};
	return find_run(r, run, source, &ret_point->piece, &ret_point->offset) == 0;
}

/* Nothing before it is as young as that time. */
static void last_point_before(struct select *s, const struct range *r, const struct source *source,
	usec_t realtime, struct point *ret_point)
{
	const struct runs *runs = runs_of(s->runs, source->name);
	size_t piece = range_at(r, realtime);
	struct point point;

	*ret_point = (struct point){0};
	if (piece > 0)
		*ret_point = (struct point){.piece = piece,
			.realtime = rotated_end(r->pieces[piece - 1].file.stamp),
			.what = "a rotation"};
	for (size_t i = runs ? runs->n : 0; i > 0; i--) {
		if (runs->items[i - 1].realtime > realtime ||
			!point_of_run(r, &runs->items[i - 1], source, &point))
			continue;
		if (!ret_point->what || is_before(ret_point, &point))
			*ret_point = point;
		break;
	}
}

/* Nothing after it is as old as that time. A rotation was within the millisecond of its name. */
static void first_point_after(struct select *s, const struct range *r, const struct source *source,
	usec_t realtime, struct point *ret_point)
{
	const struct runs *runs = runs_of(s->runs, source->name);
	size_t piece = range_at(r, usec_add(realtime, USEC_PER_MSEC - 1));
	struct point point;

	*ret_point = (struct point){0};
	if (piece < r->n && r->pieces[piece].file.stamp[0] != '\0')
		*ret_point = (struct point){.piece = piece + 1,
			.realtime = rotated_end(r->pieces[piece].file.stamp),
			.what = "a rotation"};
	for (size_t i = 0; runs && i < runs->n; i++) {
		if (runs->items[i].realtime < realtime ||
			!point_of_run(r, &runs->items[i], source, &point))
			continue;
		if (!ret_point->what || is_before(&point, ret_point))
			*ret_point = point;
		break;
	}
}

static void tell_point(struct select *s, const struct source *source, const struct point *point,
	const char *edge, const char *whole)
{
	char text[MOMENT_SIZE];

	if (point->what)
		ctl_error(s->ctl, "%s: its lines tell no time; %s %s at %s", source->label, edge,
			point->what, moment_text(point->realtime, usec_now(CLOCK_REALTIME), text));
	else
		ctl_error(s->ctl, "%s: its lines tell no time; %s", source->label, whole);
}

static void cut_unstamped(struct select *s, const struct source *source, struct range *r)
{
	const struct ctl *ctl = s->ctl;
	struct point point;

	if (ctl->given & VERB_UNTIL) {
		first_point_after(s, r, source, ctl->until.realtime_usec, &point);
		tell_point(s, source, &point, "shown up to", "shown to its end");
		if (point.what && point.piece < r->n) {
			r->pieces[point.piece].end =
				MIN_OF(r->pieces[point.piece].end, point.offset);
			range_drop_newer(r, point.piece + 1);
		}
	}
	if (ctl->given & VERB_SINCE) {
		last_point_before(s, r, source, ctl->since.realtime_usec, &point);
		tell_point(s, source, &point, "shown from", "shown from its beginning");
		if (point.what) {
			range_drop_older(r, MIN_OF(point.piece, r->n));
			if (r->n > 0 && point.offset > r->pieces[0].start)
				r->pieces[0].start = MIN_OF(point.offset, r->pieces[0].end);
		}
	}
}

/* --- all of it --- */

static int cut_times(const struct ctl *ctl, struct range *r)
{
	int result = 0;

	if (ctl->given & VERB_UNTIL)
		result = range_until(r, ctl->until.realtime_usec);
	if (result == 0 && (ctl->given & VERB_SINCE))
		result = range_since(r, ctl->since.realtime_usec);
	return result;
}

int select_range(struct select *s, const struct source *source, bool has_times, struct range *r)
{
	int result = 0;

	if (s->ctl->given & VERB_RUN)
		result = cut_run(s, source, has_times, r);
	if (result == 0 && has_times)
		result = cut_times(s->ctl, r);
	else if (result == 0 && (s->ctl->given & (VERB_SINCE | VERB_UNTIL)))
		cut_unstamped(s, source, r);
	if (result == 0 && s->n_lines < UINT64_MAX)
		result = range_tail(r, s->n_lines, s->matcher);
	return result;
}
