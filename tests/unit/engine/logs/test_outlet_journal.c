/*
 * The outlet to journald: what a record holds, by a receiver that parses it as journald does;
 * one that is full, gone, or started anew.
 */
#include "outlets.h"

#include "engine/logs/outlet/journal.h"

struct record {
	char fields[16][2][512]; /* but MESSAGE */
	unsigned n;
	char message[JOURNAL_MAX_LINE + 1];
	size_t n_message;
};

struct fixture {
	struct outlets o;
	char path[256];
	int journal;
	struct record record;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	outlets_init(&f->o, -1);
	bench_path(&f->o.bench, "socket", f->path);
	f->journal = bind_unix(f->path, SOCK_DGRAM);
	join(&f->o, &f->o.web, SPEC_SINK_JOURNAL, f->path);
	join(&f->o, &f->o.db, SPEC_SINK_JOURNAL, f->path);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->journal >= 0)
		close(f->journal);
	outlets_fini(&f->o);
	free(f);
	return 0;
}

static void parse(struct record *r, const char *p, size_t n)
{
	const char *end = p + n;

	r->n = 0;
	r->n_message = SIZE_MAX;
	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *equal;
		uint64_t length;

		assert_non_null(newline);
		equal = memchr(p, '=', (size_t)(newline - p));
		if (equal) {
			assert_in_range(r->n, 0, 15);
			snprintf(r->fields[r->n][0], 512, "%.*s", (int)(equal - p), p);
			snprintf(r->fields[r->n++][1], 512, "%.*s", (int)(newline - equal - 1),
				equal + 1);
			p = newline + 1;
			continue;
		}
		assert_memory_equal(p, "MESSAGE", 7);
		assert_int_equal(newline - p, 7);
		assert_int_equal(r->n_message, SIZE_MAX);
		p = newline + 1;
		assert_true(end - p >= 8);
		memcpy(&length, p, 8);
		p += 8;
		assert_true((uint64_t)(end - p) > length);
		assert_true(length <= JOURNAL_MAX_LINE);
		memcpy(r->message, p, length);
		r->message[length] = '\0';
		r->n_message = length;
		p += length;
		assert_int_equal(*p++, '\n');
	}
	assert_int_not_equal(r->n_message, SIZE_MAX);
}

static void parse_memfd(struct record *r, int fd)
{
	static char data[JOURNAL_MAX_LINE + 2048];
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	ssize_t n = pread(fd, data, sizeof(data), 0);

	/* journald takes no other one, as it would have to fear a SIGBUS. */
	assert_int_equal(fcntl(fd, F_GET_SEALS) & seals, seals);
	assert_true(n > 0);
	parse(r, data, (size_t)n);
	close(fd);
}

/* The next record there is; false: none. *ret_passed: it came in a memfd. */
static bool receive(struct fixture *f, bool *ret_passed)
{
	static char data[JOURNAL_MAX_LINE + 2048];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {data, sizeof(data)};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(f->journal, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;
	int fd;

	if (n < 0)
		return false;
	assert_int_equal(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
	c = CMSG_FIRSTHDR(&m);
	*ret_passed = c;
	if (c) {
		assert_int_equal(n, 0);
		assert_int_equal(c->cmsg_type, SCM_RIGHTS);
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		parse_memfd(&f->record, fd);
	} else {
		parse(&f->record, data, (size_t)n);
	}
	return true;
}

static const char *field(const struct fixture *f, const char *name)
{
	const char *found = NULL;

	for (unsigned i = 0; i < f->record.n; i++) {
		if (strcmp(f->record.fields[i][0], name) == 0) {
			assert_null(found);
			found = f->record.fields[i][1];
		}
	}
	return found;
}

static void expect(struct fixture *f, const char *message, const char *priority)
{
	bool passed;

	assert_true(receive(f, &passed));
	assert_false(passed);
	assert_string_equal(f->record.message, message);
	assert_int_equal(f->record.n_message, strlen(message));
	assert_string_equal(field(f, "PRIORITY"), priority);
}

static void expect_nothing(struct fixture *f)
{
	bool passed;

	assert_false(receive(f, &passed));
}

static void a_record_tells_whose_it_is(void **state)
{
	struct fixture *f = *state;

	put(&f->o.web, &web, "hello\n", f->o.now);
	expect(f, "hello", "6");
	assert_string_equal(field(f, "SYSLOG_IDENTIFIER"), "web");
	assert_string_equal(field(f, "SYSLOG_FACILITY"), "3");
	assert_string_equal(field(f, "SYSLOG_PID"), "123");
	assert_string_equal(field(f, "SUPERVISOR_SERVICE"), "web");
	assert_string_equal(field(f, "SUPERVISOR_STREAM"), "stdout");
	assert_string_equal(field(f, "INVOCATION_ID"), web.invocation);
	assert_null(field(f, "SUPERVISOR_INSTANCE"));
	put(&f->o.db, &db, "world\n", f->o.now);
	expect(f, "world", "3");
	assert_string_equal(field(f, "SYSLOG_IDENTIFIER"), "db@2");
	assert_string_equal(field(f, "SUPERVISOR_SERVICE"), "db");
	assert_string_equal(field(f, "SUPERVISOR_INSTANCE"), "2");
	assert_string_equal(field(f, "SUPERVISOR_STREAM"), "stderr");
	assert_true(is_idle(&f->o));
}

static void what_is_not_known_is_left_out(void **state)
{
	struct fixture *f = *state;
	struct log_origin origin = {
		.name = "web", .service = "web", .invocation = "", .stream = "supervisord"};

	put(&f->o.web, &origin, "5 bytes dropped\n", f->o.now);
	expect(f, "5 bytes dropped", "4");
	assert_null(field(f, "SYSLOG_PID"));
	assert_null(field(f, "INVOCATION_ID"));
}

static void names_of_the_longest_length_fit(void **state)
{
	struct fixture *f = *state;
	struct log_origin origin = db;
	char name[SPEC_INSTANCE_NAME_MAX], service[SPEC_NAME_MAX + 1];

	memset(name, 'n', sizeof(name) - 1);
	memset(service, 's', sizeof(service) - 1);
	name[sizeof(name) - 1] = service[sizeof(service) - 1] = '\0';
	origin.name = name;
	origin.service = service;
	origin.instance = 4294967295u;
	origin.pid = 2147483647;
	put(&f->o.db, &origin, "x\n", f->o.now);
	expect(f, "x", "3");
	assert_string_equal(field(f, "SYSLOG_IDENTIFIER"), name);
	assert_string_equal(field(f, "SUPERVISOR_SERVICE"), service);
	assert_string_equal(field(f, "INVOCATION_ID"), db.invocation);
}

static void a_prefix_sets_the_priority_and_is_removed(void **state)
{
	struct fixture *f = *state;

	put(&f->o.web, &web, "<0>zero\n<7>seven\n<8>eight\n<3\n< 3>x\n<4>\n\n", f->o.now);
	expect(f, "zero", "0");
	expect(f, "seven", "7");
	expect(f, "<8>eight", "6");
	expect(f, "<3", "6");
	expect(f, "< 3>x", "6");
	expect(f, "", "4");
	expect(f, "", "6");
	put(&f->o.db, &db, "<6>x <3>y\n", f->o.now);
	expect(f, "x <3>y", "6");
}

static void a_prefix_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	static const char text[] = "<2>critical\n";

	for (size_t i = 0; i + 1 < sizeof(text); i++)
		assert_int_equal(put_data(&f->o.web, &web, text + i, 1, f->o.now), 1);
	expect(f, "critical", "2");
	put(&f->o.web, &web, "<2", f->o.now);
	put(&f->o.web, &web, ">again\nnext", f->o.now);
	expect(f, "again", "2");
	expect_nothing(f);
	assert_int_equal(outlet_end(&f->o.web.writer, &web, f->o.now), 0);
	expect(f, "next", "6");
	assert_null(f->o.web.writer.partial.data);
}

static void any_bytes_go_through(void **state)
{
	struct fixture *f = *state;
	char line[256], data[512];
	size_t n = 0;
	bool passed;

	for (int c = 0; c < 256; c++) {
		if (c != '\n')
			line[n++] = (char)c;
	}
	memcpy(data, line, n);
	memcpy(data + n, "\nA=B\n", 5);
	assert_int_equal(put_data(&f->o.web, &web, data, n + 5, f->o.now), n + 5);
	assert_true(receive(f, &passed));
	assert_int_equal(f->record.n_message, n);
	assert_memory_equal(f->record.message, line, n);
	expect(f, "A=B", "6");
}

static void a_line_that_is_too_long_becomes_several_of_one_priority(void **state)
{
	struct fixture *f = *state;
	static char data[3 * JOURNAL_MAX_LINE + 10];
	bool passed;

	memset(data, 'x', sizeof(data));
	memcpy(data, "<1>", 3);
	/* Where it is cut, there is what looks like another priority. */
	memcpy(data + JOURNAL_MAX_LINE, "<5>", 3);
	data[2 * JOURNAL_MAX_LINE + 1] = '\n';
	assert_int_equal(put_data(&f->o.web, &web, data, 100, f->o.now), 100);
	assert_int_equal(put_data(&f->o.web, &web, data + 100, JOURNAL_MAX_LINE, f->o.now),
		JOURNAL_MAX_LINE);
	assert_int_equal(put_data(&f->o.web, &web, data + 100 + JOURNAL_MAX_LINE, JOURNAL_MAX_LINE,
				 f->o.now),
		JOURNAL_MAX_LINE);
	assert_true(receive(f, &passed));
	assert_int_equal(f->record.n_message, JOURNAL_MAX_LINE - 3);
	assert_string_equal(field(f, "PRIORITY"), "1");
	assert_true(receive(f, &passed));
	assert_int_equal(f->record.n_message, JOURNAL_MAX_LINE);
	assert_memory_equal(f->record.message, "<5>x", 4);
	assert_string_equal(field(f, "PRIORITY"), "1");
	expect(f, "x", "1");
	expect_nothing(f);
	assert_int_equal(outlet_end(&f->o.web.writer, &web, f->o.now), 0);
	assert_true(receive(f, &passed));
	assert_int_equal(f->record.n_message, 98);
}

/* "€" as often as it goes; a record that is cut within one would be shown as binary. */
static void a_line_is_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	static char data[2 * JOURNAL_MAX_LINE], expected[sizeof(data)];
	bool passed;

	for (size_t shift = 0; shift < 3; shift++) {
		size_t size = JOURNAL_MAX_LINE + 300 + shift, done = 0, n = 0;
		/* What came before the place of the cut by itself, or with what follows. */
		const size_t steps[] = {
			100, JOURNAL_MAX_LINE - 102, 1, 1, 1, 1, 1, 1, 1, size, size};

		memset(data, 'x', shift);
		for (size_t i = shift; i < size; i += 3)
			memcpy(data + i, "\xe2\x82\xac", 3);
		data[size - 1] = '\n';
		memcpy(expected, data, size);
		for (size_t i = 0; done < size; i++) {
			size_t step = MIN_OF(steps[i], size - done);

			assert_int_equal(
				put_data(&f->o.web, &web, data + done, step, f->o.now), step);
			done += step;
		}
		assert_true(receive(f, &passed));
		assert_in_range(f->record.n_message, JOURNAL_MAX_LINE - 2, JOURNAL_MAX_LINE);
		assert_int_equal((f->record.n_message - shift) % 3, 0);
		n = f->record.n_message;
		assert_memory_equal(f->record.message, expected, n);
		assert_true(receive(f, &passed));
		assert_int_equal(n + f->record.n_message + 1, size);
		assert_memory_equal(f->record.message, expected + n, f->record.n_message);
		expect_nothing(f);
	}
}

static void what_is_too_large_for_a_datagram_goes_as_a_sealed_file(void **state)
{
	struct fixture *f = *state;
	bool passed;

	put(&f->o.web, &web, "small\n", f->o.now);
	expect(f, "small", "6");
	inject("test:sendmmsg:1:EMSGSIZE");
	put(&f->o.web, &web, "<4>large\nsmall\n", f->o.now);
	assert_true(receive(f, &passed));
	assert_true(passed);
	assert_string_equal(f->record.message, "large");
	assert_string_equal(field(f, "PRIORITY"), "4");
	expect(f, "small", "6");
}

static unsigned flood(struct fixture *f)
{
	char line[32];

	for (unsigned i = 0;; i++) {
		snprintf(line, sizeof(line), "line %u\n", i);
		assert_true(i < 100000);
		if (put_data(&f->o.web, &web, line, strlen(line), f->o.now) == 0)
			return i;
	}
}

static void a_stopped_journald_costs_no_call_and_is_gone_on_with(void **state)
{
	struct fixture *f = *state;
	char message[32];
	unsigned n = flood(f);

	assert_true(n > 5);
	/* Any call from now on would be seen. */
	inject("test:sendmmsg:1:EIO");
	for (int i = 0; i < 100; i++)
		assert_int_equal(put_data(&f->o.web, &web, "x\n", 2, f->o.now), 0);
	assert_int_equal(put_data(&f->o.db, &db, "x\n", 2, f->o.now), 0);
	assert_int_equal(f->o.web.writer.outlet->error, 0);
	/* The beginning of a line can still be had. */
	put(&f->o.db, &db, "beg", f->o.now);
	assert_int_equal(outlet_end(&f->o.db.writer, &db, f->o.now), 3);
	assert_int_equal(f->o.web.n_told, 0);
	for (unsigned i = 0; i < n; i++) {
		snprintf(message, sizeof(message), "line %u", i);
		expect(f, message, "6");
	}
	run_until_told(&f->o, &f->o.web);
	assert_int_equal(f->o.db.n_told, 1);
	/* That one takes the fault. */
	assert_int_equal(put_data(&f->o.web, &web, "x\n", 2, f->o.now), 0);
	put(&f->o.web, &web, "after\n", f->o.now + SEC);
	expect(f, "after", "6");
	expect_nothing(f);
}

static void of_many_lines_the_first_are_taken_and_the_rest_later(void **state)
{
	struct fixture *f = *state;
	static char data[400 * 10 + 3];
	size_t n = 0, done = 0;
	char message[32];

	for (int i = 0; i < 400; i++)
		n += (size_t)snprintf(data + n, sizeof(data) - n, "line %04d\n", i);
	n += (size_t)snprintf(data + n, sizeof(data) - n, "end");
	for (int i = 0; i < 400; i++) {
		if (done < n)
			done += put_data(&f->o.web, &web, data + done, n - done, f->o.now);
		assert_true(done == n || done % 10 == 0);
		snprintf(message, sizeof(message), "line %04d", i);
		expect(f, message, "6");
		if (done < n)
			run_until_told(&f->o, &f->o.web);
	}
	assert_int_equal(done, n);
	assert_int_equal(f->o.web.writer.partial.len, 3);
}

static void a_journald_that_is_not_there_is_told_once_and_found_again(void **state)
{
	struct fixture *f = *state;
	char text[400];
	usec_t now = f->o.now;

	close(f->journal);
	unlink(f->path);
	assert_int_equal(put_data(&f->o.web, &web, "1\n2\n", 4, now), 0);
	assert_int_equal(f->o.web.writer.outlet->error, -ENOENT);
	assert_int_equal(put_data(&f->o.web, &web, "1\n2\n", 4, now + SEC), 0);
	f->journal = bind_unix(f->path, SOCK_DGRAM);
	assert_int_equal(put_data(&f->o.web, &web, "1\n2\n", 4, now + 2 * SEC - 1), 0);
	expect_nothing(f);
	put(&f->o.web, &web, "1\n2\n", now + 2 * SEC);
	assert_int_equal(f->o.web.writer.outlet->error, 0);
	expect(f, "1", "6");
	expect(f, "2", "6");
	snprintf(text, sizeof(text),
		"cannot write to the journal at %s: No such file or directory; trying again every "
		"second",
		f->path);
	assert_int_equal(bench_logged(&f->o.bench, text), 1);
	snprintf(text, sizeof(text), "the journal at %s mended\n", f->path);
	assert_int_equal(bench_logged(&f->o.bench, text), 1);
	assert_int_equal(bench_log_lines(&f->o.bench), 2);
}

static void who_waits_for_one_that_is_not_there_is_told_after_a_second(void **state)
{
	struct fixture *f = *state;

	close(f->journal);
	unlink(f->path);
	assert_int_equal(
		put_data(&f->o.web, &web, "1\n", 2, f->o.now - SEC + 20 * USEC_PER_MSEC), 0);
	f->journal = bind_unix(f->path, SOCK_DGRAM);
	run_until_told(&f->o, &f->o.web);
	put(&f->o.web, &web, "1\n", f->o.loop.now_usec);
	expect(f, "1", "6");
	assert_true(is_idle(&f->o));
}

static void nobody_who_drops_keeps_the_process_awake(void **state)
{
	struct fixture *f = *state;

	f->o.web.writer.writable = NULL;
	close(f->journal);
	unlink(f->path);
	assert_int_equal(put_data(&f->o.web, &web, "1\n", 2, f->o.now), 0);
	assert_true(is_idle(&f->o));
	f->journal = bind_unix(f->path, SOCK_DGRAM);
}

static void a_journald_started_anew_loses_nothing(void **state)
{
	struct fixture *f = *state;

	put(&f->o.web, &web, "before\n", f->o.now);
	expect(f, "before", "6");
	close(f->journal);
	f->journal = bind_unix(f->path, SOCK_DGRAM);
	put(&f->o.web, &web, "after\n", f->o.now);
	expect(f, "after", "6");
	assert_int_equal(bench_log_lines(&f->o.bench), 0);
}

static void one_that_goes_while_it_is_full_is_noticed(void **state)
{
	struct fixture *f = *state;

	flood(f);
	close(f->journal);
	f->journal = bind_unix(f->path, SOCK_DGRAM);
	run_until_told(&f->o, &f->o.web);
	put(&f->o.web, &web, "after\n", f->o.now);
	expect(f, "after", "6");
}

static void a_stream_socket_there_is_an_error(void **state)
{
	struct fixture *f = *state;

	close(f->journal);
	f->journal = bind_unix(f->path, SOCK_STREAM);
	assert_int_equal(put_data(&f->o.web, &web, "x\n", 2, f->o.now), 0);
	assert_int_equal(f->o.web.writer.outlet->error, -EPROTOTYPE);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[200];
	struct outlet_writer w = {0};
	struct spec_target target = {.sink = SPEC_SINK_JOURNAL, .address = path};

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(((struct sockaddr_un *)0)->sun_path)] = '\0';
	assert_int_equal(outlet_join(&f->o.set, &w, &target), -EINVAL);
	path[sizeof(((struct sockaddr_un *)0)->sun_path) - 1] = '\0';
	assert_int_equal(outlet_join(&f->o.set, &w, &target), 0);
	outlet_leave(&w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_tells_whose_it_is),
		TEST(what_is_not_known_is_left_out),
		TEST(names_of_the_longest_length_fit),
		TEST(a_prefix_sets_the_priority_and_is_removed),
		TEST(a_prefix_may_come_in_pieces),
		TEST(any_bytes_go_through),
		TEST(a_line_that_is_too_long_becomes_several_of_one_priority),
		TEST(a_line_is_cut_between_characters),
		TEST(what_is_too_large_for_a_datagram_goes_as_a_sealed_file),
		TEST(a_stopped_journald_costs_no_call_and_is_gone_on_with),
		TEST(of_many_lines_the_first_are_taken_and_the_rest_later),
		TEST(a_journald_that_is_not_there_is_told_once_and_found_again),
		TEST(who_waits_for_one_that_is_not_there_is_told_after_a_second),
		TEST(nobody_who_drops_keeps_the_process_awake),
		TEST(a_journald_started_anew_loses_nothing),
		TEST(one_that_goes_while_it_is_full_is_noticed),
		TEST(a_stream_socket_there_is_an_error),
		TEST(a_path_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests_name("outlet_journal", tests, NULL, NULL);
}
