/*
 * Pumps that always have data: who has a turn when, and how much of the loop all of them take.
 */
#include "tests/unit/engine/bench.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "engine/logs/pump.h"

#define N_FLOODS 300

struct flood {
	struct sink sink;
	struct pump pump;
	int reader, writer;
};

struct fixture {
	struct bench bench;
	struct loop loop;
	struct sink_set set;
	struct pump_set pumps;
	struct loop_source aside;
	unsigned n_aside;
	struct flood floods[N_FLOODS];
	unsigned n;
};

static void ended(struct pump *p _unused_)
{
	fail();
}

static void aside(struct loop_source *s, uint32_t events _unused_)
{
	CONTAINER_OF(s, struct fixture, aside)->n_aside++;
}

static void start(struct fixture *f, unsigned n)
{
	static struct spec_log log;

	for (; f->n < n; f->n++) {
		struct flood *x = &f->floods[f->n];
		int fds[2];

		assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
		x->reader = fds[0];
		x->writer = fds[1];
		assert_int_equal(sink_init(&x->sink, &f->set, "flood", &log,
					 &(struct spec_target){.sink = SPEC_SINK_NONE}, NULL),
			0);
		pump_init(&x->pump, &f->pumps, &x->sink, f->n, 0, ended);
		assert_int_equal(pump_start(&x->pump, x->reader), 0);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	bench_init(&f->bench);
	assert_int_equal(loop_init(&f->loop), 0);
	assert_int_equal(pump_set_init(&f->pumps, &f->loop), 0);
	sink_set_init(&f->set, &f->loop, f->bench.dir, 16, STDOUT_FILENO);
	f->aside.dispatch = aside;
	assert_int_equal(loop_add(&f->loop, &f->aside, eventfd(1, EFD_CLOEXEC), EPOLLIN), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int fd = f->aside.fd;

	for (unsigned i = 0; i < f->n; i++) {
		pump_stop(&f->floods[i].pump);
		sink_fini(&f->floods[i].sink);
		close(f->floods[i].reader);
		close(f->floods[i].writer);
	}
	loop_remove(&f->loop, &f->aside);
	close(fd);
	sink_set_fini(&f->set);
	pump_set_fini(&f->pumps);
	loop_fini(&f->loop);
	bench_fini(&f->bench);
	free(f);
	return 0;
}

static void fill(const struct flood *x)
{
	static const char zeros[65536];

	while (write(x->writer, zeros, sizeof(zeros)) > 0)
		continue;
}

static void fill_all(const struct fixture *f)
{
	for (unsigned i = 0; i < f->n; i++)
		fill(&f->floods[i]);
}

static uint64_t bytes_of(const struct fixture *f, uint64_t *ret_least, uint64_t *ret_most)
{
	uint64_t total = 0;

	*ret_least = UINT64_MAX;
	*ret_most = 0;
	for (unsigned i = 0; i < f->n; i++) {
		uint64_t n = f->floods[i].sink.counters.bytes;

		total += n;
		*ret_least = MIN_OF(*ret_least, n);
		*ret_most = MAX_OF(*ret_most, n);
	}
	return total;
}

static void many_floods_have_their_turns_in_order_and_others_one_between(void **state)
{
	struct fixture *f = *state;
	uint64_t least, most;

	f->pumps.pipes.share_usec = 0; /* a turn a round */
	start(f, N_FLOODS);
	for (unsigned round = 1; round <= 2 * N_FLOODS + 10; round++) {
		fill_all(f);
		assert_int_equal(loop_once(&f->loop), 0);
		assert_int_equal(f->n_aside, round);
		assert_int_equal(bytes_of(f, &least, &most), round * UINT64_C(65536));
		assert_true(most - least <= 65536);
	}
}

static void a_flood_with_a_large_pipe_gets_no_more_than_others(void **state)
{
	struct fixture *f = *state;
	uint64_t least, most;

	start(f, 10);
	if (fcntl(f->floods[3].writer, F_SETPIPE_SZ, PUMP_BUFFER_SIZE) < 0)
		skip();
	f->pumps.n_large = PUMP_MAX_LARGE; /* none of the others gets one */
	for (unsigned round = 1; round <= 500; round++) {
		fill_all(f);
		assert_int_equal(loop_once(&f->loop), 0);
		assert_int_equal(f->n_aside, round);
		bytes_of(f, &least, &most);
		assert_true(most - least <= PUMP_BUFFER_SIZE);
	}
	assert_true(least > 2 * PUMP_BUFFER_SIZE);
	f->pumps.n_large = 0;
}

static void a_flood_alone_goes_on_in_each_round(void **state)
{
	struct fixture *f = *state;

	start(f, 2);
	if (fcntl(f->floods[0].writer, F_SETPIPE_SZ, PUMP_BUFFER_SIZE) < 0)
		skip();
	for (unsigned round = 1; round <= 20; round++) {
		fill(&f->floods[0]);
		assert_int_equal(loop_once(&f->loop), 0);
		assert_int_equal(f->floods[0].sink.counters.bytes, round * PUMP_BUFFER_SIZE);
	}
}

static void a_flood_does_not_keep_a_line_of_another_waiting(void **state)
{
	struct fixture *f = *state;

	start(f, 2);
	for (unsigned line = 1; line <= 20; line++) {
		fill(&f->floods[0]);
		assert_int_equal(write(f->floods[1].writer, "x", 1), 1);
		for (int i = 0; i < 2 && f->floods[1].sink.counters.bytes < line; i++)
			assert_int_equal(loop_once(&f->loop), 0);
		assert_int_equal(f->floods[1].sink.counters.bytes, line);
	}
}

static void a_flood_that_is_stopped_between_two_turns_has_no_more(void **state)
{
	struct fixture *f = *state;

	f->pumps.pipes.share_usec = 0;
	start(f, 3);
	fill_all(f);
	assert_int_equal(loop_once(&f->loop), 0); /* the turn of one, and all are known as ready */
	assert_int_equal(f->floods[0].sink.counters.bytes, 65536);
	for (unsigned i = 1; i < 3; i++)
		pump_stop(&f->floods[i].pump);
	for (unsigned round = 0; round < 5; round++)
		assert_int_equal(loop_once(&f->loop), 0);
	assert_int_equal(f->floods[1].sink.counters.bytes, 0);
	assert_int_equal(f->floods[2].sink.counters.bytes, 0);
}

#define REST (5 * USEC_PER_SEC) /* closer than that are turns on any machine */

static void write_line(struct fixture *f, unsigned i)
{
	assert_int_equal(write(f->floods[i].writer, "x\n", 2), 2);
	assert_int_equal(loop_once(&f->loop), 0);
}

/* Ends all rests that are over. */
static void rest_over(struct fixture *f, unsigned i)
{
	f->floods[i].pump.pace.turn_usec = 0;
	loop_timer_set(&f->loop, &f->pumps.rest, 1);
	assert_int_equal(loop_once(&f->loop), 0);
	assert_int_equal(loop_once(&f->loop), 0);
}

static void lines_that_follow_closely_are_collected(void **state)
{
	struct fixture *f = *state;
	const struct log_counters *c = &f->floods[0].sink.counters;
	const struct log_counters *other = &f->floods[1].sink.counters;

	f->pumps.rest_usec = REST;
	start(f, 3);
	write_line(f, 0); /* at once, as the next one: nobody knows yet */
	assert_int_equal(c->lines, 1);
	write_line(f, 0);
	assert_int_equal(c->lines, 2);
	for (unsigned i = 0; i < 10; i++)
		write_line(f, i % 2);
	assert_int_equal(c->lines, 2);
	assert_int_equal(other->lines, 2);
	assert_int_equal(pump_drain(&f->floods[0].pump, PUMP_DRAIN_MAX), PUMP_EMPTY);
	assert_int_equal(c->lines, 7);
	rest_over(f, 1);
	assert_int_equal(other->lines, 5);
	write_line(f, 0); /* the rest of another one goes on */
	assert_int_equal(c->lines, 7);
	write_line(f, 2);
	assert_int_equal(f->floods[2].sink.counters.lines, 1);
	rest_over(f, 0);
	assert_int_equal(c->lines, 8);
}

static void one_that_rests_may_go_and_come_again(void **state)
{
	struct fixture *f = *state;

	f->pumps.rest_usec = REST;
	start(f, 3);
	for (unsigned i = 0; i < 6; i++)
		write_line(f, i % 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(f->floods[i].pump.pace.resting);
	pump_stop(&f->floods[1].pump);
	assert_int_equal(pump_start(&f->floods[1].pump, f->floods[1].reader), 0);
	for (unsigned i = 0; i < 3; i++)
		write_line(f, i);
	assert_int_equal(f->floods[0].sink.counters.lines, 2);
	assert_int_equal(f->floods[1].sink.counters.lines, 3);
	assert_int_equal(f->floods[2].sink.counters.lines, 2);
	rest_over(f, 0);
	rest_over(f, 2);
	assert_int_equal(f->floods[0].sink.counters.lines, 3);
	assert_int_equal(f->floods[2].sink.counters.lines, 3);
}

static void one_that_the_loop_refuses_after_its_rest_comes_later(void **state)
{
	struct fixture *f = *state;

	f->pumps.rest_usec = REST;
	start(f, 1);
	for (unsigned i = 0; i < 3; i++)
		write_line(f, 0);
	inject("test:epoll_ctl:1:ENOMEM");
	rest_over(f, 0);
	assert_int_equal(f->floods[0].sink.counters.lines, 2);
	assert_true(f->floods[0].pump.pace.resting);
	rest_over(f, 0);
	assert_int_equal(f->floods[0].sink.counters.lines, 3);
}

static void the_fuller_a_pipe_is_found_the_shorter_are_the_rests(void **state)
{
	struct fixture *f = *state;
	struct flood *x = &f->floods[1];

	f->pumps.rest_usec = REST;
	start(f, 2);
	for (unsigned n = 1; n <= PUMP_REST_HALVED; n++) {
		fill(x);
		assert_int_equal(loop_once(&f->loop), 0);
		assert_int_equal(x->pump.pace.n_halved, n);
		assert_false(x->pump.pace.resting);
	}
	for (unsigned line = 1; line < PUMP_CALM_TURNS; line++) {
		write_line(f, 1);
		assert_int_equal(x->sink.counters.lines, line);
	}
	write_line(f, 1); /* it is tried again, and the others have never known of it */
	assert_int_equal(x->pump.pace.n_halved, PUMP_REST_HALVED - 1);
	assert_true(x->pump.pace.resting);
	assert_int_equal(f->pumps.rest.entry.deadline,
		x->pump.pace.turn_usec + (REST >> (PUMP_REST_HALVED - 1)));
	assert_int_equal(f->floods[0].pump.pace.n_halved, 0);
}

static void a_pipe_that_is_full_again_and_again_becomes_larger(void **state)
{
	struct fixture *f = *state;
	struct flood *x = &f->floods[0];

	start(f, 1);
	x->pump.pace.n_full = PUMP_FULL_TURNS - 1;
	write_line(f, 0); /* not in a row: all over again */
	for (unsigned i = 0; i < PUMP_FULL_TURNS; i++) {
		assert_int_equal(fcntl(x->reader, F_GETPIPE_SZ), PUMP_SMALL_SIZE);
		fill(x);
		assert_int_equal(loop_once(&f->loop), 0);
	}
	assert_int_equal(fcntl(x->reader, F_GETPIPE_SZ), PUMP_PIPE_SIZE);
	assert_int_equal(f->pumps.n_large, 1);
}

static void where_a_pipe_can_not_be_larger_nobody_is_asked_again(void **state)
{
	struct fixture *f = *state;

	start(f, 2);
	inject("test:fcntl:1:EPERM");
	for (unsigned i = 0; i < 4 * PUMP_FULL_TURNS; i++) {
		fill(&f->floods[i % 2]);
		assert_int_equal(loop_once(&f->loop), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fcntl(f->floods[i].reader, F_GETPIPE_SZ), PUMP_SMALL_SIZE);
	assert_int_equal(f->pumps.n_large, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_floods_have_their_turns_in_order_and_others_one_between),
		TEST(a_flood_with_a_large_pipe_gets_no_more_than_others),
		TEST(a_flood_alone_goes_on_in_each_round),
		TEST(a_flood_does_not_keep_a_line_of_another_waiting),
		TEST(a_flood_that_is_stopped_between_two_turns_has_no_more),
		TEST(lines_that_follow_closely_are_collected),
		TEST(one_that_rests_may_go_and_come_again),
		TEST(one_that_the_loop_refuses_after_its_rest_comes_later),
		TEST(the_fuller_a_pipe_is_found_the_shorter_are_the_rests),
		TEST(a_pipe_that_is_full_again_and_again_becomes_larger),
		TEST(where_a_pipe_can_not_be_larger_nobody_is_asked_again),
	};

	return cmocka_run_group_tests_name("pump_turns", tests, NULL, NULL);
}
