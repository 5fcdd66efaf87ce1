/*
 * Any bytes, with any number of descriptors, through the link's check and through a
 * real socket: both must agree, and no descriptor may stay behind.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "wire/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool first = true;
	static int pair[2] = {-1, -1};
	int fds[LINK_MAX_FDS], before = dup(STDERR_FILENO), after, r;
	struct link_message m;
	unsigned n_fds;
	bool lost;

	close(before); /* the lowest free one, whatever the fuzzer has opened meanwhile */
	if (size == 0 || size > 4096)
		return 0;
	if (pair[0] < 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	if (send(pair[0], data, size, 0) != (ssize_t)size)
		abort();
	r = link_recv(pair[1], &m, fds, &n_fds, &lost);
	if ((r == 1) != (link_check(data, size, 0) == 0))
		abort();
	if (r == 1 && link_type_to_string((enum link_type)m.type)[0] == '?')
		abort();
	for (unsigned n = 1; n <= LINK_MAX_FDS + 1; n++)
		link_check(data, size, n);
	after = dup(STDERR_FILENO);
	close(after);
	if (first)
		first = false;
	else if (after != before)
		abort();
	return 0;
}
