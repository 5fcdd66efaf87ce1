/*
 * The one place that closes a descriptor on behalf of a cleanup attribute.
 * close() is never retried: on Linux the number is free again even after EINTR.
 */
#include "base/cleanup.h"

#include <errno.h>

int close_fd(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -1;
}
