/*
 * Where log files may be: which directories are walked through, and which links; what others
 * could have put there.
 */
#include "sinks.h"

#include <errno.h>

#define SOMEBODY 12345
#define ORDINARY 1000 /* the first group of people */
#define SHARED	 "other users may write to its directory, or to one above"
#define LINKED	 "a directory of its path is a symbolic link"
#define NEEDS_ROOT()        \
	if (geteuid() != 0) \
	skip()

struct fixture {
	struct bench bench;
	struct loop loop;
	struct sink_set set;
	struct sink sink;
	char log_dir[256];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	bench_init(&f->bench);
	assert_int_equal(loop_init(&f->loop), 0);
	bench_path(&f->bench, "log", f->log_dir);
	assert_int_equal(mkdir(f->log_dir, 0750), 0);
	sink_set_init(&f->set, &f->loop, f->log_dir, 16, STDOUT_FILENO);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sink_fini(&f->sink);
	sink_set_fini(&f->set);
	loop_fini(&f->loop);
	bench_fini(&f->bench);
	free(f);
	return 0;
}

static const char *path_of(const struct fixture *f, const char *name)
{
	static char path[256];

	return bench_path(&f->bench, name, path);
}

static void make_dir(const struct fixture *f, const char *name, mode_t mode)
{
	assert_int_equal(mkdir(path_of(f, name), 0700), 0);
	assert_int_equal(chmod(path_of(f, name), mode), 0);
}

static void make_link(const struct fixture *f, const char *name, const char *to)
{
	char target[256];

	bench_path(&f->bench, to, target);
	assert_int_equal(symlink(target, path_of(f, name)), 0);
}

/* Whether a file of that name is written to. */
static bool writes(struct fixture *f, const char *name, uint64_t max_size)
{
	uint64_t n;

	sink_fini(&f->sink);
	assert_int_equal(sink_init(&f->sink, &f->set, "web", bench_log(max_size, 1),
				 &(struct spec_target){.sink = SPEC_SINK_FILE}, path_of(f, name)),
		0);
	put(&f->sink, "line\n", 1);
	n = f->sink.counters.bytes;
	assert_int_equal(f->sink.counters.dropped_bytes, 5 - n);
	sink_close(&f->sink);
	return n > 0;
}

static void assert_refused(struct fixture *f, const char *name, const char *why)
{
	unsigned n = bench_log_lines(&f->bench);

	assert_false(writes(f, name, 0));
	assert_int_equal(bench_log_lines(&f->bench), n + 1);
	assert_true(bench_logged(&f->bench, why) > 0);
}

static void directories_that_anybody_may_write_to_are_refused(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "log/open", 0777);
	make_dir(f, "log/open/mine", 0700);
	assert_refused(f, "log/open/web.log", SHARED);
	assert_refused(f, "log/open/mine/web.log", SHARED);
	make_dir(f, "open", 0757);
	assert_refused(f, "open/web.log", SHARED);
	assert_int_equal(count_names(path_of(f, "log/open"), "web"), 0);
}

/* As containers are given them for their data. */
static void log_dir_may_be_anybody_s_if_it_is_root_s_or_ours(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(chmod(f->log_dir, 0777), 0);
	assert_true(writes(f, "log/web.log", 0));
	assert_true(writes(f, "log/mine/web.log", 0));
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(f->log_dir, 4711, 0), 0);
	assert_refused(f, "log/other.log", SHARED);
}

static void sticky_ones_are_as_good_as_ours(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "log/sticky", 01777);
	assert_true(writes(f, "log/sticky/web.log", 0));
	make_dir(f, "sticky", 01777);
	assert_true(writes(f, "sticky/web.log", 0));
}

static void a_group_of_people_is_others_too(void **state)
{
	struct fixture *f = *state;

	NEEDS_ROOT();
	make_dir(f, "people", 0775);
	assert_int_equal(chown(path_of(f, "people"), 0, ORDINARY), 0);
	assert_refused(f, "people/web.log", SHARED);
	make_dir(f, "daemons", 0775);
	assert_int_equal(chown(path_of(f, "daemons"), 0, ORDINARY - 1), 0);
	assert_true(writes(f, "daemons/web.log", 0));
	make_dir(f, "ours", 0775); /* our own group */
	assert_true(writes(f, "ours/web.log", 0));
}

static void links_below_log_dir_are_not_followed(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "other", 0700);
	make_link(f, "log/sub", "other");
	assert_refused(f, "log/sub/web.log", LINKED);
	assert_refused(f, "log/sub/more/web.log", LINKED);
	assert_int_equal(count_names(path_of(f, "other"), "web"), 0);
	assert_int_equal(count_names(path_of(f, "other"), "more"), 0);
}

static void a_link_of_ours_is_followed_elsewhere(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "other", 0700);
	make_link(f, "link", "other");
	assert_true(writes(f, "link/web.log", 0));
	assert_file(path_of(f, "other/web.log"), "line\n");
	/* Where that leads is looked at all the same. */
	make_dir(f, "open", 0777);
	make_link(f, "link2", "open");
	assert_refused(f, "link2/web.log", SHARED);
}

static void log_dir_itself_may_be_a_link(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "other", 0700);
	assert_int_equal(rmdir(f->log_dir), 0);
	make_link(f, "log", "other");
	assert_true(writes(f, "log/sub/web.log", 0));
	assert_file(path_of(f, "other/sub/web.log"), "line\n");
}

static void a_link_of_somebody_else_is_not_followed(void **state)
{
	struct fixture *f = *state;

	NEEDS_ROOT();
	make_dir(f, "other", 0700);
	make_dir(f, "theirs", 0755);
	assert_int_equal(chown(path_of(f, "theirs"), SOMEBODY, 0), 0);
	assert_true(writes(f, "theirs/web.log", 0));
	make_link(f, "theirs/link", "other");
	assert_int_equal(lchown(path_of(f, "theirs/link"), SOMEBODY, 0), 0);
	assert_refused(f, "theirs/link/web.log", LINKED);
	assert_int_equal(count_names(path_of(f, "other"), "web"), 0);
}

static void a_file_with_another_name_is_refused(void **state)
{
	struct fixture *f = *state;
	char other[256];

	bench_path(&f->bench, "precious", other);
	file_write(other, "precious\n");
	assert_int_equal(link(other, path_of(f, "log/web.log")), 0);
	assert_refused(f, "log/web.log", "it has another name, too (a hard link)");
	assert_file(other, "precious\n");
	assert_int_equal(unlink(other), 0);
	assert_true(writes(f, "log/web.log", 0));
}

/* Put in place of the directory after the file was opened. */
static void a_rotation_follows_no_link_either(void **state)
{
	struct fixture *f = *state;

	NEEDS_ROOT();
	make_dir(f, "other", 0700);
	make_dir(f, "theirs", 0755);
	make_dir(f, "theirs/logs", 0755);
	assert_true(writes(f, "theirs/logs/web.log", 8));
	put(&f->sink, "more\n", 1); /* rotated */
	assert_int_equal(rename(path_of(f, "theirs/logs"), f->log_dir), 0); /* it was empty */
	assert_int_equal(symlink(f->log_dir, path_of(f, "theirs/logs")), 0);
	assert_int_equal(lchown(path_of(f, "theirs/logs"), SOMEBODY, 0), 0);
	assert_int_equal(count_names(f->log_dir, "web.log."), 1);
	put(&f->sink, "most\n", 1);
	assert_int_equal(bench_logged(&f->bench, "cannot rotate"), 1);
	assert_int_equal(bench_logged(&f->bench, LINKED), 1);
	assert_int_equal(count_names(f->log_dir, "web.log."), 1);
	assert_file(path_of(f, "log/web.log"), "more\nmost\n"); /* the file that was held */
	assert_int_equal(f->sink.counters.bytes, 15);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(directories_that_anybody_may_write_to_are_refused),
		TEST(log_dir_may_be_anybody_s_if_it_is_root_s_or_ours),
		TEST(sticky_ones_are_as_good_as_ours),
		TEST(a_group_of_people_is_others_too),
		TEST(links_below_log_dir_are_not_followed),
		TEST(a_link_of_ours_is_followed_elsewhere),
		TEST(log_dir_itself_may_be_a_link),
		TEST(a_link_of_somebody_else_is_not_followed),
		TEST(a_file_with_another_name_is_refused),
		TEST(a_rotation_follows_no_link_either),
	};

	return cmocka_run_group_tests_name("sink_place", tests, NULL, NULL);
}
