/*
 * A log file is an outsider's to meddle with, so each way to do that has an answer. Opening
 * follows no symbolic link, waits for no reader of a FIFO, and takes only a regular file of
 * our own that has no other name (place.c: in a directory that others can't have replaced). Before
 * each write the size is asked for: it costs a tenth of the write, and asking more seldom would not
 * do, since a file truncated by others (copytruncate) has its old size again, with a hole, after
 * one write at the old offset. A file that was renamed is held on to until it is reopened, and
 * rotation renames a path only if that is the file held. One that was removed is made anew.
 *
 * Writes go to a known offset instead of O_APPEND, so that a redo after a crash can put the
 * same bytes to the same place.
 */
#include "engine/logs/file/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/file/place.h"
#include "engine/logs/file/rotate.h"

#define FILE_MODE 0640

/* Outcomes of opening that errno has no word for. */
#define NOT_REGULAR (-ENXIO) /* which is also what open() says to a FIFO without a reader */
#define NOT_OURS    (-EKEYREJECTED)
#define NOT_ALONE   (-EMLINK)

void logfile_set_init(struct logfile_set *set, const char *log_dir, unsigned max_open,
	struct loop *loop, const struct upkeep_owner *owner)
{
	*set = (struct logfile_set){
		.log_dir = log_dir,
		.max_open = MAX_OF(max_open, 1u),
		.owner = geteuid(),
	};
	list_init(&set->open);
	upkeep_set_init(&set->upkeep, loop, owner);
}

void logfile_set_fini(struct logfile_set *set)
{
	upkeep_set_fini(&set->upkeep);
}

void logfile_init(struct logfile *f)
{
	static const struct spec_rotation none;

	*f = (struct logfile){.rotation = &none};
}

void logfile_set_rotation(
	struct logfile_set *set, struct logfile *f, const struct spec_rotation *rotation)
{
	const struct spec_rotation *old = f->rotation;

	f->rotation = rotation;
	upkeep_follow(set, f, old);
}

void logfile_fini(struct logfile_set *set, struct logfile *f)
{
	logfile_close(set, f);
	upkeep_forget(set, f);
	free(TAKE_PTR(f->held));
	free(TAKE_PTR(f->path));
}

const char *logfile_strerror(int error)
{
	switch (error) {
	case -ELOOP:
		return "it is a symbolic link";
	case NOT_REGULAR:
		return "it is not a regular file";
	case NOT_OURS:
		return "it belongs to another user";
	case NOT_ALONE:
		return "it has another name, too (a hard link)";
	case PLACE_SHARED:
		return "other users may write to its directory, or to one above";
	case PLACE_LINK:
		return "a directory of its path is a symbolic link";
	default:
		return strerror(-error);
	}
}

void logfile_close(struct logfile_set *set, struct logfile *f)
{
	const struct upkeep_owner *owner = set->upkeep.owner;

	if (logfile_is_open(f)) {
		f->held->fd = close_fd(f->held->fd);
		list_remove(&f->held->lru);
		set->n_open--;
	}
	if (f->held && !f->upkeep && owner && !owner->is_mid_line(f))
		free(TAKE_PTR(f->held));
}

static int make_held(struct logfile *f)
{
	if (f->held)
		return 0;
	f->held = calloc(1, sizeof(*f->held));
	if (!f->held)
		return -ENOMEM;
	f->held->file = f;
	f->held->fd = -1;
	list_init(&f->held->lru);
	return 0;
}

static void hold(struct logfile_set *set, struct logfile *f, int fd)
{
	f->held->fd = fd;
	list_append(&set->open, &f->held->lru);
	set->n_open++;
}

static bool is_file(const struct stat *st, uint64_t device, uint64_t inode)
{
	return st->st_dev == device && st->st_ino == inode;
}

/* Takes over fd, also where that fails. */
static int take(struct logfile_set *set, struct logfile *f, int fd, const struct stat *st)
{
	if (make_held(f) < 0) {
		close_fd(fd);
		return -ENOMEM;
	}
	f->held->file = f; /* it may have been moved while it was not open */
	if (f->upkeep && !is_file(st, f->held->device, f->held->inode))
		f->upkeep->due_usec = 0;
	f->held->device = st->st_dev;
	f->held->inode = st->st_ino;
	f->held->offset = (uint64_t)st->st_size;
	hold(set, f, fd);
	return 0;
}

static bool close_oldest(struct logfile_set *set)
{
	struct logfile_held *held = list_first(&set->open, struct logfile_held, lru);

	if (!held)
		return false;
	logfile_close(set, held->file);
	return true;
}

static int open_in_place(const struct logfile_set *set, const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	const char *name;
	_cleanup_close_
	int directory = place_open(path, set->log_dir, &name);

	return directory < 0 ? directory : sys_openat(directory, name, flags, FILE_MODE);
}

static int open_path(struct logfile_set *set, const char *path)
{
	int r = open_in_place(set, path);

	while ((r == -EMFILE || r == -ENFILE) && close_oldest(set))
		r = open_in_place(set, path);
	return r;
}

static int check(const struct logfile_set *set, int fd, struct stat *ret_st)
{
	int r = sys_fstat(fd, ret_st);

	if (r < 0)
		return r;
	if (!S_ISREG(ret_st->st_mode))
		return NOT_REGULAR;
	if (ret_st->st_uid != set->owner)
		return NOT_OURS;
	return ret_st->st_nlink > 1 ? NOT_ALONE : 0;
}

static int open_closed(struct logfile_set *set, struct logfile *f, struct stat *ret_st)
{
	_cleanup_close_
	int fd = -1;
	int r;

	while (set->n_open >= set->max_open)
		close_oldest(set);
	fd = open_path(set, f->path);
	if (fd < 0)
		return fd;
	r = check(set, fd, ret_st);
	if (r < 0)
		return r;
	return take(set, f, TAKE_FD(fd), ret_st);
}

int logfile_open(struct logfile_set *set, struct logfile *f)
{
	struct stat st;

	return logfile_is_open(f) ? 0 : open_closed(set, f, &st);
}

/* Whether the path still names the file held: 1 or 0; -errno where it can't be told. */
static int is_in_place(const struct logfile *f)
{
	struct stat held, named;
	int r = sys_fstat(f->held->fd, &held);

	if (r < 0)
		return r;
	r = sys_fstatat(AT_FDCWD, f->path, &named, AT_SYMLINK_NOFOLLOW);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	return held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/*
 * Renames the file and opens a new one. On failure the old one is held on to, under its old
 * name. If the path names some other file or none by now, the file held was rotated by
 * somebody else: then ret_stamp is "".
 */
static int replace(
	struct logfile_set *set, struct logfile *f, char ret_stamp[static ROTATE_STAMP_SIZE])
{
	const struct logfile_held old = *f->held;
	int held, r = is_in_place(f);
	ret_stamp[0] = '\0';
	if (r > 0) {
		r = rotate_rename(f->path, &set->stamp_usec, ret_stamp);
	}
	if (r < 0)
		return r;
	/* Out of the list, so that opening the new one can't close it. */
	held = TAKE_FD(f->held->fd);
	list_remove(&f->held->lru);
	set->n_open--;
	r = logfile_open(set, f);
	if (r < 0) {
		hold(set, f, held);
		f->held->device = old.device;
		f->held->inode = old.inode;
		f->held->offset = old.offset;
		if (ret_stamp[0])
			rotate_undo(f->path, ret_stamp);
		return r;
	}
	close_fd(held);
	return 0;
}

void logfile_plan_rotation(struct logfile_set *set)
{
	set->stamp_usec = MAX_OF(usec_now(CLOCK_REALTIME), set->stamp_usec + USEC_PER_MSEC);
}

static void set_rotate_failed(struct logfile *f, const char *name, int error, usec_t now)
{
	if (!f->rotate_failed)
		log_error("service '%s': cannot rotate %s: %s; going on in it, trying again every "
			  "second",
			name, f->path, logfile_strerror(error));
	f->rotate_failed = true;
	f->retry_usec = usec_add(now, LOGFILE_RETRY_USEC);
}

/* *ret_stamp is "" where there is nothing new to look at. */
static int rotate(struct logfile_set *set, struct logfile *f, const char *name, usec_t now,
	char ret_stamp[static ROTATE_STAMP_SIZE])
{
	int r = replace(set, f, ret_stamp);

	if (r < 0) {
		set_rotate_failed(f, name, r, now);
		return r;
	}
	if (f->rotate_failed)
		log_info("service '%s': %s could be rotated again", name, f->path);
	f->rotate_failed = f->is_due = false;
	return 0;
}

void logfile_rotate(struct logfile_set *set, struct logfile *f, const char *name, usec_t now)
{
	char stamp[ROTATE_STAMP_SIZE];

	if (rotate(set, f, name, now, stamp) == 0 && stamp[0])
		upkeep_rotated(set, f, stamp, true);
}

void logfile_rotate_idle(struct logfile_set *set, struct logfile *f, const char *name)
{
	char stamp[ROTATE_STAMP_SIZE];
	bool was_open = logfile_is_open(f);
	usec_t now = usec_now(CLOCK_MONOTONIC);

	if (logfile_ready(set, f) < 0)
		return; /* whoever writes to it will say so */
	/* It may be another one by now. */
	if (f->is_due && f->held->offset > 0) {
		logfile_plan_rotation(set);
		if (rotate(set, f, name, now, stamp) == 0 && stamp[0])
			upkeep_rotated(set, f, stamp, false);
	}
	if (!was_open)
		logfile_close(set, f);
}

/*
 * A piece ends with a newline wherever that can be had: also a line whose end is still to come,
 * and might not fit, goes to the new file. Only a line longer than the reserve is torn, and none
 * because of the time.
 */
size_t logfile_fit(const struct logfile *f, const char *data, size_t n, bool mid_line, size_t whole,
	usec_t now)
{
	uint64_t max = f->rotation->max_size_bytes;
	uint64_t room = max > f->held->offset ? max - f->held->offset : 0;
	uint64_t reserve = MIN_OF((uint64_t)LOGFILE_LINE_RESERVE, max / 4);
	const char *newline;

	if (f->rotate_failed && now < f->retry_usec)
		return n;
	if (f->is_due && f->held->offset > 0) {
		if (!mid_line)
			return 0;
		newline = memchr(data, '\n', n);
		if (newline)
			n = (size_t)(newline - data) + 1;
	}
	if (max == 0)
		return n;
	if (n <= room && (data[n - 1] == '\n' || n + reserve <= room))
		return n;
	newline = memrchr(data, '\n', MIN_OF((uint64_t)n, room));
	if (newline)
		return (size_t)(newline - data) + 1;
	if (f->held->offset > 0 && !mid_line)
		return 0;
	if (whole > 0)
		room = MAX_OF(room, (uint64_t)whole + 1);
	return MIN_OF((uint64_t)n, room);
}

/* What goes to a file without a name is lost, and takes up room all the same. */
static bool is_removed(struct logfile_set *set, struct logfile *f, const struct stat *st)
{
	if (st->st_nlink > 0)
		return false;
	log_warning("%s was removed while it was in use; making it anew", f->path);
	logfile_close(set, f);
	return true;
}

int logfile_ready(struct logfile_set *set, struct logfile *f)
{
	struct stat st;
	int r = logfile_is_open(f) ? sys_fstat(f->held->fd, &st) : 0;

	if (r < 0)
		return r;
	if (!logfile_is_open(f) || is_removed(set, f, &st)) {
		r = open_closed(set, f, &st);
		if (r < 0)
			return r;
	} else {
		f->held->offset = (uint64_t)st.st_size;
		list_remove(&f->held->lru);
		list_append(&set->open, &f->held->lru);
	}
	f->is_due = upkeep_is_due(set, f, &st);
	return 0;
}

int logfile_reserve(struct logfile *f, uint64_t n)
{
	int r = sys_reserve(f->held->fd, (off_t)f->held->offset, (off_t)n);

	return r == -EOPNOTSUPP || r == -ENOSYS ? 0 : r;
}

void logfile_trim(struct logfile *f)
{
	(void)sys_ftruncate(f->held->fd, (off_t)f->held->offset);
}

size_t logfile_put(struct logfile *f, const char *data, size_t n, int *ret_error)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = sys_pwrite(f->held->fd, data + done, n - done, (off_t)f->held->offset);

		if (r <= 0) {
			*ret_error = r < 0 ? (int)r : -EIO;
			break;
		}
		done += (size_t)r;
		f->held->offset += (uint64_t)r;
	}
	return done;
}

void logfile_take_back(struct logfile *f, size_t n)
{
	f->held->offset -= MIN_OF(f->held->offset, (uint64_t)n);
	/* Where that fails, they stay, and the next batch goes behind them. */
	(void)sys_ftruncate(f->held->fd, (off_t)f->held->offset);
}

/* --- after another process --- */

/* Opens the file of that inode beside the path, whatever it is called by now. */
static int open_renamed(struct logfile_set *set, struct logfile *f, uint64_t device, uint64_t inode,
	char ret_name[static NAME_MAX + 1])
{
	_cleanup_close_
	int directory = -1, fd = -1;
	struct stat st;
	int r = rotate_find(f->path, device, inode, &directory, ret_name);

	if (r < 0)
		return r;
	fd = sys_openat(directory, ret_name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return fd;
	r = check(set, fd, &st);
	if (r < 0)
		return r;
	if (!is_file(&st, device, inode))
		return -ESTALE;
	return take(set, f, TAKE_FD(fd), &st);
}

/* 1: the path names that very file. */
static int is_named(const struct logfile *f, uint64_t device, uint64_t inode)
{
	struct stat st;
	int r = sys_fstatat(AT_FDCWD, f->path, &st, AT_SYMLINK_NOFOLLOW);

	return r < 0 ? r : is_file(&st, device, inode);
}

int logfile_resume(struct logfile_set *set, struct logfile *f, uint64_t device, uint64_t inode,
	uint64_t offset)
{
	char name[NAME_MAX + 1];
	int r;

	logfile_close(set, f);
	if (is_named(f, device, inode) == 1)
		r = logfile_open(set, f);
	else
		r = open_renamed(set, f, device, inode, name);
	if (r == 0)
		f->held->offset = MIN_OF(f->held->offset, offset);
	return r == -ENOENT ? -ESTALE : r;
}

/* The name that the file of that device and inode was rotated to; false: none is known. */
static bool find_rotated(const struct logfile *f, uint64_t device, uint64_t inode,
	char ret_stamp[static ROTATE_STAMP_SIZE])
{
	char found[NAME_MAX + 1];
	_cleanup_close_
	int directory = -1;
	size_t base = strlen(rotate_base(f->path));

	if (rotate_find(f->path, device, inode, &directory, found) < 0 ||
		strlen(found) <= base + 1 || !rotate_is_stamp(found + base + 1))
		return false;
	memcpy(ret_stamp, found + base + 1, ROTATE_STAMP_SIZE);
	return true;
}

int logfile_resume_rotation(struct logfile_set *set, struct logfile *f, const char *name,
	uint64_t device, uint64_t inode)
{
	char stamp[ROTATE_STAMP_SIZE];
	int r;

	logfile_close(set, f);
	r = logfile_open(set, f);
	/* As in replace(): the old one gets its name back. */
	if (r < 0 && find_rotated(f, device, inode, stamp) && rotate_undo(f->path, stamp) == 0) {
		set_rotate_failed(f, name, r, usec_now(CLOCK_MONOTONIC));
		r = logfile_open(set, f);
	}
	if (r < 0)
		return r;
	/* The same one: the rename is yet to come, whatever it was for. */
	if (f->held->device == device && f->held->inode == inode) {
		f->is_due = true;
		return 0;
	}
	if (find_rotated(f, device, inode, stamp))
		upkeep_rotated(set, f, stamp, true);
	return 0;
}
