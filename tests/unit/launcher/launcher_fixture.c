/*
 * See the header. The launcher gets PR_SET_PDEATHSIG, and its children are found and
 * killed in the end through its process group or their own sessions, so that nothing
 * outlives a failed test for long.
 */
#include "launcher_fixture.h"

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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/usec.h"
#include "tests/unit/directory.h"

static char *launcher_path, *engine_path;

void fixture_programs(const char *launcher, const char *engine)
{
	free(launcher_path);
	free(engine_path);
	launcher_path = realpath(launcher, NULL);
	engine_path = realpath(engine, NULL);
	assert_non_null(launcher_path);
	assert_non_null(engine_path);
}

static void copy_program(const char *from, const char *dir, const char *name)
{
	char to[128], data[65536];
	_cleanup_close_
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	ssize_t n;

	snprintf(to, sizeof(to), "%s/%s", dir, name);
	if (link(from, to) == 0)
		return;
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, data, sizeof(data))) > 0)
		assert_int_equal(write(out, data, (size_t)n), n);
}

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, FIXTURE_DEADLINE_MSEC), 1);
}

void fixture_start_with(struct fixture *f, const struct fixture_options *options)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct rlimit limit = {.rlim_cur = options->nofile, .rlim_max = options->nofile};
	char path[128];

	*f = (struct fixture){
		.listen_fd = -1, .link = -1, .programs = {-1, -1, -1, -1}, .notebook = -1};
	for (unsigned i = 0; i < LINK_MAX_FDS; i++)
		f->fds[i] = -1;
	directory_make(f->dir);
	assert_int_equal(chmod(f->dir, 0755), 0);
	copy_program(launcher_path, f->dir, "supervisord");
	copy_program(engine_path, f->dir, "supervisord-engine");
	snprintf(f->socket, sizeof(f->socket), "%s/socket", f->dir);
	strcpy(address.sun_path, f->socket);
	f->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(f->listen_fd, 8), 0);
	snprintf(path, sizeof(path), "%s/supervisord", f->dir);
	f->launcher = fork();
	assert_true(f->launcher >= 0);
	if (f->launcher == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (options->new_session)
			setsid();
		if (options->log_fd > 0)
			dup2(options->log_fd, STDERR_FILENO);
		if (options->nofile > 0)
			setrlimit(RLIMIT_NOFILE, &limit);
		execl(path, "supervisord", f->socket, options->argument, NULL);
		_exit(126);
	}
}

void fixture_start(struct fixture *f)
{
	fixture_start_with(f, &(struct fixture_options){0});
	fixture_accept(f);
}

void fixture_begin(struct fixture *f)
{
	fixture_start(f);
	fixture_hello(f);
}

void fixture_hand_over(struct fixture *f, struct handover *h)
{
	char *const argv[] = {(char *)"supervisord", f->socket, NULL};

	f->launcher = fork();
	assert_true(f->launcher >= 0);
	if (f->launcher == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		handover_exec(h, HANDOVER_VARIABLE, h->head.kept[LINK_KEEP_LAUNCHER], argv);
		_exit(126);
	}
}

void fixture_upgrade(struct fixture *f, uint32_t op, const char *launcher, const char *engine)
{
	struct link_message m = {.type = LINK_UPGRADE, .op = op};
	int fds[2] = {open(launcher, O_PATH | O_CLOEXEC), open(engine, O_PATH | O_CLOEXEC)};

	assert_true(fds[0] >= 0 && fds[1] >= 0);
	assert_int_equal(link_send(f->link, &m, fds, 2), 0);
	close(fds[0]);
	close(fds[1]);
}

void fixture_accept(struct fixture *f)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	pid_t engine[2];
	struct iovec iov = {.iov_base = engine, .iov_len = sizeof(engine)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	_cleanup_close_
	int fd = -1;

	wait_readable(f->listen_fd);
	fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	wait_readable(fd);
	assert_int_equal(recvmsg(fd, &msg, MSG_CMSG_CLOEXEC), sizeof(engine));
	close_fd(f->link);
	memcpy(&f->link, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	f->engine = engine[0];
	f->engine_session = engine[1];
}

void fixture_next_engine(struct fixture *f)
{
	assert_int_equal(kill(f->engine, SIGKILL), 0);
	f->link = close_fd(f->link);
	fixture_accept(f);
}

static void drop_fds(struct fixture *f)
{
	for (unsigned i = 0; i < LINK_MAX_FDS; i++)
		f->fds[i] = close_fd(f->fds[i]);
}

static void drop_programs(struct fixture *f)
{
	for (size_t i = 0; i < ELEMENTSOF(f->programs); i++)
		f->programs[i] = close_fd(f->programs[i]);
	f->notebook = close_fd(f->notebook);
}

void fixture_stop(struct fixture *f)
{
	if (f->launcher > 0) {
		kill(f->launcher, SIGKILL);
		waitpid(f->launcher, NULL, 0);
	}
	if (f->engine > 0)
		kill(f->engine, SIGKILL);
	close_fd(f->link);
	close_fd(f->listen_fd);
	drop_fds(f);
	drop_programs(f);
	directory_remove(f->dir);
}

void fixture_send(struct fixture *f, struct link_message m, int fd)
{
	struct pollfd p = {.fd = f->link, .events = POLLOUT};
	int r;

	while ((r = link_send(f->link, &m, &fd, fd >= 0)) == -EAGAIN)
		assert_int_equal(poll(&p, 1, FIXTURE_DEADLINE_MSEC), 1);
	assert_int_equal(r, 0);
}

void fixture_simple(struct fixture *f, enum link_type type)
{
	fixture_send(f, (struct link_message){.type = (uint16_t)type}, -1);
}

/* What the launcher keeps unasked. */
static bool is_its_own(const struct fixture *f)
{
	return f->m.type == LINK_KEPT &&
	       (f->m.value == LINK_KEEP_NOTEBOOK ||
		       (f->m.value >= LINK_KEEP_LAUNCHER && f->m.value <= LINK_KEEP_OLD_ENGINE));
}

static void take_its_own(struct fixture *f)
{
	int *place = f->m.value == LINK_KEEP_NOTEBOOK
			     ? &f->notebook
			     : &f->programs[f->m.value - LINK_KEEP_LAUNCHER];

	close_fd(*place);
	*place = TAKE_FD(f->fds[0]);
}

static void next_message(struct fixture *f, bool want_ping)
{
	usec_t deadline = usec_now(CLOCK_MONOTONIC) + FIXTURE_DEADLINE_MSEC * USEC_PER_MSEC;
	bool lost;
	int r;

	drop_fds(f);
	while (usec_now(CLOCK_MONOTONIC) < deadline) {
		while ((r = link_recv(f->link, &f->m, f->fds, &f->n_fds, &lost)) == -EAGAIN)
			wait_readable(f->link);
		assert_int_equal(r, 1);
		assert_false(lost);
		if (is_its_own(f)) {
			take_its_own(f);
			continue;
		}
		if (f->m.type != LINK_PING || want_ping)
			return;
		fixture_simple(f, LINK_PONG);
	}
	fail_msg("nothing but PING for %d ms", FIXTURE_DEADLINE_MSEC);
}

void fixture_expect_any(struct fixture *f)
{
	next_message(f, false);
}

void fixture_expect(struct fixture *f, enum link_type type)
{
	next_message(f, type == LINK_PING);
	if (f->m.type != type)
		fail_msg("expected %s, got %s of %u, generation %llu", link_type_to_string(type),
			link_type_to_string((enum link_type)f->m.type), f->m.id,
			(unsigned long long)f->m.generation);
}

void fixture_expect_silence(struct fixture *f, int msec)
{
	struct pollfd p = {.fd = f->link, .events = POLLIN};
	bool lost;

	while (poll(&p, 1, msec) > 0) {
		drop_fds(f);
		assert_int_equal(link_recv(f->link, &f->m, f->fds, &f->n_fds, &lost), 1);
		if (f->m.type != LINK_PING)
			fail_msg("got %s", link_type_to_string((enum link_type)f->m.type));
		fixture_simple(f, LINK_PONG);
	}
}

void fixture_hello(struct fixture *f)
{
	drop_programs(f);
	fixture_simple(f, LINK_HELLO);
	fixture_expect(f, LINK_SYNCED);
	fixture_simple(f, LINK_RECOVERED);
}

int fixture_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	assert_true(fd >= 0);
	return fd;
}

void fixture_wait_ended(int pidfd)
{
	wait_readable(pidfd);
}

void fixture_wait_reaped(pid_t pid)
{
	for (int i = 0; i < FIXTURE_DEADLINE_MSEC / 5; i++) {
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return;
		poll(NULL, 0, 5);
	}
	fail_msg("%d is still there", (int)pid);
}

int fixture_wait(struct fixture *f)
{
	int pidfd = (int)syscall(SYS_pidfd_open, f->launcher, 0), status;
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	assert_true(pidfd >= 0);
	assert_int_equal(poll(&p, 1, FIXTURE_DEADLINE_MSEC), 1);
	close(pidfd);
	assert_int_equal(waitpid(f->launcher, &status, 0), f->launcher);
	f->launcher = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int fixture_plan(const struct plan *p)
{
	_cleanup_free_
	void *data = NULL;
	size_t size;
	int fd = memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(plan_encode(p, &data, &size), 0);
	assert_int_equal(write(fd, data, size), size);
	assert_int_equal(
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
		0);
	return fd;
}

struct plan fixture_shell(const char *script)
{
	static const char *argv[4] = {"sh", "-c", NULL, NULL};
	static const char *const envp[] = {"PATH=/usr/bin:/bin", "MARK=here", NULL};

	argv[2] = script;
	return (struct plan){
		.path = "/bin/sh", .directory = "/", .umask = 022, .argv = argv, .envp = envp};
}

/* As the engine makes one. */
static void make_pipe(int ret_ends[static 2])
{
	char path[32];
	int write_end;

	assert_int_equal(pipe2(ret_ends, O_CLOEXEC | O_NONBLOCK), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ret_ends[1]);
	write_end = open(path, O_RDWR | O_CLOEXEC);
	assert_true(write_end >= 0);
	close(ret_ends[1]);
	ret_ends[1] = write_end;
}

int fixture_try_spawn(struct fixture *f, uint32_t id, uint64_t generation, int plan)
{
	struct link_message m = {.type = LINK_SPAWN, .id = id, .generation = generation};
	char data[LINK_MAX_PLAN + 1];
	ssize_t size = pread(plan, data, sizeof(data), 0);
	struct plan_head head;
	int fds[LINK_MAX_FDS] = {plan}, r;
	unsigned n = 1;

	assert_true(size >= (ssize_t)sizeof(head));
	memcpy(&head, data, sizeof(head));
	for (unsigned i = 0; i < PLAN_PIPE_MAX; i++) {
		if (!plan_has_pipe(head.flags, (enum plan_pipe)i))
			continue;
		make_pipe(fds + n);
		n += 2;
	}
	if (size <= (ssize_t)LINK_MAX_PLAN)
		r = link_send_plan(f->link, &m, data, (size_t)size, fds + 1, n - 1);
	else
		r = link_send(f->link, &m, fds, n);
	while (n > 1)
		close(fds[--n]);
	return r;
}

void fixture_spawn_plan(struct fixture *f, uint32_t id, uint64_t generation, int plan)
{
	struct pollfd p = {.fd = f->link, .events = POLLOUT};
	int r;

	while ((r = fixture_try_spawn(f, id, generation, plan)) == -EAGAIN)
		assert_int_equal(poll(&p, 1, FIXTURE_DEADLINE_MSEC), 1);
	assert_int_equal(r, 0);
}

void fixture_spawn(struct fixture *f, uint32_t id, uint64_t generation, const struct plan *p)
{
	_cleanup_close_
	int fd = fixture_plan(p);

	fixture_spawn_plan(f, id, generation, fd);
}

void fixture_shell_spawn(struct fixture *f, uint32_t id, uint64_t generation, const char *script)
{
	struct plan p = fixture_shell(script);

	fixture_spawn(f, id, generation, &p);
}

void fixture_ack(struct fixture *f, uint32_t id, uint64_t generation, uint64_t serial)
{
	fixture_send(f,
		(struct link_message){
			.type = LINK_ACK, .id = id, .generation = generation, .serial = serial},
		-1);
}

void fixture_release(struct fixture *f, uint32_t id, uint64_t generation)
{
	fixture_send(f,
		(struct link_message){.type = LINK_RELEASE, .id = id, .generation = generation},
		-1);
}

void fixture_kill(struct fixture *f, uint32_t id, uint64_t generation, uint32_t op, int signo)
{
	fixture_send(f,
		(struct link_message){.type = LINK_KILL,
			.id = id,
			.generation = generation,
			.op = op,
			.signo = signo,
			.value = LINK_SCOPE_GROUP},
		-1);
}

size_t fixture_read(int fd, char *data, size_t n)
{
	size_t at = 0;

	while (at + 1 < n) {
		ssize_t r = read(fd, data + at, n - 1 - at);

		if (r == 0)
			break;
		if (r < 0) {
			assert_int_equal(errno, EAGAIN);
			wait_readable(fd);
			continue;
		}
		at += (size_t)r;
	}
	data[at] = '\0';
	return at;
}
