/*
 * A path is walked directory by directory, and each is looked at once it is held: so it can't be
 * replaced between the look and the use. Who could lead us elsewhere is not let do so:
 *
 * - A symbolic link is followed only if root or we have made it, and none below log-dir.
 * - A directory that anybody may write to is refused, unless it is sticky, where others can't
 *   rename or remove what is ours. So is one that a group of ordinary users may write to. The
 *   groups of the system are let be: on many systems /var/log is one's.
 *
 * Its owner may do with a directory what he likes: as he can't have us follow a link, or write to
 * a file that isn't ours alone, all that he can reach is his own log.
 */
#include "engine/logs/file/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

#define DIR_MODE 0750

/* Groups from here on are of people: as login.defs(5) has it, and systemd. */
#define FIRST_ORDINARY_GID 1000

static int check(const struct stat *st)
{
	bool group = st->st_gid >= FIRST_ORDINARY_GID && st->st_gid != getegid();

	if (!S_ISDIR(st->st_mode))
		return -ENOTDIR;
	if (st->st_mode & S_ISVTX)
		return 0;
	if ((st->st_mode & S_IWOTH) || ((st->st_mode & S_IWGRP) && group))
		return PLACE_SHARED;
	return 0;
}

enum part { PART_ELSEWHERE, PART_LOG_DIR, PART_BELOW };

/* From one directory to one in it. */
static int step(int directory, const char *name, enum part part, int *ret_fd)
{
	_cleanup_close_
	int fd = sys_open_path(directory, name, O_NOFOLLOW);
	struct stat st;
	int r;

	if (fd == -ENOENT && part != PART_ELSEWHERE) {
		r = sys_mkdirat(directory, name, DIR_MODE);
		if (r < 0 && r != -EEXIST)
			return r;
		fd = sys_open_path(directory, name, O_NOFOLLOW);
	}
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r == 0 && S_ISLNK(st.st_mode)) {
		if (part == PART_BELOW || (st.st_uid != 0 && st.st_uid != geteuid()))
			return PLACE_LINK;
		close_fd(fd);
		fd = sys_open_path(directory, name, O_DIRECTORY);
		if (fd < 0)
			return fd;
		r = sys_fstat(fd, &st);
	}
	if (r == 0)
		r = check(&st);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

/* What of path ends at n. */
static enum part part_of(const char *path, size_t n, const char *log_dir)
{
	size_t k = log_dir ? strlen(log_dir) : 0;

	if (k == 0 || strncmp(path, log_dir, k) != 0 || path[k] != '/' || n < k ||
		strstr(path, "/../"))
		return PART_ELSEWHERE;
	return n == k ? PART_LOG_DIR : PART_BELOW;
}

int place_open(const char *path, const char *log_dir, const char **ret_name)
{
	_cleanup_close_
	int fd = sys_open_path(AT_FDCWD, "/", O_DIRECTORY);
	const char *at = path, *end;

	if (fd < 0)
		return fd;
	for (; (end = strchr(at, '/')); at = end + 1) {
		char name[NAME_MAX + 1];
		size_t n = (size_t)(end - at);
		int next = -1, r;

		if (n == 0)
			continue;
		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, at, n);
		name[n] = '\0';
		r = step(fd, name, part_of(path, (size_t)(end - path), log_dir), &next);
		if (r < 0)
			return r;
		close_fd(fd);
		fd = next;
	}
	*ret_name = at;
	return TAKE_FD(fd);
}
