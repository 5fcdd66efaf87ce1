/*
 * Log files: opening and what may not be opened, going on at the end, what others do to the
 * file, failing and mending, the limit of open files. Rotation is in test_sink_rotate.c.
 */
#include "sinks.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

struct fixture {
	struct bench bench;
	struct loop loop;
	struct sink_set set;
	struct sink sinks[5];
	char log_dir[256], path[256];
	struct rlimit nofile, fsize;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	bench_init(&f->bench);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(loop_init(&f->loop), 0);
	bench_path(&f->bench, "log", f->log_dir);
	snprintf(f->path, sizeof(f->path), "%s/log/web.log", f->bench.dir);
	sink_set_init(&f->set, &f->loop, f->log_dir, 16, STDOUT_FILENO);
	for (size_t i = 0; i < ELEMENTSOF(f->sinks); i++)
		sink_init(&f->sinks[i], &f->set, "web", bench_log(0, 0),
			&(struct spec_target){.sink = SPEC_SINK_NONE}, NULL);
	getrlimit(RLIMIT_NOFILE, &f->nofile);
	getrlimit(RLIMIT_FSIZE, &f->fsize);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	setrlimit(RLIMIT_NOFILE, &f->nofile);
	setrlimit(RLIMIT_FSIZE, &f->fsize);
	for (size_t i = 0; i < ELEMENTSOF(f->sinks); i++)
		sink_fini(&f->sinks[i]);
	sink_set_fini(&f->set);
	loop_fini(&f->loop);
	bench_fini(&f->bench);
	free(f);
	return 0;
}

static struct sink *to_file(struct fixture *f, const char *path)
{
	assert_int_equal(sink_init(&f->sinks[0], &f->set, "web", bench_log(0, 1),
				 &(struct spec_target){.sink = SPEC_SINK_FILE}, path),
		0);
	return &f->sinks[0];
}

#define assert_counters(s, b, l, db, dl)                           \
	do {                                                       \
		assert_int_equal((s)->counters.bytes, b);          \
		assert_int_equal((s)->counters.lines, l);          \
		assert_int_equal((s)->counters.dropped_bytes, db); \
		assert_int_equal((s)->counters.dropped_lines, dl); \
	} while (0)

static void a_file_and_its_directory_are_made_when_there_is_data(void **state)
{
	struct fixture *f = *state;
	char path[300];
	struct stat st;
	struct sink *s;

	umask(022);
	snprintf(path, sizeof(path), "%s/a/b/web.log", f->log_dir);
	s = to_file(f, path);
	assert_int_equal(access(f->log_dir, F_OK), -1);
	put(s, "one\ntwo\nthr", 1);
	put(s, "ee\n", 2);
	assert_file(path, "one\ntwo\nthree\n");
	assert_counters(s, 14, 3, 0, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(stat(f->log_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void directories_elsewhere_are_not_made(void **state)
{
	struct fixture *f = *state;
	char path[256], up[300];
	struct sink *s = to_file(f, bench_path(&f->bench, "log-other/web.log", path));

	put(s, "lost\n", 1);
	assert_counters(s, 0, 0, 5, 1);
	assert_int_equal(count_names(f->bench.dir, "log"), 0);
	sink_fini(s);
	snprintf(up, sizeof(up), "%s/../other/web.log", f->log_dir);
	s = to_file(f, up);
	put(s, "lost\n", 1);
	assert_counters(s, 0, 0, 5, 1);
	assert_int_equal(count_names(f->bench.dir, "o"), 0);
}

static void an_existing_file_is_gone_on_with_at_its_end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(f->log_dir, 0700), 0);
	file_write(f->path, "old\n");
	put(to_file(f, f->path), "new\n", 1);
	assert_file(f->path, "old\nnew\n");
}

static void a_file_truncated_by_others_has_no_hole(void **state)
{
	struct fixture *f = *state;
	struct sink *s = to_file(f, f->path);

	put(s, "before\n", 1);
	assert_int_equal(truncate(f->path, 0), 0);
	put(s, "after\n", 2);
	assert_file(f->path, "after\n");
	assert_counters(s, 13, 2, 0, 0);
}

static void what_others_append_is_not_overwritten(void **state)
{
	struct fixture *f = *state;
	struct sink *s = to_file(f, f->path);

	put(s, "ours\n", 1);
	file_write(f->path, "theirs\n");
	put(s, "ours\n", 2);
	assert_file(f->path, "ours\ntheirs\nours\n");
}

static void a_renamed_file_is_written_until_it_is_reopened(void **state)
{
	struct fixture *f = *state;
	char moved[300];
	struct sink *s = to_file(f, f->path);

	snprintf(moved, sizeof(moved), "%s.1", f->path);
	put(s, "a\n", 1);
	assert_int_equal(rename(f->path, moved), 0);
	put(s, "b\n", 2);
	assert_file(moved, "a\nb\n");
	sink_reopen(s, 3);
	assert_file(f->path, "");
	put(s, "c\n", 4);
	assert_file(f->path, "c\n");
	assert_file(moved, "a\nb\n");
}

static void reopening_does_not_make_files_that_nobody_wrote(void **state)
{
	struct fixture *f = *state;

	sink_reopen(to_file(f, f->path), 1);
	assert_int_equal(access(f->path, F_OK), -1);
}

static void refused(struct fixture *f, const char *reason)
{
	struct sink *s = to_file(f, f->path);
	char text[400];

	put(s, "secret\n", 1);
	put(s, "secret\n", 2);
	assert_counters(s, 0, 0, 14, 2);
	snprintf(text, sizeof(text), "service 'web': cannot write %s: %s; dropping", f->path,
		reason);
	assert_int_equal(bench_logged(&f->bench, text), 1);
	assert_int_equal(bench_log_lines(&f->bench), 1);
}

static void a_symbolic_link_is_not_written_through(void **state)
{
	struct fixture *f = *state;
	char target[256];

	bench_path(&f->bench, "target", target);
	file_write(target, "mine\n");
	assert_int_equal(mkdir(f->log_dir, 0700), 0);
	assert_int_equal(symlink(target, f->path), 0);
	refused(f, "it is a symbolic link");
	assert_file(target, "mine\n");
}

static void a_dangling_symbolic_link_makes_no_file(void **state)
{
	struct fixture *f = *state;
	char target[256];

	assert_int_equal(mkdir(f->log_dir, 0700), 0);
	assert_int_equal(symlink(bench_path(&f->bench, "target", target), f->path), 0);
	refused(f, "it is a symbolic link");
	assert_int_equal(access(target, F_OK), -1);
}

static void a_fifo_is_refused_with_and_without_a_reader(void **state)
{
	struct fixture *f = *state;
	char c;
	int reader;

	assert_int_equal(mkdir(f->log_dir, 0700), 0);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	refused(f, "it is not a regular file");
	sink_fini(&f->sinks[0]);
	reader = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	put(to_file(f, f->path), "secret\n", 1);
	assert_counters(&f->sinks[0], 0, 0, 7, 1);
	assert_int_equal(read(reader, &c, 1), 0);
	assert_int_equal(bench_logged(&f->bench, "it is not a regular file"), 2);
	close(reader);
}

static void a_directory_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(f->log_dir, 0700), 0);
	assert_int_equal(mkdir(f->path, 0700), 0);
	refused(f, "Is a directory");
}

static void a_file_of_another_user_is_refused(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(f->log_dir, 0700), 0);
	file_write(f->path, "theirs\n");
	assert_int_equal(chown(f->path, 65534, 65534), 0);
	refused(f, "it belongs to another user");
	assert_file(f->path, "theirs\n");
}

static void what_cannot_be_written_is_counted_until_it_is_mended(void **state)
{
	struct fixture *f = *state;
	char dir[256], path[300], text[400];
	struct sink *s;

	bench_path(&f->bench, "elsewhere", dir);
	snprintf(path, sizeof(path), "%s/web.log", dir);
	s = to_file(f, path);
	put(s, "1\n", 9 * SEC);
	put(s, "2\n", 10 * SEC); /* a second try, and no second report */
	assert_int_equal(mkdir(dir, 0700), 0);
	put(s, "3\n", 11 * SEC - 1); /* a moment too early */
	assert_int_equal(access(path, F_OK), -1);
	assert_counters(s, 0, 0, 6, 3);
	assert_int_equal(bench_log_lines(&f->bench), 1);
	put(s, "4\n", 11 * SEC);
	put(s, "5\n", 11 * SEC);
	assert_file(path, "supervisord: 6 bytes, 3 lines dropped (No such file or directory)\n"
			  "4\n5\n");
	assert_counters(s, 4, 2, 6, 3);
	snprintf(text, sizeof(text), "service 'web': %s mended: 6 bytes, 3 lines were lost", path);
	assert_int_equal(bench_logged(&f->bench, text), 1);
	assert_int_equal(bench_log_lines(&f->bench), 2);
}

static void reopening_a_broken_file_tries_at_once(void **state)
{
	struct fixture *f = *state;
	char dir[256], path[300];
	struct sink *s;

	bench_path(&f->bench, "elsewhere", dir);
	snprintf(path, sizeof(path), "%s/web.log", dir);
	s = to_file(f, path);
	put(s, "1\n", 10 * SEC);
	assert_int_equal(mkdir(dir, 0700), 0);
	sink_reopen(s, 10 * SEC + 1);
	put(s, "2\n", 10 * SEC + 2);
	assert_file(path, "supervisord: 2 bytes, 1 lines dropped (No such file or directory)\n"
			  "2\n");
	assert_int_equal(bench_logged(&f->bench, "mended: 2 bytes, 1 lines"), 1);
}

static void a_write_that_stops_half_way_is_counted_by_the_byte(void **state)
{
	struct fixture *f = *state;
	struct rlimit small = {.rlim_cur = 10, .rlim_max = f->fsize.rlim_max};
	struct sink *s = to_file(f, f->path);

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	put(s, "aaa\nbbb\nccc\nddd\n", SEC);
	setrlimit(RLIMIT_FSIZE, &f->fsize);
	assert_file(f->path, "aaa\nbbb\ncc");
	assert_counters(s, 10, 2, 6, 2);
	/* No report: the log is a file here, and under the same limit. */
	put(s, "eee\n", 2 * SEC);
	assert_counters(s, 14, 3, 6, 2);
	assert_int_equal(bench_logged(&f->bench, "mended: 6 bytes, 2 lines were lost"), 1);
}

static void a_full_disk_is_reported_by_its_name(void **state)
{
	struct fixture *f = *state;
	struct sink *s = to_file(f, f->path);

	put(s, "a\n", SEC);
	inject("test:pwrite:1:ENOSPC");
	put(s, "b\n", SEC);
	put(s, "c\n", SEC);
	put(s, "d\n", 2 * SEC);
	assert_file(
		f->path, "a\nsupervisord: 4 bytes, 2 lines dropped (No space left on device)\nd\n");
	assert_counters(s, 4, 2, 4, 2);
	assert_int_equal(bench_logged(&f->bench, "web.log: No space left on device; dropping its "
						 "output, trying again every second"),
		1);
	assert_int_equal(bench_log_lines(&f->bench), 2);
}

static unsigned n_open(const struct fixture *f)
{
	unsigned n = 0;

	for (size_t i = 0; i < ELEMENTSOF(f->sinks); i++)
		n += f->sinks[i].file.fd >= 0;
	return n;
}

static void only_the_last_written_files_are_open(void **state)
{
	struct fixture *f = *state;
	char path[300];

	f->set.files.max_open = 2;
	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s/%d.log", f->log_dir, i);
		sink_init(&f->sinks[i], &f->set, "web", bench_log(0, 1),
			&(struct spec_target){.sink = SPEC_SINK_FILE}, path);
	}
	for (usec_t round = 0; round < 3; round++) {
		for (int i = 0; i < 5; i++) {
			put(&f->sinks[i], "line\n", round);
			assert_true(n_open(f) <= 2);
			assert_int_equal(n_open(f), f->set.files.n_open);
		}
	}
	assert_true(f->sinks[3].file.fd >= 0 && f->sinks[4].file.fd >= 0);
	put(&f->sinks[3], "line\n", 4);
	put(&f->sinks[0], "line\n", 5); /* 4 was the oldest now */
	assert_true(f->sinks[3].file.fd >= 0 && f->sinks[4].file.fd < 0);
	snprintf(path, sizeof(path), "%s/1.log", f->log_dir);
	assert_file(path, "line\nline\nline\n");
	snprintf(path, sizeof(path), "%s/0.log", f->log_dir);
	assert_file(path, "line\nline\nline\nline\n");
	sink_close(&f->sinks[0]);
	assert_int_equal(f->set.files.n_open, 1);
}

static void without_descriptors_another_file_is_closed(void **state)
{
	struct fixture *f = *state;
	char path[300];
	struct rlimit none = f->nofile;
	struct sink *s = to_file(f, f->path);

	put(s, "a\n", 1);
	snprintf(path, sizeof(path), "%s/other.log", f->log_dir);
	sink_init(&f->sinks[1], &f->set, "other", bench_log(0, 1),
		&(struct spec_target){.sink = SPEC_SINK_FILE}, path);
	/* All below are taken; one more is for the directory. */
	none.rlim_cur = (rlim_t)s->file.fd + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	put(&f->sinks[1], "b\n", 2);
	setrlimit(RLIMIT_NOFILE, &f->nofile);
	assert_file(path, "b\n");
	assert_int_equal(s->file.fd, -1);
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void counters_go_on_from_what_was_recovered(void **state)
{
	struct fixture *f = *state;
	struct sink *s = to_file(f, f->path);

	s->counters = (struct log_counters){100, 10, 20, 2};
	put(s, "abc\n", 1);
	assert_counters(s, 104, 11, 20, 2);
}

static void none_counts_what_it_swallows(void **state)
{
	struct fixture *f = *state;

	put(&f->sinks[0], "a\nb\n", 1);
	assert_counters(&f->sinks[0], 4, 2, 0, 0);
}

static void new_settings_keep_counters_and_an_unchanged_file(void **state)
{
	struct fixture *f = *state;
	char path[300];
	struct sink *s = to_file(f, f->path);
	int fd;

	put(s, "a\n", 1);
	fd = s->file.fd;
	assert_int_equal(sink_configure(s, bench_log(100, 7),
				 &(struct spec_target){.sink = SPEC_SINK_FILE}, f->path, 2),
		0);
	assert_int_equal(s->file.fd, fd);
	assert_int_equal(s->file.rotation->max_size_bytes, 100);
	assert_int_equal(s->file.rotation->keep, 7);
	snprintf(path, sizeof(path), "%s/new.log", f->log_dir);
	assert_int_equal(sink_configure(s, bench_log(200, 8),
				 &(struct spec_target){.sink = SPEC_SINK_FILE}, path, 3),
		0);
	assert_int_equal(f->set.files.n_open, 0);
	put(s, "b\n", 4);
	assert_file(f->path, "a\n");
	assert_file(path, "b\n");
	assert_int_equal(sink_configure(s, bench_log(0, 0),
				 &(struct spec_target){.sink = SPEC_SINK_NONE}, NULL, 5),
		0);
	put(s, "c\n", 6);
	assert_file(path, "b\n");
	assert_counters(s, 6, 3, 0, 0);
}

static void what_was_never_set_up_can_be_taken_down(void **state _unused_)
{
	struct sink s = {0};

	assert_true(fcntl(0, F_GETFD) >= 0);
	sink_fini(&s);
	sink_fini(&s);
	assert_true(fcntl(0, F_GETFD) >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_and_its_directory_are_made_when_there_is_data),
		TEST(directories_elsewhere_are_not_made),
		TEST(an_existing_file_is_gone_on_with_at_its_end),
		TEST(a_file_truncated_by_others_has_no_hole),
		TEST(what_others_append_is_not_overwritten),
		TEST(a_renamed_file_is_written_until_it_is_reopened),
		TEST(reopening_does_not_make_files_that_nobody_wrote),
		TEST(a_symbolic_link_is_not_written_through),
		TEST(a_dangling_symbolic_link_makes_no_file),
		TEST(a_fifo_is_refused_with_and_without_a_reader),
		TEST(a_directory_is_refused),
		TEST(a_file_of_another_user_is_refused),
		TEST(what_cannot_be_written_is_counted_until_it_is_mended),
		TEST(reopening_a_broken_file_tries_at_once),
		TEST(a_write_that_stops_half_way_is_counted_by_the_byte),
		TEST(a_full_disk_is_reported_by_its_name),
		TEST(only_the_last_written_files_are_open),
		TEST(without_descriptors_another_file_is_closed),
		TEST(counters_go_on_from_what_was_recovered),
		TEST(none_counts_what_it_swallows),
		TEST(what_was_never_set_up_can_be_taken_down),
		TEST(new_settings_keep_counters_and_an_unchanged_file),
	};

	return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
