/*
 * Rotation is a rename: no byte is copied, and a reader that holds the file keeps it. The
 * new name never replaces anything (RENAME_NOREPLACE; where a file system doesn't know that,
 * we look first: the directory is ours). What is old is told by the name alone, so that
 * copying or touching a file changes nothing, and the directory is listed only after a
 * rotation.
 */
#include "engine/logs/file/rotate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

#define MAX_TRIES 1000 /* milliseconds that may be taken */

#define STAMP_LEN (ROTATE_STAMP_SIZE - 1)

/* Digits are '0' here; anything else stands for itself. */
static const char pattern[ROTATE_STAMP_SIZE] = "0000-00-00T00-00-00.000Z";

void rotate_stamp(usec_t realtime, char ret_stamp[static ROTATE_STAMP_SIZE])
{
	char text[USEC_RFC3339_SIZE];

	usec_rfc3339(realtime, text); /* 2026-11-23T06:36:53.123456Z */
	memcpy(ret_stamp, text, STAMP_LEN);
	ret_stamp[13] = ret_stamp[16] = '-';
	ret_stamp[STAMP_LEN - 1] = 'Z';
	ret_stamp[STAMP_LEN] = '\0';
}

bool rotate_is_stamp(const char *text)
{
	for (size_t i = 0; i < STAMP_LEN; i++) {
		if (pattern[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != pattern[i])
			return false;
	}
	return text[STAMP_LEN] == '\0';
}

static int rename_noreplace(const char *from, const char *to)
{
	struct stat st;
	int r = sys_renameat_noreplace(AT_FDCWD, from, to);

	if (r != -EINVAL && r != -ENOSYS)
		return r;
	r = sys_fstatat(AT_FDCWD, to, &st, AT_SYMLINK_NOFOLLOW);
	if (r != -ENOENT)
		return r < 0 ? r : -EEXIST;
	return sys_renameat(AT_FDCWD, from, to);
}

static int rotated_path(char *ret_path, size_t size, const char *path, const char *stamp)
{
	int n = snprintf(ret_path, size, "%s.%s", path, stamp);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int rotate_rename(const char *path, usec_t *realtime, char ret_stamp[static ROTATE_STAMP_SIZE])
{
	char to[PATH_MAX], stamp[ROTATE_STAMP_SIZE];
	int r = -EEXIST;
	usec_t t = *realtime;

	for (int i = 0; i < MAX_TRIES && r == -EEXIST; i++, t += USEC_PER_MSEC) {
		rotate_stamp(t, stamp);
		r = rotated_path(to, sizeof(to), path, stamp);
		if (r < 0)
			return r;
		r = rename_noreplace(path, to);
	}
	if (r < 0)
		return r;
	memcpy(ret_stamp, stamp, ROTATE_STAMP_SIZE);
	*realtime = t - USEC_PER_MSEC;
	return 0;
}

int rotate_undo(const char *path, const char *stamp)
{
	char from[PATH_MAX];
	int r = rotated_path(from, sizeof(from), path, stamp);

	return r < 0 ? r : rename_noreplace(from, path);
}

struct stamps {
	char (*items)[ROTATE_STAMP_SIZE]; /* owned */
	size_t n, size;
};

static void stamps_fini(struct stamps *s)
{
	free(s->items);
}

static int stamps_add(struct stamps *s, const char *stamp)
{
	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 16;
		void *items = reallocarray(s->items, size, ROTATE_STAMP_SIZE);

		if (!items)
			return -ENOMEM;
		s->items = items;
		s->size = size;
	}
	memcpy(s->items[s->n++], stamp, ROTATE_STAMP_SIZE);
	return 0;
}

static int compare_stamps(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* The rotated files of base in dir but the newest. Running out of memory ends the list early. */
static void list_stamps(DIR *dir, const char *base, const char *newest, struct stamps *s)
{
	size_t n = strlen(base);

	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		const char *stamp = e->d_name + n + 1;

		if (strncmp(e->d_name, base, n) != 0 || e->d_name[n] != '.' ||
			!rotate_is_stamp(stamp) || strcmp(stamp, newest) == 0)
			continue;
		if (s->n == ROTATE_MAX_LISTED || stamps_add(s, stamp) < 0)
			return;
	}
}

static int open_dir_of(const char *path, const char *base, DIR **ret_dir)
{
	char dir[PATH_MAX];
	_cleanup_close_
	int fd = -1;
	size_t n = (size_t)(base - path);

	if (n >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, n);
	dir[n] = '\0';
	fd = sys_openat(AT_FDCWD, n > 0 ? dir : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	*ret_dir = fdopendir(fd);
	if (!*ret_dir)
		return -errno;
	TAKE_FD(fd);
	return 0;
}

int rotate_prune(const char *path, unsigned keep, const char *newest)
{
	_cleanup_(cleanup_dir) DIR *dir = NULL;
	_cleanup_(stamps_fini) struct stamps s = {0};
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	char name[NAME_MAX + 1];
	size_t n_remove;
	int r = open_dir_of(path, base, &dir), error = 0;

	if (r < 0)
		return r;
	list_stamps(dir, base, newest, &s);
	if (s.n > 1)
		qsort(s.items, s.n, ROTATE_STAMP_SIZE, compare_stamps);
	n_remove = s.n + 1 > keep ? s.n + 1 - keep : 0;
	for (size_t i = 0; i < n_remove; i++) {
		const char *stamp =
			i < s.n ? s.items[i] : newest; /* the newest only for keep = 0 */

		r = rotated_path(name, sizeof(name), base, stamp);
		if (r == 0)
			r = sys_unlinkat(dirfd(dir), name, 0);
		if (r < 0 && r != -ENOENT && error == 0)
			error = r;
	}
	return error;
}

/* Some file systems list other inode numbers than they tell: names like path's are looked at. */
static bool is_worth_a_look(const struct dirent *e, const char *base, uint64_t inode)
{
	return e->d_ino == inode || strncmp(e->d_name, base, strlen(base)) == 0;
}

int rotate_find(const char *path, uint64_t device, uint64_t inode, int *ret_directory,
	char ret_name[static NAME_MAX + 1])
{
	_cleanup_(cleanup_dir) DIR *dir = NULL;
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	unsigned n = 0;
	int r = open_dir_of(path, base, &dir);

	if (r < 0)
		return r;
	for (struct dirent *e = readdir(dir); e && n < ROTATE_MAX_LISTED; e = readdir(dir), n++) {
		struct stat st;

		if (!is_worth_a_look(e, base, inode) ||
			sys_fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			st.st_dev != device || st.st_ino != inode)
			continue;
		r = sys_dup_cloexec(dirfd(dir), 0);
		if (r < 0)
			return r;
		*ret_directory = r;
		snprintf(ret_name, NAME_MAX + 1, "%s", e->d_name);
		return 0;
	}
	return -ENOENT;
}
