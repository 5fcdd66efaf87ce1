/*
 * A pump is killed by SIGKILL before its Nth system call or commit, for each N; then another
 * process goes on from what is left, is killed as well, and a third one finishes. What services
 * wrote has to be in their files once and in order, and counted so.
 */
#include "pumper.h"
#include "tests/unit/sparse.h"
#include "tests/unit/zone.h"

#include <time.h>

#define DATA_SIZE (600 * 1024)
#define MAX_STEPS 5000
#define OLD	  "yesterday\n"

/* True: it was killed at step n; false: it came to the end before. 0: nobody kills it. */
static bool run(struct fixture *f, unsigned n)
{
	char rules[128];

	snprintf(rules, sizeof(rules), "test:any:%u:KILL%s%s", n, f->scenario->fault ? "," : "",
		f->scenario->fault ? f->scenario->fault : "");
	return pumper_run(f, rules);
}

static void make_data(struct fixture *f)
{
	uint32_t random = 12345;

	for (unsigned i = 0; i < N_STREAMS; i++) {
		size_t n = 0, wanted = f->scenario->n_bytes;

		f->data[i] = malloc(wanted + f->scenario->line_max + 32);
		assert_non_null(f->data[i]);
		for (unsigned k = 0; n < wanted; k++) {
			size_t length;

			random = random * 1664525 + 1013904223;
			length = (random >> 8) % f->scenario->line_max;
			n += (size_t)sprintf(f->data[i] + n, "%c%06u ", 'a' + (int)i, k);
			memset(f->data[i] + n, 'x', length);
			n += length;
			f->data[i][n++] = '\n';
		}
		f->n_data[i] = i == 0 ? n - 3 : n; /* one ends without a newline */
	}
}

static void fill_pipes(struct fixture *f)
{
	for (unsigned i = 0; i < N_STREAMS; i++) {
		int fds[2];

		assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
		assert_true(fcntl(fds[1], F_SETPIPE_SZ, f->scenario->pipe_size) > 0);
		assert_int_equal(write(fds[1], f->data[i], f->n_data[i]), (ssize_t)f->n_data[i]);
		close(fds[1]);
		f->readers[i] = fds[0];
	}
}

/* On standard output: standard error is the pump's log, which follows. */
_printf_(2, 3) static void complain(const struct fixture *f, const char *format, ...)
{
	char log[4096];
	ssize_t n = pread(f->bench.caught, log, sizeof(log), 0);
	va_list args;

	printf("%s, killed at step %u: ", f->scenario->name, f->step);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n%.*s", (int)(n > 0 ? n : 0), log);
	fail();
}

static size_t append(const struct fixture *f, const char *name, char *all, size_t n)
{
	char path[256];
	size_t k;
	char *data = file_read(bench_path(&f->bench, name, path), &k);

	if (f->scenario->max_size > 0)
		if (k > f->scenario->max_size)
			complain(f, "%s has %zu bytes", name, k);
	assert_true(n + k <= 4 * DATA_SIZE);
	memcpy(all + n, data, k);
	free(data);
	remove(path);
	return n + k;
}

/* Takes off each line's stamp, which has to be there. */
static size_t strip(const struct fixture *f, char *all, size_t n)
{
	enum spec_timestamps timestamps = f->scenario->timestamps;
	const size_t width =
		strlen(timestamps == SPEC_TIMESTAMPS_ISO ? "2026-11-23T06:36:53.123456Z "
							 : "2026-11-23T06:36:53.123456+00:00 ");
	size_t from = 0, to = 0;

	if (timestamps == SPEC_TIMESTAMPS_NONE)
		return n;
	while (from < n) {
		const char *newline;
		size_t k;

		assert_true(n - from > width);
		assert_true(all[from] == '2' && all[from + 4] == '-' && all[from + 10] == 'T' &&
			    all[from + width - 1] == ' ');
		assert_true(f->scenario->is_lossy || all[from + width] >= 'a');
		from += width;
		newline = memchr(all + from, '\n', n - from);
		k = newline ? (size_t)(newline + 1 - (all + from)) : n - from;
		memmove(all + to, all + from, k);
		from += k;
		to += k;
	}
	return to;
}

/* Takes the lines about what was lost out of all; how much that was, all together. */
static size_t take_markers(char *all, size_t n, struct log_counters *ret_told)
{
	size_t from = 0, to = 0;

	*ret_told = (struct log_counters){0};
	while (from < n) {
		char *newline = memchr(all + from, '\n', n - from);
		size_t k = newline ? (size_t)(newline + 1 - (all + from)) : n - from;
		size_t bytes, lines;

		if (sscanf(all + from, "supervisord: %zu bytes, %zu lines dropped (No space",
			    &bytes, &lines) == 2) {
			assert_non_null(newline);
			assert_true(from == 0 || all[from - 1] == '\n');
			ret_told->dropped_bytes += bytes;
			ret_told->dropped_lines += lines;
		} else {
			memmove(all + to, all + from, k);
			to += k;
		}
		from += k;
	}
	return to;
}

/* What is in the file and what was dropped are all there is, and counted and told so. */
static void check_loss(struct fixture *f, unsigned i, char *all, size_t n)
{
	const struct log_counters *c = &f->shared->counters[i];
	struct log_counters told;
	size_t lines = 0;

	for (size_t k = 0; k < f->n_data[i]; k++)
		lines += f->data[i][k] == '\n';
	if (c->bytes + c->dropped_bytes != f->n_data[i])
		complain(f, "%zu bytes and %zu dropped of %zu", (size_t)c->bytes,
			(size_t)c->dropped_bytes, f->n_data[i]);
	assert_int_equal(c->lines + c->dropped_lines, lines);
	n = take_markers(all, n, &told);
	if (told.dropped_bytes + f->shared->lost_bytes[i] != c->dropped_bytes)
		complain(f, "%zu told and %zu to tell of %zu", (size_t)told.dropped_bytes,
			(size_t)f->shared->lost_bytes[i], (size_t)c->dropped_bytes);
	assert_int_equal(told.dropped_lines + f->shared->lost_lines[i], c->dropped_lines);
	/* A line that was cut has a newline of ours, where there are stamps or markers. */
	assert_in_range(n, c->bytes, c->bytes + 10);
}

static void make_old_file(const struct fixture *f, const char *name)
{
	struct timespec then = {time(NULL) - 24 * 3600, 0};
	char path[256];

	file_write(bench_path(&f->bench, name, path), OLD);
	assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){then, then}, 0), 0);
}

/* It has nothing of today's, and today's has nothing of it. */
static void check_old_file(const struct fixture *f, const char *name)
{
	char path[256];
	char *data = file_read(bench_path(&f->bench, name, path), NULL);

	if (strcmp(data, OLD) != 0)
		complain(f, "%s is not as it was yesterday", name);
	free(data);
	remove(path);
}

/* What is in the file of that name and its rotated ones, without stamps. */
static size_t collect(struct fixture *f, const char *name, char *all)
{
	struct dirent **files;
	char prefix[16];
	int n_files;
	size_t n = 0;

	snprintf(prefix, sizeof(prefix), "%s.", name);
	n_files = list_names(f->bench.dir, prefix, &files);
	if (f->scenario->max_size > 0 || f->scenario->every != SPEC_EVERY_NEVER)
		assert_true(n_files > 0);
	if (f->scenario->every != SPEC_EVERY_NEVER && n_files > 0)
		check_old_file(f, files[0]->d_name);
	for (int k = f->scenario->every != SPEC_EVERY_NEVER; k < n_files; k++)
		n = append(f, files[k]->d_name, all, n);
	free_names(files, n_files);
	return strip(f, all, append(f, name, all, n));
}

static void check_whole(struct fixture *f, unsigned i, const char *name, const char *all, size_t n)
{
	if (n != f->n_data[i] || memcmp(all, f->data[i], n) != 0)
		complain(f, "%zu bytes of %zu in %s", n, f->n_data[i], name);
}

/* By lines as they came, though some may have come again after each of the kills. */
static void check_reader(struct fixture *f, unsigned i)
{
	char name[8], path[256], *all;
	size_t n, at = 0, repeated = 0;

	snprintf(name, sizeof(name), "%s-r", stream_names[i]);
	all = file_read(bench_path(&f->bench, name, path), &n);
	for (size_t k = 0; k < n; k++) {
		size_t back = 0;

		if (at < f->n_data[i] && all[k] == f->data[i][at]) {
			at++;
			continue;
		}
		/* It goes back to where the rest of all is what follows. */
		while (back < at && (n - k < f->n_data[i] - back ||
					    memcmp(all + k, f->data[i] + back, 40) != 0))
			back++;
		if (back == at)
			complain(f, "%s differs at %zu", name, k);
		repeated += at - back;
		at = back + 1;
	}
	if (at != f->n_data[i])
		complain(f, "%zu bytes of %zu in %s", at, f->n_data[i], name);
	assert_true(repeated <= 2 * f->n_data[i]);
	free(all);
	remove(path);
}

static void check_files(struct fixture *f)
{
	char *all = malloc(4 * DATA_SIZE);

	assert_non_null(all);
	for (unsigned i = 0; i < N_STREAMS; i++) {
		size_t n = collect(f, stream_names[i], all);

		if (f->scenario->is_lossy) {
			check_loss(f, i, all, n);
			continue;
		}
		check_whole(f, i, stream_names[i], all, n);
		assert_int_equal(f->shared->counters[i].bytes, n);
		assert_int_equal(f->shared->counters[i].dropped_bytes, 0);
		if (f->scenario->has_reader)
			check_reader(f, i);
		for (unsigned k = 0; k < f->scenario->n_further; k++) {
			n = collect(f, further_names[i][k], all);
			check_whole(f, i, further_names[i][k], all, n);
		}
	}
	free(all);
}

/* There is room again, and the streams have ended: what was lost is told, in spite of a kill. */
static void tell_of_losses(struct fixture *f)
{
	const struct scenario *x = f->scenario;
	struct scenario mended = *x;

	mended.fault = NULL;
	f->scenario = &mended;
	run(f, 1 + f->step % 50);
	assert_false(run(f, 0));
	for (unsigned i = 0; i < N_STREAMS; i++)
		assert_int_equal(f->shared->lost_bytes[i], 0);
	f->scenario = x;
}

static void try_each_step(struct fixture *f, const struct scenario *x)
{
	const unsigned stride = x->stride * sparse();
	bool killed = true;

	f->scenario = x;
	make_data(f);
	for (unsigned step = 1; killed; step += stride) {
		assert_true(step < MAX_STEPS);
		f->step = step;
		memset(f->shared, 0, sizeof(*f->shared));
		assert_int_equal(hold_init(&f->hold, -1, -1), 0);
		fill_pipes(f);
		for (unsigned i = 0; i < N_STREAMS && x->every != SPEC_EVERY_NEVER; i++)
			make_old_file(f, stream_names[i]);
		killed = run(f, step);
		assert_true(killed || step > 1);
		if (killed)
			run(f, step / 2 + 1);
		assert_false(run(f, 0));
		if (x->is_lossy)
			tell_of_losses(f);
		check_files(f);
		for (unsigned i = 0; i < N_STREAMS; i++)
			close(f->readers[i]);
		hold_fini(&f->hold);
	}
	if (!x->is_lossy) {
		assert_int_equal(bench_logged(&f->bench, "lost"), 0);
		assert_int_equal(bench_logged(&f->bench, "dropping"), 0);
	}
	for (unsigned i = 0; i < N_STREAMS; i++)
		free(f->data[i]);
}

static void small_batches(void **state)
{
	const struct scenario x = {"small", 3000, 65536, 0, SPEC_TIMESTAMPS_NONE, 60, 10, NULL, 5};

	try_each_step(*state, &x);
}

static void small_batches_with_stamps(void **state)
{
	const struct scenario x = {"iso", 3000, 65536, 0, SPEC_TIMESTAMPS_ISO, 60, 10, NULL, 5};

	try_each_step(*state, &x);
}

static void large_batches_that_are_written_in_parts(void **state)
{
	const struct scenario x = {"large", 600000, 1 << 20, 0, SPEC_TIMESTAMPS_NONE, 200, 10,
		"test:half-pwrite:1+:EIO", 47};

	try_each_step(*state, &x);
}

static void large_batches_with_stamps(void **state)
{
	const struct scenario x = {"large iso", 400000, 1 << 20, 0, SPEC_TIMESTAMPS_LOCAL, 60, 10,
		"test:half-pwrite:1+:EIO", 47};

	try_each_step(*state, &x);
}

static void rotation(void **state)
{
	const struct scenario x = {
		"rotation", 3000, 65536, 700, SPEC_TIMESTAMPS_NONE, 60, 100, NULL, 5};

	try_each_step(*state, &x);
}

static void rotation_with_stamps(void **state)
{
	const struct scenario x = {"rotation iso", 3000, 65536, 1000, SPEC_TIMESTAMPS_ISO, 60, 100,
		"test:half-pwrite:1+:EIO", 7};

	try_each_step(*state, &x);
}

static void rotation_in_lines_that_are_too_long(void **state)
{
	const struct scenario x = {
		"long lines", 4000, 65536, 300, SPEC_TIMESTAMPS_NONE, 900, 100, NULL, 7};

	try_each_step(*state, &x);
}

static void rotation_by_time(void **state)
{
	const struct scenario x = {"daily", 300, 65536, 0, SPEC_TIMESTAMPS_NONE, 60, 100, NULL, 5,
		.every = SPEC_EVERY_DAY};
	char zone[16];

	/* It is noon, so that no day ends meanwhile. */
	snprintf(zone, sizeof(zone), "TST%d", (int)(time(NULL) / 3600 % 24) - 12);
	zone_set(zone);
	try_each_step(*state, &x);
}

static void several_files(void **state)
{
	const struct scenario x = {"several", 3000, 65536, 0, SPEC_TIMESTAMPS_NONE, 60, 10,
		"test:half-pwrite:1+:EIO", 7, .n_further = 2};

	try_each_step(*state, &x);
}

static void several_files_with_rotation_and_stamps(void **state)
{
	const struct scenario x = {"several iso", 3000, 65536, 1000, SPEC_TIMESTAMPS_ISO, 60, 100,
		NULL, 11, .n_further = 2};

	try_each_step(*state, &x);
}

static void several_files_in_batches_that_end_within_lines(void **state)
{
	const struct scenario x = {"several large", 400000, 1 << 20, 0, SPEC_TIMESTAMPS_ISO, 200,
		10, NULL, 47, .n_further = 2};

	try_each_step(*state, &x);
}

static void somebody_who_is_waited_for(void **state)
{
	const struct scenario x = {"reader", 3000, 65536, 0, SPEC_TIMESTAMPS_NONE, 60, 10, NULL, 7,
		.has_reader = true};

	try_each_step(*state, &x);
}

static void a_full_disk(void **state)
{
	const struct scenario x = {"full", 3000, 65536, 0, SPEC_TIMESTAMPS_NONE, 60, 10,
		"test:half-pwrite:1+:EIO,test:pwrite:3+:ENOSPC", 7, true};

	try_each_step(*state, &x);
}

static void a_full_disk_with_stamps(void **state)
{
	const struct scenario x = {"full iso", 3000, 65536, 0, SPEC_TIMESTAMPS_ISO, 60, 10,
		"test:half-pwrite:1+:EIO,test:pwrite:4+:ENOSPC", 7, true};

	try_each_step(*state, &x);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(small_batches),
		TEST(small_batches_with_stamps),
		TEST(large_batches_that_are_written_in_parts),
		TEST(large_batches_with_stamps),
		TEST(rotation),
		TEST(rotation_with_stamps),
		TEST(rotation_in_lines_that_are_too_long),
		TEST(rotation_by_time),
		TEST(several_files),
		TEST(several_files_with_rotation_and_stamps),
		TEST(several_files_in_batches_that_end_within_lines),
		TEST(somebody_who_is_waited_for),
		TEST(a_full_disk),
		TEST(a_full_disk_with_stamps),
	};

	return cmocka_run_group_tests_name("pump_kill", tests, NULL, NULL);
}
