/*
 * Pumps: what is read, the end of a pipe, draining.
 */
#include "tests/unit/engine/bench.h"

#include <errno.h>

#include "engine/logs/pump.h"

struct stream {
	struct sink sink;
	struct pump pump;
	int reader, writer;
	unsigned n_ended;
};

struct fixture {
	struct bench bench;
	struct loop loop;
	struct sink_set set;
	struct pump_set pumps;
	struct stream a, b;
};

static void ended(struct pump *p)
{
	struct stream *s = CONTAINER_OF(p, struct stream, pump);

	s->n_ended++;
	pump_stop(p);
	close(s->reader);
	s->reader = -1;
}

static void start(struct fixture *f, struct stream *s, const char *name)
{
	char path[256];
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	s->reader = fds[0];
	s->writer = fds[1];
	bench_path(&f->bench, name, path);
	assert_int_equal(sink_init(&s->sink, &f->set, name, bench_log(0, 1),
				 &(struct spec_target){.sink = SPEC_SINK_FILE}, path),
		0);
	pump_init(&s->pump, &f->pumps, &s->sink, s == &f->b, 0, ended);
	assert_int_equal(pump_start(&s->pump, s->reader), 0);
}

static void finish(struct stream *s)
{
	pump_stop(&s->pump);
	sink_fini(&s->sink);
	if (s->reader >= 0)
		close(s->reader);
	if (s->writer >= 0)
		close(s->writer);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	bench_init(&f->bench);
	assert_int_equal(loop_init(&f->loop), 0);
	assert_int_equal(pump_set_init(&f->pumps, &f->loop), 0);
	sink_set_init(&f->set, &f->loop, f->bench.dir, 16, STDOUT_FILENO);
	start(f, &f->a, "a");
	start(f, &f->b, "b");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	finish(&f->a);
	finish(&f->b);
	sink_set_fini(&f->set);
	pump_set_fini(&f->pumps);
	loop_fini(&f->loop);
	bench_fini(&f->bench);
	free(f);
	return 0;
}

/* Fills the pipe; how many bytes went in. */
static size_t fill(int fd)
{
	static const char zeros[65536];
	size_t n = 0;

	for (;;) {
		ssize_t r = write(fd, zeros, sizeof(zeros));

		if (r < 0)
			return n;
		n += (size_t)r;
	}
}

static void what_is_written_to_the_pipe_is_in_the_file(void **state)
{
	struct fixture *f = *state;
	char path[256];

	assert_int_equal(write(f->a.writer, "hello\n", 6), 6);
	assert_int_equal(loop_once(&f->loop), 0);
	assert_file(bench_path(&f->bench, "a", path), "hello\n");
	assert_int_equal(f->a.sink.counters.bytes, 6);
	assert_int_equal(f->b.sink.counters.bytes, 0);
}

static void the_end_comes_after_all_data_and_once(void **state)
{
	struct fixture *f = *state;
	size_t n = fill(f->a.writer);

	close(f->a.writer);
	f->a.writer = -1;
	for (int i = 0; i < 100 && f->a.n_ended == 0; i++) {
		assert_int_equal(loop_once(&f->loop), 0);
		assert_true(f->a.n_ended == 0 || f->a.sink.counters.bytes == n);
	}
	assert_int_equal(f->a.n_ended, 1);
	assert_int_equal(write(f->b.writer, "x", 1), 1);
	assert_int_equal(loop_once(&f->loop), 0);
	assert_int_equal(f->a.n_ended, 1);
	assert_int_equal(f->b.sink.counters.bytes, 1);
	assert_int_equal(pump_drain(&f->a.pump, PUMP_DRAIN_MAX), PUMP_ENDED);
}

static void draining_reads_what_is_there_and_does_not_wait(void **state)
{
	struct fixture *f = *state;
	size_t n = fill(f->a.writer);

	assert_int_equal(pump_drain(&f->a.pump, PUMP_DRAIN_MAX), PUMP_EMPTY);
	assert_int_equal(f->a.sink.counters.bytes, n);
	assert_int_equal(pump_drain(&f->a.pump, PUMP_DRAIN_MAX), PUMP_EMPTY);
	assert_int_equal(f->a.n_ended, 0);
}

static void draining_to_the_end_does_not_call_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->a.writer, "last words", 10), 10);
	close(f->a.writer);
	f->a.writer = -1;
	assert_int_equal(pump_drain(&f->a.pump, PUMP_DRAIN_MAX), PUMP_ENDED);
	assert_int_equal(f->a.sink.counters.bytes, 10);
	assert_int_equal(write(f->b.writer, "x", 1), 1);
	assert_int_equal(loop_once(&f->loop), 0);
	assert_int_equal(f->a.n_ended, 0);
}

static void draining_is_bounded(void **state)
{
	struct fixture *f = *state;

	assert_true(fill(f->a.writer) > 50000);
	assert_int_equal(pump_drain(&f->a.pump, 50000), PUMP_MORE);
	assert_int_equal(f->a.sink.counters.bytes, 50000);
}

static void a_pipe_that_fails_is_reported_and_ends(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->a.writer, "x", 1), 1);
	inject("test:read:1:EIO");
	assert_int_equal(loop_once(&f->loop), 0);
	assert_int_equal(f->a.n_ended, 1);
	assert_int_equal(
		bench_logged(&f->bench, "service 'a': cannot read its output: Input/output error"),
		1);
}

static void at_the_end_a_partial_line_goes_out(void **state)
{
	struct fixture *f = *state;
	char line[32] = "";
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	f->set.outlets.inherit_fd = fds[1];
	assert_int_equal(sink_configure(&f->a.sink, bench_log(0, 0),
				 &(struct spec_target){.sink = SPEC_SINK_INHERIT}, NULL, 1),
		0);
	assert_int_equal(write(f->a.writer, "no end", 6), 6);
	close(f->a.writer);
	f->a.writer = -1;
	for (int i = 0; i < 10 && f->a.n_ended == 0; i++)
		assert_int_equal(loop_once(&f->loop), 0);
	assert_int_equal(read(fds[0], line, sizeof(line) - 1), 11);
	assert_string_equal(line, "[a] no end\n");
	close(fds[0]);
	close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_to_the_pipe_is_in_the_file),
		TEST(the_end_comes_after_all_data_and_once),
		TEST(draining_reads_what_is_there_and_does_not_wait),
		TEST(draining_to_the_end_does_not_call_back),
		TEST(draining_is_bounded),
		TEST(a_pipe_that_fails_is_reported_and_ends),
		TEST(at_the_end_a_partial_line_goes_out),
	};

	return cmocka_run_group_tests_name("pump", tests, NULL, NULL);
}
