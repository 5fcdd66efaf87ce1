/*
 * The kernel is asked in its own terms: capabilities, RLIMIT_NICE, and what we have now.
 * The launcher has the same privileges as the engine.
 */
#include "engine/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"

static bool has_capability(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

bool privilege_allows_nice(int nice)
{
	static bool told;
	struct rlimit limit;

	if (nice >= getpriority(PRIO_PROCESS, 0) || has_capability(CAP_SYS_NICE))
		return true;
	/* The limit counts from 1 (nice 19) to 40 (nice -20). */
	if (getrlimit(RLIMIT_NICE, &limit) == 0 && 20 - nice <= (int)limit.rlim_cur)
		return true;
	if (!told)
		log_warning("no privilege to set nice = %d: services that ask for such run without",
			nice);
	told = true;
	return false;
}

/* Ours, if it is one that can be written: a container may have no /proc, or a read-only one. */
static int own_oom_score_adj(int *ret_value)
{
	char text[16] = "";
	_cleanup_close_
	int fd = sys_openat(AT_FDCWD, "/proc/self/oom_score_adj", O_RDWR, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = sys_read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	*ret_value = atoi(text);
	return 0;
}

bool privilege_allows_oom_score_adj(int value)
{
	static bool told;
	int own = 0, r = own_oom_score_adj(&own);

	if (r == 0 && (value >= own || has_capability(CAP_SYS_RESOURCE)))
		return true;
	if (!told && r < 0)
		log_warning("cannot set oom-score-adj = %d (%s): services that ask for such run "
			    "without",
			value, strerror(-r));
	else if (!told)
		log_warning(
			"no privilege to set oom-score-adj = %d: services that ask for such run "
			"without",
			value);
	told = true;
	return false;
}
