/*
 * The launcher as an engine sees it: spawns, exits, orders. The real program runs; the
 * test holds the other end of the link.
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
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "launcher_fixture.h"

static struct fixture f;

static int setup(void **state _unused_)
{
	fixture_begin(&f);
	return 0;
}

static int teardown(void **state _unused_)
{
	fixture_stop(&f);
	return 0;
}

static void expect_exited(uint32_t id, uint64_t generation, int code, int status)
{
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.generation, generation);
	assert_int_equal(f.m.exit.error, 0);
	assert_int_equal(f.m.exit.code, code);
	assert_int_equal(f.m.exit.status, status);
}

static void expect_failed(uint32_t id, int error, enum link_stage stage)
{
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.pid, 0);
	assert_int_equal(f.m.exit.error, error);
	assert_int_equal(f.m.exit.stage, stage);
}

/* Starts a shell script as generation 1 and gives what it writes to stdout. */
static void output_of(uint32_t id, struct plan *p, char *text, size_t n)
{
	fixture_spawn(&f, id, 1, p);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.n_fds, p->flags & PLAN_SPLIT_STDERR ? 2 : 1);
	fixture_read(f.fds[0], text, n);
}

static void a_spawn_is_started_then_exited_with_status_and_usage(void **state _unused_)
{
	pid_t pid;

	fixture_shell_spawn(&f, 1, 1, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 7");
	fixture_expect(&f, LINK_STARTED);
	pid = f.m.pid;
	assert_true(pid > 0);
	assert_true(f.m.started.monotonic_usec > 0 && f.m.started.realtime_usec > 0);
	assert_int_equal(f.n_fds, 1);
	assert_true(fcntl(f.fds[0], F_GETFL) & O_NONBLOCK);
	expect_exited(1, 1, CLD_EXITED, 7);
	assert_int_equal(f.m.pid, pid);
	assert_int_equal(f.m.serial, 1);
	assert_true(f.m.exit.user_usec + f.m.exit.system_usec > 0);
	assert_true(f.m.exit.max_rss_kib > 0);
	fixture_shell_spawn(&f, 2, 1, "kill -9 $$");
	fixture_expect(&f, LINK_STARTED);
	expect_exited(2, 1, CLD_KILLED, SIGKILL);
	assert_int_equal(f.m.serial, 2);
}

static void a_child_gets_a_clean_process(void **state _unused_)
{
	static const char script[] =
		"cat /proc/self/status | grep '^Sig[BIC]'; umask; pwd; echo $MARK;"
		"ls /proc/self/fd | tr '\\n' ' '; ulimit -Sn; cat; readlink /proc/self/fd/0";
	struct plan p = fixture_shell(script);
	char text[1024], limit[32], *line;
	struct rlimit nofile;

	p.directory = "/usr";
	p.umask = 027;
	output_of(1, &p, text, sizeof(text));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &nofile), 0);
	snprintf(limit, sizeof(limit), " %lu\n", (unsigned long)nofile.rlim_cur);
	for (line = text; strncmp(line, "Sig", 3) == 0; line = strchr(line, '\n') + 1)
		assert_non_null(strstr(line, "0000000000000000"));
	assert_ptr_not_equal(line, text);
	/* 3 is the directory that ls reads */
	assert_int_equal(strncmp(line, "0027\n/usr\nhere\n0 1 2 3 ", 23), 0);
	assert_non_null(strstr(line, limit));
	assert_non_null(strstr(line, "\n/dev/null\n"));
}

static void a_child_leads_its_own_session_and_group(void **state _unused_)
{
	fixture_shell_spawn(&f, 1, 1, "exec sleep 100");
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(getsid(f.m.pid), f.m.pid);
	assert_int_equal(getpgid(f.m.pid), f.m.pid);
}

static void stderr_shares_the_pipe_or_has_its_own(void **state _unused_)
{
	struct plan p = fixture_shell("echo out; echo err >&2");
	char text[64];

	output_of(1, &p, text, sizeof(text));
	assert_string_equal(text, "out\nerr\n");
	expect_exited(1, 1, CLD_EXITED, 0);
	p.flags = PLAN_SPLIT_STDERR;
	output_of(2, &p, text, sizeof(text));
	assert_string_equal(text, "out\n");
	fixture_read(f.fds[1], text, sizeof(text));
	assert_string_equal(text, "err\n");
	expect_exited(2, 1, CLD_EXITED, 0);
	p = fixture_shell(
		"test /proc/self/fd/1 -ef /dev/null && test /proc/self/fd/2 -ef /dev/null");
	p.flags = PLAN_NO_PIPE;
	fixture_spawn(&f, 3, 1, &p);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.n_fds, 0);
	expect_exited(3, 1, CLD_EXITED, 0);
}

/* Starts a script that lists its descriptors and writes to the one for readiness. */
static void check_ready_fd(uint32_t id, uint32_t fd, uint32_t flags)
{
	char script[128] = "", text[128], expected[64];
	struct plan p = fixture_shell(script);
	unsigned n = flags & PLAN_SPLIT_STDERR ? 3 : 2;

	snprintf(script, sizeof(script),
		"ls -v /proc/self/fd | tr '\\n' ' '; echo it is >/proc/self/fd/%u", fd);
	/* one of them is the directory that ls reads */
	snprintf(expected, sizeof(expected), "0 1 2 3 %u ", fd == 3 ? 4 : fd);
	p.flags = PLAN_READY_FD | flags;
	p.ready_fd = fd;
	fixture_spawn(&f, id, 1, &p);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.started.flags, LINK_STARTED_READY_FD);
	assert_int_equal(f.n_fds, n);
	fixture_read(f.fds[0], text, sizeof(text));
	assert_string_equal(text, expected);
	fixture_read(f.fds[n - 1], text, sizeof(text));
	assert_string_equal(text, "it is\n");
	assert_true(fcntl(f.fds[n - 1], F_GETFL) & O_NONBLOCK);
	expect_exited(id, 1, CLD_EXITED, 0);
}

static void the_pipe_for_readiness_is_where_the_service_wants_it(void **state _unused_)
{
	uint32_t id = 0;

	/* among them all numbers that the launcher uses itself on the way */
	for (uint32_t fd = PLAN_MIN_READY_FD; fd < 90; fd++)
		check_ready_fd(id++, fd, fd % 2 ? 0 : PLAN_SET_OOM);
	for (uint32_t fd = PLAN_MIN_READY_FD; fd < 12; fd++)
		check_ready_fd(id++, fd, PLAN_SPLIT_STDERR | (fd % 2 ? PLAN_SET_OOM : 0));
	check_ready_fd(id++, PLAN_MAX_READY_FD, 0);
}

static void the_pipe_for_readiness_is_kept_for_the_next_engine(void **state _unused_)
{
	struct plan p = fixture_shell("echo yes >&5; exec sleep 100");
	struct pollfd ready = {.events = POLLIN};
	char text[8];

	p.flags = PLAN_READY_FD | PLAN_NO_PIPE;
	p.ready_fd = 5;
	fixture_spawn(&f, 1, 1, &p);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.n_fds, 1);
	ready.fd = f.fds[0];
	assert_int_equal(poll(&ready, 1, FIXTURE_DEADLINE_MSEC), 1);
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.n_fds, 1);
	assert_int_equal(f.m.started.flags, LINK_STARTED_READY_FD);
	fixture_read(f.fds[0], text, 5);
	assert_string_equal(text, "yes\n");
	fixture_expect(&f, LINK_SYNCED);
	fixture_release(&f, 1, 1);
	fixture_send(&f, (struct link_message){.type = LINK_REFETCH, .id = 1, .generation = 1}, -1);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.n_fds, 0);
	assert_int_equal(f.m.started.flags, 0);
	fixture_kill(&f, 1, 1, 1, SIGKILL);
	expect_exited(1, 1, CLD_KILLED, SIGKILL);
}

static void a_descriptor_beyond_the_limit_fails_the_spawn(void **state _unused_)
{
	struct plan p = fixture_shell("true");

	fixture_start_with(&f, &(struct fixture_options){.nofile = 140});
	fixture_accept(&f);
	fixture_hello(&f);
	p.flags = PLAN_READY_FD;
	p.ready_fd = 140;
	fixture_spawn(&f, 1, 1, &p);
	expect_failed(1, EBADF, LINK_STAGE_STDIO);
	p.ready_fd = 139;
	fixture_spawn(&f, 2, 1, &p);
	fixture_expect(&f, LINK_STARTED);
	expect_exited(2, 1, CLD_EXITED, 0);
}

static void a_failed_exec_is_told_once_with_its_stage(void **state _unused_)
{
	struct plan p = fixture_shell("true");

	p.path = "/nowhere/at/all";
	fixture_spawn(&f, 1, 1, &p);
	expect_failed(1, ENOENT, LINK_STAGE_EXEC);
	p.path = "/etc/passwd";
	fixture_spawn(&f, 2, 1, &p);
	expect_failed(2, EACCES, LINK_STAGE_EXEC);
	p = fixture_shell("true");
	p.directory = "/nowhere";
	fixture_spawn(&f, 3, 1, &p);
	expect_failed(3, ENOENT, LINK_STAGE_DIRECTORY);
	/* in a copy of the memory too */
	p.flags = PLAN_SET_OOM;
	fixture_spawn(&f, 4, 1, &p);
	expect_failed(4, ENOENT, LINK_STAGE_DIRECTORY);
	/* and with a descriptor where the error pipe would be */
	p.flags = PLAN_READY_FD;
	p.ready_fd = 3;
	fixture_spawn(&f, 5, 1, &p);
	expect_failed(5, ENOENT, LINK_STAGE_DIRECTORY);
	fixture_expect_silence(&f, 100);
}

static void a_plan_that_is_none_is_refused(void **state _unused_)
{
	struct link_message m = {.type = LINK_SPAWN, .id = 1, .generation = 1};
	_cleanup_close_
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct plan p = fixture_shell("true");

	fixture_send(&f, m, null);
	expect_failed(1, EBADMSG, LINK_STAGE_PLAN);
	p.cgroup = "../escape";
	fixture_spawn(&f, 2, 1, &p);
	expect_failed(2, EBADMSG, LINK_STAGE_PLAN);
}

static void a_plan_that_is_too_long_for_the_link_comes_in_a_memfd(void **state _unused_)
{
	static char value[LINK_MAX_PLAN] = "X=";
	const char *envp[] = {value, NULL};
	struct plan p = fixture_shell("test ${#X} -gt 10000");

	memset(value + 2, 'x', sizeof(value) - 3);
	p.envp = envp;
	fixture_spawn(&f, 1, 1, &p);
	fixture_expect(&f, LINK_STARTED);
	expect_exited(1, 1, CLD_EXITED, 0);
}

static void a_malformed_plan_in_the_message_is_refused(void **state _unused_)
{
	struct link_message m = {.type = LINK_SPAWN, .id = 1, .generation = 1};

	assert_int_equal(link_send_plan(f.link, &m, "plan", 4, NULL, 0), 0);
	expect_failed(1, EBADMSG, LINK_STAGE_PLAN);
}

static void send_with(uint32_t id, const int *fds, unsigned n)
{
	struct link_message m = {.type = LINK_SPAWN, .id = id, .generation = 1};

	assert_int_equal(link_send(f.link, &m, fds, n), 0);
}

static void pipes_that_the_plan_has_not_or_that_are_none_are_refused(void **state _unused_)
{
	struct plan p = fixture_shell("true"), quiet = p;
	_cleanup_close_
	int plan = fixture_plan(&p), no_pipe = -1, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct pollfd end = {.events = POLLIN};
	int a[2], b[2];

	quiet.flags = PLAN_NO_PIPE;
	no_pipe = fixture_plan(&quiet);
	assert_int_equal(pipe2(a, O_CLOEXEC), 0);
	assert_int_equal(pipe2(b, O_CLOEXEC), 0);
	const struct {
		int fds[5];
		unsigned n;
	} cases[] = {
		{{plan}, 1}, /* none */
		{{plan, a[0], a[1], b[0], b[1]}, 5}, /* one too many */
		{{no_pipe, a[0], a[1]}, 3}, {{plan, null, null}, 3}, {{plan, a[0], null}, 3},
		{{plan, a[1], a[0]}, 3}, /* the wrong way round */
		{{plan, a[0], a[0]}, 3}, /* nothing to write to */
		{{plan, a[1], a[1]}, 3}, /* nothing to read from */
		{{plan, a[0], b[1]}, 3}, /* of two pipes */
	};
	for (uint32_t i = 0; i < ELEMENTSOF(cases); i++) {
		send_with(i, cases[i].fds, cases[i].n);
		expect_failed(i, EBADMSG, LINK_STAGE_PLAN);
	}
	send_with(100, (const int[]){plan, a[0], a[1]}, 3);
	close(a[1]);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.n_fds, 1);
	expect_exited(100, 1, CLD_EXITED, 0);
	fixture_ack(&f, 100, 1, f.m.serial);
	fixture_release(&f, 100, 1);
	close(b[0]);
	close(b[1]);
	end.fd = a[0];
	/* nobody else has an end of it any more */
	assert_int_equal(poll(&end, 1, FIXTURE_DEADLINE_MSEC), 1);
	assert_int_equal(end.revents, POLLHUP);
	close(a[0]);
}

static void the_pipes_of_a_repeated_spawn_are_closed(void **state _unused_)
{
	struct plan p = fixture_shell("exec sleep 100");
	_cleanup_close_
	int plan = fixture_plan(&p);
	int first[2], second[2];
	struct pollfd ended = {.events = POLLIN};
	struct stat made, told;

	assert_int_equal(pipe2(first, O_CLOEXEC), 0);
	assert_int_equal(pipe2(second, O_CLOEXEC), 0);
	send_with(1, (const int[]){plan, first[0], first[1]}, 3);
	send_with(1, (const int[]){plan, second[0], second[1]}, 3);
	close(first[1]);
	close(second[1]);
	ended.fd = second[0];
	assert_int_equal(poll(&ended, 1, FIXTURE_DEADLINE_MSEC), 1);
	assert_int_equal(ended.revents, POLLHUP);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(fstat(first[0], &made), 0);
	assert_int_equal(fstat(f.fds[0], &told), 0);
	assert_int_equal(made.st_ino, told.st_ino);
	close(first[0]);
	close(second[0]);
}

static void a_repeated_spawn_is_answered_with_the_child_that_exists(void **state _unused_)
{
	pid_t pid;

	fixture_shell_spawn(&f, 1, 5, "exec sleep 100");
	fixture_expect(&f, LINK_STARTED);
	pid = f.m.pid;
	fixture_shell_spawn(&f, 1, 5, "exec sleep 100");
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.pid, pid);
	assert_int_equal(f.n_fds, 1);
	fixture_kill(&f, 1, 5, 1, SIGKILL);
	expect_exited(1, 5, CLD_KILLED, SIGKILL);
	fixture_shell_spawn(&f, 1, 5, "exec sleep 100");
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(f.m.pid, pid);
	expect_exited(1, 5, CLD_KILLED, SIGKILL);
	assert_int_equal(f.m.serial, 1);
}

static void older_generations_and_a_second_process_are_refused(void **state _unused_)
{
	fixture_shell_spawn(&f, 1, 5, "exec sleep 100");
	fixture_expect(&f, LINK_STARTED);
	fixture_shell_spawn(&f, 1, 4, "true");
	fixture_expect_silence(&f, 100);
	fixture_shell_spawn(&f, 1, 6, "true");
	expect_failed(1, EBUSY, LINK_STAGE_RESOURCES);
	assert_int_equal(f.m.generation, 6);
	fixture_kill(&f, 1, 5, 1, SIGTERM);
	expect_exited(1, 5, CLD_KILLED, SIGTERM);
	fixture_ack(&f, 1, 5, f.m.serial);
	fixture_release(&f, 1, 5);
	fixture_shell_spawn(&f, 1, 5, "true"); /* over and forgotten, but not done again */
	fixture_expect_silence(&f, 100);
	fixture_shell_spawn(&f, 1, 7, "exit 3");
	fixture_expect(&f, LINK_STARTED);
	expect_exited(1, 7, CLD_EXITED, 3);
}

static void a_signal_is_sent_once_per_op(void **state _unused_)
{
	char text[8] = {0};

	fixture_shell_spawn(&f, 1, 1, "trap 'echo u' USR1; echo r; while :; do sleep 0.01; done");
	fixture_expect(&f, LINK_STARTED);
	fixture_read(f.fds[0], text, 3);
	assert_string_equal(text, "r\n");
	for (int i = 0; i < 2; i++)
		fixture_send(&f,
			(struct link_message){.type = LINK_KILL,
				.id = 1,
				.generation = 1,
				.op = 1,
				.signo = i == 0 ? SIGUSR1 : SIGKILL},
			-1);
	fixture_read(f.fds[0], text, 3);
	assert_string_equal(text, "u\n");
	assert_int_equal(poll(&(struct pollfd){.fd = f.fds[0], .events = POLLIN}, 1, 100), 0);
	fixture_kill(&f, 1, 1, 2, SIGKILL);
	expect_exited(1, 1, CLD_KILLED, SIGKILL);
}

static void kept_read_ends_live_until_release(void **state _unused_)
{
	char text[32];

	fixture_shell_spawn(&f, 1, 1, "echo last words");
	fixture_expect(&f, LINK_STARTED);
	expect_exited(1, 1, CLD_EXITED, 0); /* has closed our copy of the pipe */
	fixture_ack(&f, 1, 1, f.m.serial);
	fixture_send(&f, (struct link_message){.type = LINK_REFETCH, .id = 1, .generation = 1}, -1);
	fixture_expect(&f, LINK_STARTED);
	fixture_read(f.fds[0], text, sizeof(text));
	assert_string_equal(text, "last words\n");
	fixture_release(&f, 1, 1);
	fixture_send(&f, (struct link_message){.type = LINK_REFETCH, .id = 1, .generation = 1}, -1);
	/* and both in one */
	fixture_shell_spawn(&f, 2, 1, "true");
	fixture_expect(&f, LINK_STARTED);
	expect_exited(2, 1, CLD_EXITED, 0);
	fixture_send(&f,
		(struct link_message){.type = LINK_ACK,
			.id = 2,
			.generation = 1,
			.serial = f.m.serial,
			.value = 1},
		-1);
	fixture_send(&f, (struct link_message){.type = LINK_REFETCH, .id = 2, .generation = 1}, -1);
	fixture_expect_silence(&f, 100);
}

static void two_hundred_spawns_at_once_all_start_and_end(void **state _unused_)
{
	static bool started[200], exited[200];
	uint64_t serial = 0;

	memset(started, 0, sizeof(started));
	memset(exited, 0, sizeof(exited));
	for (uint32_t i = 0; i < 200; i++) {
		struct plan p = fixture_shell(i % 3 ? "exit 3" : "read x; exit 3");

		if (i % 4 == 1)
			p.flags = PLAN_SET_OOM;
		fixture_spawn(&f, i, 1, &p);
	}
	for (unsigned n = 0; n < 400; n++) {
		fixture_expect_any(&f);
		assert_true(f.m.id < 200);
		if (f.m.type == LINK_STARTED) {
			assert_false(started[f.m.id]);
			started[f.m.id] = true;
		} else {
			assert_int_equal(f.m.type, LINK_EXITED);
			assert_true(started[f.m.id]);
			assert_false(exited[f.m.id]);
			exited[f.m.id] = true;
			assert_int_equal(f.m.exit.error, 0);
			assert_int_equal(f.m.exit.status, 3);
			assert_int_equal(f.m.serial, ++serial);
		}
	}
	fixture_expect_silence(&f, 50);
}

/* Of all these ends one signal comes, which names one of them. */
static void ends_that_no_signal_has_named_are_told(void **state _unused_)
{
	static pid_t pids[50];
	siginfo_t info;

	for (uint32_t i = 0; i < 50; i++) {
		fixture_shell_spawn(&f, i, 1, "exec sleep 100");
		fixture_expect(&f, LINK_STARTED);
		pids[f.m.id] = f.m.pid;
	}
	assert_int_equal(kill(f.launcher, SIGSTOP), 0);
	assert_int_equal(waitid(P_PID, (id_t)f.launcher, &info, WSTOPPED), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(kill(pids[i], SIGKILL), 0);
	assert_int_equal(kill(f.launcher, SIGCONT), 0);
	for (uint64_t serial = 1; serial <= 50; serial++) {
		fixture_expect(&f, LINK_EXITED);
		assert_int_equal(f.m.exit.status, SIGKILL);
		assert_int_equal(f.m.serial, serial);
		assert_int_equal(f.m.pid, pids[f.m.id]);
		pids[f.m.id] = 0; /* each once */
	}
}

/*
 * A file system whose server never answers: FUSE, mounted by hand. Everything that looks
 * into it hangs until the descriptor is closed.
 */
struct hang {
	int fd;
	char dir[48], program[64];
};

static bool hang_mount(struct hang *h)
{
	char options[96];

	h->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (h->fd < 0)
		return false;
	strcpy(h->dir, "/tmp/test-launcher-fuse-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	snprintf(h->program, sizeof(h->program), "%s/program", h->dir);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", h->fd);
	if (mount("test", h->dir, "fuse", MS_NODEV | MS_NOSUID, options) == 0)
		return true;
	rmdir(h->dir);
	h->fd = close_fd(h->fd);
	return false;
}

static void hang_unmount(struct hang *h)
{
	if (h->fd < 0)
		return;
	umount2(h->dir, MNT_DETACH);
	h->fd = close_fd(h->fd);
	rmdir(h->dir);
}

static struct hang one = {.fd = -1}, many = {.fd = -1};

static int teardown_hangs(void **state)
{
	hang_unmount(&one);
	hang_unmount(&many);
	return teardown(state);
}

static void hanging_execs_stop_nothing_else(void **state _unused_)
{
	struct plan p = fixture_shell("true");
	const uint32_t n = 40; /* more than there are slots */

	if (geteuid() != 0 || !hang_mount(&one) || !hang_mount(&many))
		skip();
	p.path = one.program;
	fixture_spawn(&f, 0, 1, &p);
	p.path = many.program;
	for (uint32_t i = 1; i < n; i++)
		fixture_spawn(&f, i, 1, &p);
	/* others start and end meanwhile, whichever way they are cloned */
	for (uint32_t i = n; i < n + 20; i++) {
		check_ready_fd(i, i + 30, i % 2 ? PLAN_SET_OOM : 0);
	}
	/* One that hangs can be killed. (Those behind it in the same directory can't: they wait
	 * for a lock of the kernel's.) */
	fixture_kill(&f, 0, 1, 1, SIGKILL);
	fixture_expect(&f, LINK_STARTED);
	expect_exited(0, 1, CLD_KILLED, SIGKILL);
	/* the server dies: the rest fails, each once */
	hang_unmount(&many);
	for (uint32_t i = 1; i < n; i++) {
		fixture_expect(&f, LINK_EXITED);
		assert_int_not_equal(f.m.exit.error, 0);
		assert_int_equal(f.m.exit.stage, LINK_STAGE_EXEC);
	}
	/* and all slots are free again */
	for (uint32_t i = 900; i < 920; i++) {
		fixture_shell_spawn(&f, i, 1, "exit 5");
		fixture_expect(&f, LINK_STARTED);
		expect_exited(i, 1, CLD_EXITED, 5);
	}
	fixture_expect_silence(&f, 50);
}

static void a_child_changes_its_ids_wholly(void **state _unused_)
{
	char ours[32];
	static const uint32_t groups[] = {7, 9};
	struct plan p = fixture_shell("grep -E '^(Uid|Gid|Groups)' /proc/self/status");
	char text[256];

	if (geteuid() != 0)
		skip();
	p.flags = PLAN_SET_IDS | PLAN_SET_NICE | PLAN_SET_OOM;
	p.uid = 65534;
	p.gid = 65533;
	p.groups = groups;
	p.n_groups = 2;
	p.nice = 3;
	p.oom_score_adj = 321;
	output_of(1, &p, text, sizeof(text));
	assert_string_equal(text,
		"Uid:\t65534\t65534\t65534\t65534\nGid:\t65533\t65533\t65533\t65533\n"
		"Groups:\t7 9 \n");
	expect_exited(1, 1, CLD_EXITED, 0);
	p = fixture_shell("cat /proc/self/oom_score_adj; nice");
	p.flags = PLAN_SET_NICE | PLAN_SET_OOM;
	p.nice = 3;
	p.oom_score_adj = 321;
	output_of(2, &p, text, sizeof(text));
	assert_string_equal(text, "321\n3\n");
	expect_exited(2, 1, CLD_EXITED, 0);
	/* ours were not touched by any of that */
	p = fixture_shell("cat /proc/$PPID/oom_score_adj; id -u; nice");
	output_of(3, &p, text, sizeof(text));
	snprintf(ours, sizeof(ours), "0\n0\n%d\n", getpriority(PRIO_PROCESS, 0));
	assert_string_equal(text, ours);
}

static void a_child_gets_the_limits_of_its_plan(void **state _unused_)
{
	struct plan_limit limits[] = {
		{.resource = RLIMIT_CPU, .soft = 50, .hard = 60},
		{.resource = RLIMIT_CORE, .soft = 0, .hard = 4096},
		{.resource = RLIMIT_NOFILE, .soft = 33, .hard = 44},
	};
	struct plan p = fixture_shell(
		"ulimit -St; ulimit -Ht; ulimit -Sc; ulimit -Hc; ulimit -Sn; ulimit -Hn");
	struct rlimit nofile;
	char text[128], ours[64];

	p.limits = limits;
	p.n_limits = ELEMENTSOF(limits);
	output_of(1, &p, text, sizeof(text));
	assert_string_equal(text, "50\n60\n0\n8\n33\n44\n"); /* blocks of 512 bytes */
	expect_exited(1, 1, CLD_EXITED, 0);
	/* by one that changes its ids as well: before it loses the privilege */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &nofile), 0);
	if (geteuid() == 0) {
		p.flags = PLAN_SET_IDS;
		p.uid = p.gid = 65534;
		output_of(2, &p, text, sizeof(text));
		assert_string_equal(text, "50\n60\n0\n8\n33\n44\n");
		expect_exited(2, 1, CLD_EXITED, 0);
	}
	/* and the launcher's are what they were */
	p = fixture_shell("ulimit -Sn; ulimit -St");
	output_of(3, &p, text, sizeof(text));
	snprintf(ours, sizeof(ours), "%lu\nunlimited\n", (unsigned long)nofile.rlim_cur);
	assert_string_equal(text, ours);
	expect_exited(3, 1, CLD_EXITED, 0);
}

static void a_limit_that_cannot_be_set_fails_the_spawn(void **state _unused_)
{
	struct plan_limit limit = {.resource = RLIMIT_NOFILE, .soft = 1, .hard = UINT64_MAX};
	struct plan p = fixture_shell("true");

	/* more than fs.nr_open, which binds everybody */
	p.limits = &limit;
	p.n_limits = 1;
	for (uint32_t id = 1; id < 4; id++) {
		p.flags = id == 2 ? PLAN_SET_OOM : id == 3 ? PLAN_READY_FD : 0;
		p.ready_fd = id == 3 ? 3 : 0;
		fixture_spawn(&f, id, 1, &p);
		expect_failed(id, EPERM, LINK_STAGE_LIMITS);
	}
}

static void a_cgroup_is_made_entered_killed_and_removed(void **state _unused_)
{
	char dir[] = "/sys/fs/cgroup/unified/test-launcher-XXXXXX", text[256], path[128];
	struct plan p = fixture_shell("grep ^0:: /proc/self/cgroup; sleep 100 & wait");
	_cleanup_close_
	int fd = -1;
	struct stat st;

	if (!mkdtemp(dir) && (strcpy(dir, "/sys/fs/cgroup/test-launcher-XXXXXX"), !mkdtemp(dir)))
		skip();
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture_send(&f, (struct link_message){.type = LINK_KEEP, .value = LINK_KEEP_CGROUP}, fd);
	p.cgroup = "web@1";
	fixture_spawn(&f, 1, 1, &p);
	fixture_expect(&f, LINK_STARTED);
	for (size_t n = 0; !memchr(text, '\n', n);) {
		ssize_t r = read(f.fds[0], text + n, sizeof(text) - n - 1);

		if (r > 0)
			n += (size_t)r;
		else
			assert_int_equal(poll(&(struct pollfd){.fd = f.fds[0], .events = POLLIN}, 1,
						 FIXTURE_DEADLINE_MSEC),
				1);
		text[n] = '\0';
	}
	assert_non_null(strstr(text, "/web@1\n"));
	fixture_send(&f, (struct link_message){.type = LINK_KILL_TREE, .id = 1}, -1);
	expect_exited(1, 1, CLD_KILLED, SIGKILL);
	fixture_ack(&f, 1, 1, f.m.serial);
	fixture_release(&f, 1, 1);
	/* the sleep is an orphan, and the cgroup is free once that is reaped */
	snprintf(path, sizeof(path), "%s/web@1", dir);
	for (int i = 0; i < 500 && stat(path, &st) == 0; i++) {
		fixture_send(&f, (struct link_message){.type = LINK_REMOVE, .id = 1}, -1);
		poll(NULL, 0, 10);
	}
	assert_int_equal(stat(path, &st), -1);
	rmdir(dir);
}

/* Another service may get its number, and begin with commands of its own. */
static void a_service_that_is_removed_takes_its_commands_along(void **state _unused_)
{
	static const unsigned kinds[] = {0, 3, LINK_COMMANDS - 1};

	for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
		uint32_t id = link_command_id(7, kinds[i]);

		fixture_shell_spawn(&f, id, 5, "exit 3");
		fixture_expect(&f, LINK_STARTED);
		expect_exited(id, 5, CLD_EXITED, 3);
		fixture_ack(&f, id, 5, f.m.serial);
		fixture_release(&f, id, 5);
		fixture_shell_spawn(&f, id, 5, "exit 4");
	}
	fixture_expect_silence(&f, 100); /* they are over */
	fixture_send(&f, (struct link_message){.type = LINK_REMOVE, .id = 7}, -1);
	for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
		uint32_t id = link_command_id(7, kinds[i]);

		fixture_shell_spawn(&f, id, 1, "exit 5");
		fixture_expect(&f, LINK_STARTED);
		expect_exited(id, 1, CLD_EXITED, 5);
	}
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
#define LAUNCHER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		LAUNCHER_TEST(a_spawn_is_started_then_exited_with_status_and_usage),
		LAUNCHER_TEST(a_child_gets_a_clean_process),
		LAUNCHER_TEST(a_child_leads_its_own_session_and_group),
		LAUNCHER_TEST(stderr_shares_the_pipe_or_has_its_own),
		LAUNCHER_TEST(the_pipe_for_readiness_is_where_the_service_wants_it),
		LAUNCHER_TEST(the_pipe_for_readiness_is_kept_for_the_next_engine),
		cmocka_unit_test_teardown(a_descriptor_beyond_the_limit_fails_the_spawn, teardown),
		LAUNCHER_TEST(a_failed_exec_is_told_once_with_its_stage),
		LAUNCHER_TEST(a_plan_that_is_none_is_refused),
		LAUNCHER_TEST(a_plan_that_is_too_long_for_the_link_comes_in_a_memfd),
		LAUNCHER_TEST(a_malformed_plan_in_the_message_is_refused),
		LAUNCHER_TEST(pipes_that_the_plan_has_not_or_that_are_none_are_refused),
		LAUNCHER_TEST(the_pipes_of_a_repeated_spawn_are_closed),
		LAUNCHER_TEST(a_repeated_spawn_is_answered_with_the_child_that_exists),
		LAUNCHER_TEST(older_generations_and_a_second_process_are_refused),
		LAUNCHER_TEST(a_signal_is_sent_once_per_op),
		LAUNCHER_TEST(kept_read_ends_live_until_release),
		LAUNCHER_TEST(two_hundred_spawns_at_once_all_start_and_end),
		LAUNCHER_TEST(ends_that_no_signal_has_named_are_told),
		cmocka_unit_test_setup_teardown(
			hanging_execs_stop_nothing_else, setup, teardown_hangs),
		LAUNCHER_TEST(a_child_changes_its_ids_wholly),
		LAUNCHER_TEST(a_child_gets_the_limits_of_its_plan),
		LAUNCHER_TEST(a_limit_that_cannot_be_set_fails_the_spawn),
		LAUNCHER_TEST(a_cgroup_is_made_entered_killed_and_removed),
		LAUNCHER_TEST(a_service_that_is_removed_takes_its_commands_along),
	};

	if (argc != 3)
		return 2;
	fixture_programs(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
