/*
 * A generation that goes on in another process: daemons, and programs that hand over to new
 * ones. With real processes, which the real launcher adopts or refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "launcher/table/table.h"
#include "launcher_fixture.h"
#include "tests/unit/directory.h"

static struct fixture f;
static int started[256]; /* pidfds of all processes of a test, which would outlive it */
static unsigned n_started;

static int setup(void **state _unused_)
{
	fixture_begin(&f);
	return 0;
}

static int teardown(void **state _unused_)
{
	while (n_started > 0) {
		syscall(SYS_pidfd_send_signal, started[--n_started], SIGKILL, NULL, 0);
		close(started[n_started]);
	}
	fixture_stop(&f);
	return 0;
}

/* It may have ended already. */
static void note_started(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	assert_true(n_started < ELEMENTSOF(started));
	if (fd >= 0)
		started[n_started++] = fd;
}

/*
 * Starts the script as generation 1, which writes the pid of another process to its output;
 * and a pidfd of that one. Returns the main process.
 */
static pid_t start(uint32_t id, const char *script, pid_t *ret_pid, int *ret_pidfd)
{
	char text[16];
	size_t n = 0;
	pid_t main_pid;

	fixture_shell_spawn(&f, id, 1, script);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.started.flags, 0);
	main_pid = f.m.pid;
	note_started(main_pid);
	do {
		assert_true(n + 1 < sizeof(text));
		assert_int_equal(fixture_read(f.fds[0], text + n, 2), 1);
	} while (text[n++] != '\n');
	*ret_pid = atoi(text);
	assert_true(*ret_pid > 0);
	*ret_pidfd = fixture_pidfd(*ret_pid);
	note_started(*ret_pid);
	return main_pid;
}

static void adopt(uint32_t id, pid_t pid, int pidfd)
{
	fixture_send(&f,
		(struct link_message){.type = LINK_ADOPT, .id = id, .generation = 1, .pid = pid},
		pidfd);
}

static void expect_adopted(uint32_t id, pid_t pid)
{
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.generation, 1);
	assert_int_equal(f.m.pid, pid);
	assert_int_equal(f.m.started.flags, LINK_STARTED_ADOPTED);
	assert_int_equal(f.n_fds, 1); /* those of the generation */
}

static void expect_refused(uint32_t id, pid_t pid, int error)
{
	fixture_expect(&f, LINK_REFUSED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.generation, 1);
	assert_int_equal(f.m.pid, pid);
	assert_int_equal(f.m.value, error);
}

static void expect_exited(uint32_t id, pid_t pid, int code, int status)
{
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.generation, 1);
	assert_int_equal(f.m.pid, pid);
	assert_int_equal(f.m.exit.error, 0);
	assert_int_equal(f.m.exit.code, code);
	assert_int_equal(f.m.exit.status, status);
}

static void tell_again(uint32_t id)
{
	fixture_send(
		&f, (struct link_message){.type = LINK_REFETCH, .id = id, .generation = 1}, -1);
}

/*
 * They leave another process: one that outlives its parent, one that is no child of the main
 * process, and one that is.
 */
#define DAEMON	  "setsid sleep 100 & echo $!; exit 0"
#define BESIDE	  "pid=$(setsid sleep 100 >/dev/null & echo $!); echo $pid; exec sleep 200"
#define HAND_OVER "sleep 100 & echo $!; exec sleep 200"

/* A daemon as generation 1, whose first process has ended with serial 1. */
static void start_daemon(const char *script, pid_t *ret_pid, int *ret_pidfd)
{
	pid_t first = start(1, script, ret_pid, ret_pidfd);

	expect_exited(1, first, CLD_EXITED, 0);
	assert_int_equal(f.m.serial, 1);
}

static void a_daemon_is_adopted_after_its_first_process_has_ended(void **state _unused_)
{
	_cleanup_close_
	int pidfd = -1;
	uint64_t forked_usec;
	struct stat st;
	char text[16];
	pid_t pid;

	start_daemon(
		"setsid sh -c 'trap \"echo words\" USR1; echo $$; while :; do sleep 0.01; done'"
		" 2>/dev/null & exit 0",
		&pid, &pidfd);
	fixture_ack(&f, 1, 1, 1);
	tell_again(1);
	fixture_expect(&f, LINK_STARTED);
	forked_usec = f.m.started.monotonic_usec;
	adopt(1, pid, pidfd);
	expect_adopted(1, pid);
	assert_int_equal(f.m.started.monotonic_usec, forked_usec);
	assert_int_equal(fstat(pidfd, &st), 0);
	if (f.m.started.pidfd_inode != 0)
		assert_int_equal(f.m.started.pidfd_inode, st.st_ino);
	/* orders go to it, and its output comes through the pipe that its parent had */
	fixture_kill(&f, 1, 1, 1, SIGUSR1);
	fixture_read(f.fds[0], text, 7);
	assert_string_equal(text, "words\n");
	fixture_kill(&f, 1, 1, 2, SIGKILL);
	expect_exited(1, pid, CLD_KILLED, SIGKILL);
	assert_int_equal(f.m.serial, 2);
	fixture_ack(&f, 1, 1, 2);
	fixture_release(&f, 1, 1);
	tell_again(1);
	fixture_expect_silence(&f, 50); /* nothing is left of it */
}

static void a_daemon_without_pipes_is_adopted_too(void **state _unused_)
{
	char script[160] = "", dir[DIRECTORY_SIZE], path[96], text[16];
	struct plan p = fixture_shell(script);
	_cleanup_close_
	int pidfd = -1, fd = -1;
	pid_t pid;

	directory_make(dir);
	snprintf(path, sizeof(path), "%s/pid", dir);
	snprintf(script, sizeof(script), "setsid sleep 100 & echo $! >%s; exit 0", path);
	p.flags = PLAN_NO_PIPE;
	fixture_spawn(&f, 1, 1, &p);
	fixture_expect(&f, LINK_STARTED);
	fixture_expect(&f, LINK_EXITED);
	fixture_ack(&f, 1, 1, f.m.serial);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	fixture_read(fd, text, sizeof(text));
	directory_remove(dir);
	pid = atoi(text);
	pidfd = fixture_pidfd(pid);
	note_started(pid);
	adopt(1, pid, pidfd);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.pid, pid);
	assert_int_equal(f.n_fds, 0);
	kill(pid, SIGTERM);
	expect_exited(1, pid, CLD_KILLED, SIGTERM);
}

static void asked_again_it_answers_the_same(void **state _unused_)
{
	_cleanup_close_
	int pidfd = -1;
	pid_t pid;

	start_daemon(DAEMON, &pid, &pidfd);
	fixture_ack(&f, 1, 1, 1);
	for (int i = 0; i < 2; i++) {
		adopt(1, pid, pidfd);
		expect_adopted(1, pid);
	}
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	expect_adopted(1, pid);
	fixture_expect(&f, LINK_SYNCED);
	adopt(1, pid, pidfd);
	expect_adopted(1, pid);
	/* also when it has ended since, which is told as it was */
	kill(pid, SIGKILL);
	expect_exited(1, pid, CLD_KILLED, SIGKILL);
	adopt(1, pid, pidfd);
	expect_adopted(1, pid);
	expect_exited(1, pid, CLD_KILLED, SIGKILL);
	assert_int_equal(f.m.serial, 2);
}

static void what_a_killed_engine_had_asked_for_is_done(void **state _unused_)
{
	_cleanup_close_
	int pidfd = -1;
	pid_t pid;

	start_daemon(DAEMON, &pid, &pidfd);
	fixture_ack(&f, 1, 1, 1);
	/* stopped, so that the order is read only after the engine's death */
	assert_int_equal(kill(f.launcher, SIGSTOP), 0);
	adopt(1, pid, pidfd);
	assert_int_equal(kill(f.engine, SIGKILL), 0);
	f.link = close_fd(f.link);
	assert_int_equal(kill(f.launcher, SIGCONT), 0);
	fixture_accept(&f);
	fixture_simple(&f, LINK_HELLO);
	expect_adopted(1, pid);
	fixture_expect(&f, LINK_SYNCED);
	kill(pid, SIGKILL);
	expect_exited(1, pid, CLD_KILLED, SIGKILL);
}

static void the_end_of_the_one_before_is_not_told_any_more(void **state _unused_)
{
	_cleanup_close_
	int pidfd = -1;
	pid_t pid;

	start_daemon(DAEMON, &pid, &pidfd);
	adopt(1, pid, pidfd);
	expect_adopted(1, pid);
	fixture_ack(&f, 1, 1, 1); /* too late, and of no meaning */
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	expect_adopted(1, pid);
	fixture_expect(&f, LINK_SYNCED);
	kill(pid, SIGTERM);
	expect_exited(1, pid, CLD_KILLED, SIGTERM);
	assert_int_equal(f.m.serial, 2);
}

static void a_living_main_process_becomes_an_orphan_like_any_other(void **state _unused_)
{
	_cleanup_close_
	int pidfd = -1;
	pid_t pid, old;

	old = start(1, BESIDE, &pid, &pidfd);
	adopt(1, pid, pidfd);
	expect_adopted(1, pid);
	kill(old, SIGKILL);
	fixture_wait_reaped(old);
	fixture_expect_silence(&f, 50);
	fixture_kill(&f, 1, 1, 1, SIGTERM);
	expect_exited(1, pid, CLD_KILLED, SIGTERM);
}

static void a_child_of_the_main_process_takes_over_when_that_ends(void **state _unused_)
{
	_cleanup_close_
	int pidfd = -1;
	pid_t pid, old;

	old = start(1, HAND_OVER, &pid, &pidfd);
	adopt(1, pid, pidfd);
	expect_refused(1, pid, ECHILD);
	/* meanwhile all is as before, whoever is the engine */
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.pid, old);
	assert_int_equal(f.m.started.flags, 0);
	fixture_expect(&f, LINK_SYNCED); /* what the last one asked is not answered to this one */
	kill(old, SIGKILL);
	expect_adopted(1, pid);
	fixture_kill(&f, 1, 1, 1, SIGTERM);
	expect_exited(1, pid, CLD_KILLED, SIGTERM);
	assert_int_equal(f.m.serial, 1);
}

static void a_successor_that_has_ended_takes_nothing_over(void **state _unused_)
{
	_cleanup_close_
	int pidfd = -1;
	pid_t pid, old;

	old = start(1, HAND_OVER, &pid, &pidfd);
	adopt(1, pid, pidfd);
	expect_refused(1, pid, ECHILD);
	kill(pid, SIGKILL); /* its parent never reaps it: a zombie that we get with its end */
	fixture_wait_ended(pidfd);
	kill(old, SIGTERM);
	fixture_expect_any(&f);
	/* whichever of the two is reaped first */
	if (f.m.type == LINK_STARTED) {
		assert_int_equal(f.m.pid, pid);
		expect_exited(1, pid, CLD_KILLED, SIGKILL);
	} else {
		assert_int_equal(f.m.type, LINK_EXITED);
		assert_int_equal(f.m.pid, old);
		assert_int_equal(f.m.exit.status, SIGTERM);
	}
	fixture_expect_silence(&f, 50);
}

static void the_last_one_named_takes_over(void **state _unused_)
{
	_cleanup_close_
	int pidfd = -1, other_pidfd = -1;
	pid_t pid, other, old;
	char text[16];

	old = start(1, "sleep 100 & echo $!; sleep 101 & echo $!; exec sleep 200", &pid, &pidfd);
	for (size_t n = 0; n == 0 || text[n - 1] != '\n'; n++)
		assert_int_equal(fixture_read(f.fds[0], text + n, 2), 1);
	other = atoi(text);
	other_pidfd = fixture_pidfd(other);
	note_started(other);
	adopt(1, pid, pidfd);
	expect_refused(1, pid, ECHILD);
	adopt(1, other, other_pidfd);
	expect_refused(1, other, ECHILD);
	kill(old, SIGKILL);
	expect_adopted(1, other);
	/* the first one is ours by now, too */
	adopt(1, pid, pidfd);
	expect_adopted(1, pid);
	kill(other, SIGKILL);
	fixture_wait_reaped(other);
	fixture_expect_silence(&f, 50);
	kill(pid, SIGKILL);
	expect_exited(1, pid, CLD_KILLED, SIGKILL);
}

static void what_is_no_living_child_is_refused(void **state _unused_)
{
	_cleanup_close_
	int pidfd = -1, own = fixture_pidfd(getpid()), engine = fixture_pidfd(f.engine);
	pid_t pid, main_pid;
	struct stat a, b;

	main_pid = start(1, BESIDE, &pid, &pidfd);
	adopt(1, getpid(), own);
	expect_refused(1, getpid(), ECHILD);
	adopt(1, f.engine, engine);
	expect_refused(1, f.engine, EBUSY);
	adopt(1, pid, STDIN_FILENO); /* is no pidfd */
	expect_refused(1, pid, EBADF);
	/* a pid that is not the pidfd's, where the kernel tells pidfds apart */
	assert_int_equal(fstat(own, &a), 0);
	assert_int_equal(fstat(engine, &b), 0);
	if (a.st_ino != b.st_ino) {
		adopt(1, main_pid, pidfd);
		expect_refused(1, main_pid, EINVAL);
	}
	kill(pid, SIGKILL);
	fixture_wait_reaped(pid);
	adopt(1, pid, pidfd);
	expect_refused(1, pid, ESRCH);
	/* and the main process is what it was */
	kill(main_pid, SIGKILL);
	expect_exited(1, main_pid, CLD_KILLED, SIGKILL);
}

static void the_main_process_of_another_service_is_refused(void **state _unused_)
{
	_cleanup_close_
	int pidfd = -1, other_pidfd = -1;
	pid_t pid, other;

	start(1, BESIDE, &pid, &pidfd);
	start(2, BESIDE, &other, &other_pidfd);
	adopt(2, other, other_pidfd);
	expect_adopted(2, other);
	adopt(1, other, other_pidfd);
	expect_refused(1, other, EBUSY);
	kill(other, SIGKILL);
	expect_exited(2, other, CLD_KILLED, SIGKILL);
}

static void a_generation_that_is_over_adopts_nobody(void **state _unused_)
{
	struct plan p = fixture_shell("true");
	_cleanup_close_
	int pidfd = -1;
	pid_t pid;

	start_daemon(DAEMON, &pid, &pidfd);
	fixture_release(&f, 1, 1);
	adopt(1, pid, pidfd);
	expect_refused(1, pid, ESRCH);
	fixture_ack(&f, 1, 1, 1);
	adopt(1, pid, pidfd);
	fixture_expect_silence(&f, 50);
	/* nor does one that never was */
	p.path = "/nowhere/at/all";
	fixture_spawn(&f, 2, 1, &p);
	fixture_expect(&f, LINK_EXITED);
	adopt(2, pid, pidfd);
	expect_refused(2, pid, ESRCH);
	kill(pid, SIGKILL);
}

static void a_hundred_daemons_are_adopted_and_end_each_once(void **state _unused_)
{
	static pid_t pids[100];
	static int pidfds[100];
	static bool ended[100];
	uint64_t serial;

	memset(ended, 0, sizeof(ended));
	for (uint32_t i = 0; i < ELEMENTSOF(pids); i++) {
		start(i, DAEMON, &pids[i], &pidfds[i]);
		fixture_expect(&f, LINK_EXITED);
		fixture_ack(&f, i, 1, f.m.serial);
	}
	serial = f.m.serial;
	for (uint32_t i = 0; i < ELEMENTSOF(pids); i++)
		adopt(i, pids[i], pidfds[i]);
	for (uint32_t i = 0; i < ELEMENTSOF(pids); i++) {
		fixture_expect(&f, LINK_STARTED);
		assert_int_equal(f.m.pid, pids[f.m.id]);
		close(pidfds[f.m.id]);
	}
	for (uint32_t i = 0; i < ELEMENTSOF(pids); i++)
		kill(pids[i], SIGKILL);
	for (uint32_t i = 0; i < ELEMENTSOF(pids); i++) {
		fixture_expect(&f, LINK_EXITED);
		assert_int_equal(f.m.serial, ++serial);
		assert_int_equal(f.m.pid, pids[f.m.id]);
		assert_false(ended[f.m.id]);
		ended[f.m.id] = true;
	}
	fixture_expect_silence(&f, 50);
}

#define NOBODY (1 << 22) /* no pid is as great */

/* As adopt(), while the launcher reads. */
static bool ask(uint32_t id, pid_t pid, int pidfd)
{
	struct link_message m = {.type = LINK_ADOPT, .id = id, .generation = 1, .pid = pid};
	struct pollfd p = {.fd = f.link, .events = POLLOUT};
	int r;

	while ((r = link_send(f.link, &m, &pidfd, 1)) == -EAGAIN && poll(&p, 1, 200) == 1)
		;
	assert_true(r == 0 || r == -EAGAIN);
	return r == 0;
}

#define N_ASKED (2 * TABLE_MAX_REFUSALS)

/* Of each of so many generations, which are over, whom it was asked about last. */
static void ask_until_it_does_not_read(pid_t ret_asked[static N_ASKED])
{
	struct plan p = fixture_shell("true");
	_cleanup_close_
	int pidfd = fixture_pidfd(getpid());
	uint32_t n = 0, id;

	p.path = "/nowhere/at/all";
	for (id = 0; id < N_ASKED; id++) {
		fixture_spawn(&f, id, 1, &p);
		fixture_expect(&f, LINK_EXITED);
	}
	for (id = 0; ask(id, NOBODY + (pid_t)n, pidfd); id = ++n % N_ASKED) {
		ret_asked[id] = NOBODY + (pid_t)n;
		assert_true(n < 50000); /* it goes on reading, and can't remember all of that */
	}
	assert_true(n > N_ASKED);
}

static void no_refusal_is_lost_on_an_engine_that_does_not_read(void **state _unused_)
{
	pid_t asked[N_ASKED] = {0}, told[N_ASKED] = {0};

	ask_until_it_does_not_read(asked);
	for (uint32_t n = 0; n < N_ASKED;) {
		fixture_expect(&f, LINK_REFUSED);
		told[f.m.id] = f.m.pid;
		n += f.m.pid == asked[f.m.id];
	}
	assert_memory_equal(told, asked, sizeof(asked));
	fixture_expect_silence(&f, 50);
}

static void refusals_that_nobody_took_do_not_hold_up_the_next_engine(void **state _unused_)
{
	pid_t asked[N_ASKED];
	int link = f.link;

	ask_until_it_does_not_read(asked);
	/* Our end stays open: it is by the engine's end that the launcher learns of that. */
	assert_int_equal(kill(f.engine, SIGKILL), 0);
	fixture_accept(&f);
	close(link);
	fixture_simple(&f, LINK_HELLO);
	for (uint32_t n = 0; n < N_ASKED; n++)
		fixture_expect(&f, LINK_EXITED);
	fixture_expect(&f, LINK_SYNCED);
	fixture_expect_silence(&f, 50);
}

static void a_lack_of_descriptors_is_told_and_can_be_mended(void **state _unused_)
{
	uint32_t n, room;
	_cleanup_close_
	int pidfd = -1;
	pid_t pid;

	fixture_start_with(&f, &(struct fixture_options){.nofile = 140});
	fixture_accept(&f);
	fixture_hello(&f);
	start(1, HAND_OVER, &pid, &pidfd);
	for (n = 2;; n++) {
		fixture_shell_spawn(&f, n, 1, "exec sleep 100");
		fixture_expect_any(&f);
		if (f.m.type == LINK_EXITED)
			break;
		note_started(f.m.pid);
	}
	assert_true(n > 10);
	/* what was not enough for a spawn may be for a few of these */
	for (room = 0; room < 6; room++) {
		adopt(1, pid, pidfd);
		fixture_expect(&f, LINK_REFUSED);
		if (f.m.value == EMFILE)
			break;
		assert_int_equal(f.m.value, ECHILD);
		fixture_send(&f,
			(struct link_message){.type = LINK_KEEP, .value = LINK_KEEP_CONFIG + room},
			STDIN_FILENO);
	}
	assert_int_equal(f.m.value, EMFILE);
	fixture_release(&f, 2, 1);
	adopt(1, pid, pidfd);
	expect_refused(1, pid, ECHILD);
}

static void a_call_that_fails_is_told_and_asking_again_helps(void **state _unused_)
{
	unsigned refused = 0;

	for (int n = 1; n <= 4; n++) {
		_cleanup_close_
		int pidfd = -1;
		char fault[64];
		pid_t pid;

		snprintf(fault, sizeof(fault), "launcher:pidfd_open:%d:EMFILE", n);
		setenv("SUPERVISOR_FAULT", fault, 1);
		setup(NULL);
		unsetenv("SUPERVISOR_FAULT");
		start_daemon(DAEMON, &pid, &pidfd);
		adopt(1, pid, pidfd);
		fixture_expect_any(&f);
		if (f.m.type == LINK_REFUSED) {
			assert_int_equal(f.m.value, EMFILE);
			refused++;
			adopt(1, pid, pidfd);
			fixture_expect_any(&f);
		}
		assert_int_equal(f.m.type, LINK_STARTED);
		assert_int_equal(f.m.pid, pid);
		teardown(NULL);
	}
	assert_int_equal(refused, 1);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
#define ADOPT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		ADOPT_TEST(a_daemon_is_adopted_after_its_first_process_has_ended),
		ADOPT_TEST(a_daemon_without_pipes_is_adopted_too),
		ADOPT_TEST(asked_again_it_answers_the_same),
		ADOPT_TEST(what_a_killed_engine_had_asked_for_is_done),
		ADOPT_TEST(the_end_of_the_one_before_is_not_told_any_more),
		ADOPT_TEST(a_living_main_process_becomes_an_orphan_like_any_other),
		ADOPT_TEST(a_child_of_the_main_process_takes_over_when_that_ends),
		ADOPT_TEST(a_successor_that_has_ended_takes_nothing_over),
		ADOPT_TEST(the_last_one_named_takes_over),
		ADOPT_TEST(what_is_no_living_child_is_refused),
		ADOPT_TEST(the_main_process_of_another_service_is_refused),
		ADOPT_TEST(a_generation_that_is_over_adopts_nobody),
		ADOPT_TEST(a_hundred_daemons_are_adopted_and_end_each_once),
		ADOPT_TEST(no_refusal_is_lost_on_an_engine_that_does_not_read),
		ADOPT_TEST(refusals_that_nobody_took_do_not_hold_up_the_next_engine),
		cmocka_unit_test_teardown(
			a_lack_of_descriptors_is_told_and_can_be_mended, teardown),
		cmocka_unit_test(a_call_that_fails_is_told_and_asking_again_helps),
	};

	if (argc != 3)
		return 2;
	fixture_programs(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
