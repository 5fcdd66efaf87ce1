/*
 * Any bytes, with any number of descriptors, through the link's check and through a
 * real socket: both must agree, and no descriptor may stay behind.
 *
 * Input: a byte that tells how many descriptors ride along, and from 128 on that a plan may come
 * with it; then the message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "wire/link.h"

#define MAX_SENT (LINK_MAX_FDS + 2) /* one more than there is room for */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_with_fds(int fd, const void *data, size_t size, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * MAX_SENT)];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)data, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[MAX_SENT];

	for (unsigned i = 0; i < n_fds; i++)
		fds[i] = STDERR_FILENO;
	if (n_fds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
	}
	if (sendmsg(fd, &msg, 0) != (ssize_t)size)
		abort();
}

/* The lowest number that is free now. */
static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2], fds[LINK_MAX_FDS], before, r;
	static char plan[LINK_MAX_PLAN];
	size_t n_plan = 0, n_rest;
	unsigned sent, n_fds = 0;
	struct link_message m;
	bool lost = false, with_plan;

	if (size < 2 || size > 4096)
		return 0;
	before = next_fd();
	sent = data[0] % (MAX_SENT + 1);
	with_plan = data[0] >= 128;
	data++;
	size--;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	send_with_fds(pair[0], data, size, sent);
	r = with_plan ? link_recv_plan(pair[1], &m, fds, &n_fds, &lost, plan, &n_plan)
		      : link_recv(pair[1], &m, fds, &n_fds, &lost);
	n_rest = with_plan && size > sizeof(m) ? size - sizeof(m) : 0;
	if (r == 1 && (n_plan != n_rest || memcmp(plan, data + size - n_plan, n_plan) != 0 ||
			      (n_plan > 0 && m.type != LINK_SPAWN)))
		abort();
	if (!lost && r == 1 && link_check(data, size - n_rest, sent + (n_rest > 0)) != 0)
		abort();
	if (!lost && r != 1 && n_rest == 0 && link_check(data, size, sent) == 0)
		abort();
	if (r == 1 && !lost && n_fds != sent)
		abort();
	for (unsigned i = 0; r == 1 && i < LINK_MAX_FDS; i++) {
		if ((fds[i] >= 0) != (i < n_fds))
			abort();
		close_fd(fds[i]);
	}
	if (r == 1 && (link_type_to_string((enum link_type)m.type)[0] == '?' ||
			      memcmp(&m, data, sizeof(m)) != 0))
		abort();
	close(pair[0]);
	close(pair[1]);
	if (next_fd() != before)
		abort();
	return 0;
}
