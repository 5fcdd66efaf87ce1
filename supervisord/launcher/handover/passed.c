/*
 * The protocol is systemd's: LISTEN_FDS descriptors from 3 on, for the process LISTEN_PID.
 * These two numbers are all that the launcher looks at; what was passed in is kept like a
 * control socket from an engine before, and the engine judges whether it is one.
 */
#include "launcher/handover/passed.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/sys.h"
#include "launcher/spawn/spawn.h"

#define FIRST_PASSED_FD 3

static uint64_t get_number(const char *variable)
{
	const char *text = getenv(variable);
	uint64_t n = 0;

	return text && parse_u64(text, INT_MAX, &n) == 0 ? n : 0;
}

int passed_take(void)
{
	uint64_t n = get_number("LISTEN_FDS");

	if (n == 0 || get_number("LISTEN_PID") != (uint64_t)getpid())
		return -ENOENT;
	if (n > 1)
		return -E2BIG;
	return sys_dup_cloexec(FIRST_PASSED_FD, SPAWN_PRIVATE_FD);
}

void passed_explain(int error)
{
	if (error == -E2BIG)
		log_error("more than one socket was passed in (LISTEN_FDS), and only one can be "
			  "used; they are closed, going on with a control socket of our own");
	else if (error != -ENOENT)
		log_error("cannot take the socket that was passed in: %s; going on with one of "
			  "our own",
			strerror(-error));
}
