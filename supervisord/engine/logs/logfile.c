/*
 * A log file is an outsider's to meddle with, so each way to do that has an answer. Opening
 * follows no symbolic link, waits for no reader of a FIFO, and takes only a regular file of
 * our own. Before each write the size is asked for: it costs a tenth of the write, and asking
 * more seldom would not do, since a file truncated by others (copytruncate) has its old size
 * again, with a hole, after one write at the old offset. A file that was renamed or removed
 * is held on to until it is reopened, and rotation renames a path only if that is the file
 * held.
 *
 * Writes go to a known offset instead of O_APPEND, so that a redo after a crash can put the
 * same bytes to the same place.
 */
#include "engine/logs/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/rotate.h"

#define FILE_MODE 0640
#define DIR_MODE  0750

/* Outcomes of opening that errno has no word for. */
#define NOT_REGULAR (-ENXIO) /* which is also what open() says to a FIFO without a reader */
#define NOT_OURS    (-EKEYREJECTED)

void logfile_set_init(struct logfile_set *set, const char *log_dir, unsigned max_open)
{
	*set = (struct logfile_set){
		.log_dir = log_dir,
		.max_open = MAX_OF(max_open, 1u),
		.owner = geteuid(),
	};
	list_init(&set->open);
}

void logfile_init(struct logfile *f)
{
	*f = (struct logfile){.fd = -1};
	list_init(&f->lru);
}

void logfile_fini(struct logfile_set *set, struct logfile *f)
{
	logfile_close(set, f);
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
	default:
		return strerror(-error);
	}
}

void logfile_close(struct logfile_set *set, struct logfile *f)
{
	if (f->fd < 0)
		return;
	f->fd = close_fd(f->fd);
	list_remove(&f->lru);
	set->n_open--;
}

static void hold(struct logfile_set *set, struct logfile *f, int fd)
{
	f->fd = fd;
	list_append(&set->open, &f->lru);
	set->n_open++;
}

static bool close_oldest(struct logfile_set *set)
{
	struct logfile *f = list_first(&set->open, struct logfile, lru);

	if (!f)
		return false;
	logfile_close(set, f);
	return true;
}

/* Makes log-dir and the directories between it and the file; nothing for files elsewhere. */
static int make_parents(const struct logfile_set *set, const char *path)
{
	size_t n = strlen(set->log_dir);
	char dir[PATH_MAX];
	int r = -ENOENT;

	if (strncmp(path, set->log_dir, n) != 0 || path[n] != '/' || strstr(path, "/../"))
		return -ENOENT;
	for (const char *p = path + n; p; p = strchr(p + 1, '/')) {
		n = (size_t)(p - path);
		if (n >= sizeof(dir))
			return -ENAMETOOLONG;
		memcpy(dir, path, n);
		dir[n] = '\0';
		r = sys_mkdirat(AT_FDCWD, dir, DIR_MODE);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return 0;
}

static int open_path(struct logfile_set *set, const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int r = sys_openat(AT_FDCWD, path, flags, FILE_MODE);

	if (r == -ENOENT) {
		r = make_parents(set, path);
		if (r < 0)
			return r;
		r = sys_openat(AT_FDCWD, path, flags, FILE_MODE);
	}
	if ((r == -EMFILE || r == -ENFILE) && close_oldest(set))
		r = sys_openat(AT_FDCWD, path, flags, FILE_MODE);
	return r;
}

int logfile_open(struct logfile_set *set, struct logfile *f)
{
	_cleanup_close_
	int fd = -1;
	struct stat st;
	int r;

	if (f->fd >= 0)
		return 0;
	while (set->n_open >= set->max_open)
		close_oldest(set);
	fd = open_path(set, f->path);
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return NOT_REGULAR;
	if (st.st_uid != set->owner)
		return NOT_OURS;
	f->offset = (uint64_t)st.st_size;
	hold(set, f, TAKE_FD(fd));
	return 0;
}

/* Whether the path still names the file held: 1 or 0; -errno where it can't be told. */
static int is_in_place(const struct logfile *f)
{
	struct stat held, named;
	int r = sys_fstat(f->fd, &held);

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
	int held, r = is_in_place(f);
	uint64_t offset = f->offset;
	/* Later than the last one, though the name before it may be free again by now. */
	usec_t stamp_usec = MAX_OF(usec_now(CLOCK_REALTIME), set->stamp_usec + USEC_PER_MSEC);

	ret_stamp[0] = '\0';
	if (r > 0) {
		r = rotate_rename(f->path, &stamp_usec, ret_stamp);
		set->stamp_usec = stamp_usec;
	}
	if (r < 0)
		return r;
	/* Out of the list, so that opening the new one can't close it. */
	held = TAKE_FD(f->fd);
	list_remove(&f->lru);
	set->n_open--;
	r = logfile_open(set, f);
	if (r < 0) {
		hold(set, f, held);
		f->offset = offset;
		if (ret_stamp[0])
			rotate_undo(f->path, ret_stamp);
		return r;
	}
	close_fd(held);
	return 0;
}

static void prune(struct logfile *f, const char *name, const char *stamp)
{
	int r = rotate_prune(f->path, f->keep, stamp);

	if (r < 0 && !f->prune_failed)
		log_warning("service '%s': cannot remove old files of %s: %s; trying again at the "
			    "next rotation",
			name, f->path, strerror(-r));
	f->prune_failed = r < 0;
}

static int rotate(struct logfile_set *set, struct logfile *f, const char *name, usec_t now)
{
	char stamp[ROTATE_STAMP_SIZE];
	int r = replace(set, f, stamp);

	if (r < 0) {
		if (!f->rotate_failed)
			log_error("service '%s': cannot rotate %s: %s; going on in it, trying "
				  "again every second",
				name, f->path, logfile_strerror(r));
		f->rotate_failed = true;
		f->retry_usec = usec_add(now, LOGFILE_RETRY_USEC);
		return r;
	}
	if (f->rotate_failed)
		log_info("service '%s': %s could be rotated again", name, f->path);
	f->rotate_failed = false;
	f->mid_line = false;
	if (stamp[0])
		prune(f, name, stamp);
	return 0;
}

/*
 * How much of data goes into the present file; 0: a new one is due. It ends with a newline
 * wherever that can be had: also a line whose end is still to come, and might not fit, goes to
 * the new file. Only a line longer than the reserve is torn.
 */
static size_t fit(const struct logfile *f, const char *data, size_t n)
{
	uint64_t max = f->max_size_bytes;
	uint64_t room = max > f->offset ? max - f->offset : 0;
	uint64_t reserve = MIN_OF((uint64_t)LOGFILE_LINE_RESERVE, max / 4);
	const char *newline;

	if (n <= room && (data[n - 1] == '\n' || n + reserve <= room))
		return n;
	newline = memrchr(data, '\n', MIN_OF((uint64_t)n, room));
	if (newline)
		return (size_t)(newline - data) + 1;
	if (f->offset > 0 && !f->mid_line)
		return 0;
	return MIN_OF((uint64_t)n, room);
}

static bool may_rotate(const struct logfile *f, usec_t now)
{
	return f->max_size_bytes > 0 && !(f->rotate_failed && now < f->retry_usec);
}

/* Open, most recently used, and with the offset at the file's end, whatever others did to it. */
static int make_ready(struct logfile_set *set, struct logfile *f)
{
	struct stat st;
	int r;

	if (f->fd < 0)
		return logfile_open(set, f);
	r = sys_fstat(f->fd, &st);
	if (r < 0)
		return r;
	f->offset = (uint64_t)st.st_size;
	list_remove(&f->lru);
	list_append(&set->open, &f->lru);
	return 0;
}

/* Returns what was written, which is less than n only with *ret_error set. */
static size_t write_all(struct logfile *f, const char *data, size_t n, int *ret_error)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = sys_pwrite(f->fd, data + done, n - done, (off_t)f->offset);

		if (r <= 0) {
			*ret_error = r < 0 ? (int)r : -EIO;
			break;
		}
		done += (size_t)r;
		f->offset += (uint64_t)r;
	}
	if (done > 0)
		f->mid_line = data[done - 1] != '\n';
	return done;
}

size_t logfile_write(struct logfile_set *set, struct logfile *f, const char *name, const char *data,
	size_t n, usec_t now, int *ret_error)
{
	size_t done = 0;
	int error = make_ready(set, f);

	while (error == 0 && done < n) {
		size_t chunk = n - done;

		if (may_rotate(f, now)) {
			chunk = fit(f, data + done, n - done);
			if (chunk == 0) {
				rotate(set, f, name, now);
				continue;
			}
		}
		done += write_all(f, data + done, chunk, &error);
	}
	if (error < 0)
		*ret_error = error;
	return done;
}
