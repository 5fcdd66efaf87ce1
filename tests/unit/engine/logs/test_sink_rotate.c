/*
 * Rotation by size: where the cut is, names, how many are kept, and what happens when it can't
 * be done.
 */
#include "sinks.h"

#include <errno.h>

#include "engine/logs/file/rotate.h"

/* 2026-11-23T06:36:53.123456Z */
#define MOMENT UINT64_C(1795415813123456)

struct fixture {
	struct bench bench;
	struct loop loop;
	struct sink_set set;
	struct sink sink;
	char path[256];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	bench_init(&f->bench);
	assert_int_equal(loop_init(&f->loop), 0);
	sink_set_init(&f->set, &f->loop, f->bench.dir, 16, STDOUT_FILENO);
	bench_path(&f->bench, "web.log", f->path);
	sink_init(&f->sink, &f->set, "web", bench_log(0, 10),
		&(struct spec_target){.sink = SPEC_SINK_FILE}, f->path);
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

static struct sink *limited(struct fixture *f, uint64_t max_size_bytes, unsigned keep)
{
	assert_int_equal(sink_configure(&f->sink, bench_log(max_size_bytes, keep),
				 &(struct spec_target){.sink = SPEC_SINK_FILE}, f->path, 0),
		0);
	return &f->sink;
}

/* What the loop would go on with, if it took long. */
static void settle(struct fixture *f)
{
	assert_true(sweep_run(&f->set.files.upkeep, USEC_INFINITY));
}

static int n_rotated(struct fixture *f)
{
	settle(f);
	return count_names(f->bench.dir, "web.log.");
}

/* The nth of the rotated files, the oldest first. */
static void assert_rotated(struct fixture *f, int nth, const char *text)
{
	struct dirent **names;
	int n;
	char path[256];

	settle(f);
	n = list_names(f->bench.dir, "web.log.", &names);
	assert_true(nth < n);
	bench_path(&f->bench, names[nth]->d_name, path);
	assert_true(rotate_is_stamp(names[nth]->d_name + strlen("web.log.")));
	free_names(names, n);
	assert_file(path, text);
}

static void a_file_exactly_at_the_limit_stays(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 10, 10);

	put(s, "1234\n", 1);
	put(s, "6789\n", 2);
	assert_int_equal(n_rotated(f), 0);
	assert_file(f->path, "1234\n6789\n");
	put(s, "\n", 3); /* one byte past */
	assert_int_equal(n_rotated(f), 1);
	assert_rotated(f, 0, "1234\n6789\n");
	assert_file(f->path, "\n");
}

static void a_batch_is_split_at_the_last_newline_that_fits(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 10, 10);

	put(s, "aa\nbb\ncc\ndd\nee\nff\ngg\n", 1);
	assert_int_equal(n_rotated(f), 2);
	assert_rotated(f, 0, "aa\nbb\ncc\n");
	assert_rotated(f, 1, "dd\nee\nff\n");
	assert_file(f->path, "gg\n");
	assert_int_equal(s->counters.bytes, 21);
	assert_int_equal(s->counters.lines, 7);
	assert_int_equal(s->counters.dropped_bytes, 0);
}

static void a_line_longer_than_the_limit_is_cut_at_the_limit(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 10, 10);

	put(s, "a\n0123456789abcdefghij", 1);
	put(s, "klm\n", 2);
	assert_rotated(f, 0, "a\n");
	assert_rotated(f, 1, "0123456789");
	assert_rotated(f, 2, "abcdefghij");
	assert_file(f->path, "klm\n");
}

static void a_file_in_the_middle_of_such_a_line_is_filled_up(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 10, 10);

	put(s, "0123", 1);
	put(s, "456789ab\n", 2);
	assert_rotated(f, 0, "0123456789");
	assert_file(f->path, "ab\n");
}

static void without_a_limit_nothing_is_rotated(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 0, 10);

	for (int i = 0; i < 1000; i++)
		put(s, "0123456789\n", 1);
	assert_int_equal(n_rotated(f), 0);
	assert_int_equal(file_size(f->path), 11000);
}

static void a_file_that_was_larger_at_the_start_is_rotated_first(void **state)
{
	struct fixture *f = *state;

	file_write(f->path, "much too large\n");
	put(limited(f, 10, 10), "new\n", 1);
	assert_rotated(f, 0, "much too large\n");
	assert_file(f->path, "new\n");
}

/* Reads come in sizes that have nothing to do with lines. */
static void no_line_is_torn_and_no_byte_lost_whatever_the_batches(void **state)
{
	struct fixture *f = *state;
	const uint64_t max = 64 * 1024;
	struct sink *s = limited(f, max, 1000);
	static char in[1 << 20], out[1 << 20];
	size_t n = 0, sizes[] = {65536, 4096, 70, 30000, 65535, 1, 20000};
	struct dirent **names;
	int n_names;

	for (unsigned i = 0; n < sizeof(in); i++) {
		size_t len = MIN_OF((size_t)(i * 37 % 200), sizeof(in) - n - 1);

		memset(in + n, 'a' + (int)(i % 26), len);
		n += len;
		in[n++] = '\n';
	}
	for (size_t i = 0, done = 0, len; done < n; done += len) {
		len = MIN_OF(sizes[i++ % ELEMENTSOF(sizes)], n - done);
		sink_write(s, in + done, len, 1);
	}
	n_names = list_names(f->bench.dir, "web.log.", &names);
	assert_true(n_names >= 15 && n_names < 25);
	n = 0;
	for (int i = 0; i <= n_names; i++) {
		char path[256], *data;
		size_t len;

		data = file_read(
			i < n_names ? bench_path(&f->bench, names[i]->d_name, path) : f->path,
			&len);
		assert_true(len > 0 && len <= max && data[len - 1] == '\n');
		assert_true(n + len <= sizeof(out));
		memcpy(out + n, data, len);
		n += len;
		free(data);
	}
	free_names(names, n_names);
	assert_int_equal(n, sizeof(in));
	assert_memory_equal(in, out, n);
}

static void only_so_many_are_kept_and_nothing_else_is_touched(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 3, 2);
	static const char *const foreign[] = {"web.log.1", "web.log.old",
		"web.log.2020-01-01T00-00-00.000Z.GZ", "web.log.2020-01-01T00:00:00.000Z",
		"web.log.2020-01-01T00-00-00.000Z.gz.tmp", "web.log.2020-01-01T00-00-00.000Z.",
		"web.log.2020-01-01T00-00-00Z", "web.logs.2020-01-01T00-00-00.000Z",
		"xweb.log.2020-01-01T00-00-00.000Z"};
	char path[256];

	for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
		file_write(bench_path(&f->bench, foreign[i], path), "x");
	file_write(bench_path(&f->bench, "web.log.2020-01-01T00-00-00.000Z", path), "x");
	for (char c = '0'; c <= '9'; c++)
		put(s, (char[]){c, '.', '\n', '\0'}, 1);
	settle(f);
	assert_int_equal(access(path, F_OK), -1);
	assert_file(f->path, "9.\n");
	for (size_t i = 0; i < ELEMENTSOF(foreign); i++) {
		assert_int_equal(access(bench_path(&f->bench, foreign[i], path), F_OK), 0);
		unlink(path);
	}
	assert_int_equal(n_rotated(f), 2);
	assert_rotated(f, 0, "7.\n");
	assert_rotated(f, 1, "8.\n");
}

static void keep_zero_keeps_nothing(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 3, 0);

	put(s, "a\nb\nc\nd\n", 1);
	assert_int_equal(n_rotated(f), 0);
	assert_file(f->path, "d\n");
	assert_int_equal(s->counters.bytes, 8);
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void the_file_just_rotated_stays_when_the_clock_was_set_back(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 2, 1);
	char path[256];

	file_write(bench_path(&f->bench, "web.log.2099-01-01T00-00-00.000Z", path), "future");
	put(s, "x\ny\n", 1);
	assert_int_equal(n_rotated(f), 1);
	assert_rotated(f, 0, "x\n");
}

static void a_name_that_is_taken_is_never_replaced(void **state)
{
	struct fixture *f = *state;
	char stamp[ROTATE_STAMP_SIZE], path[256];
	usec_t moment = MOMENT;

	file_write(bench_path(&f->bench, "web.log.2026-11-23T06-36-53.123Z", path), "1");
	file_write(bench_path(&f->bench, "web.log.2026-11-23T06-36-53.124Z", path), "2");
	file_write(f->path, "3");
	assert_int_equal(rotate_rename(f->path, &moment, stamp), 0);
	assert_string_equal(stamp, "2026-11-23T06-36-53.125Z");
	assert_int_equal(moment, MOMENT + 2 * USEC_PER_MSEC);
	assert_rotated(f, 0, "1");
	assert_rotated(f, 1, "2");
	assert_rotated(f, 2, "3");
	file_write(f->path, "4");
	assert_int_equal(rotate_undo(f->path, stamp), -EEXIST);
	assert_file(f->path, "4");
}

static void a_name_is_not_replaced_where_the_file_system_cannot_promise_it(void **state)
{
	struct fixture *f = *state;
	char stamp[ROTATE_STAMP_SIZE], path[256];
	usec_t moment = MOMENT;

	file_write(bench_path(&f->bench, "web.log.2026-11-23T06-36-53.123Z", path), "1");
	file_write(f->path, "2");
	inject("test:rename:1:EINVAL");
	assert_int_equal(rotate_rename(f->path, &moment, stamp), 0);
	assert_string_equal(stamp, "2026-11-23T06-36-53.124Z");
	assert_rotated(f, 0, "1");
	assert_rotated(f, 1, "2");
}

static void stamps_are_told_from_other_names(void **state _unused_)
{
	char stamp[ROTATE_STAMP_SIZE];

	rotate_stamp(MOMENT, stamp);
	assert_string_equal(stamp, "2026-11-23T06-36-53.123Z");
	assert_true(rotate_is_stamp(stamp));
	assert_false(rotate_is_stamp(""));
	assert_false(rotate_is_stamp("2026-11-23T06-36-53.123"));
	assert_false(rotate_is_stamp("2026-11-23T06-36-53.123Zx"));
	assert_false(rotate_is_stamp("2026-11-23T06:36:53.123Z"));
	assert_false(rotate_is_stamp("2026-11-23T06-36-53.12aZ"));
}

static void a_rotation_that_fails_is_tried_again_after_a_second(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 10, 10);

	put(s, "12345678\n", SEC);
	inject("test:rename:1:EACCES");
	put(s, "abc\n", SEC);
	put(s, "def\n", 2 * SEC - 1);
	assert_int_equal(n_rotated(f), 0);
	assert_file(f->path, "12345678\nabc\ndef\n");
	assert_int_equal(bench_logged(&f->bench, "service 'web': cannot rotate "), 1);
	put(s, "ghi\n", 2 * SEC);
	assert_rotated(f, 0, "12345678\nabc\ndef\n");
	assert_file(f->path, "ghi\n");
	assert_int_equal(s->counters.dropped_bytes, 0);
	assert_int_equal(bench_logged(&f->bench, "could be rotated again"), 1);
	assert_int_equal(bench_log_lines(&f->bench), 2);
}

static void where_no_new_file_can_be_opened_the_old_one_gets_its_name_back(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 10, 10);

	put(s, "12345678\n", SEC);
	inject("test:open:1:EIO");
	put(s, "abc\n", SEC);
	assert_int_equal(n_rotated(f), 0);
	assert_file(f->path, "12345678\nabc\n");
	put(s, "def\n", 2 * SEC);
	assert_rotated(f, 0, "12345678\nabc\n");
	assert_file(f->path, "def\n");
	assert_int_equal(f->set.files.n_open, 1);
}

/* As an engine does that finds the one before was killed between the two steps. */
static void a_redo_that_can_open_no_new_file_gives_the_old_one_its_name_back(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 10, 10);
	char moved[256];
	struct stat st;

	bench_path(&f->bench, "web.log.2026-11-23T06-36-53.123Z", moved);
	file_write(moved, "12345678\n");
	assert_int_equal(stat(moved, &st), 0);
	inject("test:open:1:EIO");
	assert_int_equal(
		logfile_resume_rotation(&f->set.files, &s->file, "web", st.st_dev, st.st_ino), 0);
	assert_int_equal(s->file.inode, st.st_ino);
	assert_file(f->path, "12345678\n");
	assert_int_equal(n_rotated(f), 0);
	assert_int_equal(bench_logged(&f->bench, "service 'web': cannot rotate "), 1);
	logfile_close(&f->set.files, &s->file);
	s->file.retry_usec = 0;
	put(s, "abc\n", 2 * SEC);
	assert_rotated(f, 0, "12345678\n");
	assert_file(f->path, "abc\n");
}

static void a_file_put_in_place_by_others_is_not_renamed(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 10, 10);
	char moved[256];

	put(s, "12345678\n", 1);
	assert_int_equal(rename(f->path, bench_path(&f->bench, "moved", moved)), 0);
	file_write(f->path, "x\n");
	put(s, "abc\n", 2);
	assert_int_equal(n_rotated(f), 0);
	assert_file(moved, "12345678\n");
	assert_file(f->path, "x\nabc\n");
}

static void rotation_needs_no_second_place_among_the_open_files(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 4, 10);

	f->set.files.max_open = 1;
	put(s, "abc\ndef\nghi\n", 1);
	assert_int_equal(n_rotated(f), 2);
	assert_file(f->path, "ghi\n");
	assert_int_equal(f->set.files.n_open, 1);
}

static void old_files_that_cannot_be_removed_are_reported_once(void **state)
{
	struct fixture *f = *state;
	struct sink *s = limited(f, 4, 1);
	char path[256];

	/* A directory can't be unlinked, whoever we are. */
	assert_int_equal(
		mkdir(bench_path(&f->bench, "web.log.2020-01-01T00-00-00.000Z", path), 0700), 0);
	put(s, "abc\ndef\nghi\n", 1);
	settle(f);
	assert_int_equal(bench_logged(&f->bench, "cannot remove old files of"), 1);
	assert_int_equal(bench_log_lines(&f->bench), 1);
	assert_int_equal(n_rotated(f), 2);
	assert_rotated(f, 1, "def\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_exactly_at_the_limit_stays),
		TEST(a_batch_is_split_at_the_last_newline_that_fits),
		TEST(a_line_longer_than_the_limit_is_cut_at_the_limit),
		TEST(a_file_in_the_middle_of_such_a_line_is_filled_up),
		TEST(without_a_limit_nothing_is_rotated),
		TEST(a_file_that_was_larger_at_the_start_is_rotated_first),
		TEST(no_line_is_torn_and_no_byte_lost_whatever_the_batches),
		TEST(only_so_many_are_kept_and_nothing_else_is_touched),
		TEST(keep_zero_keeps_nothing),
		TEST(the_file_just_rotated_stays_when_the_clock_was_set_back),
		TEST(a_name_that_is_taken_is_never_replaced),
		TEST(a_name_is_not_replaced_where_the_file_system_cannot_promise_it),
		TEST(stamps_are_told_from_other_names),
		TEST(a_rotation_that_fails_is_tried_again_after_a_second),
		TEST(where_no_new_file_can_be_opened_the_old_one_gets_its_name_back),
		TEST(a_redo_that_can_open_no_new_file_gives_the_old_one_its_name_back),
		TEST(a_file_put_in_place_by_others_is_not_renamed),
		TEST(rotation_needs_no_second_place_among_the_open_files),
		TEST(old_files_that_cannot_be_removed_are_reported_once),
	};

	return cmocka_run_group_tests_name("sink_rotate", tests, NULL, NULL);
}
