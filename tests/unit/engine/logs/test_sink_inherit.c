/*
 * The sink "inherit": prefixes, whole lines, and a reader that is slow or gone.
 */
#include "sinks.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "engine/logs/outlet/standard.h"

struct fixture {
	struct bench bench;
	struct loop loop;
	struct sink_set set;
	struct sink web, db;
	int reader, writer;
};

static void start(struct fixture *f, int reader, int writer)
{
	f->reader = reader;
	assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(loop_init(&f->loop), 0);
	sink_set_init(&f->set, &f->loop, f->bench.dir, 16, writer);
	f->writer = writer;
	sink_init(&f->web, &f->set, "web", bench_log(0, 0),
		&(struct spec_target){.sink = SPEC_SINK_INHERIT}, NULL);
	sink_init(&f->db, &f->set, "db@2", bench_log(0, 0),
		&(struct spec_target){.sink = SPEC_SINK_INHERIT}, NULL);
}

/* A pipe of a single page, so that it is soon full. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	*state = f;
	bench_init(&f->bench);
	signal(SIGPIPE, SIG_IGN);
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
	bench_init(&f->bench);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	start(f, fds[0], fds[1]);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sink_fini(&f->web);
	sink_fini(&f->db);
	sink_set_fini(&f->set);
	loop_fini(&f->loop);
	if (f->reader >= 0)
		close(f->reader);
	close(f->writer);
	bench_fini(&f->bench);
	free(f);
	return 0;
}

/* Everything that can be had, with the loop running until nothing more comes. */
static char *read_all(struct fixture *f, size_t *ret_n)
{
	static char data[1 << 20];
	size_t n = 0;

	for (;;) {
		ssize_t r = read(f->reader, data + n, sizeof(data) - 1 - n);

		if (r > 0) {
			n += (size_t)r;
		} else if (f->db.writer.outlet->source.fd >= 0) {
			assert_int_equal(loop_once(&f->loop), 0); /* the pipe has room: no wait */
		} else {
			break;
		}
	}
	data[n] = '\0';
	if (ret_n)
		*ret_n = n;
	return data;
}

static void each_line_gets_the_name_of_its_service(void **state)
{
	struct fixture *f = *state;

	put(&f->web, "one\ntwo\n", 1);
	put(&f->db, "\n", 1);
	assert_string_equal(read_all(f, NULL), "[web] one\n[web] two\n[db@2] \n");
	assert_int_equal(f->web.counters.bytes, 8);
	assert_int_equal(f->web.counters.lines, 2);
	assert_int_equal(f->db.counters.bytes, 1);
}

static void a_line_waits_for_its_end_and_lets_others_pass(void **state)
{
	struct fixture *f = *state;

	put(&f->web, "first\nhal", 1);
	put(&f->db, "whole\n", 1);
	put(&f->web, "f a", 1);
	assert_string_equal(read_all(f, NULL), "[web] first\n[db@2] whole\n");
	put(&f->web, " line\n", 1);
	assert_string_equal(read_all(f, NULL), "[web] half a line\n");
	assert_null(f->web.writer.partial.data);
	assert_int_equal(f->web.counters.bytes, 18);
	assert_int_equal(f->web.counters.lines, 2);
}

static void the_end_of_a_stream_ends_its_line(void **state)
{
	struct fixture *f = *state;

	put(&f->web, "no end", 1);
	sink_end(&f->web, 1);
	sink_end(&f->web, 1);
	assert_string_equal(read_all(f, NULL), "[web] no end\n");
	assert_int_equal(f->web.counters.bytes, 6);
	assert_int_equal(f->web.counters.lines, 0);
}

static void an_endless_line_is_cut_and_takes_no_memory(void **state)
{
	struct fixture *f = *state;
	static char data[10000];
	size_t max = STANDARD_MAX_LINE - 1 - strlen("[web] "), n;
	char *out;

	memset(data, 'x', sizeof(data));
	sink_write(&f->web, data, max, 1);
	assert_string_equal(read_all(f, NULL), ""); /* could still end here */
	sink_write(&f->web, data, 1, 1);
	out = read_all(f, &n);
	assert_int_equal(n, STANDARD_MAX_LINE);
	assert_true(strncmp(out, "[web] xxx", 9) == 0 && out[n - 1] == '\n');
	for (int i = 0; i < 50; i++) {
		sink_write(&f->web, data, sizeof(data), 1);
		assert_true(f->web.writer.partial.len <= STANDARD_MAX_LINE);
		out = read_all(f, &n);
		assert_true(n % STANDARD_MAX_LINE == 0 && n >= STANDARD_MAX_LINE);
		for (size_t at = 0; at < n; at += STANDARD_MAX_LINE)
			assert_true(strncmp(out + at, "[web] xxx", 9) == 0);
	}
	sink_end(&f->web, 1);
	assert_int_equal(f->web.counters.bytes, 50 * sizeof(data) + max + 1);
	assert_int_equal(f->web.counters.lines, 0);
	assert_int_equal(f->web.counters.dropped_bytes, 0);
}

static void a_line_of_just_the_longest_length_is_one_line(void **state)
{
	struct fixture *f = *state;
	size_t max = STANDARD_MAX_LINE - 1 - strlen("[web] "), n;
	static char data[STANDARD_MAX_LINE];

	memset(data, 'x', sizeof(data));
	sink_write(&f->web, data, max, 1);
	sink_write(&f->web, "\n", 1, 1);
	read_all(f, &n);
	assert_int_equal(n, STANDARD_MAX_LINE);
	assert_int_equal(f->web.counters.lines, 1);
}

/* Numbered lines of two services until far more was written than fits anywhere. */
static unsigned flood(struct fixture *f, usec_t now)
{
	char line[256];
	unsigned i;

	for (i = 0; i < 3000; i++) {
		snprintf(line, sizeof(line), "%05u %.*s\n", i, (int)(i % 150),
			"-----------------------------------------------------------------------"
			"-------------------------------------------------------------------------"
			"------");
		put(i % 3 ? &f->web : &f->db, line, now);
		assert_true(f->web.writer.outlet->pending.len <= STANDARD_MAX_PENDING);
	}
	return i;
}

/* One line of a flood, or one about what is missing. True: it is of the flood. */
static bool check_line(const char *line, uint64_t *dropped_lines)
{
	char name[8], dashes[160] = "";
	unsigned i;
	unsigned long long bytes, lines;

	if (sscanf(line, "[%7[^]]] supervisord: %llu bytes, %llu lines dropped (too slow)", name,
		    &bytes, &lines) == 3) {
		*dropped_lines += lines;
		return false;
	}
	assert_true(sscanf(line, "[%7[^]]] %5u %159s", name, &i, dashes) >= 2);
	assert_string_equal(name, i % 3 ? "web" : "db@2");
	assert_int_equal(strlen(dashes), i % 150);
	return true;
}

static void slow_reader(struct fixture *f, unsigned n)
{
	uint64_t n_read = 0, n_told = 0, n_dropped;
	char *save, *out;

	n_dropped = f->web.counters.dropped_lines + f->db.counters.dropped_lines;
	assert_true(f->web.counters.dropped_lines > 0 && f->db.counters.dropped_lines > 0);
	assert_true(f->web.counters.lines > 0);
	assert_int_equal(bench_logged(&f->bench, "service 'web': standard output is too slow"), 1);
	out = read_all(f, NULL);
	for (char *line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		n_read += check_line(line, &n_told);
	assert_int_equal(n_read, f->web.counters.lines + f->db.counters.lines);
	assert_int_equal(n, n_read + n_dropped);
	put(&f->web, "calm again\n", 3 * SEC);
	sink_end(&f->db, 3 * SEC);
	out = read_all(f, NULL);
	assert_non_null(strstr(out, "[web] calm again\n"));
	for (char *line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strstr(line, "calm again"))
			assert_false(check_line(line, &n_told));
	assert_int_equal(n_told, n_dropped);
	assert_int_equal(bench_log_lines(&f->bench), 2); /* one for each service */
}

static void a_slow_reader_of_a_pipe_gets_whole_lines(void **state)
{
	slow_reader(*state, flood(*state, SEC));
}

static void no_line_goes_into_a_pipe_in_part(void **state)
{
	struct fixture *f = *state;
	char data[4096];

	flood(f, SEC);
	for (int i = 0; i < 10; i++) {
		assert_true(read(f->reader, data, sizeof(data)) > 0);
		assert_int_equal(loop_once(&f->loop), 0);
		/* So another process may write its own lines to the same pipe. */
		assert_int_equal(f->web.writer.outlet->pending.data[0], '[');
	}
}

static void a_slow_reader_of_a_socket_gets_whole_lines(void **state)
{
	slow_reader(*state, flood(*state, SEC));
}

static void the_rest_of_a_torn_line_goes_first(void **state)
{
	struct fixture *f = *state;
	struct outlet *w = f->web.writer.outlet;

	/* As after a write that took only "[web] hal". */
	assert_int_equal(buf_append(&w->pending, SIZE_MAX, "f a line\n", 9), 0);
	put(&f->db, "next\n", 1);
	assert_string_equal(read_all(f, NULL), "f a line\n[db@2] next\n");
}

static void without_a_reader_what_fits_waits_for_one(void **state)
{
	struct fixture *f = *state;
	static char data[STANDARD_MAX_PENDING];
	char path[64];
	unsigned n;

	/* The same pipe, to be opened for reading again later. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->writer);
	close(f->reader);
	f->reader = -1;
	put(&f->web, "1\n", 10 * SEC);
	assert_int_equal(
		bench_logged(&f->bench, "cannot write to standard output: Broken pipe"), 1);
	memset(data, '\n', sizeof(data));
	sink_write(&f->web, data, sizeof(data), 10 * SEC + 1);
	n = (unsigned)f->web.counters.dropped_lines;
	assert_true(n > 0);
	assert_int_equal(f->web.counters.lines + n, 1 + sizeof(data));
	f->reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(f->reader >= 0);
	f->loop.now_usec = 11 * SEC;
	put(&f->web, "4\n", 11 * SEC);
	assert_int_equal(strncmp(read_all(f, NULL), "[web] 1\n[web] \n", 15), 0);
	put(&f->web, "5\n", 12 * SEC);
	assert_int_equal(bench_logged(&f->bench, "standard output mended"), 1);
}

static void a_partial_line_goes_out_before_the_sink_changes(void **state)
{
	struct fixture *f = *state;
	char path[256];

	put(&f->web, "no end", 1);
	bench_path(&f->bench, "web.log", path);
	assert_int_equal(sink_configure(&f->web, bench_log(0, 1),
				 &(struct spec_target){.sink = SPEC_SINK_FILE}, path, 1),
		0);
	put(&f->web, "to file\n", 2);
	assert_string_equal(read_all(f, NULL), "[web] no end\n");
	assert_file(path, "to file\n");
}

static void a_marker_has_the_format_of_its_lines(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum spec_format format;
		const char *marker;
	} cases[] = {
		{SPEC_FORMAT_PREFIX, "web supervisord: 5 bytes, 1 lines dropped (too slow)\n"},
		{SPEC_FORMAT_JSON,
			",\"service\":\"web\",\"stream\":\"supervisord\",\"dropped_bytes\":5,"
			"\"dropped_lines\":1,\"message\":\"supervisord: 5 bytes, 1 lines dropped "
			"(too slow)\"}\n"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct spec_target target = {.sink = SPEC_SINK_INHERIT, .format = cases[i].format};
		uint64_t before = f->web.counters.dropped_lines;
		char *out, *marker;

		assert_int_equal(sink_configure(&f->web, bench_log(0, 0), &target, NULL, SEC), 0);
		while (f->web.counters.dropped_lines == before)
			put(&f->web, "line\n", SEC);
		read_all(f, NULL);
		put(&f->web, "after\n", SEC);
		out = read_all(f, NULL);
		marker = strstr(out, cases[i].marker);
		assert_non_null(marker);
		if (cases[i].format == SPEC_FORMAT_JSON)
			assert_int_equal(strncmp(out, "{\"time\":\"20", 11), 0);
		else
			assert_ptr_equal(marker, out);
		assert_ptr_equal(strchr(out, '\n') + 1, marker + strlen(cases[i].marker));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_line_gets_the_name_of_its_service),
		TEST(a_line_waits_for_its_end_and_lets_others_pass),
		TEST(the_end_of_a_stream_ends_its_line),
		TEST(an_endless_line_is_cut_and_takes_no_memory),
		TEST(a_line_of_just_the_longest_length_is_one_line),
		TEST(a_slow_reader_of_a_pipe_gets_whole_lines),
		TEST(no_line_goes_into_a_pipe_in_part),
		cmocka_unit_test_setup_teardown(
			a_slow_reader_of_a_socket_gets_whole_lines, setup_socket, teardown),
		TEST(the_rest_of_a_torn_line_goes_first),
		TEST(without_a_reader_what_fits_waits_for_one),
		TEST(a_partial_line_goes_out_before_the_sink_changes),
		TEST(a_marker_has_the_format_of_its_lines),
	};

	return cmocka_run_group_tests_name("sink_inherit", tests, NULL, NULL);
}
