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
#include <time.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/file/place.h"

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

usec_t rotate_stamp_usec(const char *stamp)
{
	struct tm tm = {0};
	unsigned msec = 0;
	time_t t;

	if (sscanf(stamp, "%4d-%2d-%2dT%2d-%2d-%2d.%3uZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		    &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &msec) != 7)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	t = timegm(&tm);
	return t < 0 ? 0 : (usec_t)t * USEC_PER_SEC + msec * USEC_PER_MSEC;
}

/* Whether the stamp ends there, with a name before it. */
static bool is_stamp_before(const char *name, size_t end)
{
	char stamp[ROTATE_STAMP_SIZE] = "";

	if (end < STAMP_LEN + 2 || name[end - STAMP_LEN - 1] != '.')
		return false;
	memcpy(stamp, name + end - STAMP_LEN, STAMP_LEN);
	return rotate_is_stamp(stamp);
}

bool rotate_is_suffix(const char *text, size_t n)
{
	if (n < 1 || n > ROTATE_SUFFIX_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= '0' && text[i] <= '9'))
			return false;
	}
	return true;
}

static void tell(struct rotate_name *ret, const char *name, size_t end, const char *suffix,
	size_t n_suffix, bool partial)
{
	*ret = (struct rotate_name){.base_length = end - STAMP_LEN - 1, .partial = partial};
	memcpy(ret->stamp, name + end - STAMP_LEN, STAMP_LEN);
	memcpy(ret->suffix, suffix, n_suffix);
}

bool rotate_parse(const char *name, struct rotate_name *ret)
{
	static const char partial[] = "." ROTATE_PARTIAL;
	size_t n = strlen(name), end = n;
	bool is_partial = false;
	const char *dot;

	if (is_stamp_before(name, n)) {
		tell(ret, name, n, "", 0, false);
		return true;
	}
	if (n >= sizeof(partial) && strcmp(name + n - sizeof(partial) + 1, partial) == 0) {
		end = n - (sizeof(partial) - 1);
		is_partial = !is_stamp_before(name, end);
		if (!is_partial)
			end = n;
	}
	dot = memrchr(name, '.', end);
	if (!dot || !rotate_is_suffix(dot + 1, end - (size_t)(dot + 1 - name)) ||
		!is_stamp_before(name, (size_t)(dot - name)))
		return false;
	tell(ret, name, (size_t)(dot - name), dot + 1, end - (size_t)(dot + 1 - name), is_partial);
	return true;
}

int rotate_make(const char *base, const struct rotate_name *name, char ret[static NAME_MAX + 1])
{
	int n = snprintf(ret, NAME_MAX + 1, "%s.%s%s%s%s", base, name->stamp,
		name->suffix[0] ? "." : "", name->suffix, name->partial ? "." ROTATE_PARTIAL : "");

	return n < 0 || n > NAME_MAX ? -ENAMETOOLONG : 0;
}

int rotate_noreplace(int directory, const char *from, const char *to)
{
	struct stat st;
	int r = sys_renameat_noreplace(directory, from, to);

	if (r != -EINVAL && r != -ENOSYS)
		return r;
	r = sys_fstatat(directory, to, &st, AT_SYMLINK_NOFOLLOW);
	if (r != -ENOENT)
		return r < 0 ? r : -EEXIST;
	return sys_renameat(directory, from, to);
}

static int rotated_name(char ret_name[static NAME_MAX + 1], const char *base, const char *stamp)
{
	int n = snprintf(ret_name, NAME_MAX + 1, "%s.%s", base, stamp);

	return n < 0 || n > NAME_MAX ? -ENAMETOOLONG : 0;
}

int rotate_rename(const char *path, usec_t *realtime, char ret_stamp[static ROTATE_STAMP_SIZE])
{
	char to[NAME_MAX + 1], stamp[ROTATE_STAMP_SIZE];
	const char *base;
	_cleanup_close_
	int directory = place_open(path, NULL, &base);
	int r = directory < 0 ? directory : -EEXIST;
	usec_t t = *realtime;

	for (int i = 0; i < MAX_TRIES && r == -EEXIST; i++, t += USEC_PER_MSEC) {
		rotate_stamp(t, stamp);
		r = rotated_name(to, base, stamp);
		if (r < 0)
			return r;
		r = rotate_noreplace(directory, base, to);
	}
	if (r < 0)
		return r;
	memcpy(ret_stamp, stamp, ROTATE_STAMP_SIZE);
	*realtime = t - USEC_PER_MSEC;
	return 0;
}

int rotate_undo(const char *path, const char *stamp)
{
	char from[NAME_MAX + 1];
	const char *base;
	_cleanup_close_
	int directory = place_open(path, NULL, &base);
	int r = directory < 0 ? directory : rotated_name(from, base, stamp);

	return r < 0 ? r : rotate_noreplace(directory, from, base);
}

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

const char *rotate_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int rotate_open_directory(const char *path, DIR **ret_dir)
{
	const char *base;
	_cleanup_close_
	int place = place_open(path, NULL, &base), fd = -1;

	if (place < 0)
		return place;
	fd = sys_openat(place, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	*ret_dir = fdopendir(fd);
	if (!*ret_dir)
		return -errno;
	TAKE_FD(fd);
	return 0;
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
	const char *base = rotate_base(path);
	unsigned n = 0;
	int r = rotate_open_directory(path, &dir);

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
