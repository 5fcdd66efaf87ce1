/*
 * What is believed of a pid-file, and that reading one never waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "engine/run/pidfile.h"
#include "tests/unit/directory.h"

#define SOMEBODY 54321

static char dir[DIRECTORY_SIZE], path[96];
static char why[PIDFILE_WHY_SIZE];

static int set_up(void **state _unused_)
{
	directory_make(dir);
	snprintf(path, sizeof(path), "%s/pid", dir);
	why[0] = '\0';
	return 0;
}

static int tear_down(void **state _unused_)
{
	unlink(path);
	rmdir(path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

static void write_bytes(const char *data, size_t n)
{
	_cleanup_close_
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), (ssize_t)n);
}

static void expect_pid(const char *text, pid_t expected)
{
	pid_t pid = -1;

	write_bytes(text, strlen(text));
	assert_int_equal(pidfile_read(path, geteuid(), &pid, why), 0);
	assert_int_equal(pid, expected);
}

/* The pid is not touched. */
static void expect_error(int error, const char *expected_why)
{
	pid_t pid = -7;

	assert_int_equal(pidfile_read(path, geteuid(), &pid, why), error);
	assert_string_equal(why, expected_why);
	assert_int_equal(pid, -7);
}

static void a_number_is_read_with_or_without_blanks_around_it(void **state _unused_)
{
	expect_pid("1", 1);
	expect_pid("4711\n", 4711);
	expect_pid("  4711\n", 4711);
	expect_pid("      4711 \r\n\n", 4711);
	expect_pid("2147483647\n", INT32_MAX);
	expect_pid("00042\n", 42);
}

static void what_is_no_pid_is_refused(void **state _unused_)
{
	static const char *const texts[] = {"none", "12x", "x12", "-1", "+1", "0", "000", "1 2",
		"1\n2\n", "2147483648", "99999999999999999999999", "0x10", "1.5", "1,2",
		"4711\t\v4712"};

	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		write_bytes(texts[i], strlen(texts[i]));
		expect_error(-EINVAL, "holds no process ID");
	}
	write_bytes("12\0", 3);
	expect_error(-EINVAL, "holds no process ID");
	write_bytes("\0", 1);
	expect_error(-EINVAL, "holds no process ID");
}

static void a_long_file_is_refused_whatever_its_beginning(void **state _unused_)
{
	char text[200];

	memset(text, ' ', sizeof(text));
	memcpy(text, "4711", 4);
	write_bytes(text, 64);
	assert_int_equal(pidfile_read(path, geteuid(), &(pid_t){0}, why), 0);
	write_bytes(text, 65);
	expect_error(-EINVAL, "holds no process ID");
	write_bytes(text, sizeof(text));
	expect_error(-EINVAL, "holds no process ID");
}

static void a_file_that_is_not_there_or_not_written_yet_is_told_apart(void **state _unused_)
{
	expect_error(-ENOENT, "No such file or directory");
	write_bytes("", 0);
	expect_error(-EAGAIN, "is empty");
	write_bytes(" \n", 2);
	expect_error(-EAGAIN, "is empty");
}

static void links_are_not_followed(void **state _unused_)
{
	char target[96];

	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(symlink(target, path), 0);
	expect_error(-ELOOP, "is a symbolic link");
	unlink(path);
	write_bytes("1\n", 2);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	expect_error(-ELOOP, "is a symbolic link");
	unlink(target);
}

static void what_is_no_file_is_refused_without_waiting(void **state _unused_)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_
	int fd = -1;

	assert_int_equal(mkfifo(path, 0644), 0); /* that nobody writes to */
	expect_error(-EINVAL, "is no regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	expect_error(-EINVAL, "is no regular file");
	rmdir(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect_error(-ENXIO, strerror(ENXIO));
}

static void only_root_the_user_and_we_may_have_written_it(void **state _unused_)
{
	pid_t pid = 0;

	write_bytes("5\n", 2);
	if (geteuid() != 0)
		skip();
	assert_int_equal(pidfile_read(path, SOMEBODY, &pid, why), 0);
	assert_int_equal(chown(path, SOMEBODY, SOMEBODY), 0);
	assert_int_equal(pidfile_read(path, SOMEBODY, &pid, why), 0);
	assert_int_equal(pidfile_read(path, SOMEBODY + 1, &pid, why), -EPERM);
	assert_string_equal(why, "belongs to uid 54321, neither root nor its user");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_number_is_read_with_or_without_blanks_around_it),
		TEST(what_is_no_pid_is_refused),
		TEST(a_long_file_is_refused_whatever_its_beginning),
		TEST(a_file_that_is_not_there_or_not_written_yet_is_told_apart),
		TEST(links_are_not_followed),
		TEST(what_is_no_file_is_refused_without_waiting),
		TEST(only_root_the_user_and_we_may_have_written_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
