/*
 * Rotation by time, what stays of rotated files, and their compression, with clocks of our own.
 */
#include "tests/unit/engine/bench.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "engine/logs/sink.h"
#include "tests/unit/zone.h"

#define HOUR USEC_PER_HOUR
/* 2026-11-23T10:00:00Z */
#define TEN UINT64_C(1795428000000000)

struct fixture {
	struct bench bench;
	struct loop loop;
	struct sink_set set;
	struct sink sink;
	struct spec_log *log;
	char path[256];
};

/* What the real clock and the monotonic one say, and how much longer each look takes. */
static usec_t realtime, monotonic, pace;

usec_t __wrap_usec_now(clockid_t clock);

usec_t __wrap_usec_now(clockid_t clock)
{
	if (clock == CLOCK_REALTIME)
		return realtime;
	monotonic += pace;
	return monotonic;
}

/* The other end of each pipe made meanwhile: who waits for its end waits for us. */
static bool is_held;
static int gate = -1;

int __real_sys_pipe2(int ret_fds[static 2], int flags);
int __wrap_sys_pipe2(int ret_fds[static 2], int flags);

int __wrap_sys_pipe2(int ret_fds[static 2], int flags)
{
	int r = __real_sys_pipe2(ret_fds, flags);

	if (r == 0 && is_held)
		gate = fcntl(ret_fds[1], F_DUPFD_CLOEXEC, 0);
	return r;
}

static void advance(usec_t by)
{
	realtime += by;
	monotonic += by;
}

static void begin(struct fixture *f)
{
	f->log = bench_log(0, 10);
	assert_int_equal(loop_init(&f->loop), 0);
	sink_set_init(&f->set, &f->loop, f->bench.dir, 16, STDOUT_FILENO);
	bench_path(&f->bench, "web.log", f->path);
}

static void end(struct fixture *f)
{
	sink_fini(&f->sink);
	sink_set_fini(&f->set);
	loop_fini(&f->loop);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	zone_set("UTC");
	realtime = TEN;
	monotonic = 1000 * HOUR;
	pace = 0;
	is_held = false;
	bench_init(&f->bench);
	assert_int_equal(chdir(f->bench.dir), 0); /* also for filters */
	begin(f);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	end(f);
	bench_fini(&f->bench);
	free(f);
	return 0;
}

/* As the log is set up by now. */
static void make_sink(struct fixture *f)
{
	assert_int_equal(sink_init(&f->sink, &f->set, "web", f->log,
				 &(struct spec_target){.sink = SPEC_SINK_FILE}, f->path),
		0);
}

static void hourly(struct fixture *f)
{
	f->log->rotation.every = SPEC_EVERY_HOUR;
	make_sink(f);
}

static void compressed(struct fixture *f, char **argv)
{
	f->log->rotation.compress = argv;
	f->log->rotation.suffix = (char *)".cp";
	make_sink(f);
}

static char *const copy[] = {(char *)"/bin/cat", NULL};
#define COPY ((char **)(uintptr_t)copy)

/* The file as it was written to by then. */
static void touch(const char *path, usec_t then)
{
	struct timespec t = {(time_t)(then / USEC_PER_SEC), 123456789};

	assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){t, t}, 0), 0);
}

static void put(struct fixture *f, const char *text)
{
	sink_write(&f->sink, text, strlen(text), monotonic);
	touch(f->path, realtime); /* the kernel doesn't know of our clock */
}

static void put_old(struct fixture *f, const char *text, usec_t then)
{
	file_write(f->path, text);
	touch(f->path, then);
}

static void put_segment(struct fixture *f, const char *rest, const char *text)
{
	char name[128], path[256];

	snprintf(name, sizeof(name), "web.log.%s", rest);
	file_write(bench_path(&f->bench, name, path), text);
	touch(path, TEN - HOUR);
}

static bool has_segment(struct fixture *f, const char *rest)
{
	char name[128], path[256];

	snprintf(name, sizeof(name), "web.log.%s", rest);
	return access(bench_path(&f->bench, name, path), F_OK) == 0;
}

static int n_rotated(const struct fixture *f)
{
	return count_names(f->bench.dir, "web.log.");
}

static void assert_rotated(const struct fixture *f, int nth, const char *text)
{
	struct dirent **names;
	int n = list_names(f->bench.dir, "web.log.", &names);
	char path[256];

	assert_true(nth < n);
	bench_path(&f->bench, names[nth]->d_name, path);
	free_names(names, n);
	assert_file(path, text);
}

static bool has_timer(const struct fixture *f)
{
	return heap_first((struct heap *)(uintptr_t)&f->loop.timers) != NULL;
}

static bool is_busy(const struct fixture *f)
{
	const struct upkeep_set *k = &f->set.files.upkeep;

	return k->compress.filter.pid > 0 || k->n_marked > 0 || k->sweep.dir ||
	       !list_empty(&k->turns) || k->is_walking || k->boundary_usec <= realtime;
}

static void settle(struct fixture *f)
{
	while (is_busy(f))
		assert_int_equal(loop_once(&f->loop), 0);
}

/* --- by time --- */

static void a_write_in_the_next_hour_begins_a_new_file(void **state)
{
	struct fixture *f = *state;

	hourly(f);
	put(f, "ten\n");
	advance(HOUR - 1);
	put(f, "still ten\n");
	assert_int_equal(n_rotated(f), 0);
	advance(1);
	put(f, "eleven\n");
	assert_rotated(f, 0, "ten\nstill ten\n");
	assert_file(f->path, "eleven\n");
	assert_true(has_segment(f, "2026-11-23T11-00-00.000Z"));
	advance(HOUR / 2);
	put(f, "still eleven\n");
	assert_int_equal(n_rotated(f), 1);
}

static void after_a_restart_the_last_write_tells_the_period(void **state)
{
	struct fixture *f = *state;

	put_old(f, "nine\n", TEN - 1);
	hourly(f);
	put(f, "ten\n");
	assert_rotated(f, 0, "nine\n");
	assert_file(f->path, "ten\n");
	end(f);
	begin(f);
	hourly(f);
	put(f, "ten again\n");
	assert_int_equal(n_rotated(f), 1);
	assert_file(f->path, "ten\nten again\n");
}

static void an_idle_file_is_rotated_after_the_boundary(void **state)
{
	struct fixture *f = *state;

	hourly(f);
	put(f, "ten\n");
	settle(f);
	assert_int_equal(n_rotated(f), 0);
	advance(HOUR);
	settle(f);
	assert_rotated(f, 0, "ten\n");
	assert_file(f->path, "");
	/* It is empty now, and stays. */
	advance(HOUR);
	settle(f);
	assert_int_equal(n_rotated(f), 1);
	put(f, "twelve\n");
	assert_int_equal(n_rotated(f), 1);
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void a_file_that_was_never_opened_is_rotated_at_the_start(void **state)
{
	struct fixture *f = *state;

	put_old(f, "yesterday\n", TEN - 24 * HOUR);
	hourly(f);
	settle(f);
	assert_rotated(f, 0, "yesterday\n");
	assert_int_equal(f->set.files.n_open, 0);
}

static void days_are_longer_than_hours(void **state)
{
	struct fixture *f = *state;

	f->log->rotation.every = SPEC_EVERY_DAY;
	make_sink(f);
	put(f, "monday\n");
	advance(13 * HOUR);
	settle(f);
	put(f, "monday at eleven\n");
	assert_int_equal(n_rotated(f), 0);
	advance(HOUR);
	put(f, "tuesday\n");
	assert_rotated(f, 0, "monday\nmonday at eleven\n");
}

static void an_hour_comes_to_its_end_once_though_the_clock_is_set_back(void **state)
{
	struct fixture *f = *state;

	hourly(f);
	put(f, "ten\n");
	advance(HOUR);
	put(f, "eleven\n");
	assert_int_equal(n_rotated(f), 1);
	realtime -= HOUR / 2;
	put(f, "half past ten\n");
	advance(HOUR / 2);
	settle(f);
	put(f, "eleven again\n");
	assert_int_equal(n_rotated(f), 1);
	advance(HOUR);
	put(f, "twelve\n");
	assert_int_equal(n_rotated(f), 2);
	assert_file(f->path, "twelve\n");
}

static void a_clock_that_was_years_ahead_stops_nothing(void **state)
{
	struct fixture *f = *state;

	realtime += 9000 * HOUR;
	hourly(f);
	put(f, "next year\n");
	realtime = TEN;
	put(f, "ten\n");
	assert_int_equal(n_rotated(f), 0);
	advance(HOUR);
	put(f, "eleven\n");
	assert_rotated(f, 0, "next year\nten\n");
}

static void a_line_is_not_torn_because_of_the_time(void **state)
{
	struct fixture *f = *state;

	hourly(f);
	put(f, "a line\nthat goes");
	advance(HOUR);
	settle(f);
	put(f, " on and");
	assert_int_equal(n_rotated(f), 0);
	put(f, " ends\nanother\n");
	assert_rotated(f, 0, "a line\nthat goes on and ends\n");
	assert_file(f->path, "another\n");
}

static void a_file_emptied_by_others_belongs_to_the_present_hour(void **state)
{
	struct fixture *f = *state;

	hourly(f);
	put(f, "ten\n");
	advance(HOUR);
	assert_int_equal(truncate(f->path, 0), 0);
	put(f, "eleven\n");
	assert_int_equal(n_rotated(f), 0);
	advance(HOUR);
	put(f, "twelve\n");
	assert_rotated(f, 0, "eleven\n");
}

static void a_rotation_by_time_that_fails_is_tried_again(void **state)
{
	struct fixture *f = *state;

	hourly(f);
	put(f, "ten\n");
	advance(HOUR);
	inject("test:rename:1:EACCES");
	put(f, "eleven\n");
	assert_file(f->path, "ten\neleven\n");
	assert_int_equal(bench_logged(&f->bench, "service 'web': cannot rotate "), 1);
	advance(USEC_PER_SEC);
	put(f, "twelve\n");
	assert_rotated(f, 0, "ten\neleven\n");
	assert_file(f->path, "twelve\n");
}

static void without_rotation_by_time_nobody_is_woken(void **state)
{
	struct fixture *f = *state;

	f->log->rotation.max_size_bytes = 10;
	make_sink(f);
	put(f, "123456789\nabc\n");
	settle(f);
	assert_int_equal(n_rotated(f), 1);
	assert_false(has_timer(f));
	assert_null(f->sink.file.upkeep);
}

static void with_it_the_boundary_wakes_us(void **state)
{
	struct fixture *f = *state;

	hourly(f);
	put(f, "ten\n");
	settle(f);
	assert_true(has_timer(f));
	assert_int_equal(f->set.files.upkeep.boundary_usec, TEN + HOUR);
	sink_configure(&f->sink, bench_log(0, 10), &(struct spec_target){.sink = SPEC_SINK_FILE},
		f->path, monotonic);
	advance(HOUR);
	loop_once(&f->loop);
	assert_false(has_timer(f));
	assert_int_equal(n_rotated(f), 0);
}

/* --- what stays --- */

static void three_segments(struct fixture *f)
{
	put_segment(f, "2026-11-20T00-00-00.000Z", "1234");
	put_segment(f, "2026-11-21T00-00-00.000Z.gz", "1234");
	put_segment(f, "2026-11-22T00-00-00.000Z", "1234");
}

static void compressed_ones_count_as_well(void **state)
{
	struct fixture *f = *state;

	three_segments(f);
	f->log->rotation.keep = 2;
	f->log->rotation.max_size_bytes = 2;
	make_sink(f);
	put(f, "x\ny\n");
	assert_int_equal(n_rotated(f), 2);
	assert_true(has_segment(f, "2026-11-22T00-00-00.000Z"));
}

static void what_is_too_old_goes(void **state)
{
	struct fixture *f = *state;

	three_segments(f);
	f->log->rotation.keep_age_usec = 59 * HOUR; /* since 2026-11-20T23:00 */
	make_sink(f);
	settle(f);
	assert_int_equal(n_rotated(f), 2);
	assert_false(has_segment(f, "2026-11-20T00-00-00.000Z"));
}

static void age_is_looked_at_after_each_boundary(void **state)
{
	struct fixture *f = *state;

	three_segments(f);
	f->log->rotation.keep_age_usec = 59 * HOUR;
	hourly(f);
	settle(f);
	assert_int_equal(n_rotated(f), 2);
	advance(HOUR);
	settle(f);
	assert_int_equal(n_rotated(f), 1);
	assert_true(has_segment(f, "2026-11-22T00-00-00.000Z"));
}

static void what_is_too_large_together_goes(void **state)
{
	struct fixture *f = *state;

	three_segments(f);
	f->log->rotation.keep_size_bytes = 8;
	make_sink(f);
	settle(f);
	assert_int_equal(n_rotated(f), 2);
	assert_false(has_segment(f, "2026-11-20T00-00-00.000Z"));
	end(f);
	begin(f);
	f->log->rotation.keep_size_bytes = 7;
	make_sink(f);
	settle(f);
	assert_int_equal(n_rotated(f), 1);
	assert_true(has_segment(f, "2026-11-22T00-00-00.000Z"));
}

static void both_forms_of_one_stamp_count_once_and_go_together(void **state)
{
	struct fixture *f = *state;

	three_segments(f);
	put_segment(f, "2026-11-21T00-00-00.000Z", "x");
	put_segment(f, "2026-11-20T00-00-00.000Z.zst", "x");
	f->log->rotation.keep = 2;
	f->log->rotation.keep_size_bytes = 1000;
	make_sink(f);
	settle(f);
	assert_int_equal(n_rotated(f), 3);
	assert_true(has_segment(f, "2026-11-22T00-00-00.000Z"));
	assert_true(has_segment(f, "2026-11-21T00-00-00.000Z"));
	assert_true(has_segment(f, "2026-11-21T00-00-00.000Z.gz"));
}

static void names_of_other_forms_are_left_alone(void **state)
{
	static const char *const foreign[] = {"1", "old", "2020-01-01T00-00-00.000Z.GZ",
		"2020-01-01T00-00-00.000Z.", "2020-01-01T00-00-00.000Z.gz.old",
		"2020-01-01T00-00-00.000Z.abcdefghijklmnopq", "2020-01-01T00-00-00.000.gz",
		"2020-01-01T00-00-00.000Z.g-z.partial", "x.2020-01-01T00-00-00.000Z"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
		put_segment(f, foreign[i], "x");
	put_segment(f, "2020-01-01T00-00-00.000Z.abcdefghijklmnop", "x");
	put_segment(f, "2020-01-01T00-00-00.000Z.partial", "x");
	put_segment(f, "2020-01-02T00-00-00.000Z.gz.partial", "x");
	f->log->rotation.keep_size_bytes = 1000;
	f->log->rotation.keep = 0;
	make_sink(f);
	settle(f);
	assert_int_equal(n_rotated(f), ELEMENTSOF(foreign));
	for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
		assert_true(has_segment(f, foreign[i]));
}

static void names_are_taken_apart_and_made(void **state _unused_)
{
	struct rotate_name n;
	char name[NAME_MAX + 1];

	assert_true(rotate_parse("a.b.2026-11-23T06-36-53.123Z.gz.partial", &n));
	assert_int_equal(n.base_length, 3);
	assert_string_equal(n.stamp, "2026-11-23T06-36-53.123Z");
	assert_string_equal(n.suffix, "gz");
	assert_true(n.partial);
	assert_int_equal(rotate_make("a.b", &n, name), 0);
	assert_string_equal(name, "a.b.2026-11-23T06-36-53.123Z.gz.partial");
	assert_false(rotate_parse(".2026-11-23T06-36-53.123Z", &n));
	assert_false(rotate_parse("2026-11-23T06-36-53.123Z", &n));
	assert_int_equal(rotate_stamp_usec("2026-11-23T06-36-53.123Z"), UINT64_C(1795415813123000));
	assert_int_equal(rotate_stamp_usec("nonsense"), 0);
}

/* A directory full of logs, at a pace that allows for one step in each slice. */
static void a_sweep_goes_on_from_round_to_round(void **state)
{
	struct fixture *f = *state;
	static struct sink sinks[50];
	char name[64], path[256];

	pace = 2 * USEC_PER_MSEC;
	f->log->rotation.keep = 2;
	f->log->rotation.keep_size_bytes = 1000;
	for (unsigned i = 0; i < ELEMENTSOF(sinks); i++) {
		for (unsigned k = 0; k < 4; k++) {
			snprintf(name, sizeof(name), "%u.log.2026-11-23T06-36-53.%03uZ", i, k);
			file_write(bench_path(&f->bench, name, path), "x");
		}
		snprintf(name, sizeof(name), "%u.log", i);
		assert_int_equal(sink_init(&sinks[i], &f->set, "many", f->log,
					 &(struct spec_target){.sink = SPEC_SINK_FILE},
					 bench_path(&f->bench, name, path)),
			0);
	}
	assert_int_equal(loop_once(&f->loop), 0);
	assert_true(is_busy(f));
	/* One of those that it is at goes. */
	sink_fini(&sinks[7]);
	settle(f);
	for (unsigned i = 0; i < ELEMENTSOF(sinks); i++) {
		snprintf(name, sizeof(name), "%u.log.", i);
		assert_int_equal(count_names(f->bench.dir, name), i == 7 ? 4 : 2);
		sink_fini(&sinks[i]);
	}
}

/* --- large ones --- */

static void let_go(struct fixture *f)
{
	is_held = false;
	close_fd(gate);
	while (f->set.files.upkeep.disposal.child.pid > 0)
		assert_int_equal(loop_once(&f->loop), 0);
	assert_int_equal(f->set.files.upkeep.disposal.n_held, 0);
}

/* Once more a moment later, but not without an end. */
static void wait_a_moment(usec_t began)
{
	assert_true(usec_now(CLOCK_MONOTONIC) < began + 60 * USEC_PER_SEC);
	usleep(1000);
}

/* What a child that waits has open, when it has closed the rest; the number of deleted files. */
static int count_deleted(pid_t pid, int n_open)
{
	const usec_t began = usec_now(CLOCK_MONOTONIC);
	char path[320], target[256];
	int n_deleted = 0, n_seen;
	struct dirent **names;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	while ((n_seen = list_names(path, "", &names)) != n_open + 2) { /* . and .. */
		free_names(names, n_seen);
		wait_a_moment(began);
	}
	for (int i = 0; i < n_seen; i++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid, names[i]->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		target[MAX_OF(n, 0)] = '\0';
		n_deleted += strstr(target, "Z (deleted)") != NULL;
	}
	free_names(names, n_seen);
	return n_deleted;
}

static void put_segments(struct fixture *f, unsigned n)
{
	char rest[64];

	for (unsigned i = 0; i < n; i++) {
		snprintf(rest, sizeof(rest), "2026-11-20T00-00-00.%03uZ", i);
		put_segment(f, rest, "large\n");
	}
}

/* One that keeps nothing, where nearly everything is large. */
static void keep_nothing(struct fixture *f)
{
	f->log->rotation.keep = 0;
	f->set.files.upkeep.disposal.large_bytes = 512;
	make_sink(f);
}

static void sweep(struct fixture *f)
{
	upkeep_rotated(&f->set.files, &f->sink.file, "2026-11-20T00-00-00.000Z", true);
	assert_int_equal(f->set.files.upkeep.n_marked, 0);
	assert_int_equal(n_rotated(f), 0);
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void large_ones_are_let_go_of_by_a_child(void **state)
{
	struct fixture *f = *state;
	const struct disposal *d = &f->set.files.upkeep.disposal;
	pid_t first;

	keep_nothing(f);
	put_segments(f, 3);
	is_held = true;
	sweep(f);
	first = d->child.pid;
	assert_true(first > 0);
	assert_int_equal(d->n_held, 0);
	assert_int_equal(count_deleted(first, 4), 3);
	/* The next ones wait for it, as many as there may be. */
	put_segments(f, DISPOSAL_MAX + 1);
	sweep(f);
	assert_int_equal(d->child.pid, first);
	assert_int_equal(d->n_held, DISPOSAL_MAX);
	let_go(f);
}

static void a_reader_of_a_large_one_has_it_to_its_end(void **state)
{
	struct fixture *f = *state;
	char path[256], text[16] = "";
	int fd;

	keep_nothing(f);
	put_segments(f, 1);
	fd = open(bench_path(&f->bench, "web.log.2026-11-20T00-00-00.000Z", path), O_RDONLY);
	sweep(f);
	let_go(f);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 6);
	assert_string_equal(text, "large\n");
	close(fd);
}

static void small_ones_cost_no_child(void **state)
{
	struct fixture *f = *state;

	keep_nothing(f);
	f->set.files.upkeep.disposal.large_bytes = DISPOSAL_LARGE_BYTES;
	put_segments(f, 3);
	sweep(f);
	assert_int_equal(f->set.files.upkeep.disposal.child.pid, 0);
}

static void without_a_child_large_ones_go_in_place(void **state)
{
	static const char *const rules[] = {
		"test:fork:1:EAGAIN", "test:pipe:1:EMFILE", "test:pidfd_open:1:EMFILE"};
	struct fixture *f = *state;
	const struct disposal *d = &f->set.files.upkeep.disposal;

	keep_nothing(f);
	for (size_t i = 0; i < ELEMENTSOF(rules); i++) {
		put_segments(f, 1);
		inject(rules[i]);
		sweep(f);
		assert_int_equal(d->child.pid, 0);
		assert_int_equal(d->n_held, 0);
	}
}

/* --- compression --- */

static void a_large_one_that_was_compressed_is_let_go_of_by_a_child(void **state)
{
	struct fixture *f = *state;
	const struct disposal *d = &f->set.files.upkeep.disposal;

	put_segments(f, 1);
	f->set.files.upkeep.disposal.large_bytes = 512;
	is_held = true;
	compressed(f, COPY);
	settle(f);
	assert_int_equal(n_rotated(f), 1);
	assert_true(has_segment(f, "2026-11-20T00-00-00.000Z.cp"));
	assert_true(d->child.pid > 0);
	assert_int_equal(count_deleted(d->child.pid, 2), 1);
	let_go(f);
}

static void segments_are_compressed_with_their_time_and_without_a_trace(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[256];

	put_segment(f, "2026-11-20T00-00-00.000Z", "old\n"); /* there before */
	f->log->rotation.max_size_bytes = 8;
	compressed(f, COPY);
	put(f, "1234567\nabc\n");
	settle(f);
	assert_int_equal(n_rotated(f), 2);
	assert_rotated(f, 0, "old\n");
	assert_rotated(f, 1, "1234567\n");
	assert_true(has_segment(f, "2026-11-20T00-00-00.000Z.cp"));
	assert_false(has_segment(f, "2026-11-20T00-00-00.000Z"));
	bench_path(&f->bench, "web.log.2026-11-20T00-00-00.000Z.cp", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_mtim.tv_sec, (TEN - HOUR) / USEC_PER_SEC);
	assert_int_equal(st.st_mtim.tv_nsec, 123456789);
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

/* Its nice value, and the paths of three descriptors and the one by which they are listed. */
static void assert_filter_said(struct fixture *f)
{
	char path[256], expected[160];
	char *said =
		file_read(bench_path(&f->bench, "web.log.2026-11-20T00-00-00.000Z.cp", path), NULL);
	int pid = 0;

	assert_int_equal(sscanf(said, "19 /proc/%d/fd/0", &pid), 1);
	snprintf(expected, sizeof(expected),
		"19\n/proc/%d/fd/0 /proc/%d/fd/1 /proc/%d/fd/2 /proc/%d/fd/3\n", pid, pid, pid,
		pid);
	assert_string_equal(said, expected);
	free(said);
}

static void a_filter_has_low_priority_and_three_descriptors(void **state)
{
	struct fixture *f = *state;

	put_segment(f, "2026-11-20T00-00-00.000Z", "x");
	compressed(f,
		(char *[]){(char *)"sh", (char *)"-c", (char *)"nice; echo /proc/$$/fd/*", NULL});
	settle(f);
	assert_int_equal(n_rotated(f), 1);
	assert_filter_said(f);
}

static void check_failure(struct fixture *f, char **argv, const char *words)
{
	f->log->rotation.max_size_bytes = 4;
	compressed(f, argv);
	put(f, "abc\ndef\nghi\n");
	settle(f);
	assert_int_equal(n_rotated(f), 2);
	assert_rotated(f, 0, "abc\n");
	assert_rotated(f, 1, "def\n");
	assert_int_equal(bench_logged(&f->bench, words), 1);
	assert_int_equal(bench_log_lines(&f->bench), 1);
	/* No second line about the next ones, and one when it works again. */
	put(f, "jkl\n");
	settle(f);
	assert_int_equal(bench_log_lines(&f->bench), 1);
	f->log->rotation.compress = COPY;
	put(f, "mno\n");
	settle(f);
	assert_int_equal(bench_logged(&f->bench, "can be compressed again"), 1);
	assert_int_equal(count_names(f->bench.dir, "web.log."), 4);
	assert_rotated(f, 0, "abc\n");
	assert_rotated(f, 3, "jkl\n");
	for (int i = 0; i < 4; i++) {
		struct dirent **names;
		int n = list_names(f->bench.dir, "web.log.", &names);

		assert_non_null(strstr(names[i]->d_name, "Z.cp"));
		free_names(names, n);
	}
}

static void a_filter_that_is_missing_costs_one_line(void **state)
{
	check_failure(*state, (char *[]){(char *)"/nonexistent/gzip", NULL},
		"the filter can't be executed: No such file or directory; it stays as it is");
}

static void a_filter_that_fails_costs_one_line(void **state)
{
	check_failure(*state, (char *[]){(char *)"sh", (char *)"-c", (char *)"cat; exit 3", NULL},
		"the filter exited with 3; it stays as it is");
}

static void a_filter_that_is_killed_costs_one_line(void **state)
{
	check_failure(*state,
		(char *[]){(char *)"sh", (char *)"-c", (char *)"cat; kill -9 $$", NULL},
		"the filter was killed by signal KILL");
}

static void a_filter_that_writes_nothing_has_not_compressed(void **state)
{
	check_failure(*state, (char *[]){(char *)"true", NULL}, "the filter wrote nothing");
}

/* One that has passed by the next rotation. */
static void check_passing_failure(struct fixture *f, const char *rule, const char *words)
{
	f->log->rotation.max_size_bytes = 4;
	compressed(f, COPY);
	inject(rule);
	put(f, "abc\ndef\nghi\n");
	settle(f);
	assert_int_equal(n_rotated(f), 2);
	assert_rotated(f, 0, "abc\n");
	assert_rotated(f, 1, "def\n");
	assert_int_equal(bench_logged(&f->bench, words), 1);
	assert_int_equal(bench_log_lines(&f->bench), 1);
	put(f, "jkl\n");
	settle(f);
	assert_int_equal(bench_logged(&f->bench, "can be compressed again"), 1);
	assert_int_equal(bench_log_lines(&f->bench), 2);
	assert_int_equal(n_rotated(f), 3);
	assert_rotated(f, 0, "abc\n");
	assert_rotated(f, 2, "ghi\n");
}

static void a_full_disk_costs_one_line(void **state)
{
	check_passing_failure(
		*state, "test:futimens:1:ENOSPC", "No space left on device; it stays as it is");
}

static void a_want_of_processes_costs_one_line(void **state)
{
	check_passing_failure(*state, "test:fork:1:EAGAIN",
		"Resource temporarily unavailable; it stays as it is");
}

static void a_name_that_is_taken_is_never_replaced(void **state)
{
	struct fixture *f = *state;

	put_segment(f, "2026-11-20T00-00-00.000Z", "whole\n");
	compressed(f, (char *[]){(char *)"sh", (char *)"-c",
			      (char *)"cat; while ! test -e web.log.2026-11-20T00-00-00.000Z.cp; "
				      "do sleep 0.01; done",
			      NULL});
	while (f->set.files.upkeep.compress.filter.pid == 0)
		assert_int_equal(loop_once(&f->loop), 0);
	put_segment(f, "2026-11-20T00-00-00.000Z.cp", "another's\n");
	settle(f);
	assert_int_equal(n_rotated(f), 2);
	assert_rotated(f, 0, "whole\n");
	assert_rotated(f, 1, "another's\n");
	assert_int_equal(bench_logged(&f->bench, "File exists; it stays"), 1);
}

/* Of a filter that waits for the file "go", with the tests' directory as its own. */
static void start_waiting(struct fixture *f)
{
	put_segment(f, "2026-11-20T00-00-00.000Z", "whole\n");
	compressed(f, (char *[]){(char *)"sh", (char *)"-c",
			      (char *)"cat; while ! test -e go; do sleep 0.01; done", NULL});
	while (f->set.files.upkeep.compress.filter.pid == 0)
		assert_int_equal(loop_once(&f->loop), 0);
}

static void go(struct fixture *f)
{
	char path[256];

	file_write(bench_path(&f->bench, "go", path), "");
	settle(f);
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void a_segment_removed_meanwhile_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	char path[256];

	start_waiting(f);
	unlink(bench_path(&f->bench, "web.log.2026-11-20T00-00-00.000Z", path));
	go(f);
	assert_int_equal(n_rotated(f), 0);
}

static void a_segment_written_to_meanwhile_stays(void **state)
{
	struct fixture *f = *state;
	char path[256];

	start_waiting(f);
	file_write(bench_path(&f->bench, "web.log.2026-11-20T00-00-00.000Z", path), "more\n");
	go(f);
	assert_int_equal(n_rotated(f), 1);
	assert_rotated(f, 0, "whole\nmore\n");
}

static void a_sweep_meanwhile_leaves_it_alone(void **state)
{
	struct fixture *f = *state;
	struct upkeep_set *k = &f->set.files.upkeep;

	start_waiting(f);
	upkeep_rotated(&f->set.files, &f->sink.file, "2026-11-20T00-00-00.000Z", true);
	assert_int_equal(k->n_marked, 0);
	assert_true(list_empty(&k->turns));
	assert_true(has_segment(f, "2026-11-20T00-00-00.000Z.cp.partial"));
	go(f);
	assert_true(has_segment(f, "2026-11-20T00-00-00.000Z.cp"));
	assert_int_equal(n_rotated(f), 1);
}

static void what_is_no_file_of_ours_is_not_compressed(void **state)
{
	struct fixture *f = *state;
	char path[256];

	assert_int_equal(symlink("/etc/passwd",
				 bench_path(&f->bench, "web.log.2026-11-20T00-00-00.000Z", path)),
		0);
	compressed(f, COPY);
	settle(f);
	assert_int_equal(n_rotated(f), 1);
	assert_int_equal(bench_logged(&f->bench, "Too many levels of symbolic links; it stays"), 1);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	upkeep_rotated(&f->set.files, &f->sink.file, "2026-11-20T00-00-00.000Z", true);
	settle(f);
	rmdir(path);
	f->set.files.owner = geteuid() + 1;
	put_segment(f, "2026-11-20T00-00-00.000Z", "another's\n");
	upkeep_rotated(&f->set.files, &f->sink.file, "2026-11-20T00-00-00.000Z", true);
	settle(f);
	assert_rotated(f, 0, "another's\n");
	assert_int_equal(n_rotated(f), 1);
	assert_int_equal(bench_log_lines(&f->bench), 1);
}

static void a_log_that_goes_takes_its_compression_along(void **state)
{
	struct fixture *f = *state;
	struct upkeep_set *k = &f->set.files.upkeep;

	start_waiting(f);
	sink_fini(&f->sink);
	assert_int_equal(n_rotated(f), 1);
	assert_rotated(f, 0, "whole\n");
	while (k->compress.filter.pid > 0)
		assert_int_equal(loop_once(&f->loop), 0);
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void a_filter_that_does_nothing_is_ended(void **state)
{
	struct fixture *f = *state;

	start_waiting(f);
	/* It has read and written all by the first of these. */
	for (int i = 0; i < 3; i++) {
		const usec_t began = usec_now(CLOCK_MONOTONIC);
		char path[256];

		bench_path(&f->bench, "web.log.2026-11-20T00-00-00.000Z.cp.partial", path);
		while (file_size(path) == 0)
			wait_a_moment(began);
		advance(COMPRESS_IDLE_USEC);
		assert_int_equal(loop_once(&f->loop), 0);
		if (f->set.files.upkeep.compress.is_stuck)
			break;
	}
	settle(f);
	assert_int_equal(bench_logged(&f->bench, "the filter did nothing for 10min"), 1);
	assert_int_equal(n_rotated(f), 1);
	assert_rotated(f, 0, "whole\n");
}

static void what_was_compressed_but_not_removed_is_removed(void **state)
{
	struct fixture *f = *state;
	char path[256];

	put_segment(f, "2026-11-20T00-00-00.000Z", "whole\n");
	put_segment(f, "2026-11-20T00-00-00.000Z.cp", "whole\n");
	put_segment(f, "2026-11-21T00-00-00.000Z", "whole\n");
	put_segment(f, "2026-11-21T00-00-00.000Z.cp", "another's, maybe not whole\n");
	touch(bench_path(&f->bench, "web.log.2026-11-21T00-00-00.000Z.cp", path), TEN);
	compressed(f, COPY);
	settle(f);
	assert_int_equal(n_rotated(f), 3);
	assert_false(has_segment(f, "2026-11-20T00-00-00.000Z"));
}

/* In a process of its own, which is killed at the nth call. True: it was. */
static bool compress_and_die(struct fixture *f, unsigned n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char rule[64];

		begin(f);
		compressed(f, COPY);
		snprintf(rule, sizeof(rule), "test:any:%u:KILL", n);
		if (n > 0)
			inject(rule);
		settle(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void assert_whole(struct fixture *f, const char *rest)
{
	char name[128], path[256];

	snprintf(name, sizeof(name), "web.log.%s.cp", rest);
	if (!has_segment(f, rest)) {
		assert_file(bench_path(&f->bench, name, path), "whole\n");
		return;
	}
	snprintf(name, sizeof(name), "web.log.%s", rest);
	assert_file(bench_path(&f->bench, name, path), "whole\n");
}

static void take_compressed(struct fixture *f, const char *name)
{
	char path[256];

	assert_file(bench_path(&f->bench, name, path), "whole\n");
	unlink(path);
}

static void nothing_is_lost_whenever_it_is_killed(void **state)
{
	struct fixture *f = *state;
	unsigned n = 1;

	for (bool killed = true; killed; n++) {
		assert_in_range(n, 1, 500);
		put_segment(f, "2026-11-20T00-00-00.000Z", "whole\n");
		put_segment(f, "2026-11-21T00-00-00.000Z", "whole\n");
		killed = compress_and_die(f, n);
		assert_whole(f, "2026-11-20T00-00-00.000Z");
		assert_whole(f, "2026-11-21T00-00-00.000Z");
		assert_false(compress_and_die(f, 0));
		assert_int_equal(n_rotated(f), 2);
		take_compressed(f, "web.log.2026-11-20T00-00-00.000Z.cp");
		take_compressed(f, "web.log.2026-11-21T00-00-00.000Z.cp");
	}
	assert_in_range(n, 20, 500); /* it was killed in between */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_write_in_the_next_hour_begins_a_new_file),
		TEST(after_a_restart_the_last_write_tells_the_period),
		TEST(an_idle_file_is_rotated_after_the_boundary),
		TEST(a_file_that_was_never_opened_is_rotated_at_the_start),
		TEST(days_are_longer_than_hours),
		TEST(an_hour_comes_to_its_end_once_though_the_clock_is_set_back),
		TEST(a_clock_that_was_years_ahead_stops_nothing),
		TEST(a_line_is_not_torn_because_of_the_time),
		TEST(a_file_emptied_by_others_belongs_to_the_present_hour),
		TEST(a_rotation_by_time_that_fails_is_tried_again),
		TEST(without_rotation_by_time_nobody_is_woken),
		TEST(with_it_the_boundary_wakes_us),
		TEST(compressed_ones_count_as_well),
		TEST(what_is_too_old_goes),
		TEST(age_is_looked_at_after_each_boundary),
		TEST(what_is_too_large_together_goes),
		TEST(both_forms_of_one_stamp_count_once_and_go_together),
		TEST(names_of_other_forms_are_left_alone),
		TEST(names_are_taken_apart_and_made),
		TEST(a_sweep_goes_on_from_round_to_round),
		TEST(large_ones_are_let_go_of_by_a_child),
		TEST(a_reader_of_a_large_one_has_it_to_its_end),
		TEST(small_ones_cost_no_child),
		TEST(without_a_child_large_ones_go_in_place),
		TEST(a_large_one_that_was_compressed_is_let_go_of_by_a_child),
		TEST(segments_are_compressed_with_their_time_and_without_a_trace),
		TEST(a_filter_has_low_priority_and_three_descriptors),
		TEST(a_filter_that_is_missing_costs_one_line),
		TEST(a_filter_that_fails_costs_one_line),
		TEST(a_filter_that_is_killed_costs_one_line),
		TEST(a_filter_that_writes_nothing_has_not_compressed),
		TEST(a_full_disk_costs_one_line),
		TEST(a_want_of_processes_costs_one_line),
		TEST(a_name_that_is_taken_is_never_replaced),
		TEST(a_segment_removed_meanwhile_leaves_nothing),
		TEST(a_segment_written_to_meanwhile_stays),
		TEST(a_sweep_meanwhile_leaves_it_alone),
		TEST(what_is_no_file_of_ours_is_not_compressed),
		TEST(a_log_that_goes_takes_its_compression_along),
		TEST(a_filter_that_does_nothing_is_ended),
		TEST(what_was_compressed_but_not_removed_is_removed),
		TEST(nothing_is_lost_whenever_it_is_killed),
	};

	return cmocka_run_group_tests_name("upkeep", tests, NULL, NULL);
}
