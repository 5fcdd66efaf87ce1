/*
 * What a spawn costs: start, exec and exit of /bin/true through the real launcher, one
 * after the other and many at once, against a bare vfork and exec, with few and with
 * many descriptors open.
 *
 *   bench_launcher LAUNCHER ENGINE [DESCRIPTORS]
 */
#include <fcntl.h>
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

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/usec.h"
#include "tests/unit/launcher/launcher_fixture.h"

#define N 1000

static struct fixture f;
static const char *const true_argv[] = {"true", NULL};
static const char *const true_envp[] = {NULL};
static int n_descriptors = 19000;

static struct plan true_plan(uint32_t flags)
{
	return (struct plan){
		.path = "/bin/true", .flags = flags, .argv = true_argv, .envp = true_envp};
}

static void done_with(void)
{
	fixture_ack(&f, f.m.id, f.m.generation, f.m.serial);
	fixture_release(&f, f.m.id, f.m.generation);
}

static double one_by_one(uint32_t flags)
{
	struct plan p = true_plan(flags);
	_cleanup_close_
	int plan = fixture_plan(&p);
	static uint64_t generation;
	usec_t start = usec_now(CLOCK_MONOTONIC);

	for (int i = 0; i < N; i++) {
		fixture_spawn_plan(&f, 1, ++generation, plan);
		fixture_expect(&f, LINK_STARTED);
		fixture_expect(&f, LINK_EXITED);
		done_with();
	}
	return (double)(usec_now(CLOCK_MONOTONIC) - start) / N;
}

static double all_at_once(uint32_t flags)
{
	struct plan p = true_plan(flags);
	_cleanup_close_
	int plan = fixture_plan(&p);
	static uint64_t generation;
	usec_t start = usec_now(CLOCK_MONOTONIC);
	int ended = 0;

	generation++;
	for (uint32_t sent = 0; ended < N;) {
		struct pollfd ready = {.fd = f.link, .events = POLLIN};

		if (sent < N)
			sent += fixture_try_spawn(&f, 1000 + sent, generation, plan) == 0;
		if (poll(&ready, 1, sent < N ? 0 : -1) <= 0)
			continue;
		fixture_expect_any(&f);
		if (f.m.type != LINK_EXITED)
			continue;
		ended++;
		done_with();
	}
	return (double)(usec_now(CLOCK_MONOTONIC) - start) / N;
}

static double bare_vfork(void)
{
	usec_t start = usec_now(CLOCK_MONOTONIC);

	for (int i = 0; i < N; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			execve("/bin/true", (char **)(uintptr_t)true_argv,
				(char **)(uintptr_t)true_envp);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	}
	return (double)(usec_now(CLOCK_MONOTONIC) - start) / N;
}

/* Read ends of services, kept by the launcher: processes that only sleep cost little. */
static void fill_launcher(void)
{
	/* exits unacknowledged and unreleased keep two read ends each */
	struct plan p = true_plan(PLAN_SPLIT_STDERR);
	_cleanup_close_
	int plan = fixture_plan(&p);

	for (uint32_t i = 0; i < (uint32_t)n_descriptors / 2; i++) {
		fixture_spawn_plan(&f, 100000 + i, 1, plan);
		fixture_expect(&f, LINK_STARTED);
		fixture_expect(&f, LINK_EXITED);
		fixture_ack(&f, f.m.id, 1, f.m.serial);
	}
}

static void measure(const char *what)
{
	printf("%-28s %8.0f %8.0f %8.0f %8.0f\n", what, one_by_one(0), one_by_one(PLAN_SET_OOM),
		all_at_once(0), all_at_once(PLAN_SET_OOM));
	fflush(stdout);
}

int main(int argc, char *argv[])
{
	char what[64];

	if (argc < 3)
		return 2;
	if (argc > 3)
		n_descriptors = atoi(argv[3]);
	printf("µs per vfork+exec+exit+wait: %.0f\n", bare_vfork());
	fixture_programs(argv[1], argv[2]);
	fixture_start(&f);
	fixture_hello(&f);
	printf("%-28s %8s %8s %8s %8s\n", "µs per spawn+exit", "fast", "safe", "fast", "safe");
	printf("%-28s %8s %8s %8s %8s\n", "", "(1 by 1)", "(1 by 1)", "(all)", "(all)");
	measure("few descriptors");
	fill_launcher();
	snprintf(what, sizeof(what), "%d descriptors kept", n_descriptors);
	measure(what);
	for (int i = 0; i < n_descriptors; i++)
		if (fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) < 0)
			break;
	printf("µs per vfork+exec+exit+wait with as many: %.0f\n", bare_vfork());
	fixture_stop(&f);
	return 0;
}
