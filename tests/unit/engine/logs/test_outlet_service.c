/*
 * The pipe to another service: bytes as they are, whole lines, a reader that is slow, and several
 * writers.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"
#include "engine/logs/outlet/service_pipe.h"

#define N_LINES 20000

struct fixture {
	struct loop loop;
	struct outlet_set set;
	struct outlet_writer a, b;
	unsigned told_a, told_b;
	int both, in;
};

static struct fixture f;
static char sent[N_LINES * 16], got[sizeof(sent) + 1];

static void tell_a(struct outlet_writer *w _unused_)
{
	f.told_a++;
}

static void tell_b(struct outlet_writer *w _unused_)
{
	f.told_b++;
}

static int make(
	struct outlet_set *set, const struct spec_target *target, struct outlet **ret_outlet)
{
	assert_string_equal(target->address, "reader");
	return service_pipe_new(set, target, f.both, ret_outlet);
}

static int setup(void **state _unused_)
{
	const struct spec_target target = {.sink = SPEC_SINK_SERVICE, .address = (char *)"reader"};
	char path[32];
	int fds[2];

	memset(&f, 0, sizeof(f));
	assert_int_equal(loop_init(&f.loop), 0);
	outlet_set_init(&f.set, &f.loop, -1);
	f.set.make_service = make;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 65536) >= 65536);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
	f.both = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(f.both >= 0);
	close(fds[1]);
	f.in = fds[0];
	f.a.writable = tell_a;
	f.b.writable = tell_b;
	assert_int_equal(outlet_join(&f.set, &f.a, &target), 0);
	assert_int_equal(outlet_join(&f.set, &f.b, &target), 0);
	return 0;
}

static int teardown(void **state _unused_)
{
	outlet_leave(&f.a);
	outlet_leave(&f.b);
	outlet_set_fini(&f.set);
	loop_fini(&f.loop);
	close(f.both);
	close(f.in);
	return 0;
}

static size_t take(struct outlet_writer *w, const char *data, size_t n)
{
	return outlet_take(w, NULL, data, n, f.loop.now_usec);
}

static void any_byte_goes_as_it_comes(void **state _unused_)
{
	char data[256];

	for (int i = 0; i < 256; i++)
		data[i] = (char)i;
	assert_int_equal(take(&f.a, data, sizeof(data)), sizeof(data));
	assert_int_equal(take(&f.b, "no end", 6), 6);
	assert_int_equal(outlet_end(&f.a, NULL, f.loop.now_usec), 0);
	assert_int_equal(read(f.in, got, sizeof(got)), sizeof(data) + 6);
	assert_memory_equal(got, data, sizeof(data));
	assert_memory_equal(got + sizeof(data), "no end", 6);
}

/* Whole lines are there at each moment, and all of them in the end. */
static void a_slow_reader_gets_whole_lines_and_all_of_them(void **state _unused_)
{
	size_t n = 0, done = 0, have = 0;
	unsigned n_full = 0;

	for (int i = 0; i < N_LINES; i++)
		n += (size_t)sprintf(sent + n, "%0*d\n", 1 + i * 7 % 14, i);
	while (done < n) {
		size_t taken = take(&f.a, sent + done, n - done);
		unsigned before = f.told_a;

		done += taken;
		assert_int_equal(sent[done - 1], '\n');
		if (done == n)
			break;
		n_full++;
		assert_int_equal(take(&f.a, sent + done, n - done), 0);
		have += (size_t)read(f.in, got + have, 10000 + n_full * 64 % 30000);
		assert_int_equal(loop_once(&f.loop), 0);
		assert_int_equal(f.told_a, before + 1);
	}
	assert_true(n_full > 3);
	for (ssize_t r; (r = read(f.in, got + have, sizeof(got) - have)) > 0;)
		have += (size_t)r;
	assert_int_equal(have, n);
	assert_memory_equal(got, sent, n);
}

static void a_line_longer_than_the_pipe_goes_through(void **state _unused_)
{
	size_t done = 0, have = 0, n = 200000;

	memset(sent, 'x', n);
	while (have < n) {
		ssize_t r;

		done += take(&f.a, sent + done, n - done);
		r = read(f.in, got + have, sizeof(got) - have);
		have += r > 0 ? (size_t)r : 0;
		if (done < n)
			assert_int_equal(loop_once(&f.loop), 0);
	}
	assert_memory_equal(got, sent, n);
}

static void all_who_wait_are_told_when_there_is_room(void **state _unused_)
{
	memset(sent, 'x', 65536);
	assert_int_equal(take(&f.a, sent, 65536), 65536);
	assert_int_equal(take(&f.b, "b\n", 2), 0);
	assert_int_equal(take(&f.a, "a\n", 2), 0);
	assert_int_equal(read(f.in, got, 65536), 65536);
	assert_int_equal(loop_once(&f.loop), 0);
	assert_int_equal(f.told_a, 1);
	assert_int_equal(f.told_b, 1);
	assert_int_equal(take(&f.b, "b\n", 2), 2);
	assert_int_equal(take(&f.a, "a\n", 2), 2);
	assert_int_equal(read(f.in, got, 65536), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define PIPE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		PIPE_TEST(any_byte_goes_as_it_comes),
		PIPE_TEST(a_slow_reader_gets_whole_lines_and_all_of_them),
		PIPE_TEST(a_line_longer_than_the_pipe_goes_through),
		PIPE_TEST(all_who_wait_are_told_when_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
