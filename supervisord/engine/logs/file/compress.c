/*
 * What a filter writes gets a name when it is whole:
 *
 *     FILE.STAMP.gz.partial  made (never an existing one), written by the filter
 *     it gets the segment's times, a child of ours sees it to the disk
 *     FILE.STAMP.gz          renamed to that, which replaces nothing
 *     FILE.STAMP             removed
 *
 * Whoever is killed, and wherever, the segment is whole or what has its place is. Where anything
 * fails, the segment stays, and the log is left alone until its next rotation.
 */
#include "engine/logs/file/compress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/file/logfile.h"

#define PARTIAL_MODE 0640

/* --- jobs --- */

int compress_add(struct upkeep_set *k, struct upkeep *u, const char *stamp)
{
	struct compress_job *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	memcpy(j->stamp, stamp, ROTATE_STAMP_SIZE);
	list_append(u->jobs.next, &j->node);
	if (list_empty(&u->turn))
		list_append(&k->turns, &u->turn);
	return 0;
}

static void drop_job(struct upkeep *u, struct compress_job *j)
{
	list_remove(&j->node);
	free(j);
	if (list_empty(&u->jobs))
		list_remove(&u->turn);
}

void compress_clear(struct upkeep *u)
{
	struct compress_job *j;

	while ((j = list_first(&u->jobs, struct compress_job, node)))
		drop_job(u, j);
}

bool compress_is_at(const struct upkeep_set *k, const struct upkeep *u, const char *stamp)
{
	const struct compress *c = &k->compress;

	return c->filter.pid > 0 && c->upkeep == u && strcmp(c->name.stamp, stamp) == 0;
}

/* --- one after the other --- */

static int name_of(
	const struct compress *c, bool compressed, bool partial, char ret_name[static NAME_MAX + 1])
{
	struct rotate_name n = c->name;

	n.partial = partial;
	if (!compressed)
		n.suffix[0] = '\0';
	return rotate_make(rotate_base(c->upkeep->file->path), &n, ret_name);
}

static void close_all(struct compress *c)
{
	c->directory = close_fd(c->directory);
	c->segment = close_fd(c->segment);
	c->partial = close_fd(c->partial);
	c->upkeep = NULL;
}

static void set_timer(struct upkeep_set *k, usec_t deadline)
{
	if (k->compress.has_timer)
		loop_timer_set(k->loop, &k->compress.timer, deadline);
}

/* It is over, well or not. */
static void end(struct upkeep_set *k)
{
	struct compress *c = &k->compress;
	char name[NAME_MAX + 1];

	if (c->partial >= 0 && name_of(c, true, true, name) == 0)
		(void)sys_unlinkat(c->directory, name, 0); /* a sweep would find it */
	close_all(c);
	set_timer(k, USEC_INFINITY);
}

static void fail(struct upkeep_set *k, const char *reason)
{
	struct upkeep *u = k->compress.upkeep;
	struct logfile *f = u->file;

	if (!f->compress_failed)
		log_warning("service '%s': cannot compress %s.%s: %s; it stays as it is, trying "
			    "again at the next rotation",
			k->owner->name(f), f->path, k->compress.name.stamp, reason);
	f->compress_failed = true;
	end(k);
	compress_clear(u);
}

/* 0; 1: there is nothing (more) to compress; -errno. */
static int open_segment(struct compress *c, uid_t owner)
{
	char name[NAME_MAX + 1];
	int r = name_of(c, false, false, name);

	if (r < 0)
		return r;
	c->segment =
		sys_openat(c->directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (c->segment == -ENOENT)
		return 1;
	if (c->segment < 0)
		return c->segment;
	r = sys_fstat(c->segment, &c->st);
	if (r < 0)
		return r;
	if (!S_ISREG(c->st.st_mode) || c->st.st_uid != owner)
		return -EPERM;
	return c->st.st_size == 0 ? 1 : 0;
}

static int open_partial(struct compress *c)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
	char name[NAME_MAX + 1];
	int r = name_of(c, true, true, name);

	if (r < 0)
		return r;
	c->partial = sys_openat(c->directory, name, flags, PARTIAL_MODE);
	if (c->partial == -EEXIST && sys_unlinkat(c->directory, name, 0) == 0)
		c->partial = sys_openat(c->directory, name, flags, PARTIAL_MODE);
	return c->partial < 0 ? c->partial : 0;
}

static int start_child(struct upkeep_set *k, char *const *argv)
{
	struct compress *c = &k->compress;

	return filter_start(&c->filter, k->loop, c->segment, c->partial, argv);
}

static int begin(struct upkeep_set *k, const struct spec_rotation *rotation)
{
	struct compress *c = &k->compress;
	const char *suffix = rotation->suffix + (rotation->suffix[0] == '.');
	DIR *dir = NULL;
	int r;

	if (!rotate_is_suffix(suffix, strlen(suffix)))
		return -EINVAL;
	memcpy(c->name.suffix, suffix, strlen(suffix) + 1);
	r = rotate_open_directory(c->upkeep->file->path, &dir);
	if (r < 0)
		return r;
	c->directory = sys_dup_cloexec(dirfd(dir), 0);
	closedir(dir);
	if (c->directory < 0)
		return c->directory;
	r = open_segment(c, CONTAINER_OF(k, struct logfile_set, upkeep)->owner);
	if (r == 0)
		r = open_partial(c);
	return r == 0 ? start_child(k, rotation->compress) : r;
}

/* The filter is done. Its output shall be as old as the segment, and on the disk. */
static void sync_output(struct upkeep_set *k)
{
	struct compress *c = &k->compress;
	struct stat st;
	int r = sys_fstat(c->partial, &st);

	if (r == 0 && st.st_size == 0)
		return fail(k, "the filter wrote nothing");
	if (r == 0)
		r = sys_futimens(c->partial, (struct timespec[]){c->st.st_mtim, c->st.st_mtim});
	c->is_syncing = true;
	if (r == 0)
		r = start_child(k, NULL);
	if (r < 0)
		fail(k, strerror(-r));
}

/* 1: the segment is as it was; 0: it is gone, or another one, or was written to. */
static int is_unchanged(const struct compress *c, const char *name)
{
	struct stat st;
	int r = sys_fstatat(c->directory, name, &st, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return st.st_ino == c->st.st_ino && st.st_dev == c->st.st_dev &&
	       st.st_size == c->st.st_size && st.st_mtim.tv_sec == c->st.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == c->st.st_mtim.tv_nsec;
}

static void put_in_place(struct upkeep_set *k)
{
	struct compress *c = &k->compress;
	char plain[NAME_MAX + 1], partial[NAME_MAX + 1], compressed[NAME_MAX + 1];
	struct logfile *f = c->upkeep->file;
	int r = name_of(c, false, false, plain);

	if (r == 0)
		r = name_of(c, true, true, partial);
	if (r == 0)
		r = name_of(c, true, false, compressed);
	if (r == 0)
		r = is_unchanged(c, plain);
	if (r == 0)
		return end(k);
	if (r > 0)
		r = rotate_noreplace(c->directory, partial, compressed);
	if (r == 0) {
		c->partial = close_fd(c->partial);
		r = sys_unlinkat(c->directory, plain, 0);
	}
	if (r < 0 && r != -ENOENT)
		return fail(k, strerror(-r));
	if (f->compress_failed)
		log_info("service '%s': rotated files of %s can be compressed again",
			k->owner->name(f), f->path);
	f->compress_failed = false;
	end(k);
}

/* Why a status other than 0 has come about. */
static const char *explain(
	const struct compress *c, int status, char ret_reason[static FILTER_REASON_SIZE])
{
	if (c->is_stuck)
		snprintf(ret_reason, FILTER_REASON_SIZE, "the filter did nothing for 10min");
	else if (c->is_syncing && status > 0 && WIFEXITED(status))
		snprintf(ret_reason, FILTER_REASON_SIZE, "it can't be brought to the disk: %s",
			strerror(WEXITSTATUS(status)));
	else
		filter_reason(status, ret_reason);
	return ret_reason;
}

static void on_end(struct loop_source *s, uint32_t events _unused_)
{
	struct upkeep_set *k = CONTAINER_OF(s, struct upkeep_set, compress.filter.source);
	struct compress *c = &k->compress;
	char reason[FILTER_REASON_SIZE];
	int status = filter_reap(&c->filter, k->loop);

	if (!c->upkeep)
		close_all(c);
	else if (status == 0 && !c->is_syncing)
		sync_output(k);
	else if (status == 0)
		put_in_place(k);
	else
		fail(k, explain(c, status, reason));
	upkeep_wake(k);
}

static void on_timer(struct loop_timer *t)
{
	struct upkeep_set *k = CONTAINER_OF(t, struct upkeep_set, compress.timer);
	struct compress *c = &k->compress;
	off_t n_read = lseek(c->segment, 0, SEEK_CUR); /* shared with the filter */
	struct stat st;

	if (sys_fstat(c->partial, &st) < 0)
		st.st_size = 0;
	if (n_read == c->n_read && st.st_size == c->n_written && !c->is_syncing) {
		c->is_stuck = true;
		filter_kill(&c->filter);
		return;
	}
	c->n_read = n_read;
	c->n_written = st.st_size;
	set_timer(k, usec_add(k->loop->now_usec, COMPRESS_IDLE_USEC));
}

void compress_start(struct upkeep_set *k)
{
	struct upkeep *u = list_first(&k->turns, struct upkeep, turn);
	struct compress *c = &k->compress;
	struct compress_job *j;
	int r;

	if (c->filter.pid > 0 || !u)
		return;
	if (!c->has_timer)
		c->has_timer = loop_timer_add(k->loop, &c->timer) == 0;
	/* One of each log in turn. */
	list_remove(&u->turn);
	list_append(&k->turns, &u->turn);
	j = list_entry(u->jobs.next, struct compress_job, node); /* there is one */
	c->filter.source.dispatch = on_end;
	c->timer.dispatch = on_timer;
	c->upkeep = u;
	c->n_read = c->n_written = 0;
	c->is_syncing = c->is_stuck = false;
	memcpy(c->name.stamp, j->stamp, ROTATE_STAMP_SIZE);
	drop_job(u, j);
	r = begin(k, u->file->rotation);
	if (r < 0)
		fail(k, strerror(-r));
	else if (r > 0)
		end(k);
	else
		set_timer(k, usec_add(k->loop->now_usec, COMPRESS_IDLE_USEC));
}

/* The child is reaped when it has ended. */
static void cancel(struct upkeep_set *k)
{
	filter_kill(&k->compress.filter);
	end(k);
}

void compress_forget(struct upkeep_set *k, struct upkeep *u)
{
	compress_clear(u);
	if (k->compress.filter.pid > 0 && k->compress.upkeep == u)
		cancel(k);
}

void compress_init(struct compress *c)
{
	*c = (struct compress){
		.filter = {.source = {.fd = -1}}, .directory = -1, .segment = -1, .partial = -1};
}

void compress_fini(struct upkeep_set *k)
{
	struct compress *c = &k->compress;

	filter_abandon(&c->filter, k->loop);
	if (c->has_timer)
		loop_timer_remove(k->loop, &c->timer);
	c->has_timer = false;
}
