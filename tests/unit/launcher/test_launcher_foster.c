/*
 * Main processes that are no children of the launcher: here they are the test's, which decides
 * whether and when they are reaped.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"
#include "launcher_fixture.h"

#define MAX_PROCESSES 8

static struct fixture f;

/* A process of the test's that is fostered: a pidfd, the ends of its stdout and stdin. */
static struct process {
	pid_t pid;
	int pidfd, out, in;
	bool reaped;
} processes[MAX_PROCESSES];
static unsigned n_processes;

static void start_launcher(const char *fault)
{
	if (fault)
		setenv("SUPERVISOR_FAULT", fault, 1);
	fixture_start(&f);
	unsetenv("SUPERVISOR_FAULT");
	fixture_hello(&f);
}

static int setup(void **state _unused_)
{
	start_launcher(NULL);
	return 0;
}

static int teardown(void **state _unused_)
{
	while (n_processes > 0) {
		struct process *p = &processes[--n_processes];

		if (!p->reaped) {
			kill(p->pid, SIGKILL);
			waitpid(p->pid, NULL, 0);
		}
		close(p->pidfd);
		close_fd(p->out);
		close_fd(p->in);
	}
	fixture_stop(&f);
	return 0;
}

static struct process *start(const char *script)
{
	struct process *p = &processes[n_processes];
	int fds[2], in[2];

	assert_true(n_processes < MAX_PROCESSES);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		setsid();
		dup2(in[0], STDIN_FILENO);
		dup2(fds[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", script, NULL);
		_exit(126);
	}
	n_processes++;
	p->reaped = false;
	close(fds[1]);
	close(in[0]);
	p->out = fds[0];
	p->in = in[1];
	p->pidfd = fixture_pidfd(p->pid);
	return p;
}

/* Its "read" is over. */
static void go_on(struct process *p)
{
	p->in = close_fd(p->in);
}

static void reap(struct process *p)
{
	assert_int_equal(waitpid(p->pid, NULL, 0), p->pid);
	p->reaped = true;
}

static void ask_as(uint32_t id, uint64_t generation, pid_t pid, const struct process *p)
{
	const int fds[] = {p->pidfd, p->out};
	struct link_message m = {.type = LINK_FOSTER,
		.id = id,
		.generation = generation,
		.pid = pid,
		.started = {.monotonic_usec = 17, .realtime_usec = 18}};

	assert_int_equal(link_send(f.link, &m, fds, 2), 0);
}

static void ask(uint32_t id, uint64_t generation, const struct process *p)
{
	ask_as(id, generation, p->pid, p);
}

static void expect_started(uint32_t id, uint64_t generation, pid_t pid, uint32_t flags)
{
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.generation, generation);
	assert_int_equal(f.m.pid, pid);
	assert_int_equal(f.m.started.flags, flags);
}

static void expect_taken(uint32_t id, uint64_t generation, const struct process *p)
{
	expect_started(id, generation, p->pid, LINK_STARTED_FOSTERED);
	assert_int_equal(f.m.started.monotonic_usec, 17);
	assert_int_equal(f.m.started.realtime_usec, 18);
	assert_int_equal(f.n_fds, 1);
}

static void take(uint32_t id, const struct process *p)
{
	ask(id, 1, p);
	expect_taken(id, 1, p);
}

static void expect_exited(uint32_t id, const struct process *p, int code, int status)
{
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.pid, p->pid);
	assert_int_equal(f.m.exit.error, 0);
	assert_int_equal(f.m.exit.code, code);
	assert_int_equal(f.m.exit.status, status);
	assert_true(f.m.exit.monotonic_usec > 0);
}

static void expect_refused(uint32_t id, pid_t pid, int error)
{
	fixture_expect(&f, LINK_REFUSED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.pid, pid);
	assert_int_equal(f.m.value, error);
}

/* The kernel tells how a process has ended that somebody else has reaped. */
static bool kernel_tells(void)
{
	_cleanup_close_
	int pidfd = -1;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(9);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return sys_pidfd_exit_status(pidfd, &status) == 0 && WEXITSTATUS(status) == 9;
}

/* ---- how it ended ---- */

static void the_status_of_one_that_nobody_reaps_is_read(void **state _unused_)
{
	static const struct {
		const char *script;
		int code, status;
	} cases[] = {
		{"read x; exit 0", CLD_EXITED, 0},
		{"read x; exit 7", CLD_EXITED, 7},
		{"read x; exit 255", CLD_EXITED, 255},
		{"read x; kill -TERM $$", CLD_KILLED, SIGTERM},
		{"read x; kill -KILL $$", CLD_KILLED, SIGKILL},
	};

	for (uint32_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct process *p = start(cases[i].script);

		take(i, p);
		go_on(p);
		ask(i, 1, p); /* the same again, also when it has ended meanwhile */
		expect_taken(i, 1, p);
		expect_exited(i, p, cases[i].code, cases[i].status);
		assert_int_equal(f.m.serial, i + 1);
	}
}

static void the_status_of_one_that_was_reaped_is_asked_of_the_kernel(void **state _unused_)
{
	struct process *p = start("read x; exit 7"), *q = start("read x; kill $$");
	bool tells = kernel_tells();

	take(1, p);
	take(2, q);
	/* the launcher sees both only when they are gone */
	kill(f.launcher, SIGSTOP);
	go_on(p);
	go_on(q);
	fixture_wait_ended(p->pidfd);
	fixture_wait_ended(q->pidfd);
	reap(p);
	reap(q);
	kill(f.launcher, SIGCONT);
	for (int i = 0; i < 2; i++) {
		fixture_expect_any(&f);
		assert_int_equal(f.m.type, LINK_EXITED);
		assert_int_equal(f.m.pid, f.m.id == 1 ? p->pid : q->pid);
		assert_int_equal(f.m.exit.code, !tells	      ? LINK_EXIT_UNKNOWN
						: f.m.id == 1 ? CLD_EXITED
							      : CLD_KILLED);
		assert_int_equal(f.m.exit.status, !tells ? 0 : f.m.id == 1 ? 7 : SIGTERM);
	}
}

static void where_nobody_tells_it_is_unknown(void **state _unused_)
{
	static const char *const faults[] = {
		"launcher:ioctl:1+:ENOTTY", /* and it is reaped: Linux before 6.15 */
		"launcher:open:3+:EACCES", /* and it is not: another user's, in a container */
		"launcher:read:1+:EIO",
	};

	for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
		struct process *p;

		start_launcher(faults[i]);
		p = start("read x; exit 7");
		take(1, p);
		kill(f.launcher, SIGSTOP);
		go_on(p);
		fixture_wait_ended(p->pidfd);
		if (i == 0)
			reap(p);
		kill(f.launcher, SIGCONT);
		expect_exited(1, p, LINK_EXIT_UNKNOWN, 0);
		fixture_expect_silence(&f, 50);
		teardown(NULL);
	}
}

static void one_that_had_ended_before_is_started_and_exited(void **state _unused_)
{
	struct process *p = start("exit 3"), *q = start("exit 4");
	bool tells = kernel_tells();

	fixture_wait_ended(p->pidfd);
	fixture_wait_ended(q->pidfd);
	reap(q);
	take(1, p);
	expect_exited(1, p, CLD_EXITED, 3);
	take(2, q);
	expect_exited(2, q, tells ? CLD_EXITED : LINK_EXIT_UNKNOWN, tells ? 4 : 0);
}

/* ---- taking, and who is not taken ---- */

static void the_next_engine_is_told_with_all_pipes(void **state _unused_)
{
	struct process *p = start("echo one; exec sleep 100");
	struct link_message m = {.type = LINK_FOSTER,
		.id = 1,
		.generation = 4,
		.pid = p->pid,
		.started = {.flags = LINK_STARTED_READY_FD}};
	_cleanup_close_
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int fds[] = {p->pidfd, p->out, null, null};
	char text[5] = "";

	assert_int_equal(link_send(f.link, &m, fds, 4), 0);
	expect_started(1, 4, p->pid, LINK_STARTED_FOSTERED | LINK_STARTED_READY_FD);
	assert_int_equal(f.n_fds, 3);
	p->out = close_fd(p->out);
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	expect_started(1, 4, p->pid, LINK_STARTED_FOSTERED | LINK_STARTED_READY_FD);
	assert_int_equal(f.n_fds, 3);
	assert_int_equal(fixture_read(f.fds[0], text, sizeof(text)), 4);
	assert_string_equal(text, "one\n");
	fixture_expect(&f, LINK_SYNCED);
	kill(p->pid, SIGKILL);
	expect_exited(1, p, CLD_KILLED, SIGKILL);
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	expect_started(1, 4, p->pid, LINK_STARTED_FOSTERED | LINK_STARTED_READY_FD);
	expect_exited(1, p, CLD_KILLED, SIGKILL);
	fixture_expect(&f, LINK_SYNCED);
	fixture_ack(&f, 1, 4, f.m.serial ? f.m.serial : 1);
	fixture_release(&f, 1, 4);
	fixture_next_engine(&f);
	fixture_hello(&f);
}

static void a_newer_generation_is_spawned_when_it_has_ended(void **state _unused_)
{
	struct process *p = start("exec sleep 100");

	ask(1, 5, p);
	expect_taken(1, 5, p);
	fixture_shell_spawn(&f, 1, 6, "exit 0"); /* never two at once */
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.exit.error, EBUSY);
	fixture_ack(&f, 1, 6, f.m.serial);
	kill(p->pid, SIGKILL);
	expect_exited(1, p, CLD_KILLED, SIGKILL);
	fixture_shell_spawn(&f, 1, 7, "exit 0");
	fixture_expect(&f, LINK_STARTED);
	fixture_expect(&f, LINK_EXITED);
}

static void a_child_of_the_launcher_is_taken_as_what_it_is(void **state _unused_)
{
	struct process orphan = {.pidfd = -1, .out = -1, .in = -1};
	char text[16] = "";

	fixture_shell_spawn(&f, 1, 1, "sleep 100 & echo $!");
	fixture_expect(&f, LINK_STARTED);
	assert_true(fixture_read(f.fds[0], text, 2) > 0);
	for (size_t n = 1; text[n - 1] != '\n'; n++)
		assert_int_equal(fixture_read(f.fds[0], text + n, 2), 1);
	orphan.pid = atoi(text);
	orphan.pidfd = (int)syscall(SYS_pidfd_open, orphan.pid, 0);
	assert_true(orphan.pidfd >= 0);
	orphan.out = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fixture_expect(&f, LINK_EXITED); /* so that one is the launcher's now */
	ask(2, 1, &orphan);
	expect_started(2, 1, orphan.pid, 0);
	kill(orphan.pid, SIGUSR1);
	expect_exited(2, &orphan, CLD_KILLED, SIGUSR1);
	close(orphan.pidfd);
	close(orphan.out);
}

static void what_cannot_be_taken_is_refused_and_forgotten(void **state _unused_)
{
	struct process *p = start("exec sleep 100"), *q = start("exec sleep 100");

	ask_as(1, 3, q->pid, p); /* not its pidfd */
	expect_refused(1, q->pid, EINVAL);
	ask(1, 3, p);
	expect_taken(1, 3, p);
	ask(2, 1, p); /* is another service's */
	expect_refused(2, p->pid, EBUSY);
	ask(1, 3, q); /* this one has another */
	expect_refused(1, q->pid, EBUSY);
	ask(1, 4, q);
	expect_refused(1, q->pid, EBUSY);
	ask(1, 2, q); /* a generation before */
	fixture_expect_silence(&f, 50);
	ask_as(3, 1, f.engine, p);
	expect_refused(3, f.engine, EBUSY);
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	expect_started(1, 3, p->pid, LINK_STARTED_FOSTERED);
	fixture_expect(&f, LINK_SYNCED); /* nothing else is left */
	fixture_shell_spawn(&f, 2, 1, "exit 0"); /* nor is that generation spent */
	fixture_expect(&f, LINK_STARTED);
	fixture_expect(&f, LINK_EXITED);
}

static void a_lack_is_told_and_asking_again_helps(void **state _unused_)
{
	static const struct {
		const char *fault;
		int error;
	} faults[] = {
		{"launcher:epoll_ctl:3:ENOMEM", ENOMEM},
		{"launcher:waitid:2:EINVAL", EINVAL},
		{"launcher:pidfd_open:2:EMFILE", EMFILE},
	};

	for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
		struct process *p;

		start_launcher(faults[i].fault);
		p = start("exec sleep 100");
		for (int n = 0;; n++) {
			ask(1, 1, p);
			fixture_expect_any(&f);
			if (f.m.type == LINK_STARTED)
				break;
			assert_int_equal(n, 0);
			assert_int_equal(f.m.type, LINK_REFUSED);
			assert_int_equal(f.m.value, faults[i].error);
		}
		kill(p->pid, SIGKILL);
		expect_exited(1, p, CLD_KILLED, SIGKILL);
		teardown(NULL);
	}
}

/* ---- what is done with it ---- */

static void signals_reach_it_or_its_group(void **state _unused_)
{
	static const char *const faults[] = {NULL,
		"launcher:pidfd_send_signal:3:EINVAL"}; /* Linux before 6.9 knows no groups here */

	for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
		struct process *p;
		char text[8] = "";

		start_launcher(faults[i]);
		p = start("sleep 100 & trap 'echo usr' USR1; echo up; wait; wait");
		assert_int_equal(fixture_read(p->out, text, 4), 3);
		take(1, p);
		fixture_send(&f,
			(struct link_message){.type = LINK_KILL,
				.id = 1,
				.generation = 1,
				.op = 1,
				.signo = SIGUSR1,
				.value = LINK_SCOPE_PROCESS},
			-1);
		assert_int_equal(fixture_read(p->out, text, 5), 4); /* "usr\n" and all live on */
		fixture_kill(&f, 1, 1, 2, SIGTERM);
		expect_exited(1, p, CLD_KILLED, SIGTERM);
		assert_int_equal(fixture_read(p->out, text, 2), 0); /* sleep held it open too */
		fixture_kill(&f, 1, 1, 3, SIGTERM); /* nobody is there */
		teardown(NULL);
	}
}

static void a_successor_that_is_no_child_either_is_adopted(void **state _unused_)
{
	struct process *p = start("exec sleep 100"), *q = start("read x; exit 5");
	struct link_message m = {.type = LINK_ADOPT, .id = 1, .generation = 1, .pid = q->pid};

	take(1, p);
	for (int i = 0; i < 2; i++) { /* asked again it answers the same */
		fixture_send(&f, m, q->pidfd);
		expect_started(1, 1, q->pid, LINK_STARTED_FOSTERED | LINK_STARTED_ADOPTED);
		assert_int_equal(f.n_fds, 1); /* the pipes stay */
	}
	kill(p->pid, SIGKILL);
	fixture_wait_ended(p->pidfd);
	go_on(q);
	expect_exited(1, q, CLD_EXITED, 5); /* and of p nothing */
	assert_int_equal(f.m.serial, 1);
	/* also one that comes after its end */
	q = start("exec sleep 100");
	m.pid = q->pid;
	fixture_send(&f, m, q->pidfd);
	expect_started(1, 1, q->pid, LINK_STARTED_FOSTERED | LINK_STARTED_ADOPTED);
	kill(q->pid, SIGKILL);
	expect_exited(1, q, CLD_KILLED, SIGKILL);
}

static void without_an_engine_it_is_ended_as_any_other(void **state _unused_)
{
	struct process *p = start("exec sleep 100");
	int status;

	take(1, p);
	kill(f.launcher, SIGTERM);
	fixture_expect(&f, LINK_SIGNALLED); /* and not seen */
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	p->reaped = true;
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(fixture_wait(&f), 1);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
#define FOSTER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		FOSTER_TEST(the_status_of_one_that_nobody_reaps_is_read),
		FOSTER_TEST(the_status_of_one_that_was_reaped_is_asked_of_the_kernel),
		cmocka_unit_test(where_nobody_tells_it_is_unknown),
		FOSTER_TEST(one_that_had_ended_before_is_started_and_exited),
		FOSTER_TEST(the_next_engine_is_told_with_all_pipes),
		FOSTER_TEST(a_newer_generation_is_spawned_when_it_has_ended),
		FOSTER_TEST(a_child_of_the_launcher_is_taken_as_what_it_is),
		FOSTER_TEST(what_cannot_be_taken_is_refused_and_forgotten),
		cmocka_unit_test(a_lack_is_told_and_asking_again_helps),
		cmocka_unit_test(signals_reach_it_or_its_group),
		FOSTER_TEST(a_successor_that_is_no_child_either_is_adopted),
		FOSTER_TEST(without_an_engine_it_is_ended_as_any_other),
	};

	if (argc != 3)
		return 2;
	fixture_programs(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
