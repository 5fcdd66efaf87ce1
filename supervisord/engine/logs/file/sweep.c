/*
 * A directory may hold the logs of thousands of services, and ten rotated files of each: listing
 * it for each rotation would be quadratic. So rotation only marks its log, and a sweep lists a
 * directory once for all that are marked by then, and goes through one log after the other, from
 * its newest segment to the oldest: while all rules hold, they stay; from the first that is too
 * much on, they go. A small directory is done with before the rotation returns.
 *
 * A segment and its compressed form can both be there for a moment, and count once. The plain one
 * goes if the other is known to be whole: that has the same time of its last write, which it gets
 * before it gets its name.
 */
#include "engine/logs/file/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/file/logfile.h"
#include "engine/logs/file/rotate.h"

#define ENTRIES_PER_LOOK 64 /* at the clock */

struct sweep_segment {
	struct rotate_name name;
	bool is_newest;
};

/* --- the list --- */

void sweep_fini(struct upkeep_set *k)
{
	struct sweep *w = &k->sweep;

	if (w->dir)
		closedir(w->dir);
	for (size_t i = 0; i < w->n_logs; i++)
		free(w->logs[i].segments);
	free(w->logs);
	*w = (struct sweep){0};
}

static void mark(struct upkeep_set *k, struct upkeep *u)
{
	k->n_marked += !u->marked;
	u->marked = true;
}

static void unmark(struct upkeep_set *k, struct upkeep *u)
{
	k->n_marked -= u->marked;
	u->marked = false;
}

void sweep_forget(struct upkeep_set *k, const struct upkeep *u)
{
	struct sweep *w = &k->sweep;
	bool found = false;

	for (size_t i = w->next_log; i < w->n_logs && !found; i++)
		found = w->logs[i].upkeep == u;
	if (!found)
		return;
	for (size_t i = w->next_log; i < w->n_logs; i++)
		mark(k, w->logs[i].upkeep);
	sweep_fini(k);
}

static int compare_logs(const void *a, const void *b)
{
	return strcmp(((const struct sweep_log *)a)->base, ((const struct sweep_log *)b)->base);
}

static bool is_beside(const char *path, const char *other)
{
	size_t n = (size_t)(rotate_base(path) - path);

	return n == (size_t)(rotate_base(other) - other) && memcmp(path, other, n) == 0;
}

static struct upkeep *first_marked(const struct upkeep_set *k)
{
	list_foreach (it, &k->all) {
		struct upkeep *u = list_entry(it, struct upkeep, all);

		if (u->marked)
			return u;
	}
	return NULL;
}

/* Takes all that are marked and in the directory of this one. */
static int gather(struct upkeep_set *k, const char *path)
{
	struct sweep *w = &k->sweep;

	w->logs = calloc(k->n_marked, sizeof(*w->logs));
	if (!w->logs)
		return -ENOMEM;
	list_foreach (it, &k->all) {
		struct upkeep *u = list_entry(it, struct upkeep, all);

		if (!u->marked || !is_beside(path, u->file->path))
			continue;
		unmark(k, u);
		w->logs[w->n_logs++] =
			(struct sweep_log){.base = rotate_base(u->file->path), .upkeep = u};
	}
	if (w->n_logs > 1)
		qsort(w->logs, w->n_logs, sizeof(*w->logs), compare_logs);
	return 0;
}

static void tell(struct upkeep_set *k, struct upkeep *u, int error)
{
	struct logfile *f = u->file;

	if (error < 0 && !f->prune_failed)
		log_warning("service '%s': cannot remove old files of %s: %s; trying again at the "
			    "next rotation",
			k->owner ? k->owner->name(f) : "?", f->path, strerror(-error));
	f->prune_failed = error < 0;
}

/* False: nothing came of it, and those are not marked any more. */
static bool begin(struct upkeep_set *k, struct upkeep *u)
{
	struct sweep *w = &k->sweep;
	int r = rotate_open_directory(u->file->path, &w->dir);

	if (r == 0)
		r = gather(k, u->file->path);
	if (r == 0)
		return true;
	unmark(k, u);
	/* One that isn't there yet has nothing in it. */
	if (r != -ENOENT)
		tell(k, u, r);
	sweep_fini(k);
	upkeep_settle(k, u);
	return false;
}

static int add(struct sweep *w, struct sweep_log *l, const struct rotate_name *name)
{
	if (l->n == l->size) {
		uint32_t size = l->size ? l->size * 2 : 16;
		void *segments = reallocarray(l->segments, size, sizeof(*l->segments));

		if (!segments)
			return -ENOMEM;
		l->segments = segments;
		l->size = size;
	}
	l->segments[l->n++] = (struct sweep_segment){
		.name = *name, .is_newest = strcmp(name->stamp, l->upkeep->newest) == 0};
	w->n_segments++;
	return 0;
}

static void list_one(struct sweep *w, const char *name)
{
	char base[NAME_MAX + 1];
	struct rotate_name parsed;
	struct sweep_log *l;

	if (!rotate_parse(name, &parsed))
		return;
	memcpy(base, name, parsed.base_length);
	base[parsed.base_length] = '\0';
	l = bsearch(&(struct sweep_log){.base = base}, w->logs, w->n_logs, sizeof(*w->logs),
		compare_logs);
	/* Without memory for it, it is for a later sweep. */
	if (l)
		(void)add(w, l, &parsed);
}

static void list_some(struct sweep *w, usec_t deadline)
{
	for (unsigned i = 1; w->n_segments < SWEEP_MAX_SEGMENTS; i++) {
		struct dirent *e = readdir(w->dir);

		if (!e)
			break;
		list_one(w, e->d_name);
		if (i % ENTRIES_PER_LOOK == 0 && usec_now(CLOCK_MONOTONIC) >= deadline)
			return;
	}
	w->is_listed = true;
}

/* --- what becomes of them --- */

/* The newest first, of one stamp the plain one, and those under way last. */
static int compare_segments(const void *a, const void *b)
{
	const struct sweep_segment *x = a, *y = b;
	int order = y->is_newest - x->is_newest;

	if (order == 0)
		order = strcmp(y->name.stamp, x->name.stamp);
	if (order == 0)
		order = x->name.partial - y->name.partial;
	return order != 0 ? order : strcmp(x->name.suffix, y->name.suffix);
}

static void remove_segment(
	struct upkeep_set *k, const struct sweep_log *l, const struct rotate_name *n)
{
	struct sweep *w = &k->sweep;
	char name[NAME_MAX + 1];
	int r = rotate_make(l->base, n, name);

	if (r == 0)
		r = disposal_unlink(&k->disposal, dirfd(w->dir), name);
	if (r < 0 && r != -ENOENT && w->error == 0)
		w->error = r;
}

static bool look_at(struct sweep *w, const struct sweep_log *l, const struct rotate_name *n,
	struct stat *ret_st)
{
	char name[NAME_MAX + 1];

	return rotate_make(l->base, n, name) == 0 &&
	       sys_fstatat(dirfd(w->dir), name, ret_st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of one stamp: whether this and all older ones are too much. */
static bool is_too_much(struct sweep *w, const struct sweep_log *l,
	const struct sweep_segment *segments, uint32_t n)
{
	const struct spec_rotation *r = l->upkeep->file->rotation;
	struct stat st;

	if (w->n_kept >= r->keep)
		return true;
	if (r->keep_age_usec > 0 && usec_add(rotate_stamp_usec(segments[0].name.stamp),
					    r->keep_age_usec) <= usec_now(CLOCK_REALTIME))
		return true;
	if (r->keep_size_bytes == 0)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (look_at(w, l, &segments[i].name, &st))
			w->bytes_kept += (uint64_t)MAX_OF(st.st_size, 0);
	}
	return w->bytes_kept > r->keep_size_bytes;
}

/* There is a compressed one of that name: is it of this one, and whole? */
static bool is_superseded(struct sweep *w, const struct sweep_log *l,
	const struct sweep_segment *plain, const struct sweep_segment *compressed)
{
	struct stat a, b;

	return look_at(w, l, &plain->name, &a) && look_at(w, l, &compressed->name, &b) &&
	       S_ISREG(b.st_mode) && b.st_size > 0 && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
	       a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

static void keep(
	struct upkeep_set *k, struct sweep_log *l, const struct sweep_segment *segments, uint32_t n)
{
	struct sweep *w = &k->sweep;
	const struct rotate_name *name = &segments[0].name;

	w->n_kept++;
	if (name->suffix[0] || !l->upkeep->file->rotation->compress ||
		compress_is_at(k, l->upkeep, name->stamp))
		return;
	if (n == 1)
		(void)compress_add(k, l->upkeep, name->stamp); /* without memory: next time */
	else if (is_superseded(w, l, &segments[0], &segments[1]))
		remove_segment(k, l, name);
}

/* All of the next stamp. */
static void judge(struct upkeep_set *k, struct sweep_log *l)
{
	struct sweep *w = &k->sweep;
	const struct sweep_segment *first = &l->segments[w->next];
	uint32_t n = 0, n_whole = 0;

	for (; w->next + n < l->n && strcmp(first->name.stamp, first[n].name.stamp) == 0; n++)
		n_whole += !first[n].name.partial;
	w->next += n;
	for (uint32_t i = n_whole; i < n; i++) {
		if (!compress_is_at(k, l->upkeep, first->name.stamp))
			remove_segment(k, l, &first[i].name);
	}
	if (n_whole == 0)
		return;
	w->is_full = w->is_full || is_too_much(w, l, first, n_whole);
	if (!w->is_full)
		keep(k, l, first, n_whole);
	for (uint32_t i = 0; w->is_full && i < n_whole; i++)
		remove_segment(k, l, &first[i].name);
}

static void finish_log(struct upkeep_set *k, struct sweep_log *l)
{
	struct sweep *w = &k->sweep;

	tell(k, l->upkeep, w->error);
	free(TAKE_PTR(l->segments));
	w->next_log++;
	w->next = w->n_kept = 0;
	w->bytes_kept = 0;
	w->is_full = false;
	w->error = 0;
	upkeep_settle(k, l->upkeep);
}

static void judge_some(struct upkeep_set *k, usec_t deadline)
{
	struct sweep *w = &k->sweep;

	while (w->next_log < w->n_logs) {
		struct sweep_log *l = &w->logs[w->next_log];

		if (w->next == 0) {
			compress_clear(l->upkeep);
			if (l->n > 1)
				qsort(l->segments, l->n, sizeof(*l->segments), compare_segments);
		}
		if (w->next < l->n)
			judge(k, l);
		if (w->next >= l->n)
			finish_log(k, l);
		if (usec_now(CLOCK_MONOTONIC) >= deadline)
			return;
	}
	sweep_fini(k);
}

static bool run(struct upkeep_set *k, usec_t deadline)
{
	struct sweep *w = &k->sweep;

	for (;;) {
		if (!w->dir) {
			struct upkeep *u = k->n_marked > 0 ? first_marked(k) : NULL;

			if (!u)
				return true;
			if (begin(k, u))
				list_some(w, deadline);
		} else if (!w->is_listed) {
			list_some(w, deadline);
		} else {
			judge_some(k, deadline);
		}
		if (usec_now(CLOCK_MONOTONIC) >= deadline)
			return !w->dir && k->n_marked == 0;
	}
}

bool sweep_run(struct upkeep_set *k, usec_t deadline)
{
	bool done = run(k, deadline);

	disposal_start(&k->disposal);
	return done;
}
