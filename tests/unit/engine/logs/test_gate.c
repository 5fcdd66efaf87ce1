/*
 * Streams that can be kept waiting, and limits of their rate: what is taken from the pipe, and
 * when.
 */
#include "tests/unit/engine/bench.h"

#include <errno.h>
#include <malloc.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "engine/logs/pump.h"

#define SEC USEC_PER_SEC

/* An outlet that takes so much at a time, and remembers all. */
struct fake {
	struct outlet outlet;
	size_t room, n;
	int fd; /* always writable; -1: it doesn't tell when there is room */
	char data[2 * PUMP_BUFFER_SIZE];
};

struct fixture {
	struct bench bench;
	struct loop loop;
	struct sink_set set;
	struct pump_set pumps;
	struct sink sink, further[2];
	struct spec_log log;
	struct pump pump;
	struct fake *fakes[2];
	unsigned n_fakes, n_ended;
	int reader, writer;
	char path[256];
};

static struct fixture *fixture;

static size_t fake_take(struct outlet *o, struct outlet_writer *w _unused_,
	const struct log_origin *origin _unused_, const char *data, size_t n, usec_t now)
{
	struct fake *f = CONTAINER_OF(o, struct fake, outlet);
	size_t k = MIN_OF(n, f->room);

	assert_true(f->n + k <= sizeof(f->data));
	memcpy(f->data + f->n, data, k);
	f->n += k;
	if (f->fd < 0)
		f->room -= k;
	else if (k < n)
		outlet_set_full(o, f->fd, now);
	return k;
}

static size_t fake_end(struct outlet *o _unused_, struct outlet_writer *w _unused_,
	const struct log_origin *origin _unused_, usec_t now _unused_)
{
	return 0;
}

static void fake_free(struct outlet *o)
{
	struct fake *f = CONTAINER_OF(o, struct fake, outlet);

	outlet_fini(o);
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

static const struct outlet_ops fake_ops = {.take = fake_take, .end = fake_end, .free = fake_free};

static int make_fake(struct outlet_set *set, const struct spec_target *target, struct outlet **ret)
{
	struct fake *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(outlet_init(&f->outlet, set, &fake_ops, target), 0);
	f->fd = -1;
	fixture->fakes[fixture->n_fakes++] = f;
	*ret = &f->outlet;
	return 0;
}

static void ended(struct pump *p)
{
	fixture->n_ended++;
	pump_stop(p);
}

static void writable(struct sink *s _unused_)
{
	gate_open(&fixture->pump);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	*state = fixture = f;
	bench_init(&f->bench);
	assert_int_equal(loop_init(&f->loop), 0);
	assert_int_equal(pump_set_init(&f->pumps, &f->loop), 0);
	sink_set_init(&f->set, &f->loop, f->bench.dir, 16, STDOUT_FILENO);
	f->set.writable = writable;
	f->set.outlets.make_service = make_fake;
	bench_path(&f->bench, "log", f->path);
	f->log.rate.burst_usec = SEC;
	assert_int_equal(sink_init(&f->sink, &f->set, "web", &f->log,
				 &(struct spec_target){.sink = SPEC_SINK_FILE}, f->path),
		0);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	f->reader = fds[0];
	f->writer = fds[1];
	pump_init(&f->pump, &f->pumps, &f->sink, 0, 0, ended);
	assert_int_equal(pump_start(&f->pump, f->reader), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pump_stop(&f->pump);
	gate_free(&f->pump);
	for (unsigned i = 0; i < 2; i++)
		sink_fini(&f->further[i]);
	sink_fini(&f->sink);
	sink_set_fini(&f->set);
	pump_set_fini(&f->pumps);
	loop_fini(&f->loop);
	close(f->reader);
	if (f->writer >= 0)
		close(f->writer);
	bench_fini(&f->bench);
	free(f);
	return 0;
}

static struct fake *add_consumer(struct fixture *f, const char *name, size_t room)
{
	unsigned i = f->n_fakes;

	assert_int_equal(
		sink_init(&f->further[i], &f->set, "web", &f->log,
			&(struct spec_target){.sink = SPEC_SINK_SERVICE, .address = (char *)name},
			NULL),
		0);
	if (i == 0)
		f->sink.next = &f->further[0];
	else
		f->further[0].next = &f->further[1];
	f->fakes[i]->room = room;
	assert_int_equal(gate_configure(&f->pump), 0);
	return f->fakes[i];
}

static void put(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->writer, text, strlen(text)), (ssize_t)strlen(text));
}

static int pending(const struct fixture *f)
{
	int n;

	assert_int_equal(ioctl(f->reader, FIONREAD, &n), 0);
	return n;
}

static void nothing(struct loop_source *s _unused_, uint32_t events _unused_)
{
}

/* One round that has something to do, whatever the pump waits for. */
static void turn(struct fixture *f)
{
	uint64_t one = 1;
	int fd = eventfd(0, EFD_CLOEXEC);
	struct loop_source s = {.fd = -1};

	s.dispatch = nothing;
	assert_true(fd >= 0 && write(fd, &one, sizeof(one)) == sizeof(one));
	assert_int_equal(loop_add(&f->loop, &s, fd, EPOLLIN), 0);
	assert_int_equal(loop_once(&f->loop), 0);
	loop_remove(&f->loop, &s);
	close(fd);
}

#define assert_got(fake, text)                                      \
	do {                                                        \
		assert_int_equal((fake)->n, strlen(text));          \
		assert_memory_equal((fake)->data, text, (fake)->n); \
	} while (0)

static void no_more_is_taken_than_every_consumer_takes(void **state)
{
	struct fixture *f = *state;
	struct fake *slow = add_consumer(f, "slow", 4), *fast = add_consumer(f, "fast", 100);

	put(f, "one\ntwo\n");
	turn(f);
	assert_file(f->path, "one\n");
	assert_int_equal(pending(f), 4);
	assert_got(slow, "one\n");
	assert_got(fast, "one\ntwo\n"); /* it is ahead */
	turn(f);
	assert_true(f->pump.waiting);
	put(f, "three\n");
	turn(f);
	assert_int_equal(pending(f), 10);
	slow->room = 100;
	gate_open(&f->pump);
	turn(f);
	assert_int_equal(pending(f), 0);
	assert_file(f->path, "one\ntwo\nthree\n");
	assert_got(slow, "one\ntwo\nthree\n");
	assert_got(fast, "one\ntwo\nthree\n");
	assert_int_equal(f->further[0].counters.bytes, 14);
	assert_int_equal(f->further[1].counters.bytes, 14);
	assert_int_equal(f->further[0].counters.dropped_bytes, 0);
	assert_int_equal(f->sink.counters.bytes, 14);
}

static void who_waits_goes_on_when_there_is_room(void **state)
{
	struct fixture *f = *state;
	struct fake *slow = add_consumer(f, "slow", 3);

	slow->fd = eventfd(0, EFD_CLOEXEC);
	put(f, "one\ntwo\nthree\nfour\nfive\n");
	close(f->writer);
	f->writer = -1;
	for (int i = 0; i < 100 && f->n_ended == 0; i++)
		assert_int_equal(loop_once(&f->loop), 0);
	assert_int_equal(f->n_ended, 1);
	assert_got(slow, "one\ntwo\nthree\nfour\nfive\n");
	assert_file(f->path, "one\ntwo\nthree\nfour\nfive\n");
}

static void a_batch_with_more_to_come_ends_with_a_line(void **state)
{
	struct fixture *f = *state;
	struct fake *reader = add_consumer(f, "reader", 2 * PUMP_BUFFER_SIZE);
	static char text[PUMP_BUFFER_SIZE + 1000];
	ssize_t n;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "one line, like others\n"[i % 22];
	/* Where no larger pipe is to be had, all comes at once. */
	(void)fcntl(f->writer, F_SETPIPE_SZ, 4 * PUMP_BUFFER_SIZE);
	n = write(f->writer, text, sizeof(text));
	turn(f);
	assert_true(reader->n > 0);
	if (pending(f) > 0)
		assert_int_equal(reader->data[reader->n - 1], '\n');
	for (int i = 0; i < 100 && pending(f) > 0; i++)
		turn(f);
	assert_int_equal(reader->n, n);
	assert_memory_equal(reader->data, text, reader->n);
}

static void a_consumer_that_drops_gets_a_line_about_it(void **state)
{
	struct fixture *f = *state;
	struct fake *slow;

	f->log.has_overflow = true;
	slow = add_consumer(f, "slow", 6);
	assert_null(f->pump.gate);
	put(f, "one\ntwo\n");
	turn(f);
	assert_file(f->path, "one\ntwo\n");
	put(f, "three\n");
	turn(f);
	slow->room = 100;
	put(f, "four\n");
	turn(f);
	assert_got(slow, "one\ntw\nsupervisord: 8 bytes, 2 lines dropped (too slow)\nfour\n");
	assert_file(f->path, "one\ntwo\nthree\nfour\n");
	assert_int_equal(f->further[0].counters.dropped_bytes, 8);
	assert_int_equal(f->further[0].counters.bytes, 11);
}

static void the_last_loss_is_told_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct fake *slow;

	f->log.has_overflow = true;
	slow = add_consumer(f, "slow", 4);
	put(f, "one\ntwo\n");
	turn(f);
	slow->room = 100;
	pump_end_output(&f->pump);
	assert_got(slow, "one\nsupervisord: 4 bytes, 1 lines dropped (too slow)\n");
}

static void a_file_without_room_keeps_it_waiting(void **state)
{
	struct fixture *f = *state;

	f->log.overflow = SPEC_OVERFLOW_BLOCK;
	assert_int_equal(gate_configure(&f->pump), 0);
	inject("test:reserve:1:ENOSPC");
	put(f, "one\n");
	turn(f);
	assert_true(f->pump.waiting);
	assert_int_equal(pending(f), 4);
	assert_int_equal(file_size(f->path), 0);
	assert_int_equal(bench_logged(&f->bench, "No space left on device; its output waits"), 1);
	assert_int_equal(pump_drain(&f->pump, PUMP_DRAIN_MAX), PUMP_EMPTY);
	assert_int_equal(pending(f), 4);
	f->sink.file.retry_usec = 0; /* a second later */
	gate_open(&f->pump);
	turn(f);
	assert_int_equal(pending(f), 0);
	assert_file(f->path, "one\n");
	assert_int_equal(bench_logged(&f->bench, "mended; its output goes on"), 1);
	assert_int_equal(bench_log_lines(&f->bench), 2);
	assert_int_equal(f->sink.counters.dropped_bytes, 0);
}

static void a_file_system_that_cannot_reserve_is_written_to_all_the_same(void **state)
{
	struct fixture *f = *state;

	f->log.overflow = SPEC_OVERFLOW_BLOCK;
	assert_int_equal(gate_configure(&f->pump), 0);
	inject("test:reserve:1:EOPNOTSUPP");
	put(f, "one\n");
	turn(f);
	assert_file(f->path, "one\n");
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void who_has_to_wait_no_longer_drops(void **state)
{
	struct fixture *f = *state;
	struct fake *slow = add_consumer(f, "slow", 0);

	put(f, "one\n");
	turn(f);
	assert_true(f->pump.waiting);
	f->log.has_overflow = true;
	assert_int_equal(gate_configure(&f->pump), 0);
	turn(f);
	assert_file(f->path, "one\n");
	assert_int_equal(slow->n, 0);
	assert_int_equal(f->further[0].counters.dropped_bytes, 4);
	assert_null(f->pump.gate);
}

static void surplus_lines_are_dropped_and_told(void **state)
{
	struct fixture *f = *state;

	f->log.rate.lines = 2;
	assert_int_equal(gate_configure(&f->pump), 0);
	put(f, "1\n2\n3\n4\nfi");
	turn(f);
	assert_file(f->path, "1\n2\n");
	put(f, "ve\n");
	f->loop.now_usec += SEC;
	f->pump.gate->rate.lines.filled_usec -= SEC / 2; /* not full yet */
	turn(f);
	put(f, "6\n");
	turn(f);
	assert_file(f->path, "1\n2\nsupervisord: 9 bytes, 3 lines dropped (rate limit)\n6\n");
	assert_int_equal(f->sink.counters.lines, 3);
	assert_int_equal(f->sink.counters.dropped_lines, 3);
}

static void surplus_lines_wait_where_that_is_wanted(void **state)
{
	struct fixture *f = *state;

	f->log.rate.lines = 2;
	f->log.overflow = SPEC_OVERFLOW_BLOCK;
	assert_int_equal(gate_configure(&f->pump), 0);
	put(f, "1\n2\n3\n4\n");
	turn(f);
	assert_file(f->path, "1\n2\n");
	turn(f);
	assert_true(f->pump.waiting);
	assert_int_equal(pending(f), 4);
	assert_true(f->pump.gate->timer.entry.deadline <= f->loop.now_usec + SEC / 2 + 1);
	f->pump.gate->rate.lines.filled_usec -= SEC / 2;
	gate_open(&f->pump);
	turn(f);
	assert_file(f->path, "1\n2\n3\n");
	assert_int_equal(f->sink.counters.dropped_lines, 0);
}

static void an_endless_line_passes_in_bounded_memory(void **state)
{
	enum { CHUNK = 65536, N_CHUNKS = 256 };
	struct fixture *f = *state;
	static char zeros[CHUNK];
	struct mallinfo2 before;
	char *last;
	size_t n;

	f->log.rotation.max_size_bytes = (1 << 20) + 100;
	f->log.rotation.keep = 1;
	for (unsigned i = 0; i < N_CHUNKS; i++) {
		ssize_t r = write(f->writer, zeros, CHUNK);

		assert_int_equal(r, CHUNK);
		while (pending(f) > 0)
			turn(f);
		if (i == 8)
			before = mallinfo2();
	}
	assert_true(mallinfo2().uordblks < before.uordblks + CHUNK);
	assert_int_equal(f->sink.counters.bytes, (uint64_t)CHUNK * N_CHUNKS);
	assert_int_equal(f->sink.counters.lines, 0);
	put(f, "end\n");
	turn(f);
	last = file_read(f->path, &n);
	assert_true(n > 4 && memcmp(last + n - 5, "\0end\n", 5) == 0);
	for (size_t i = 0; i + 4 < n; i++)
		assert_int_equal(last[i], 0);
	free(last);
}

/* --- rate.c by itself --- */

static size_t allow(struct rate *r, const char *text, usec_t now, bool whole)
{
	size_t n;

	rate_fill(r, now);
	n = rate_allow(r, text, strlen(text), whole);
	rate_take(r, text, n);
	return n;
}

static void buckets_fill_at_their_rate(void **state _unused_)
{
	struct rate r = {0};

	rate_configure(&r, &(struct spec_rate){.lines = 10, .burst_usec = SEC}, 5 * SEC);
	for (int i = 0; i < 10; i++)
		assert_int_equal(allow(&r, "x\n", 5 * SEC, true), 2);
	assert_int_equal(allow(&r, "x\n", 5 * SEC, true), 0);
	assert_int_equal(rate_next(&r), 5 * SEC + SEC / 10);
	assert_int_equal(allow(&r, "x\n", 5 * SEC + SEC / 10 - 1, true), 0);
	assert_int_equal(allow(&r, "x\nx\n", 5 * SEC + SEC / 10, true), 2);
	/* No more than a burst, however long nobody has written. */
	assert_int_equal(allow(&r, "\n\n\n\n\n\n\n\n\n\n\n\n", 1000 * SEC, true), 10);
}

static void a_line_that_has_begun_may_end(void **state _unused_)
{
	struct rate r = {0};

	rate_configure(&r, &(struct spec_rate){.lines = 1, .burst_usec = SEC}, SEC);
	assert_int_equal(allow(&r, "be", SEC, true), 2);
	assert_int_equal(allow(&r, "gin\nnext\n", SEC, true), 4);
}

static void bytes_go_in_whole_lines_or_by_the_burst(void **state _unused_)
{
	struct rate r = {0};

	rate_configure(&r, &(struct spec_rate){.bytes = 10, .burst_usec = SEC}, SEC);
	assert_int_equal(allow(&r, "1234\n6789\nabc\n", SEC, true), 10);
	assert_int_equal(allow(&r, "1234567890", SEC + SEC / 2, true), 0);
	assert_int_equal(allow(&r, "1234567890", SEC + SEC / 2, false), 5);
	assert_int_equal(allow(&r, "123456789012345", 10 * SEC, true), 10);
}

static void no_rate_is_too_high_or_too_low(void **state _unused_)
{
	struct rate r = {0};
	char line[] = "x\n";

	rate_configure(&r,
		&(struct spec_rate){
			.lines = UINT64_MAX, .bytes = UINT64_MAX, .burst_usec = 86400 * SEC},
		SEC);
	assert_int_equal(allow(&r, line, SEC, true), 2);
	r = (struct rate){0};
	rate_configure(&r, &(struct spec_rate){.lines = 1, .burst_usec = 1}, SEC);
	assert_int_equal(allow(&r, line, SEC, true), 2);
	/* Asked ever so often, it comes all the same. */
	for (usec_t t = SEC; t < 2 * SEC; t += 999)
		assert_int_equal(allow(&r, line, t, true), 0);
	assert_int_equal(allow(&r, line, 2 * SEC, true), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_more_is_taken_than_every_consumer_takes),
		TEST(who_waits_goes_on_when_there_is_room),
		TEST(a_batch_with_more_to_come_ends_with_a_line),
		TEST(a_consumer_that_drops_gets_a_line_about_it),
		TEST(the_last_loss_is_told_at_the_end),
		TEST(a_file_without_room_keeps_it_waiting),
		TEST(a_file_system_that_cannot_reserve_is_written_to_all_the_same),
		TEST(who_has_to_wait_no_longer_drops),
		TEST(surplus_lines_are_dropped_and_told),
		TEST(surplus_lines_wait_where_that_is_wanted),
		TEST(an_endless_line_passes_in_bounded_memory),
		cmocka_unit_test(buckets_fill_at_their_rate),
		cmocka_unit_test(a_line_that_has_begun_may_end),
		cmocka_unit_test(bytes_go_in_whole_lines_or_by_the_burst),
		cmocka_unit_test(no_rate_is_too_high_or_too_low),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
