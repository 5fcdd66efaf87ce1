/*
 * Opened without following a link at its end, and without waiting for the other side of a
 * FIFO; looked at only then, so that it can't be another one than was opened. A device is
 * opened before it is known to be one: root alone can make those.
 */
#include "engine/run/pidfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/sys.h"

#define MAX_BYTES 64 /* ten digits, and what some put around them */

static int fail(int error, const char *why, char reterr_why[static PIDFILE_WHY_SIZE])
{
	snprintf(reterr_why, PIDFILE_WHY_SIZE, "%s", why);
	return error;
}

/* The number alone, maybe with blanks and newlines around it. */
static int parse(char *text, pid_t *ret_pid)
{
	char *end;
	uint64_t pid;

	while (isspace((unsigned char)*text))
		text++;
	if (*text == '\0')
		return -EAGAIN;
	end = text + strlen(text);
	while (isspace((unsigned char)end[-1]))
		*--end = '\0';
	if (parse_u64(text, INT32_MAX, &pid) < 0 || pid == 0)
		return -EINVAL;
	*ret_pid = (pid_t)pid;
	return 0;
}

static int check(const struct stat *st, uid_t user, char reterr_why[static PIDFILE_WHY_SIZE])
{
	if (!S_ISREG(st->st_mode))
		return fail(-EINVAL, "is no regular file", reterr_why);
	if (st->st_uid == 0 || st->st_uid == user || st->st_uid == geteuid())
		return 0;
	snprintf(reterr_why, PIDFILE_WHY_SIZE, "belongs to uid %u, neither root nor its user",
		(unsigned)st->st_uid);
	return -EPERM;
}

int pidfile_read(
	const char *path, uid_t user, pid_t *ret_pid, char reterr_why[static PIDFILE_WHY_SIZE])
{
	_cleanup_close_
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY, 0);
	char text[MAX_BYTES + 2];
	struct stat st;
	ssize_t n;
	int r;

	if (fd == -ELOOP)
		return fail(fd, "is a symbolic link", reterr_why);
	if (fd < 0)
		return fail(fd, strerror(-fd), reterr_why);
	r = sys_fstat(fd, &st);
	if (r < 0)
		return fail(r, strerror(-r), reterr_why);
	r = check(&st, user, reterr_why);
	if (r < 0)
		return r;
	n = sys_read(fd, text, MAX_BYTES + 1);
	if (n < 0)
		return fail((int)n, strerror((int)-n), reterr_why);
	text[n] = '\0';
	if (n > MAX_BYTES || strlen(text) != (size_t)n || (r = parse(text, ret_pid)) == -EINVAL)
		return fail(-EINVAL, "holds no process ID", reterr_why);
	if (r == -EAGAIN)
		return fail(r, "is empty", reterr_why);
	return 0;
}
