/*
 * What outlets have in common, shown at the one to standard output: sharing, waiting, telling,
 * failing, going; and of that one, whole lines.
 */
#include "outlets.h"

#include "engine/logs/outlet/standard.h"

struct fixture {
	struct outlets o;
	int reader, writer;
};

static void start(struct fixture *f, int reader, int writer)
{
	f->reader = reader;
	f->writer = writer;
	assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	outlets_init(&f->o, writer);
	join(&f->o, &f->o.web, SPEC_SINK_INHERIT, NULL);
	join(&f->o, &f->o.db, SPEC_SINK_INHERIT, NULL);
}

/* A pipe of a single page, so that it is soon full. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	*state = f;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
	start(f, fds[0], fds[1]);
	return 0;
}

static int setup_socket(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2], size = 4096;

	*state = f;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	start(f, fds[0], fds[1]);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	outlets_fini(&f->o);
	close(f->writer);
	if (f->reader >= 0)
		close(f->reader);
	free(f);
	return 0;
}

static size_t pending(const struct fixture *f)
{
	return f->o.web.writer.outlet->pending.len;
}

/* Everything that can be had, with the loop running until nothing is pending. */
static char *read_all(struct fixture *f, size_t *ret_n)
{
	static char data[1 << 20];
	size_t n = 0;

	for (;;) {
		ssize_t r = read(f->reader, data + n, sizeof(data) - 1 - n);

		if (r > 0)
			n += (size_t)r;
		else if (!is_idle(&f->o))
			assert_int_equal(loop_once(&f->o.loop), 0); /* it has room: no wait */
		else
			break;
	}
	data[n] = '\0';
	if (ret_n)
		*ret_n = n;
	return data;
}

static void streams_to_the_same_place_share_an_outlet(void **state)
{
	struct fixture *f = *state;
	struct stream_of_test other = {0};
	struct outlet *o = f->o.web.writer.outlet;
	struct spec_target target = {.sink = SPEC_SINK_JOURNAL, .address = (char *)"/tmp/a"};

	assert_ptr_equal(f->o.db.writer.outlet, o);
	assert_int_equal(o->n_users, 2);
	outlet_leave(&f->o.web.writer);
	assert_int_equal(o->n_users, 1);
	join(&f->o, &f->o.web, SPEC_SINK_JOURNAL, "/tmp/a");
	join(&f->o, &other, SPEC_SINK_JOURNAL, "/tmp/b");
	assert_ptr_not_equal(f->o.web.writer.outlet, other.writer.outlet);
	assert_true(outlet_goes_to(&f->o.web.writer, &target));
	assert_false(outlet_goes_to(&other.writer, &target));
	assert_false(outlet_goes_to(&f->o.db.writer, &target));
	outlet_leave(&other.writer);
	join(&f->o, &other, SPEC_SINK_JOURNAL, "/tmp/a");
	assert_ptr_equal(f->o.web.writer.outlet, other.writer.outlet);
	outlet_leave(&other.writer);
	outlet_leave(&other.writer);
	assert_true(is_idle(&f->o));
}

static void what_is_no_outlet_can_not_be_joined(void **state)
{
	struct fixture *f = *state;
	struct spec_target targets[] = {
		{.sink = SPEC_SINK_FILE, .address = (char *)"/tmp/x"},
		{.sink = SPEC_SINK_NONE},
		{.sink = SPEC_SINK_SERVICE, .address = (char *)"db"},
		{.sink = SPEC_SINK_SYSLOG, .address = (char *)"udp:example.org:514"},
		{.sink = SPEC_SINK_SYSLOG, .address = (char *)"sctp:127.0.0.1:514"},
	};

	for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
		struct outlet_writer w = {0};

		assert_int_equal(outlet_join(&f->o.set, &w, &targets[i]), -EINVAL);
		assert_null(w.outlet);
	}
	assert_int_equal(f->o.loop.n_timers, 1);
}

static void each_line_gets_the_name_of_its_service(void **state)
{
	struct fixture *f = *state;

	put(&f->o.web, &web, "one\n<3>two\n", 1);
	put(&f->o.db, &db, "\n", 1);
	assert_string_equal(read_all(f, NULL), "[web] one\n[web] <3>two\n[db@2] \n");
}

static void a_line_waits_for_its_end_and_lets_others_pass(void **state)
{
	struct fixture *f = *state;

	put(&f->o.web, &web, "first\nhal", 1);
	put(&f->o.db, &db, "whole\n", 1);
	put(&f->o.web, &web, "f a", 1);
	assert_string_equal(read_all(f, NULL), "[web] first\n[db@2] whole\n");
	put(&f->o.web, &web, " line\n", 1);
	assert_string_equal(read_all(f, NULL), "[web] half a line\n");
	assert_null(f->o.web.writer.partial.data);
	assert_null(f->o.web.writer.outlet->pending.data);
}

static void the_end_of_a_stream_ends_its_line(void **state)
{
	struct fixture *f = *state;

	put(&f->o.web, &web, "no end", 1);
	assert_int_equal(outlet_end(&f->o.web.writer, &web, 1), 0);
	assert_int_equal(outlet_end(&f->o.web.writer, &web, 1), 0);
	assert_string_equal(read_all(f, NULL), "[web] no end\n");
}

static void an_endless_line_is_cut_and_takes_no_memory(void **state)
{
	struct fixture *f = *state;
	static char data[10000];
	size_t max = STANDARD_MAX_LINE - 1 - strlen("[web] "), n, sum = 0;
	char *out;

	memset(data, 'x', sizeof(data));
	assert_int_equal(put_data(&f->o.web, &web, data, max, 1), max);
	assert_string_equal(read_all(f, NULL), ""); /* could still end here */
	put(&f->o.web, &web, "x", 1);
	out = read_all(f, &n);
	assert_int_equal(n, STANDARD_MAX_LINE);
	assert_true(strncmp(out, "[web] xxx", 9) == 0 && out[n - 1] == '\n');
	for (int i = 0; i < 50; i++) {
		assert_int_equal(put_data(&f->o.web, &web, data, sizeof(data), 1), sizeof(data));
		assert_true(f->o.web.writer.partial.len <= STANDARD_MAX_LINE);
		out = read_all(f, &n);
		assert_true(n % STANDARD_MAX_LINE == 0 && n >= STANDARD_MAX_LINE);
		for (size_t at = 0; at < n; at += STANDARD_MAX_LINE)
			assert_true(strncmp(out + at, "[web] xxx", 9) == 0);
		sum += n / STANDARD_MAX_LINE * max;
	}
	assert_int_equal(outlet_end(&f->o.web.writer, &web, 1), 0);
	read_all(f, &n);
	assert_int_equal(sum + n - strlen("[web] \n"), 50 * sizeof(data) + 1);
}

static void a_line_of_just_the_longest_length_is_one_line(void **state)
{
	struct fixture *f = *state;
	size_t max = STANDARD_MAX_LINE - 1 - strlen("[web] "), n;
	static char data[STANDARD_MAX_LINE];

	memset(data, 'x', sizeof(data));
	data[max] = '\n';
	assert_int_equal(put_data(&f->o.web, &web, data, max + 1, 1), max + 1);
	read_all(f, &n);
	assert_int_equal(n, STANDARD_MAX_LINE);
}

static void join_formats(struct fixture *f, enum spec_format format)
{
	struct spec_target target = {.sink = SPEC_SINK_INHERIT, .format = format};

	outlet_leave(&f->o.web.writer);
	outlet_leave(&f->o.db.writer);
	assert_int_equal(outlet_join(&f->o.set, &f->o.web.writer, &target), 0);
	assert_int_equal(outlet_join(&f->o.set, &f->o.db.writer, &target), 0);
}

static void a_prefix_names_the_process_and_the_stream(void **state)
{
	struct fixture *f = *state;

	join_formats(f, SPEC_FORMAT_PREFIX);
	put(&f->o.web, &web, "one\n\ntw", f->o.now);
	put(&f->o.db, &db, "<3>err\n", f->o.now);
	put(&f->o.web, &web, "o\n", f->o.now);
	assert_string_equal(read_all(f, NULL),
		"web[123] stdout: one\nweb[123] stdout: \ndb@2[77] stderr: <3>err\n"
		"web[123] stdout: two\n");
}

static void streams_of_any_format_share_an_outlet(void **state)
{
	struct fixture *f = *state;
	struct spec_target target = {.sink = SPEC_SINK_INHERIT, .format = SPEC_FORMAT_PREFIX};

	outlet_leave(&f->o.web.writer);
	assert_false(outlet_goes_to(&f->o.db.writer, &target));
	assert_int_equal(outlet_join(&f->o.set, &f->o.web.writer, &target), 0);
	assert_true(outlet_goes_to(&f->o.web.writer, &target));
	put(&f->o.web, &web, "one\n", f->o.now);
	put(&f->o.db, &db, "two\n", f->o.now);
	assert_string_equal(read_all(f, NULL), "web[123] stdout: one\n[db@2] two\n");
}

/* The message of a line of JSON, which has a certain head, up to its end; *ret_rest is behind. */
static const char *json_message(char *text, char **ret_rest)
{
	static const char head[] =
		"Z\",\"service\":\"db\",\"instance\":2,\"pid\":77,\"stream\":\"stderr\","
		"\"message\":\"";
	char *end = strstr(text, "\"}\n");

	assert_non_null(end);
	assert_true(end + 3 - text <= STANDARD_MAX_LINE);
	assert_int_equal(strncmp(text, "{\"time\":\"20", 11), 0);
	text += strlen("{\"time\":\"2026-11-23T06:36:53.123456");
	assert_int_equal(strncmp(text, head, strlen(head)), 0);
	*end = '\0';
	*ret_rest = end + 3;
	return text + strlen(head);
}

static void a_line_of_json_is_whole_and_valid(void **state)
{
	struct fixture *f = *state;
	char *rest;

	join_formats(f, SPEC_FORMAT_JSON);
	put(&f->o.db, &db, "say \"h\xc3", f->o.now);
	put(&f->o.db, &db, "\xa9\"\t\xff\n\nend", f->o.now);
	assert_string_equal(
		json_message(read_all(f, NULL), &rest), "say \\\"h\xc3\xa9\\\"\\t\xef\xbf\xbd");
	assert_string_equal(json_message(rest, &rest), "");
	assert_string_equal(rest, "");
	assert_int_equal(outlet_end(&f->o.db.writer, &db, f->o.now), 0);
	assert_string_equal(json_message(read_all(f, NULL), &rest), "end");
}

static void a_long_line_becomes_several_of_json(void **state)
{
	struct fixture *f = *state;
	static char data[20001], got[8 * sizeof(data)];
	size_t n = 0;
	unsigned n_lines = 0;
	char *rest;

	join_formats(f, SPEC_FORMAT_JSON);
	/* Six bytes in JSON for each of ours, and characters of three. */
	memset(data, 1, 8000);
	for (size_t i = 8000; i < sizeof(data) - 1; i += 3)
		memcpy(data + i, "\xe2\x82\xac", MIN_OF(3ul, sizeof(data) - 1 - i));
	data[sizeof(data) - 1] = '\n';
	for (size_t done = 0; done < sizeof(data); done += 69)
		put_data(&f->o.db, &db, data + done, MIN_OF(69ul, sizeof(data) - done), f->o.now);
	for (rest = read_all(f, NULL); *rest; n_lines++) {
		const char *message = json_message(rest, &rest);

		memcpy(got + n, message, strlen(message) + 1);
		n += strlen(message);
	}
	assert_in_range(n_lines, 12, 24);
	assert_int_equal(n, 8000 * 6 + 12000);
	for (size_t i = 0; i < 8000; i++)
		assert_memory_equal(got + 6 * i, "\\u0001", 6);
	assert_memory_equal(got + 48000, data + 8000, 12000);
}

/* Numbered lines of two services until nothing is taken any more. How many were. */
static unsigned flood(struct fixture *f, usec_t now)
{
	char line[256];
	size_t n;
	unsigned i;

	for (i = 0;; i++) {
		snprintf(line, sizeof(line), "%05u %.*s\n", i, (int)(i % 150),
			"-----------------------------------------------------------------------"
			"-------------------------------------------------------------------------"
			"------");
		n = i % 3 ? put_data(&f->o.web, &web, line, strlen(line), now)
			  : put_data(&f->o.db, &db, line, strlen(line), now);
		assert_true(pending(f) <= STANDARD_MAX_PENDING);
		if (n == 0)
			return i;
		assert_int_equal(n, strlen(line));
		assert_true(i < 100000);
	}
}

static void slow_reader(struct fixture *f)
{
	unsigned n = flood(f, f->o.now), n_read = 0;
	char *save, *out;

	assert_true(n > 100);
	out = read_all(f, NULL);
	for (char *line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[8], dashes[160] = "";
		unsigned i;

		assert_true(sscanf(line, "[%7[^]]] %5u %159s", name, &i, dashes) >= 2);
		assert_int_equal(i, n_read);
		assert_string_equal(name, i % 3 ? "web" : "db@2");
		assert_int_equal(strlen(dashes), i % 150);
		n_read++;
	}
	assert_int_equal(n_read, n);
	/* Merely slow: nothing to tell. */
	assert_int_equal(bench_log_lines(&f->o.bench), 0);
}

static void a_slow_reader_of_a_pipe_gets_whole_lines(void **state)
{
	slow_reader(*state);
}

static void a_slow_reader_of_a_socket_gets_whole_lines(void **state)
{
	slow_reader(*state);
}

static void no_line_goes_into_a_pipe_in_part(void **state)
{
	struct fixture *f = *state;
	char data[4096];

	flood(f, f->o.now);
	for (int i = 0; i < 10; i++) {
		assert_true(read(f->reader, data, sizeof(data)) > 0);
		assert_int_equal(loop_once(&f->o.loop), 0);
		/* So another process may write its own lines to the same pipe. */
		assert_int_equal(f->o.web.writer.outlet->pending.data[0], '[');
	}
}

static void who_waits_is_told_once_when_there_is_room(void **state)
{
	struct fixture *f = *state;
	static const char line[] = "a line\n";

	flood(f, f->o.now);
	while (put_data(&f->o.web, &web, line, strlen(line), f->o.now) > 0)
		;
	assert_int_equal(put_data(&f->o.db, &db, line, strlen(line), f->o.now), 0);
	assert_int_equal(put_data(&f->o.db, &db, line, strlen(line), f->o.now), 0);
	assert_int_equal(f->o.web.n_told + f->o.db.n_told, 0);
	read_all(f, NULL);
	assert_int_equal(f->o.web.n_told, 1);
	assert_int_equal(f->o.db.n_told, 1);
	put(&f->o.db, &db, line, f->o.now);
	assert_string_equal(read_all(f, NULL), "[db@2] a line\n");
	assert_int_equal(f->o.db.n_told, 1);
}

static void who_does_not_ask_is_not_told(void **state)
{
	struct fixture *f = *state;

	f->o.web.writer.writable = f->o.db.writer.writable = NULL;
	flood(f, f->o.now);
	assert_true(list_empty(&f->o.web.writer.outlet->waiting));
	read_all(f, NULL);
	assert_true(is_idle(&f->o));
}

static void leave_both(struct outlet_writer *w)
{
	struct fixture *f = CONTAINER_OF(w, struct fixture, o.web.writer);

	f->o.web.n_told++;
	outlet_leave(&f->o.db.writer);
	outlet_leave(w);
}

static void who_is_told_may_leave_and_so_may_all(void **state)
{
	struct fixture *f = *state;
	static const char line[] = "a line\n";

	flood(f, f->o.now);
	f->o.web.writer.writable = leave_both;
	while (put_data(&f->o.web, &web, line, strlen(line), f->o.now) > 0)
		;
	put_data(&f->o.db, &db, line, strlen(line), f->o.now);
	outlet_leave(&f->o.db.writer);
	join(&f->o, &f->o.db, SPEC_SINK_INHERIT, NULL);
	put_data(&f->o.db, &db, line, strlen(line), f->o.now); /* behind the other one now */
	read_all(f, NULL);
	assert_int_equal(f->o.web.n_told, 1);
	assert_int_equal(f->o.db.n_told, 0);
	assert_int_equal(f->o.loop.n_timers, 0);
}

static void what_is_pending_outlives_its_writers(void **state)
{
	struct fixture *f = *state;
	size_t n;

	flood(f, f->o.now);
	n = pending(f);
	assert_true(n > 4096);
	outlet_leave(&f->o.web.writer);
	outlet_leave(&f->o.db.writer);
	assert_int_equal(f->o.loop.n_timers, 1);
	read_all(f, NULL);
	assert_int_equal(f->o.loop.n_timers, 0);
	assert_true(list_empty(&f->o.set.outlets));
	assert_int_equal(bench_log_lines(&f->o.bench), 0);
}

static void what_is_pending_without_a_reader_and_writers_is_lost_and_told(void **state)
{
	struct fixture *f = *state;

	flood(f, f->o.now);
	outlet_leave(&f->o.web.writer);
	outlet_leave(&f->o.db.writer);
	close(f->reader);
	f->reader = -1;
	assert_int_equal(loop_once(&f->o.loop), 0);
	assert_int_equal(f->o.loop.n_timers, 0);
	assert_int_equal(
		bench_logged(&f->o.bench, "bytes for standard output could not be written"), 1);
}

static void the_rest_of_a_torn_line_goes_first(void **state)
{
	struct fixture *f = *state;

	/* As after a write that took only "[web] hal". */
	assert_int_equal(
		buf_append(&f->o.web.writer.outlet->pending, SIZE_MAX, "f a line\n", 9), 0);
	put(&f->o.db, &db, "next\n", 1);
	assert_string_equal(read_all(f, NULL), "f a line\n[db@2] next\n");
}

static void a_failure_is_told_once_and_so_is_its_end(void **state)
{
	struct fixture *f = *state;
	struct outlet *o = f->o.web.writer.outlet;
	char path[64];
	usec_t now = f->o.now;

	/* The same pipe, to be opened for reading again later. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->writer);
	close(f->reader);
	put(&f->o.web, &web, "1\n", now);
	assert_int_equal(o->error, -EPIPE);
	put(&f->o.web, &web, "2\n3\n", now + 1);
	put(&f->o.web, &web, "4\n", now + SEC); /* a second try, and no second report */
	f->reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(f->reader >= 0);
	put(&f->o.web, &web, "5\n", now + 2 * SEC - 1); /* a moment too early */
	assert_int_equal(o->error, -EPIPE);
	put(&f->o.web, &web, "6\n", now + 2 * SEC);
	assert_int_equal(o->error, 0);
	assert_string_equal(
		read_all(f, NULL), "[web] 1\n[web] 2\n[web] 3\n[web] 4\n[web] 5\n[web] 6\n");
	assert_int_equal(bench_logged(&f->o.bench, "cannot write to standard output: Broken pipe; "
						   "trying again every second"),
		1);
	assert_int_equal(bench_logged(&f->o.bench, "standard output mended\n"), 1);
	assert_int_equal(bench_log_lines(&f->o.bench), 2);
}

static void after_a_failure_who_waits_is_told_when_it_is_time(void **state)
{
	struct fixture *f = *state;
	char path[64];
	usec_t almost = f->o.now - SEC + 20 * USEC_PER_MSEC;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->writer);
	close(f->reader);
	flood(f, almost);
	assert_true(f->o.web.writer.outlet->error < 0);
	f->reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(f->o.web.n_told + f->o.db.n_told, 0);
	read_all(f, NULL);
	assert_int_equal(f->o.web.n_told + f->o.db.n_told, 1);
	assert_int_equal(f->o.web.writer.outlet->error, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(streams_to_the_same_place_share_an_outlet),
		TEST(what_is_no_outlet_can_not_be_joined),
		TEST(each_line_gets_the_name_of_its_service),
		TEST(a_line_waits_for_its_end_and_lets_others_pass),
		TEST(the_end_of_a_stream_ends_its_line),
		TEST(an_endless_line_is_cut_and_takes_no_memory),
		TEST(a_line_of_just_the_longest_length_is_one_line),
		TEST(a_prefix_names_the_process_and_the_stream),
		TEST(streams_of_any_format_share_an_outlet),
		TEST(a_line_of_json_is_whole_and_valid),
		TEST(a_long_line_becomes_several_of_json),
		TEST(a_slow_reader_of_a_pipe_gets_whole_lines),
		cmocka_unit_test_setup_teardown(
			a_slow_reader_of_a_socket_gets_whole_lines, setup_socket, teardown),
		TEST(no_line_goes_into_a_pipe_in_part),
		TEST(who_waits_is_told_once_when_there_is_room),
		TEST(who_does_not_ask_is_not_told),
		TEST(who_is_told_may_leave_and_so_may_all),
		TEST(what_is_pending_outlives_its_writers),
		TEST(what_is_pending_without_a_reader_and_writers_is_lost_and_told),
		TEST(the_rest_of_a_torn_line_goes_first),
		TEST(a_failure_is_told_once_and_so_is_its_end),
		TEST(after_a_failure_who_waits_is_told_when_it_is_time),
	};

	return cmocka_run_group_tests_name("outlet", tests, NULL, NULL);
}
