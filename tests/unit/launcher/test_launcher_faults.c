/*
 * "The Nth call fails", for every call that the launcher makes and many N: it may refuse
 * to start, and a spawn may fail, but it neither crashes nor hangs, and every spawn is
 * answered by exactly one end.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"
#include "launcher_fixture.h"

#define N_SPAWNS 3

static struct fixture f;

/* An engine's link, or false where the launcher has ended with status 1 before. */
static bool accept_or_end(void)
{
	struct pollfd p = {.fd = f.listen_fd, .events = POLLIN};
	int status;

	for (int i = 0; i < FIXTURE_DEADLINE_MSEC / 5; i++) {
		if (poll(&p, 1, 5) > 0) {
			fixture_accept(&f);
			return true;
		}
		if (waitpid(f.launcher, &status, WNOHANG) != f.launcher)
			continue;
		f.launcher = 0;
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 1);
		return false;
	}
	fail_msg("neither an engine nor an end");
	return false;
}

static void run(const char *call, unsigned n, const char *error)
{
	unsigned ended = 0;
	char fault[64];

	snprintf(fault, sizeof(fault), "launcher:%s:%u:%s", call, n, error);
	setenv("SUPERVISOR_FAULT", fault, 1);
	fixture_start_with(&f, &(struct fixture_options){0});
	unsetenv("SUPERVISOR_FAULT");
	if (accept_or_end()) {
		fixture_simple(&f, LINK_HELLO);
		fixture_simple(&f, LINK_RECOVERED);
		for (uint32_t id = 0; id < N_SPAWNS; id++)
			fixture_shell_spawn(&f, id, 1, "exit 3");
		while (ended < N_SPAWNS) {
			fixture_expect_any(&f);
			if (f.m.type != LINK_EXITED)
				continue;
			assert_int_equal(f.m.serial, ++ended);
			if (f.m.exit.error == 0)
				assert_int_equal(f.m.exit.status, 3);
		}
		fixture_send(&f, (struct link_message){.type = LINK_EXIT, .value = 9}, -1);
		kill(f.engine, SIGKILL);
		f.engine = 0;
		assert_int_equal(fixture_wait(&f), 9);
	}
	fixture_stop(&f);
}

static void any_one_call_may_fail(void **state _unused_)
{
	static const struct {
		const char *call, *error;
		unsigned from, to;
	} faults[] = {
		{"pipe", "EMFILE", 1, 7},
		{"dup3", "EMFILE", 1, 3},
		{"dup3", "EBUSY", 62, 100},
		{"mmap", "ENOMEM", 1, 5},
		{"fstat", "EIO", 1, 9},
		{"fcntl", "EINVAL", 1, 12},
		{"open", "EMFILE", 1, 4},
		{"epoll_create", "EMFILE", 1, 1},
		{"epoll_ctl", "ENOMEM", 1, 12},
		{"epoll_wait", "EINTR", 1, 5},
		{"signalfd", "EMFILE", 1, 1},
		{"socketpair", "EMFILE", 1, 1},
		{"sendmsg", "ENOBUFS", 1, 8},
		{"sendmsg", "ETOOMANYREFS", 2, 4},
		{"recvmsg", "ENOMEM", 1, 8},
		{"waitid", "EINVAL", 1, 8},
		{"pidfd_open", "EMFILE", 1, 5},
		{"munmap", "EINVAL", 1, 4},
	};

	for (size_t i = 0; i < ELEMENTSOF(faults); i++)
		for (unsigned n = faults[i].from; n <= faults[i].to; n++)
			run(faults[i].call, n, faults[i].error);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_one_call_may_fail),
	};

	if (argc != 3)
		return 2;
	fixture_programs(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
