/*
 * What a process reads: a file, a FIFO, or a pipe that the launcher keeps for its service, across
 * processes, engines and launchers.
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "launcher_fixture.h"

static struct fixture f;
static const char *launcher, *engine;

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

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", f.dir, name);
	return path;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void expect_output(uint32_t id, const struct plan *p, const char *expected)
{
	char text[256];

	fixture_spawn(&f, id, 1, p);
	fixture_expect(&f, LINK_STARTED);
	fixture_read(f.fds[0], text, strlen(expected) + 1);
	assert_string_equal(text, expected);
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.exit.status, 0);
}

static void expect_failed(uint32_t id, const struct plan *p, int error, enum link_stage stage)
{
	fixture_spawn(&f, id, 1, p);
	fixture_expect(&f, LINK_EXITED);
	assert_int_equal(f.m.id, id);
	assert_int_equal(f.m.exit.error, error);
	assert_int_equal(f.m.exit.stage, stage);
}

static void a_file_is_read_from_the_directory_and_blocks(void **state _unused_)
{
	/* flags of 0: O_RDONLY, and neither O_NONBLOCK nor what else the open may have had */
	struct plan p = fixture_shell("cat; grep flags /proc/self/fdinfo/0 | tail -c 5");

	write_file(in_dir("input"), "one\ntwo\n");
	p.flags = PLAN_STDIN_FILE;
	p.stdin_path = in_dir("input");
	expect_output(1, &p, "one\ntwo\n0000\n");
	p.stdin_path = "input";
	p.directory = f.dir;
	expect_output(2, &p, "one\ntwo\n0000\n");
	p.flags |= PLAN_SET_OOM; /* in a copy of the memory */
	expect_output(3, &p, "one\ntwo\n0000\n");
}

static void what_cannot_be_opened_fails_the_spawn(void **state _unused_)
{
	struct plan p = fixture_shell("true");

	p.flags = PLAN_STDIN_FILE;
	p.stdin_path = "/nowhere/at/all";
	expect_failed(1, &p, ENOENT, LINK_STAGE_STDIN);
	p.flags = PLAN_STDIN_FIFO;
	expect_failed(2, &p, ENOENT, LINK_STAGE_STDIN_FIFO);
	p.stdin_path = in_dir("file");
	write_file(p.stdin_path, "");
	expect_failed(3, &p, EEXIST, LINK_STAGE_STDIN_FIFO);
	p.flags = PLAN_STDIN_KEPT;
	p.stdin_path = NULL;
	expect_failed(4, &p, EMFILE, LINK_STAGE_RESOURCES);
}

static void a_file_is_opened_with_the_rights_of_the_process(void **state _unused_)
{
	struct plan p = fixture_shell("cat");

	if (geteuid() != 0)
		skip();
	p.flags = PLAN_STDIN_FILE | PLAN_SET_IDS;
	p.uid = p.gid = 65534;
	p.stdin_path = in_dir("secret");
	write_file(p.stdin_path, "secret\n");
	assert_int_equal(chmod(f.dir, 0755), 0);
	expect_output(1, &p, "secret\n");
	assert_int_equal(chmod(p.stdin_path, 0600), 0);
	expect_failed(2, &p, EACCES, LINK_STAGE_STDIN);
}

static void a_fifo_is_made_and_stays_open_between_writers(void **state _unused_)
{
	struct plan p = fixture_shell("read a; read b; echo $a $b");
	struct stat st;
	char text[16];

	p.flags = PLAN_STDIN_FIFO;
	p.umask = 0;
	p.stdin_path = in_dir("fifo");
	fixture_spawn(&f, 1, 1, &p);
	fixture_expect(&f, LINK_STARTED);
	assert_int_equal(stat(p.stdin_path, &st), 0);
	assert_int_equal(st.st_mode, S_IFIFO | 0600);
	for (int i = 1; i <= 2; i++) {
		int fd = open(p.stdin_path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

		assert_true(fd >= 0);
		assert_int_equal(dprintf(fd, "%d\n", i), 2);
		close(fd);
	}
	fixture_read(f.fds[0], text, 5);
	assert_string_equal(text, "1 2\n");
	fixture_expect(&f, LINK_EXITED);
	p = fixture_shell("true"); /* and again, with the one that is there */
	p.flags = PLAN_STDIN_FIFO;
	p.stdin_path = in_dir("fifo");
	expect_output(2, &p, "");
}

/* A pipe as the engine makes it; both ends of it. */
static int make_input(void)
{
	char path[32];
	int fds[2], both;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	both = open(path, O_RDWR | O_CLOEXEC);
	assert_true(both >= 0);
	close(fds[0]);
	close(fds[1]);
	return both;
}

static void keep(uint32_t id, int fd)
{
	fixture_send(&f,
		(struct link_message){.type = LINK_KEEP, .value = LINK_KEEP_INPUT, .id = id}, fd);
}

static void expect_kept(uint32_t id, int fd)
{
	struct stat a, b;

	fixture_expect(&f, LINK_KEPT);
	assert_int_equal(f.m.value, LINK_KEEP_INPUT);
	assert_int_equal(f.m.id, id);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstat(f.fds[0], &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
}

static void a_kept_pipe_goes_from_process_to_process_and_engine_to_engine(void **state _unused_)
{
	/* the first one reads a line of the two, and leaves a mess */
	struct plan p = fixture_shell("read a; echo $a; exec python3 -c 'import os;"
				      "os.set_blocking(0, False)'");
	_cleanup_close_
	int in = make_input(), other = make_input();

	p.flags = PLAN_STDIN_KEPT;
	assert_int_equal(write(in, "1\n2\n", 4), 4);
	keep(7, in);
	keep(8, other);
	expect_output(7, &p, "1\n");
	fixture_next_engine(&f);
	fixture_simple(&f, LINK_HELLO);
	for (int i = 0; i < 2; i++) {
		fixture_expect(&f, LINK_KEPT);
		assert_int_equal(f.m.value, LINK_KEEP_INPUT);
		assert_int_equal(f.m.id, i == 0 ? 7 : 8);
	}
	fixture_expect(&f, LINK_STARTED);
	fixture_expect(&f, LINK_EXITED);
	fixture_ack(&f, 7, 1, f.m.serial);
	fixture_release(&f, 7, 1);
	fixture_expect(&f, LINK_SYNCED);
	p = fixture_shell("read a; echo $a; grep flags /proc/self/fdinfo/0 | tail -c 5");
	p.flags = PLAN_STDIN_KEPT;
	fixture_spawn(&f, 7, 2, &p);
	fixture_expect(&f, LINK_STARTED);
	char text[16];
	fixture_read(f.fds[0], text, 8);
	assert_string_equal(text, "2\n0002\n");
}

static void a_kept_pipe_goes_when_nobody_wants_it(void **state _unused_)
{
	struct plan p = fixture_shell("true");
	int fds[2], more[2];
	struct pollfd end = {.events = POLLOUT};

	/* the read ends alone show when they are gone */
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(more, O_CLOEXEC), 0);
	keep(1, fds[0]);
	keep(2, more[0]);
	close(fds[0]);
	close(more[0]);
	expect_output(1, &p, "");
	end.fd = fds[1];
	assert_int_equal(poll(&end, 1, FIXTURE_DEADLINE_MSEC), 1);
	assert_true(end.revents & POLLERR);
	fixture_send(&f, (struct link_message){.type = LINK_REMOVE, .id = 2}, -1);
	end.fd = more[1];
	end.events = 0;
	assert_int_equal(poll(&end, 1, FIXTURE_DEADLINE_MSEC), 1);
	assert_true(end.revents & POLLERR);
	close(fds[1]);
	close(more[1]);
}

static void a_kept_pipe_is_handed_over(void **state _unused_)
{
	struct handover h;
	_cleanup_close_
	int in = make_input(), null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	fixture_send(
		&f, (struct link_message){.type = LINK_KEEP, .value = LINK_KEEP_CONTROL}, null);
	keep(7, in);
	fixture_upgrade(&f, 1, launcher, engine); /* by the launcher itself, */
	fixture_accept(&f);
	fixture_simple(&f, LINK_HELLO);
	expect_kept(7, in);

	assert_int_equal(handover_alloc(&h, 1, 0), 0); /* and by an engine when that is dead */
	h.services[0] = (struct handover_service){.id = 9, .uid = UINT32_MAX, .input = in};
	h.head.kept[LINK_KEEP_LAUNCHER] = f.programs[0];
	h.head.kept[LINK_KEEP_ENGINE] = f.programs[1];
	kill(f.launcher, SIGKILL);
	waitpid(f.launcher, NULL, 0);
	kill(f.engine, SIGKILL);
	fixture_hand_over(&f, &h);
	handover_fini(&h);
	fixture_accept(&f);
	fixture_simple(&f, LINK_HELLO);
	expect_kept(9, in);
	fixture_expect(&f, LINK_SYNCED);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
#define LAUNCHER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		LAUNCHER_TEST(a_file_is_read_from_the_directory_and_blocks),
		LAUNCHER_TEST(what_cannot_be_opened_fails_the_spawn),
		LAUNCHER_TEST(a_file_is_opened_with_the_rights_of_the_process),
		LAUNCHER_TEST(a_fifo_is_made_and_stays_open_between_writers),
		LAUNCHER_TEST(a_kept_pipe_goes_from_process_to_process_and_engine_to_engine),
		LAUNCHER_TEST(a_kept_pipe_goes_when_nobody_wants_it),
		LAUNCHER_TEST(a_kept_pipe_is_handed_over),
	};

	if (argc != 3)
		return 2;
	launcher = argv[1];
	engine = argv[2];
	fixture_programs(launcher, engine);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
