/*
 * Stands in for the engine: hands its end of the link to the test that listens at
 * argv[1], so that the test speaks to the launcher itself, and waits to be killed.
 * With a second argument it ends with that status at once.
 *
 * Built as UNFIT it passes a trial, and then can't be started; built as ENDLESS its trial does not
 * end, and the test is told who that is.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/handover.h"
#include "wire/link.h"

/* 0: it is none; what to exit with is one more. */
static int trial(void)
{
	struct handover h;
	bool fit;
	int r = handover_find(HANDOVER_TRIAL, &h);

	if (r < 0)
		return r == -ENOENT ? 0 : 2;
	/* the lock is nobody's but the launcher's and its engine's */
	fit = h.head.kept[LINK_KEEP_LOCK] == 0 && h.head.kept[LINK_KEEP_CONTROL] != 0;
	handover_fini(&h);
	return fit ? 1 : 2;
}

int main(int argc, char *argv[])
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int link = LINK_FD, fd, tried = trial();
	pid_t me[2] = {getpid(), getsid(0)};
	struct iovec iov = {.iov_base = me, .iov_len = sizeof(me)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* nothing outlives the test's launcher */
	if (argc < 2 || strcmp(argv[0], "supervisord-engine") != 0)
		return 3;
	if (getenv(HANDOVER_VARIABLE))
		return 6;
	if (argc > 2)
		return atoi(argv[2]);
#ifdef UNFIT
	return tried > 0 ? tried - 1 : 7;
#endif
#ifdef ENDLESS
	link = STDIN_FILENO;
	tried = 0;
#endif
	if (tried > 0)
		return tried - 1;
	strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 4;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &link, sizeof(link));
	if (sendmsg(fd, &msg, 0) < 0)
		return 5;
	close(LINK_FD);
	for (;;)
		pause();
}
