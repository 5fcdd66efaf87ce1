/* What /proc says of a process that becomes another program again and again. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/tree/proc.h"

#define INVOCATION   "000102030405060708090a0b0c0d0e0f"
#define READS	     3000
#define DEADLINE_SEC 60 /* for what hangs */

static pid_t start(const char *const *environment)
{
	static const char *const again[] = {"/bin/sh", "-c", "eval \"$AGAIN\"", NULL};
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execve(again[0], (char *const *)again, (char *const *)environment);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Until its first exec it is a copy of ours. main() has set the deadline. */
static void wait_for_invocation(pid_t pid)
{
	uint8_t invocation[PROC_INVOCATION_SIZE];

	while (proc_invocation(pid, invocation) != 1)
		usleep(100);
}

static void an_exec_hides_no_environment(void **state)
{
	static const char *const environment[] = {
		"SUPERVISOR_INVOCATION=" INVOCATION, "AGAIN=exec /bin/sh -c \"$AGAIN\"", NULL};
	pid_t pid = start(environment);
	unsigned n_known = 0;

	(void)state;
	wait_for_invocation(pid);
	for (int i = 0; i < READS; i++) {
		uint8_t invocation[PROC_INVOCATION_SIZE] = {0};
		int r = proc_invocation(pid, invocation);

		assert_true(r == 1 || r == -EAGAIN);
		if (r == 1)
			assert_int_equal(invocation[15], 15);
		n_known += r == 1;
	}
	end(pid);
	assert_true(n_known > 0);
}

static void an_empty_environment_is_none(void **state)
{
	static const char *const none[] = {NULL};
	static const char *const stop[] = {"/bin/sh", "-c", "echo up; kill -STOP $$", NULL};
	uint8_t invocation[PROC_INVOCATION_SIZE];
	char text[16];
	int fds[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		execve(stop[0], (char *const *)stop, (char *const *)none);
		_exit(127);
	}
	assert_int_equal(read(fds[0], text, sizeof(text)), 3);
	assert_int_equal(proc_invocation(pid, invocation), 0);
	end(pid);
	assert_int_equal(proc_invocation(pid, invocation), -ESRCH);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exec_hides_no_environment),
		cmocka_unit_test(an_empty_environment_is_none),
	};

	alarm(DEADLINE_SEC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
