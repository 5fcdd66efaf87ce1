/*
 * Engines come and go, signals arrive, everything ends: what the launcher then does. It
 * is built with LAUNCHER_TIME_DIVISOR, so that its patience is short.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/usec.h"
#include "launcher_fixture.h"

static struct fixture f;

static int setup(void **state _unused_)
{
	fixture_begin(&f);
	return 0;
}

static int setup_watched(void **state)
{
	setenv("WATCHDOG_USEC", "60000000", 1);
	setup(state);
	unsetenv("WATCHDOG_USEC");
	return 0;
}

static int teardown(void **state _unused_)
{
	fixture_stop(&f);
	return 0;
}

static void what_a_killed_engine_had_sent_is_done_and_the_next_is_told(void **state _unused_)
{
	/* stopped, so that the orders are read only after the engine's death */
	assert_int_equal(kill(f.launcher, SIGSTOP), 0);
	for (uint32_t i = 0; i < 20; i++)
		fixture_shell_spawn(&f, i, 1, "exec sleep 100");
	assert_int_equal(kill(f.engine, SIGKILL), 0);
	f.link = close_fd(f.link);
	assert_int_equal(kill(f.launcher, SIGCONT), 0);
	fixture_accept(&f);
	fixture_simple(&f, LINK_HELLO);
	/* those whose exec is not known yet come after SYNCED */
	for (int n = 0, synced = 0; n < 20 || !synced;) {
		fixture_expect_any(&f);
		n += f.m.type == LINK_STARTED;
		synced += f.m.type == LINK_SYNCED;
		if (f.m.type == LINK_STARTED)
			kill(f.m.pid, SIGKILL);
	}
}

static void exits_while_no_engine_listens_keep_their_serials(void **state _unused_)
{
	pid_t pids[3];

	for (uint32_t i = 0; i < 3; i++) {
		fixture_shell_spawn(&f, i, 1, "exec sleep 100");
		fixture_expect(&f, LINK_STARTED);
		pids[i] = f.m.pid;
	}
	fixture_next_engine(&f); /* has not said HELLO */
	for (int i = 2; i >= 0; i--) {
		kill(pids[i], SIGTERM);
		fixture_wait_reaped(pids[i]);
	}
	for (int round = 0; round < 2; round++) {
		fixture_simple(&f, LINK_HELLO);
		for (uint32_t i = 0; i < 3; i++)
			fixture_expect(&f, LINK_STARTED);
		for (uint32_t i = 0; i < 3; i++) {
			fixture_expect(&f, LINK_EXITED);
			assert_int_equal(f.m.serial, i + 1);
			assert_int_equal(f.m.id, 2 - i);
			assert_int_equal(f.m.exit.status, SIGTERM);
		}
		fixture_expect(&f, LINK_SYNCED);
		/* told but not acknowledged: the next engine hears all of it again */
		if (round == 0)
			fixture_next_engine(&f);
	}
	for (uint32_t i = 0; i < 3; i++) {
		fixture_ack(&f, 2 - i, 1, i + 1);
		fixture_release(&f, i, 1);
	}
	fixture_simple(&f, LINK_HELLO); /* whatever is done with is not told */
	fixture_expect(&f, LINK_SYNCED);
}

static void an_acknowledged_exit_is_not_told_again_but_its_output_is_kept(void **state _unused_)
{
	char text[16];

	fixture_shell_spawn(&f, 1, 1, "echo rest");
	fixture_expect(&f, LINK_STARTED);
	fixture_expect(&f, LINK_EXITED);
	fixture_ack(&f, 1, 1, f.m.serial);
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_STARTED);
	fixture_read(f.fds[0], text, sizeof(text));
	assert_string_equal(text, "rest\n");
	fixture_expect(&f, LINK_SYNCED);
}

static void kept_descriptors_come_back(void **state _unused_)
{
	int pipes[2][2];
	struct stat a, b;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
		fixture_send(&f, (struct link_message){.type = LINK_KEEP, .value = LINK_KEEP_LOCK},
			pipes[i][0]);
	}
	fixture_send(&f, (struct link_message){.type = LINK_KEEP, .value = LINK_KEEP_HOLD_WRITE},
		STDIN_FILENO);
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_KEPT);
	assert_int_equal(f.m.value, LINK_KEEP_LOCK);
	assert_int_equal(fstat(pipes[1][0], &a), 0); /* the one that came last */
	assert_int_equal(fstat(f.fds[0], &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	fixture_expect(&f, LINK_KEPT);
	assert_int_equal(f.m.value, LINK_KEEP_HOLD_WRITE);
	fixture_expect(&f, LINK_SYNCED);
	for (int i = 0; i < 4; i++)
		close(pipes[i / 2][i % 2]);
}

static void an_engine_that_reads_nothing_stops_nothing(void **state _unused_)
{
	struct plan fails = fixture_shell("true");
	char path[96], script[128];
	struct stat st;

	/* more than the link can hold */
	fails.path = "/nowhere";
	for (uint32_t i = 0; i < 600; i++)
		fixture_spawn(&f, i, 1, &fails);
	/* and still a process is started */
	snprintf(path, sizeof(path), "%s/started", f.dir);
	snprintf(script, sizeof(script), "mkdir %s; exec sleep 100", path);
	fixture_shell_spawn(&f, 1000, 1, script);
	for (int i = 0; i < FIXTURE_DEADLINE_MSEC / 5 && stat(path, &st) < 0; i++)
		poll(NULL, 0, 5);
	assert_int_equal(rmdir(path), 0);
	for (uint64_t serial = 0; serial < 600;) {
		fixture_expect_any(&f);
		if (f.m.type == LINK_EXITED)
			assert_int_equal(f.m.serial, ++serial);
		else
			assert_int_equal(f.m.type, LINK_STARTED);
		if (f.m.type == LINK_STARTED)
			kill(f.m.pid, SIGKILL);
	}
}

static void signals_are_told_until_seen_and_each_of_two_is_told(void **state _unused_)
{
	kill(f.launcher, SIGTERM);
	fixture_expect(&f, LINK_SIGNALLED);
	assert_int_equal(f.m.signo, SIGTERM);
	assert_int_equal(f.m.pid, getpid());
	assert_int_equal(f.m.value, getuid());
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_SIGNALLED);
	fixture_expect(&f, LINK_SYNCED);
	kill(f.launcher, SIGTERM); /* a second one, before the first is seen */
	kill(f.launcher, SIGHUP);
	fixture_expect(&f, LINK_SIGNALLED);
	assert_int_equal(f.m.signo, SIGHUP);
	fixture_send(&f, (struct link_message){.type = LINK_SEEN, .signo = SIGHUP}, -1);
	fixture_send(&f, (struct link_message){.type = LINK_SEEN, .signo = SIGTERM}, -1);
	fixture_expect(&f, LINK_SIGNALLED);
	assert_int_equal(f.m.signo, SIGTERM);
	fixture_send(&f, (struct link_message){.type = LINK_SEEN, .signo = SIGTERM}, -1);
	fixture_expect_silence(&f, 50);
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_SYNCED);
}

static void ctrl_c_reaches_the_launcher_and_no_one_else(void **state _unused_)
{
	pid_t service, engine;

	fixture_start_with(&f, &(struct fixture_options){.new_session = true});
	fixture_accept(&f);
	fixture_hello(&f);
	engine = f.engine;
	assert_int_equal(f.engine_session, engine);
	fixture_shell_spawn(&f, 1, 1, "exec sleep 100");
	fixture_expect(&f, LINK_STARTED);
	service = f.m.pid;
	assert_int_equal(kill(-f.launcher, SIGINT), 0);
	fixture_expect(&f, LINK_SIGNALLED);
	assert_int_equal(f.m.signo, SIGINT);
	fixture_send(&f, (struct link_message){.type = LINK_SEEN, .signo = SIGINT}, -1);
	fixture_expect_silence(&f, 50);
	assert_int_equal(kill(engine, 0), 0);
	assert_int_equal(kill(service, 0), 0);
	kill(service, SIGKILL);
}

static void term_without_an_engine_ends_everything(void **state _unused_)
{
	pid_t easy, hard;

	fixture_shell_spawn(&f, 1, 1, "exec sleep 100");
	fixture_expect(&f, LINK_STARTED);
	easy = f.m.pid;
	fixture_shell_spawn(&f, 2, 1, "trap '' TERM; echo r; while :; do sleep 1; done");
	fixture_expect(&f, LINK_STARTED);
	hard = f.m.pid;
	fixture_read(f.fds[0], (char[3]){0}, 3);
	kill(f.launcher, SIGTERM);
	fixture_expect(&f, LINK_SIGNALLED); /* and never seen */
	assert_int_equal(fixture_wait(&f), 1);
	fixture_wait_reaped(easy);
	fixture_wait_reaped(hard);
	fixture_wait_reaped(f.engine);
	f.engine = 0;
}

static void an_engine_that_does_not_answer_is_replaced(void **state _unused_)
{
	pid_t silent = f.engine;

	fixture_shell_spawn(&f, 1, 1, "exit 1");
	fixture_expect(&f, LINK_STARTED);
	fixture_expect(&f, LINK_EXITED); /* never acknowledged */
	fixture_expect(&f, LINK_PING);
	fixture_simple(&f, LINK_PONG);
	fixture_expect(&f, LINK_PING); /* an answer is good for a while */
	f.link = close_fd(f.link);
	fixture_accept(&f);
	assert_int_not_equal(f.engine, silent);
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_STARTED);
	fixture_expect(&f, LINK_EXITED);
	fixture_expect(&f, LINK_SYNCED);
}

static void an_engine_that_systemd_watches_is_asked_though_it_is_idle(void **state _unused_)
{
	fixture_simple(&f, LINK_RECOVERED);
	fixture_expect(&f, LINK_PING);
	fixture_simple(&f, LINK_PONG);
	fixture_expect(&f, LINK_PING);
}

static unsigned long wakeups(pid_t pid)
{
	char path[64], line[128];
	unsigned long n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
			break;
	fclose(file);
	return n;
}

static void an_idle_launcher_does_not_wake_up(void **state _unused_)
{
	unsigned long before;

	fixture_shell_spawn(&f, 1, 1, "exec sleep 100");
	fixture_expect(&f, LINK_STARTED);
	/* nothing is awaited from the engine, so it is not pinged either (0.75 s here) */
	fixture_expect_silence(&f, 200);
	before = wakeups(f.launcher);
	fixture_expect_silence(&f, 1500);
	assert_int_equal(wakeups(f.launcher), before);
	fixture_kill(&f, 1, 1, 1, SIGKILL);
	fixture_expect(&f, LINK_EXITED);
}

static void early_deaths_slow_the_restart_down_and_recovery_resets_it(void **state _unused_)
{
	usec_t start = usec_now(CLOCK_MONOTONIC);

	fixture_next_engine(&f); /* was recovered: does not count */
	for (int i = 0; i < 4; i++)
		fixture_next_engine(&f); /* 10 + 20 + 40 + 80 ms */
	assert_true(usec_now(CLOCK_MONOTONIC) - start >= 150 * USEC_PER_MSEC);
	fixture_hello(&f);
	start = usec_now(CLOCK_MONOTONIC);
	fixture_next_engine(&f);
	fixture_next_engine(&f);
	assert_true(usec_now(CLOCK_MONOTONIC) - start < 5 * USEC_PER_SEC);
}

static void the_engine_says_with_which_status_to_end(void **state _unused_)
{
	fixture_send(&f, (struct link_message){.type = LINK_EXIT, .value = 42}, -1);
	kill(f.engine, SIGKILL);
	assert_int_equal(fixture_wait(&f), 42);
	f.engine = 0;
}

static void an_engine_that_stays_after_exit_is_killed(void **state _unused_)
{
	fixture_send(&f, (struct link_message){.type = LINK_EXIT, .value = 2}, -1);
	assert_int_equal(fixture_wait(&f), 2);
	fixture_wait_reaped(f.engine);
	f.engine = 0;
}

static void no_service_is_left_behind_by_exit(void **state _unused_)
{
	pid_t pid;

	fixture_shell_spawn(&f, 1, 1, "exec sleep 100");
	fixture_expect(&f, LINK_STARTED);
	pid = f.m.pid;
	fixture_send(&f, (struct link_message){.type = LINK_EXIT, .value = 7}, -1);
	assert_int_equal(fixture_wait(&f), 7);
	fixture_wait_reaped(pid);
	f.engine = 0;
}

static void orphans_are_reaped(void **state _unused_)
{
	char text[32];
	pid_t orphan;

	fixture_shell_spawn(&f, 1, 1, "sleep 100 & echo $!");
	fixture_expect(&f, LINK_STARTED);
	while (read(f.fds[0], text, sizeof(text)) < 2)
		poll(&(struct pollfd){.fd = f.fds[0], .events = POLLIN}, 1, 100);
	orphan = atoi(text);
	fixture_expect(&f, LINK_EXITED);
	kill(orphan, SIGKILL);
	fixture_wait_reaped(orphan); /* a zombie would still be there */
}

static void an_engine_that_cannot_be_executed_ends_a_first_start(void **state _unused_)
{
	fixture_start_with(&f, &(struct fixture_options){.argument = "127"});
	assert_int_equal(fixture_wait(&f), 1);
}

static void another_version_of_the_link_is_not_spoken_with(void **state _unused_)
{
	struct link_message m = {.version = LINK_VERSION + 1, .type = LINK_HELLO};
	pid_t before = f.engine;

	assert_int_equal(send(f.link, &m, sizeof(m), 0), sizeof(m));
	fixture_accept(&f);
	assert_int_not_equal(f.engine, before);
	fixture_hello(&f);
}

static void messages_that_make_no_sense_change_nothing(void **state _unused_)
{
	static const enum link_type types[] = {
		LINK_KILL_TREE, LINK_REMOVE, LINK_PONG, LINK_SYNCED, LINK_PING};

	for (size_t i = 0; i < ELEMENTSOF(types); i++)
		fixture_simple(&f, types[i]);
	fixture_ack(&f, 1, 1, 1);
	fixture_release(&f, 1, 1);
	fixture_kill(&f, 1, 1, 1, SIGKILL);
	fixture_send(&f, (struct link_message){.type = LINK_SEEN, .signo = 64}, -1);
	fixture_send(&f, (struct link_message){.type = LINK_REFETCH, .id = 9, .generation = 9}, -1);
	assert_int_equal(send(f.link, "x", 1, 0), 1);
	fixture_shell_spawn(&f, 1, 1, "exec sleep 100");
	fixture_expect(&f, LINK_STARTED);
	fixture_ack(&f, 1, 1, 1); /* has not ended */
	fixture_send(&f, (struct link_message){.type = LINK_REMOVE, .id = 1}, -1);
	fixture_kill(&f, 1, 1, 1, SIGKILL);
	fixture_expect(&f, LINK_EXITED);
	fixture_ack(&f, 1, 1, 99); /* of another */
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_STARTED);
	fixture_expect(&f, LINK_EXITED);
	fixture_expect(&f, LINK_SYNCED);
}

static void a_lack_of_descriptors_fails_spawns_but_never_the_next_engine(void **state _unused_)
{
	uint32_t n_started = 0, n_failed = 0;

	fixture_start_with(&f, &(struct fixture_options){.nofile = 140});
	fixture_accept(&f);
	fixture_hello(&f);
	while (n_failed < 20) {
		fixture_shell_spawn(&f, n_started + n_failed, 1, "exec sleep 100");
		if (n_failed == 0 && n_started < 10) {
			fixture_expect(&f, LINK_STARTED);
			n_started++;
			continue;
		}
		fixture_expect_any(&f);
		if (f.m.type == LINK_STARTED) {
			assert_int_equal(n_failed, 0); /* nothing is given back in between */
			n_started++;
			continue;
		}
		assert_int_equal(f.m.type, LINK_EXITED);
		assert_int_equal(f.m.exit.error, EMFILE);
		assert_int_equal(f.m.exit.stage, LINK_STAGE_RESOURCES);
		n_failed++;
	}
	assert_true(n_started < 140);
	/* what is left is not enough for a spawn, but for these and an engine it must be */
	for (uint32_t tag = 8; tag < 12; tag++)
		fixture_send(
			&f, (struct link_message){.type = LINK_KEEP, .value = tag}, STDIN_FILENO);
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	for (uint32_t tag = 8; tag < 12; tag++)
		fixture_expect(&f, LINK_KEPT);
	for (uint32_t i = 0; i < n_started; i++) {
		fixture_expect(&f, LINK_STARTED);
		assert_int_equal(f.n_fds, 1);
		kill(f.m.pid, SIGKILL);
	}
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
#define LAUNCHER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		LAUNCHER_TEST(what_a_killed_engine_had_sent_is_done_and_the_next_is_told),
		LAUNCHER_TEST(exits_while_no_engine_listens_keep_their_serials),
		LAUNCHER_TEST(an_acknowledged_exit_is_not_told_again_but_its_output_is_kept),
		LAUNCHER_TEST(kept_descriptors_come_back),
		LAUNCHER_TEST(an_engine_that_reads_nothing_stops_nothing),
		LAUNCHER_TEST(signals_are_told_until_seen_and_each_of_two_is_told),
		cmocka_unit_test_teardown(ctrl_c_reaches_the_launcher_and_no_one_else, teardown),
		LAUNCHER_TEST(term_without_an_engine_ends_everything),
		LAUNCHER_TEST(an_engine_that_does_not_answer_is_replaced),
		LAUNCHER_TEST(an_idle_launcher_does_not_wake_up),
		cmocka_unit_test_setup_teardown(
			an_engine_that_systemd_watches_is_asked_though_it_is_idle, setup_watched,
			teardown),
		LAUNCHER_TEST(early_deaths_slow_the_restart_down_and_recovery_resets_it),
		LAUNCHER_TEST(the_engine_says_with_which_status_to_end),
		LAUNCHER_TEST(an_engine_that_stays_after_exit_is_killed),
		LAUNCHER_TEST(no_service_is_left_behind_by_exit),
		LAUNCHER_TEST(orphans_are_reaped),
		cmocka_unit_test_teardown(
			an_engine_that_cannot_be_executed_ends_a_first_start, teardown),
		LAUNCHER_TEST(another_version_of_the_link_is_not_spoken_with),
		LAUNCHER_TEST(messages_that_make_no_sense_change_nothing),
		cmocka_unit_test_teardown(
			a_lack_of_descriptors_fails_spawns_but_never_the_next_engine, teardown),
	};

	if (argc != 3)
		return 2;
	fixture_programs(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
