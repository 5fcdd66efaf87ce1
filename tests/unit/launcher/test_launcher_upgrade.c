/*
 * The launcher goes on as another program, or starts in the place of one that is dead: with real
 * processes, between the program as it is and a later version of it.
 */
#include <dirent.h>
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/usec.h"
#include "launcher_fixture.h"

#define MAX_SENT 100000

static struct fixture f;
static const char *present, *next, *engine, *unfit_engine, *endless_engine, *sound;
static pid_t stranger; /* a child of the test's, which is fostered */

static int setup(void **state _unused_)
{
	fixture_begin(&f);
	fixture_send(&f, (struct link_message){.type = LINK_KEEP, .value = LINK_KEEP_LOCK}, 0);
	fixture_send(&f, (struct link_message){.type = LINK_KEEP, .value = LINK_KEEP_CONTROL}, 0);
	return 0;
}

static int teardown(void **state _unused_)
{
	if (stranger > 0) {
		kill(stranger, SIGKILL);
		waitpid(stranger, NULL, 0);
	}
	stranger = 0;
	fixture_stop(&f);
	return 0;
}

static void wait_gone(int pidfd)
{
	fixture_wait_ended(pidfd);
	close(pidfd);
}

/* Is that the program which the launcher runs now? */
static bool launcher_is(const char *program)
{
	char path[32];
	struct stat a, b;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)f.launcher);
	assert_int_equal(stat(path, &a), 0);
	assert_int_equal(stat(program, &b), 0);
	return a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static unsigned count_fds(void)
{
	char path[32];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)f.launcher);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static pid_t start(uint32_t id, uint64_t generation, const char *script)
{
	fixture_shell_spawn(&f, id, generation, script);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.id, id);
	return f.m.pid;
}

static void expect_started(uint32_t id, uint64_t generation, pid_t pid)
{
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.generation, generation);
	assert_int_equal(f.m.pid, pid);
}

static void expect_exited(uint32_t id, int status, uint64_t serial)
{
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.exit.code, CLD_EXITED);
	assert_int_equal(f.m.exit.status, status);
	assert_int_equal(f.m.serial, serial);
}

static void expect_upgraded(uint32_t op, uint32_t error)
{
	fixture_expect(&f, LINK_UPGRADED);
	assert_int_equal(f.m.op, op);
	assert_int_equal(f.m.value, error);
}

/* HELLO of a new engine to which nothing is told but what is kept, and this. */
static void hello_with(uint32_t id, pid_t pid)
{
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_KEPT);
	assert_int_equal(f.m.value, LINK_KEEP_LOCK);
	fixture_expect(&f, LINK_KEPT);
	assert_int_equal(f.m.value, LINK_KEEP_CONTROL);
	expect_started(id, 1, pid);
	fixture_expect(&f, LINK_SYNCED);
}

/* ---- all goes along ---- */

static void foster_stranger(uint32_t id)
{
	struct link_message m = {.type = LINK_FOSTER, .id = id, .generation = 8};
	_cleanup_close_
	int pidfd = -1;

	stranger = m.pid = fork();
	assert_true(m.pid >= 0);
	if (m.pid == 0) {
		pause();
		_exit(1);
	}
	pidfd = fixture_pidfd(m.pid);
	fixture_send(&f, m, pidfd);
	expect_started(id, 8, m.pid);
}

/* What make_all() has made is told by whichever launcher there is. */
static struct all {
	pid_t talks, ended;
	uint64_t pidfd_inode;
	struct link_synced limits;
} all;

static void expect_all(void)
{
	bool seen[4] = {false};
	char text[16] = "";

	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_KEPT);
	assert_int_equal(f.m.value, LINK_KEEP_LOCK);
	fixture_expect(&f, LINK_KEPT);
	assert_int_equal(f.m.value, LINK_KEEP_CONTROL);
	for (int i = 0; i < 3; i++) {
		fixture_expect(&f, LINK_STARTED);
		assert_true(f.m.id >= 1 && f.m.id <= 3 && !seen[f.m.id]);
		seen[f.m.id] = true;
		assert_int_equal(f.m.started.flags & LINK_STARTED_FOSTERED,
			f.m.id == 3 ? LINK_STARTED_FOSTERED : 0);
		if (f.m.id == 1) {
			assert_int_equal(f.m.pid, all.talks);
			assert_int_equal(f.m.generation, 5);
			assert_int_equal(f.m.started.pidfd_inode, all.pidfd_inode);
			assert_int_equal(f.n_fds, 1);
			assert_int_equal(fixture_read(f.fds[0], text, 5), 4);
			assert_string_equal(text, "word");
		} else {
			assert_int_equal(f.m.pid, f.m.id == 2 ? all.ended : stranger);
		}
	}
	expect_exited(2, 4, 2);
	fixture_expect(&f, LINK_SIGNALLED);
	assert_int_equal(f.m.signo, SIGUSR1);
	assert_int_equal(f.m.pid, getpid());
	fixture_expect(&f, LINK_SYNCED);
	assert_memory_equal(&f.m.synced, &all.limits, sizeof(all.limits));
}

static void make_all(void)
{
	all.talks = start(1, 4, "exit 3");
	expect_exited(1, 3, 1);
	fixture_ack(&f, 1, 4, 1);
	fixture_release(&f, 1, 4);
	all.talks = start(1, 5, "while :; do printf word; sleep 0.01; done");
	all.pidfd_inode = f.m.started.pidfd_inode;
	all.ended = start(2, 1, "exit 4");
	expect_exited(2, 4, 2);
	foster_stranger(3);
	kill(f.launcher, SIGUSR1);
	fixture_expect(&f, LINK_SIGNALLED);
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	do
		fixture_expect_any(&f);
	while (f.m.type != LINK_SYNCED);
	all.limits = f.m.synced;
	assert_true(all.limits.nofile[1] >= all.limits.nofile[0] && all.limits.nofile[0] > 0);
	fixture_simple(&f, LINK_RECOVERED);
}

/* The services are what they were, for this launcher and this engine too. */
static void check_alive(uint64_t serial)
{
	fixture_kill(&f, 1, 5, 1, SIGTERM);
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.pid, all.talks);
	assert_int_equal(f.m.exit.code, CLD_KILLED);
	assert_int_equal(f.m.exit.status, SIGTERM);
	assert_int_equal(f.m.serial, serial);
	fixture_kill(&f, 3, 8, 1, SIGKILL);
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.pid, stranger);
	assert_int_equal(f.m.exit.status, SIGKILL);
	fixture_shell_spawn(&f, 1, 4, "exit 0"); /* it is not forgotten what is over */
	start(1, 6, "exit 9");
	expect_exited(1, 9, serial + 2);
}

static void all_goes_along_to_a_later_version_and_back(void **state _unused_)
{
	unsigned n_fds;

	make_all();
	n_fds = count_fds();
	fixture_upgrade(&f, 11, next, engine);
	fixture_accept(&f);
	assert_true(launcher_is(next));
	expect_all();
	assert_true(f.programs[LINK_KEEP_OLD_LAUNCHER - LINK_KEEP_LAUNCHER] >= 0);
	assert_true(f.programs[LINK_KEEP_OLD_ENGINE - LINK_KEEP_LAUNCHER] >= 0);
	fixture_simple(&f, LINK_RECOVERED);
	expect_upgraded(11, 0);
	assert_int_equal(count_fds(), n_fds);
	fixture_upgrade(&f, 11, present, engine); /* which is done already */
	expect_upgraded(11, 0);
	fixture_upgrade(&f, 12, present, engine);
	fixture_accept(&f);
	assert_true(launcher_is(present));
	expect_all();
	fixture_next_engine(&f); /* one that dies meanwhile is no reason to go back */
	expect_all();
	fixture_simple(&f, LINK_RECOVERED);
	expect_upgraded(12, 0);
	assert_int_equal(count_fds(), n_fds);
	fixture_next_engine(&f); /* the next is told too */
	expect_all();
	expect_upgraded(12, 0);
	fixture_simple(&f, LINK_RECOVERED);
	check_alive(3);
}

static void what_was_sent_until_the_end_is_done_once(void **state _unused_)
{
	uint32_t n_sent = 0, n_ended = 0;
	bool upgraded = false;
	_cleanup_free_
	bool *ended = calloc(MAX_SENT, sizeof(bool));
	struct plan p = fixture_shell("exit 3");
	_cleanup_close_
	int plan = fixture_plan(&p);

	fixture_upgrade(&f, 5, next, engine);
	/* as many as the link takes at once: longer than a trial takes */
	for (;; n_sent++) {
		if (fixture_try_spawn(&f, n_sent, 1, plan) < 0)
			break;
	}
	assert_true(n_sent > 50 && n_sent < MAX_SENT);
	fixture_accept(&f);
	assert_true(launcher_is(next));
	fixture_simple(&f, LINK_HELLO);
	fixture_simple(&f, LINK_RECOVERED);
	while (n_ended < n_sent) {
		fixture_expect_any(&f);
		upgraded = upgraded || f.m.type == LINK_UPGRADED;
		if (f.m.type != LINK_EXITED)
			continue;
		assert_int_equal(f.m.serial, n_ended + 1);
		assert_true(f.m.id < n_sent && !ended[f.m.id]);
		assert_int_equal(f.m.exit.error, 0);
		assert_int_equal(f.m.exit.status, 3);
		ended[f.m.id] = true;
		n_ended++;
	}
	for (; !upgraded; upgraded = f.m.type == LINK_UPGRADED)
		fixture_expect_any(&f);
	fixture_expect_silence(&f, 50);
}

/* ---- nothing comes of it ---- */

static void a_program_that_fails_its_trial_changes_nothing(void **state _unused_)
{
	pid_t pid = start(1, 1, "exec sleep 100");
	unsigned n_fds = count_fds();

	fixture_upgrade(&f, 1, "/bin/false", engine);
	expect_upgraded(1, ENOEXEC);
	fixture_upgrade(&f, 2, next, "/bin/false");
	expect_upgraded(2, ENOEXEC);
	fixture_upgrade(&f, 3, next, "/etc/passwd");
	expect_upgraded(3, ENOEXEC);
	fixture_upgrade(&f, 3, next, engine); /* that one has been answered */
	expect_upgraded(3, ENOEXEC);
	assert_int_equal(count_fds(), n_fds);
	assert_true(launcher_is(present));
	fixture_next_engine(&f);
	hello_with(1, pid);
	expect_upgraded(3, ENOEXEC);
}

static void why_is_in_the_log_of_both(void **state _unused_)
{
	int log[2];
	char text[1024];

	assert_int_equal(pipe2(log, O_CLOEXEC), 0);
	fixture_start_with(&f, &(struct fixture_options){.log_fd = log[1]});
	fixture_accept(&f);
	fixture_hello(&f);
	fixture_send(&f, (struct link_message){.type = LINK_KEEP, .value = LINK_KEEP_CONTROL}, 0);
	fixture_upgrade(&f, 1, next, "/bin/false");
	expect_upgraded(1, ENOEXEC);
	fixture_upgrade(&f, 2, next, unfit_engine);
	fixture_accept(&f);
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_KEPT);
	fixture_expect(&f, LINK_SYNCED);
	expect_upgraded(2, ECANCELED);
	teardown(NULL);
	close(log[1]);
	fixture_read(log[0], text, sizeof(text));
	close(log[0]);
	assert_non_null(strstr(text, "the new engine has not passed its trial"));
	assert_non_null(strstr(text, "no upgrade: Exec format error; going on as before"));
	assert_non_null(strstr(text, "ended with status 7")); /* by the new one */
	assert_non_null(strstr(text, "the new engine dies before it is up; going back"));
}

/* The trial's process, which connects as an engine does. */
static int begin_endless_trial(uint32_t op)
{
	struct fixture trial = f;

	trial.link = -1;
	fixture_upgrade(&f, op, next, endless_engine);
	fixture_accept(&trial);
	close_fd(trial.link);
	return fixture_pidfd(trial.engine);
}

static void a_trial_that_does_not_end_is_ended(void **state _unused_)
{
	pid_t pid = start(1, 1, "exec sleep 100");
	int trial = begin_endless_trial(1);

	fixture_upgrade(&f, 1, next, engine); /* the same: it is under way */
	fixture_upgrade(&f, 2, next, engine);
	expect_upgraded(2, EBUSY);
	fixture_shell_spawn(&f, 2, 1, "exit 0"); /* and the loop goes on */
	fixture_expect(&f, LINK_STARTED);
	fixture_expect(&f, LINK_EXITED);
	fixture_ack(&f, 2, 1, f.m.serial);
	fixture_release(&f, 2, 1);
	expect_upgraded(1, ETIMEDOUT);
	wait_gone(trial);
	fixture_next_engine(&f);
	hello_with(1, pid);
	expect_upgraded(1, ETIMEDOUT);
}

static void a_trial_does_not_outlive_the_launcher(void **state _unused_)
{
	int trial = begin_endless_trial(1);

	kill(f.launcher, SIGKILL);
	wait_gone(trial);
}

static void an_engine_that_cannot_be_started_is_taken_back(void **state _unused_)
{
	pid_t pid = start(1, 1, "exec sleep 100");

	fixture_upgrade(&f, 1, next, unfit_engine);
	fixture_accept(&f);
	assert_true(launcher_is(present));
	hello_with(1, pid);
	expect_upgraded(1, ECANCELED);
	fixture_simple(&f, LINK_RECOVERED);
	fixture_upgrade(&f, 2, next, engine); /* a better one */
	fixture_accept(&f);
	hello_with(1, pid);
	fixture_simple(&f, LINK_RECOVERED);
	expect_upgraded(2, 0);
}

static void an_engine_that_does_not_recover_in_time_is_taken_back(void **state _unused_)
{
	pid_t pid = start(1, 1, "exec sleep 100");

	fixture_upgrade(&f, 1, next, engine);
	fixture_accept(&f);
	hello_with(1, pid);
	fixture_upgrade(&f, 2, next, engine);
	expect_upgraded(2, EBUSY);
	fixture_accept(&f); /* another one than that */
	assert_true(launcher_is(present));
	hello_with(1, pid);
	expect_upgraded(1, ETIMEDOUT);
}

static void an_engine_that_gives_up_does_not_end_it_all(void **state _unused_)
{
	pid_t pid = start(1, 1, "exec sleep 100");

	fixture_upgrade(&f, 1, next, engine);
	for (int i = 0; i < 3; i++) {
		fixture_accept(&f);
		fixture_send(&f, (struct link_message){.type = LINK_EXIT, .value = 2}, -1);
	}
	fixture_accept(&f);
	assert_true(launcher_is(present));
	hello_with(1, pid);
	expect_upgraded(1, ECANCELED);
}

static void what_is_told_to_end_is_not_upgraded(void **state _unused_)
{
	int trial = begin_endless_trial(1);

	fixture_send(&f, (struct link_message){.type = LINK_EXIT, .value = 4}, -1);
	kill(f.engine, SIGKILL);
	f.engine = 0;
	assert_int_equal(fixture_wait(&f), 4);
	wait_gone(trial);
}

/* ---- calls that fail ---- */

/* Which engine ever hears of it: how the upgrade went. Its pid, wherever it is told, is right. */
static uint32_t outcome(uint32_t id, pid_t pid)
{
	usec_t deadline = usec_now(CLOCK_MONOTONIC) + FIXTURE_DEADLINE_MSEC * USEC_PER_MSEC;

	while (usec_now(CLOCK_MONOTONIC) < deadline) {
		struct pollfd fds[2] = {
			{.fd = f.listen_fd, .events = POLLIN}, {.fd = f.link, .events = POLLIN}};
		struct link_message m;
		unsigned n_fds;
		bool lost;

		assert_true(poll(fds, 2, FIXTURE_DEADLINE_MSEC) > 0);
		if (fds[0].revents) {
			fixture_accept(&f);
			fixture_simple(&f, LINK_HELLO);
			fixture_simple(&f, LINK_RECOVERED);
			continue;
		}
		if (link_recv(f.link, &m, f.fds, &n_fds, &lost) != 1) {
			poll(fds, 1, 10); /* the next engine is on its way */
			continue;
		}
		for (unsigned i = 0; i < n_fds; i++)
			f.fds[i] = close_fd(f.fds[i]);
		if (m.id == id && m.type == LINK_STARTED)
			assert_int_equal(m.pid, pid);
		assert_false(m.id == id && m.type == LINK_EXITED);
		if (m.type == LINK_UPGRADED)
			return m.value;
	}
	fail_msg("no answer");
	return 0;
}

static void run_with_fault(const char *call, unsigned n, const char *error, bool *ret_failed)
{
	char fault[64];
	pid_t pid;
	int pidfd;

	snprintf(fault, sizeof(fault), "launcher:%s:%u:%s", call, n, error);
	setenv("SUPERVISOR_FAULT", fault, 1);
	fixture_start(&f);
	unsetenv("SUPERVISOR_FAULT");
	fixture_simple(&f, LINK_HELLO);
	do
		fixture_expect_any(&f);
	while (f.m.type != LINK_SYNCED);
	fixture_simple(&f, LINK_RECOVERED);
	fixture_send(&f, (struct link_message){.type = LINK_KEEP, .value = LINK_KEEP_CONTROL}, 0);
	fixture_shell_spawn(&f, 1, 1, "exec sleep 100");
	fixture_expect_any(&f);
	if (f.m.type == LINK_STARTED) {
		pid = f.m.pid;
		pidfd = fixture_pidfd(pid);
		fixture_upgrade(&f, 1, next, engine);
		fixture_shell_spawn(&f, 2, 1, "exit 0");
		*ret_failed = outcome(1, pid) != 0;
		assert_int_equal(poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, 0), 0);
		fixture_kill(&f, 1, 1, 1, SIGKILL);
		do
			fixture_expect_any(&f);
		while (f.m.type != LINK_EXITED || f.m.id != 1);
		assert_int_equal(f.m.exit.status, SIGKILL);
		close(pidfd);
	}
	teardown(NULL);
}

static void a_call_that_fails_loses_no_service(void **state _unused_)
{
	static const struct {
		const char *call, *error;
		unsigned from, to;
	} faults[] = {
		{"fcntl", "EINVAL", 6, 40},
		{"memfd_create", "ENOMEM", 1, 2},
		{"write", "EIO", 1, 2},
		{"fork", "EAGAIN", 1, 3},
		{"dup", "EMFILE", 1, 3},
		{"mmap", "ENOMEM", 1, 4},
		{"fstat", "EIO", 1, 6},
		{"epoll_ctl", "ENOMEM", 3, 9},
		{"waitid", "EINVAL", 1, 6},
		{"recvmsg", "ENOMEM", 1, 8},
		{"sendmsg", "ENOBUFS", 1, 8},
	};
	unsigned n_failed = 0, n_done = 0;

	for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
		for (unsigned n = faults[i].from; n <= faults[i].to; n++) {
			bool failed = false;

			run_with_fault(faults[i].call, n, faults[i].error, &failed);
			n_failed += failed;
			n_done += !failed;
		}
	}
	assert_true(n_failed > 0 && n_done > 0);
}

static void a_launcher_that_passes_its_trial_and_cannot_start_gives_back(void **state _unused_)
{
	static const struct {
		const char *fault;
		uint32_t error;
	} faults[] = {
		{"launcher:signalfd:1:EMFILE", EMFILE}, {"launcher:epoll_create:1:ENOMEM", ENOMEM},
		{"launcher:epoll_ctl:2:ENOSPC", ENOSPC}, /* with half of the table loaded */
		{"launcher:socketpair:1+:EMFILE", ECANCELED}, /* it starts, but no engine */
	};

	fixture_programs(sound, engine);
	for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
		pid_t pid;

		setenv("SUPERVISOR_FAULT", faults[i].fault, 1);
		setup(NULL);
		unsetenv("SUPERVISOR_FAULT");
		pid = start(1, 1, "exec sleep 100");
		foster_stranger(2);
		fixture_upgrade(&f, 7, next, engine);
		assert_int_equal(outcome(1, pid), faults[i].error);
		assert_true(launcher_is(sound));
		fixture_kill(&f, 1, 1, 1, SIGKILL);
		fixture_kill(&f, 2, 8, 1, SIGKILL);
		for (int n = 0; n < 2; n++) {
			fixture_expect(&f, LINK_EXITED);
			assert_int_equal(f.m.pid, f.m.id == 1 ? pid : stranger);
			assert_int_equal(f.m.exit.status, SIGKILL);
		}
		teardown(NULL);
	}
	fixture_programs(present, engine);
}

/* ---- in the place of one that is dead ---- */

static void an_engine_goes_on_as_the_launcher(void **state _unused_)
{
	struct handover h;
	char text[8] = "";
	pid_t pid;

	pid = start(1, 6, "trap 'exit 6' TERM; echo one; while :; do sleep 0.01; done");
	assert_int_equal(handover_alloc(&h, 1, 1), 0);
	h.services[0] = (struct handover_service){.id = 1, .uid = UINT32_MAX, .newest = 6};
	h.entries[0] = (struct handover_entry){.id = 1,
		.flags = HANDOVER_FOSTERED | HANDOVER_STARTED,
		.generation = 6,
		.pid = pid,
		.told_pid = pid,
		.pidfd = fixture_pidfd(pid),
		.pipes = {TAKE_FD(f.fds[0])},
		.start = f.m.started};
	h.head.last_serial = 40;
	h.head.kept[LINK_KEEP_LAUNCHER] = f.programs[0];
	h.head.kept[LINK_KEEP_ENGINE] = f.programs[1];
	h.head.kept[LINK_KEEP_CONTROL] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	kill(f.launcher, SIGKILL);
	waitpid(f.launcher, NULL, 0);
	kill(f.engine, SIGKILL);
	fixture_hand_over(&f, &h);
	close(h.head.kept[LINK_KEEP_CONTROL]);
	close(h.entries[0].pidfd);
	close(h.entries[0].pipes[0]);
	handover_fini(&h);
	fixture_accept(&f);
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_KEPT);
	assert_int_equal(f.m.value, LINK_KEEP_CONTROL);
	expect_started(1, 6, pid);
	assert_int_equal(f.m.started.flags, LINK_STARTED_FOSTERED);
	assert_int_equal(fixture_read(f.fds[0], text, 5), 4);
	assert_string_equal(text, "one\n");
	fixture_expect(&f, LINK_SYNCED);
	fixture_simple(&f, LINK_RECOVERED);
	fixture_kill(&f, 1, 6, 1, SIGTERM);
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.serial, 41);
	if (f.m.exit.code != LINK_EXIT_UNKNOWN) /* it depends on who reaps it */
		assert_int_equal(f.m.exit.status, 6);
	fixture_expect_silence(&f, 50);
}

static void who_is_no_child_after_all_has_ended(void **state _unused_)
{
	struct handover h;

	assert_int_equal(handover_alloc(&h, 1, 1), 0);
	h.services[0] = (struct handover_service){.id = 1, .newest = 6};
	h.entries[0] = (struct handover_entry){.id = 1,
		.flags = HANDOVER_STARTED,
		.generation = 6,
		.pid = getpid(),
		.told_pid = getpid()};
	h.head.kept[LINK_KEEP_LAUNCHER] = f.programs[0];
	h.head.kept[LINK_KEEP_ENGINE] = f.programs[1];
	kill(f.launcher, SIGKILL);
	waitpid(f.launcher, NULL, 0);
	kill(f.engine, SIGKILL);
	fixture_hand_over(&f, &h);
	handover_fini(&h);
	fixture_accept(&f);
	fixture_simple(&f, LINK_HELLO);
	expect_started(1, 6, getpid());
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.exit.code, LINK_EXIT_UNKNOWN);
	assert_int_equal(f.m.serial, 1);
	fixture_expect(&f, LINK_SYNCED);
}

static void what_is_no_handover_is_not_gone_on_from(void **state _unused_)
{
	static const char *const values[] = {"", "x", "0", "1", "7", "12345"};

	for (size_t i = 0; i < ELEMENTSOF(values); i++) {
		setenv(HANDOVER_VARIABLE, values[i], 1);
		fixture_start(&f);
		unsetenv(HANDOVER_VARIABLE);
		fixture_hello(&f); /* by an engine that has not inherited the variable */
		start(1, 1, "test -z \"$" HANDOVER_VARIABLE "\"");
		expect_exited(1, 0, 1);
		teardown(NULL);
	}
	setenv(HANDOVER_TRIAL, "7", 1);
	fixture_start_with(&f, &(struct fixture_options){0});
	unsetenv(HANDOVER_TRIAL);
	assert_int_equal(fixture_wait(&f), 1); /* in a trial nothing is started */
	teardown(NULL);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
#define UPGRADE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		UPGRADE_TEST(all_goes_along_to_a_later_version_and_back),
		UPGRADE_TEST(what_was_sent_until_the_end_is_done_once),
		UPGRADE_TEST(a_program_that_fails_its_trial_changes_nothing),
		cmocka_unit_test(why_is_in_the_log_of_both),
		UPGRADE_TEST(a_trial_that_does_not_end_is_ended),
		UPGRADE_TEST(a_trial_does_not_outlive_the_launcher),
		UPGRADE_TEST(an_engine_that_cannot_be_started_is_taken_back),
		UPGRADE_TEST(an_engine_that_does_not_recover_in_time_is_taken_back),
		UPGRADE_TEST(an_engine_that_gives_up_does_not_end_it_all),
		UPGRADE_TEST(what_is_told_to_end_is_not_upgraded),
		cmocka_unit_test(a_call_that_fails_loses_no_service),
		cmocka_unit_test(a_launcher_that_passes_its_trial_and_cannot_start_gives_back),
		UPGRADE_TEST(an_engine_goes_on_as_the_launcher),
		UPGRADE_TEST(who_is_no_child_after_all_has_ended),
		cmocka_unit_test(what_is_no_handover_is_not_gone_on_from),
	};

	if (argc != 7)
		return 2;
	present = argv[1];
	engine = argv[2];
	next = argv[3];
	unfit_engine = argv[4];
	endless_engine = argv[5];
	sound = argv[6];
	fixture_programs(present, engine);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
