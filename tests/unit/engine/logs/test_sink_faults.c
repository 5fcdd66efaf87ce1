/*
 * What can go wrong with a log file while it is written to. Of each: nothing blocks, one line
 * tells it, what is dropped is counted, and once it is mended, a line in the file tells how much
 * that was, and output goes on.
 */
#include "sinks.h"

#include <errno.h>
#include <sys/mount.h>

struct fixture {
	struct bench bench;
	struct loop loop;
	struct sink_set set;
	struct sink sink;
	char log_dir[256], path[256], aside[256];
	bool mounted;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	bench_init(&f->bench);
	assert_int_equal(loop_init(&f->loop), 0);
	bench_path(&f->bench, "log", f->log_dir);
	bench_path(&f->bench, "log/web.log", f->path);
	bench_path(&f->bench, "aside", f->aside);
	assert_int_equal(mkdir(f->log_dir, 0750), 0);
	sink_set_init(&f->set, &f->loop, f->log_dir, 16, STDOUT_FILENO);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sink_fini(&f->sink);
	sink_set_fini(&f->set);
	if (f->mounted)
		umount2(f->log_dir, MNT_DETACH);
	loop_fini(&f->loop);
	bench_fini(&f->bench);
	free(f);
	return 0;
}

/* A file system of its own, so small that it is full at once; false: we may not. */
static bool mount_small(struct fixture *f)
{
	f->mounted =
		mount("none", f->log_dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=750") == 0;
	return f->mounted;
}

static void begin(struct fixture *f)
{
	assert_int_equal(sink_init(&f->sink, &f->set, "web", bench_log(0, 1),
				 &(struct spec_target){.sink = SPEC_SINK_FILE}, f->path),
		0);
}

/* It has just gone wrong, at one second. */
static void assert_dropped(struct fixture *f, const char *why)
{
	char text[512];

	put(&f->sink, "lost\n", SEC);
	put(&f->sink, "lost, too\n", SEC + 1);
	put(&f->sink, "and lost\n", 2 * SEC); /* a second try */
	assert_int_equal(f->sink.counters.dropped_bytes, 24);
	assert_int_equal(f->sink.counters.dropped_lines, 3);
	snprintf(text, sizeof(text), "service 'web': cannot write %s: %s; dropping its output",
		f->path, why);
	assert_int_equal(bench_logged(&f->bench, text), 1);
	assert_int_equal(bench_logged(&f->bench, "cannot write"), 1);
}

/* It is mended, and three seconds are over; what was in the file before is still there. */
static void assert_goes_on(struct fixture *f, const char *before, const char *why)
{
	char text[512];

	put(&f->sink, "after\n", 3 * SEC);
	snprintf(text, sizeof(text), "%ssupervisord: 24 bytes, 3 lines dropped (%s)\nafter\n",
		before, why);
	assert_file(f->path, text);
	assert_int_equal(bench_logged(&f->bench, "mended: 24 bytes, 3 lines were lost"), 1);
	assert_int_equal(f->sink.counters.dropped_bytes, 24);
}

static void a_full_disk_that_is_freed(void **state)
{
	static const char block[4096];
	struct fixture *f = *state;
	char path[256];
	int fd;

	if (!mount_small(f))
		skip();
	begin(f);
	put(&f->sink, "before\n", 1);
	fd = open(bench_path(&f->bench, "log/large", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	/* What there is room for in the file's own page is written. */
	assert_int_equal(truncate(f->path, sizeof(block)), 0);
	assert_dropped(f, "No space left on device");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(truncate(f->path, 7), 0);
	assert_goes_on(f, "before\n", "No space left on device");
}

/* By rules: these can't be had of a file system so easily. */
static void assert_error(struct fixture *f, const char *rule, const char *why)
{
	begin(f);
	put(&f->sink, "before\n", 1);
	inject(rule);
	assert_dropped(f, why);
	assert_goes_on(f, "before\n", why);
}

static void a_quota_that_is_used_up(void **state)
{
	assert_error(*state, "test:pwrite:1:EDQUOT,test:pwrite:2:EDQUOT", "Disk quota exceeded");
}

static void a_disk_that_fails(void **state)
{
	assert_error(*state, "test:pwrite:1:EIO,test:pwrite:2:EIO", "Input/output error");
}

static void a_file_system_that_becomes_read_only(void **state)
{
	struct fixture *f = *state;

	if (!mount_small(f))
		skip();
	begin(f);
	put(&f->sink, "before\n", 1);
	sink_close(&f->sink); /* nobody may be writing there */
	assert_int_equal(mount(NULL, f->log_dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_dropped(f, "Read-only file system");
	assert_int_equal(mount(NULL, f->log_dir, NULL, MS_REMOUNT, NULL), 0);
	assert_goes_on(f, "before\n", "Read-only file system");
}

static void a_directory_that_is_removed_is_made_again(void **state)
{
	struct fixture *f = *state;

	begin(f);
	put(&f->sink, "before\n", 1);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(rmdir(f->log_dir), 0);
	put(&f->sink, "after\n", 1);
	assert_file(f->path, "after\n");
	assert_int_equal(bench_logged(&f->bench, "web.log was removed while it was in use"), 1);
	assert_int_equal(bench_log_lines(&f->bench), 1);
	assert_int_equal(f->sink.counters.dropped_bytes, 0);
}

static void a_directory_that_is_renamed_keeps_its_file(void **state)
{
	struct fixture *f = *state;
	char moved[300];

	begin(f);
	put(&f->sink, "before\n", 1);
	assert_int_equal(rename(f->log_dir, f->aside), 0);
	put(&f->sink, "between\n", 1);
	sink_reopen(&f->sink, 1);
	put(&f->sink, "after\n", 1);
	snprintf(moved, sizeof(moved), "%s/web.log", f->aside);
	assert_file(moved, "before\nbetween\n");
	assert_file(f->path, "after\n");
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void a_file_that_is_removed_is_made_again(void **state)
{
	struct fixture *f = *state;

	begin(f);
	for (unsigned i = 0; i < 2; i++) {
		put(&f->sink, "before\n", 1);
		assert_int_equal(unlink(f->path), 0);
		put(&f->sink, "after\n", 1);
		assert_file(f->path, "after\n");
		assert_int_equal(bench_log_lines(&f->bench), i + 1);
	}
	assert_int_equal(f->sink.counters.bytes, 26);
}

static void put_in_its_place(struct fixture *f, int (*make)(struct fixture *f), const char *why)
{
	begin(f);
	put(&f->sink, "before\n", 1);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(make(f), 0);
	assert_dropped(f, why);
	assert_int_equal(remove(f->path), 0);
	assert_goes_on(f, "", why);
}

static int make_link(struct fixture *f)
{
	return symlink(f->aside, f->path);
}

static int make_fifo(struct fixture *f)
{
	return mkfifo(f->path, 0600);
}

static int make_directory(struct fixture *f)
{
	return mkdir(f->path, 0700);
}

static void a_link_in_its_place(void **state)
{
	struct fixture *f = *state;

	put_in_its_place(f, make_link, "it is a symbolic link");
	assert_int_equal(access(f->aside, F_OK), -1);
}

static void a_fifo_in_its_place(void **state)
{
	put_in_its_place(*state, make_fifo, "it is not a regular file");
}

static void a_directory_in_its_place(void **state)
{
	put_in_its_place(*state, make_directory, "Is a directory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_full_disk_that_is_freed),
		TEST(a_quota_that_is_used_up),
		TEST(a_disk_that_fails),
		TEST(a_file_system_that_becomes_read_only),
		TEST(a_directory_that_is_removed_is_made_again),
		TEST(a_directory_that_is_renamed_keeps_its_file),
		TEST(a_file_that_is_removed_is_made_again),
		TEST(a_link_in_its_place),
		TEST(a_fifo_in_its_place),
		TEST(a_directory_in_its_place),
	};

	return cmocka_run_group_tests_name("sink_faults", tests, NULL, NULL);
}
