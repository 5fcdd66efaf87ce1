/*
 * Which of the two a socket is, its address tells: server_open() binds under a name of its
 * own before the rename, and that name stays the socket's. So engines need to tell each
 * other nothing. A passed-in socket belongs to who opened it: its path and mode are left
 * alone, and it stays when we end.
 */
#include "engine/control/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"

#define PASSED_NAME "control" /* FileDescriptorName= */

/* The path, "" where it is bound to none; of any other family -EAFNOSUPPORT. */
static int get_address(int fd, char ret_path[static sizeof(struct sockaddr_un) + 1])
{
	struct sockaddr_un address = {0};
	socklen_t size = sizeof(address);
	size_t n;

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	if (address.sun_family != AF_UNIX)
		return -EAFNOSUPPORT;
	n = MIN_OF((size_t)size, sizeof(address)) - offsetof(struct sockaddr_un, sun_path);
	memcpy(ret_path, address.sun_path, n);
	ret_path[n] = '\0';
	return 0;
}

bool passed_is(const struct engine *e, int fd)
{
	char path[sizeof(struct sockaddr_un) + 1], ours[sizeof(path)];

	if (fd < 0 || get_address(fd, path) < 0)
		return fd >= 0;
	snprintf(ours, sizeof(ours), "%s/" CONTROL_SOCKET_NAME SERVER_FRESH_SUFFIX,
		e->spec->runtime_dir);
	return strcmp(path, ours) != 0;
}

/* NULL where it can be used; otherwise what is wrong with it. */
static const char *find_fault(int fd, const char *name)
{
	char path[sizeof(struct sockaddr_un) + 1];
	int type = 0, listening = 0;
	socklen_t n = sizeof(int);

	if (get_address(fd, path) == 0)
		sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n);
	if (type == SOCK_STREAM)
		sys_getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n);
	if (!listening)
		return "it is no listening Unix stream socket";
	if (!path[0])
		return "it has no path, so that supctl could not reach it";
	if (strcmp(name, PASSED_NAME) != 0)
		return "only '" PASSED_NAME "' would be known";
	return NULL;
}

static void tell_where(const struct engine *e, int fd)
{
	char path[sizeof(struct sockaddr_un) + 1] = "", usual[4096];
	struct stat there, here;

	get_address(fd, path);
	snprintf(usual, sizeof(usual), "%s/" CONTROL_SOCKET_NAME, e->spec->runtime_dir);
	if (sys_fstatat(AT_FDCWD, path, &there, 0) == 0 &&
		sys_fstatat(AT_FDCWD, usual, &here, 0) == 0 && there.st_ino == here.st_ino &&
		there.st_dev == here.st_dev)
		log_info("using the control socket that was passed in, %s", path);
	else
		log_warning("using the control socket that was passed in, %s; supctl looks for it "
			    "at %s, so it needs -s %s",
			path, usual, path);
}

int passed_judge(const struct engine *e, int kept)
{
	_cleanup_close_
	int fd = kept;
	const char *name = getenv("LISTEN_FDNAMES"), *fault;

	/* An engine before us may have made one, and died before it was up. */
	if (fd < 0 || !passed_is(e, fd))
		return TAKE_FD(fd);
	if (!name || !name[0])
		name = PASSED_NAME;
	fault = find_fault(fd, name);
	if (fault) {
		log_error("the socket that was passed in as '%s' is not used: %s; going on with "
			  "one of our own",
			name, fault);
		return -1;
	}
	tell_where(e, fd);
	return TAKE_FD(fd);
}
