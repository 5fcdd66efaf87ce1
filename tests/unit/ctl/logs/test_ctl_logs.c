/*
 * Reading logs: backwards for the last lines, through rotated files, and forwards as they
 * grow. The files are made here the way the writer makes them.
 */
#include "logs_dir.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "ctl/logs/file/feed.h"
#include "ctl/logs/follow/follow.h"
#include "ctl/logs/range/tail.h"

static void assert_found(int fd, off_t end, uint64_t n, off_t start, uint64_t found)
{
	off_t got_start;
	uint64_t got_found;

	assert_int_equal(0, tail_find(fd, 0, end, n, NULL, &got_start, &got_found));
	assert_int_equal(start, got_start);
	assert_int_equal(found, got_found);
}

static void the_last_lines_are_found_from_the_end(void **state)
{
	struct logs_dir d;
	int fd;

	(void)state;
	make_dir(&d);
	append(d.path, "one\n\nthree\nfour");
	fd = open(d.path, O_RDONLY);
	assert_found(fd, 15, 0, 15, 0);
	assert_found(fd, 15, 1, 11, 1);
	assert_found(fd, 15, 2, 5, 2);
	assert_found(fd, 15, 3, 4, 3);
	assert_found(fd, 15, 4, 0, 4);
	assert_found(fd, 15, 5, 0, 4);
	assert_found(fd, 11, 1, 5, 1); /* the newline at the end begins no line */
	assert_found(fd, 0, 3, 0, 0);
	close(fd);
	remove_dir(&d);
}

static void lines_are_found_across_blocks(void **state)
{
	struct logs_dir d;
	FILE *f;
	int fd;
	off_t size;

	(void)state;
	make_dir(&d);
	f = fopen(d.path, "w");
	for (unsigned i = 0; i < 50000; i++)
		fprintf(f, "line %07u\n", i);
	for (unsigned i = 0; i < 200000; i++)
		fputc('x', f);
	fclose(f);
	fd = open(d.path, O_RDONLY);
	size = lseek(fd, 0, SEEK_END);
	assert_found(fd, size, 1, size - 200000, 1);
	assert_found(fd, size, 2, size - 200000 - 13, 2);
	assert_found(fd, size, 50001, 0, 50001);
	assert_found(fd, size, 50000, 13, 50000);
	close(fd);
	remove_dir(&d);
}

static void reading_the_end_of_a_huge_file_reads_no_more_than_the_end(void **state)
{
	struct logs_dir d;
	int fd;

	(void)state;
	make_dir(&d);
	fd = open(d.path, O_RDWR | O_CREAT, 0600);
	/* Sparse: reading it all would take minutes. */
	if (ftruncate(fd, (off_t)1 << 42) < 0)
		assert_int_equal(0, ftruncate(fd, (off_t)1 << 34));
	close(fd);
	append(d.path, "\nlast\n");
	fd = open(d.path, O_RDONLY);
	assert_found(fd, lseek(fd, 0, SEEK_END), 1, lseek(fd, 0, SEEK_END) - 5, 1);
	close(fd);
	remove_dir(&d);
}

static void the_last_lines_reach_back_into_rotated_files(void **state)
{
	static const char *const expected[] = {"", "line 9\n", "line 8\nline 9\n",
		"line 7\nline 8\nline 9\n", "line 6\nline 7\nline 8\nline 9\n"};
	struct logs_dir d;

	(void)state;
	make_dir(&d);
	for (unsigned i = 1; i <= 9; i++) {
		append_line(d.path, i);
		if (i % 2 == 0)
			rotate(&d, i);
	}
	append(d.path, "");
	for (unsigned n = 0; n < ELEMENTSOF(expected); n++) {
		char number[8];
		struct fake f;

		snprintf(number, sizeof(number), "%u", n);
		run_logs(&f, &d, ARGS("logs", "-n", number, "web"));
		assert_int_equal(0, f.status);
		assert_string_equal(expected[n], f.out);
		fake_free(&f);
	}
	remove_dir(&d);
}

static void all_of_it_is_shown_once_and_in_order(void **state)
{
	struct logs_dir d;
	struct fake f;
	char other[192];

	(void)state;
	make_dir(&d);
	append(d.path, "a\nb");
	rotate(&d, 1);
	append(d.path, "b\nc\n");
	rotate(&d, 2);
	append(d.path, "");
	rotate(&d, 3);
	append(d.path, "d");
	rotate(&d, 4);
	append(d.path, "d\ne");
	snprintf(other, sizeof(other), "%s.old", d.path);
	append(other, "not this\n");
	run_logs(&f, &d, ARGS("logs", "-n", "1000", "web"));
	assert_string_equal("a\nbb\nc\ndd\ne\n", f.out);
	fake_free(&f);
	/* A line that goes on in the next file is one line, wanted from its beginning. */
	run_logs(&f, &d, ARGS("logs", "-n", "2", "web"));
	assert_string_equal("dd\ne\n", f.out);
	fake_free(&f);
	run_logs(&f, &d, ARGS("logs", "-n4", "web"));
	assert_string_equal("bb\nc\ndd\ne\n", f.out);
	fake_free(&f);
	remove_dir(&d);
}

static void a_file_that_is_not_there_yet_is_no_error(void **state)
{
	struct logs_dir d;
	struct fake f;

	(void)state;
	make_dir(&d);
	run_logs(&f, &d, ARGS("logs", "web"));
	assert_int_equal(0, f.status);
	assert_string_equal("", f.out);
	fake_free(&f);
	remove_dir(&d);
}

static void what_is_no_file_is_told(void **state)
{
	struct logs_dir d;
	struct fake f;

	(void)state;
	make_dir(&d);
	assert_int_equal(0, mkfifo(d.path, 0600));
	run_logs(&f, &d, ARGS("logs", "web"));
	assert_int_equal(1, f.status);
	assert_non_null(strstr(f.err, "not a regular file"));
	fake_free(&f);
	remove_dir(&d);
}

static void logs_that_are_not_kept_are_told(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ,
			"{\"parameters\":{\"services\":[{\"name\":\"a\",\"logs\":[{\"stream\":"
			"\"output\","
			"\"sink\":\"none\",\"path\":null}]},{\"name\":\"b\",\"logs\":[{\"stream\":"
			"\"output\",\"sink\":\"inherit\",\"path\":null}]}]}}"),
		ARGS("logs", "a", "b"));
	assert_int_equal(1, f.status);
	assert_non_null(strstr(f.err, "supctl: a: is not kept (log.file = none)\n"));
	assert_non_null(strstr(f.err, "supctl: b: goes to supervisord's own output"));
	fake_free(&f);
}

static void several_streams_have_aligned_prefixes(void **state)
{
	struct logs_dir d;
	struct fake f;
	char reply[1024], error_path[192];

	(void)state;
	make_dir(&d);
	snprintf(error_path, sizeof(error_path), "%s.err", d.path);
	append(d.path, "hello\nworld");
	append(error_path, "oops\n");
	snprintf(reply, sizeof(reply),
		"{\"parameters\":{\"services\":[{\"name\":\"web\",\"logs\":["
		"{\"stream\":\"output\",\"sink\":\"file\",\"path\":\"%s\"},"
		"{\"stream\":\"error\",\"sink\":\"file\",\"path\":\"%s\"}]}]}}",
		d.path, error_path);
	run_with(&f, SCRIPT(ACCEPT, READ, reply), ARGS("logs", "web"));
	assert_string_equal("web     | hello\nweb     | world\nweb/err | oops\n", f.out);
	fake_free(&f);
	run_with(&f, SCRIPT(ACCEPT, READ, reply), ARGS("logs", "--json", "web"));
	assert_string_equal("{\"name\":\"web\",\"stream\":\"output\",\"line\":\"hello\"}\n"
			    "{\"name\":\"web\",\"stream\":\"output\",\"line\":\"world\"}\n"
			    "{\"name\":\"web\",\"stream\":\"error\",\"line\":\"oops\"}\n",
		f.out);
	fake_free(&f);
	remove_dir(&d);
}

/* Lines into memory, beside the verb. */
struct capture {
	struct ctl ctl;
	struct lines lines;
	struct source source;
	char *out;
	size_t size;
};

static void begin_capture(struct capture *c)
{
	*c = (struct capture){.lines.ctl = &c->ctl};
	c->ctl.out = open_memstream(&c->out, &c->size);
	c->ctl.err = stderr;
	c->source = (struct source){
		.name = strdup("web"), .label = strdup("web"), .stream = "output", .colour = ""};
}

static void end_capture(struct capture *c)
{
	fclose(c->ctl.out);
	free(c->out);
	source_fini(&c->source);
}

static void a_terminal_is_not_commanded_by_a_log(void **state)
{
	static const char text[] = "\033]0;evil\007\033[31mred\033[0m\tx\r\n\xc2\x9b\xff\n";
	struct capture c;

	(void)state;
	begin_capture(&c);
	c.ctl.term = (struct term){.is_terminal = true, .is_utf8 = true};
	assert_int_equal(0, lines_feed(&c.lines, &c.source, text, sizeof(text) - 1));
	fflush(c.ctl.out);
	assert_string_equal("?]0;evil?red\tx\n??\n", c.out);
	end_capture(&c);

	begin_capture(&c);
	c.ctl.term = (struct term){.is_terminal = true};
	c.ctl.raw = true;
	assert_int_equal(0, lines_feed(&c.lines, &c.source, text, sizeof(text) - 1));
	fflush(c.ctl.out);
	assert_string_equal(text, c.out);
	end_capture(&c);
}

static void a_line_appears_when_it_is_whole(void **state)
{
	struct capture c;

	(void)state;
	begin_capture(&c);
	assert_int_equal(0, lines_feed(&c.lines, &c.source, "par", 3));
	fflush(c.ctl.out);
	assert_int_equal(0, c.size);
	assert_int_equal(0, lines_feed(&c.lines, &c.source, "tial\nnext", 9));
	fflush(c.ctl.out);
	assert_string_equal("partial\n", c.out);
	end_capture(&c);
}

static void an_endless_line_takes_bounded_memory_and_loses_nothing(void **state)
{
	char block[1000];
	struct capture c;

	(void)state;
	memset(block, 'x', sizeof(block));
	begin_capture(&c);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(0, lines_feed(&c.lines, &c.source, block, sizeof(block)));
		assert_true(c.source.partial.size <= 2 * FEED_MAX_LINE);
	}
	assert_int_equal(0, lines_feed(&c.lines, &c.source, "\nend\n", 5));
	fflush(c.ctl.out);
	assert_int_equal(1000 * 1000 + 5, c.size);
	assert_int_equal('\n', c.out[1000 * 1000]);
	end_capture(&c);

	/* At the limit a line is whole, one past it comes in two pieces. */
	for (size_t n = FEED_MAX_LINE; n <= FEED_MAX_LINE + 1; n++) {
		char *line = malloc(n + 1);

		memset(line, 'x', n);
		line[n] = '\n';
		begin_capture(&c);
		c.lines.prefixed = true;
		assert_int_equal(0, lines_feed(&c.lines, &c.source, line, n + 1));
		fflush(c.ctl.out);
		assert_int_equal((n - FEED_MAX_LINE + 1) * strlen("web | \n") + n, c.size);
		end_capture(&c);
		free(line);
	}
}

/* supctl logs -f in a child, its output on a pipe. */
struct follower {
	pid_t pid;
	int out;
	struct buf seen;
};

static void start_follower(struct follower *w, const char *path)
{
	int fds[2];

	*w = (struct follower){0};
	assert_int_equal(0, pipe(fds));
	w->pid = fork();
	if (w->pid == 0) {
		struct ctl ctl = {.out = fdopen(fds[1], "w"), .err = stderr};
		struct lines lines = {.ctl = &ctl};
		struct source source = {.label = (char *)"web", .path = (char *)path, .colour = ""};
		struct reader reader = {
			.source = &source, .fd = -1, .watch_directory = -1, .watch_file = -1};
		struct moved moved = {.client.fd = -1, .watch = -1};
		int r;

		close(fds[0]);
		signal(SIGPIPE, SIG_IGN);
		r = reader_open(&reader);
		_exit(r == 0 || r == -ENOENT ? follow(&lines, &reader, 1, &moved) : 100);
	}
	close(fds[1]);
	w->out = fds[0];
}

static void wait_seen(struct follower *w, const char *text)
{
	size_t n = strlen(text);

	while (w->seen.len < n && fake_poll(w->out, POLLIN)) {
		char block[4096];
		ssize_t got = read(w->out, block, sizeof(block));

		if (got <= 0)
			break;
		assert_int_equal(0, buf_append(&w->seen, SIZE_MAX, block, (size_t)got));
	}
	if (w->seen.len != n || (n > 0 && memcmp(w->seen.data, text, n) != 0))
		fail_msg("seen: %.*s\nexpected: %s", (int)w->seen.len,
			w->seen.data ? w->seen.data : "", text);
	buf_consume(&w->seen, n);
}

/* Closing its output is what ends it. */
static void end_follower(struct follower *w)
{
	int status;

	close(w->out);
	assert_int_equal(w->pid, waitpid(w->pid, &status, 0));
	assert_true(WIFEXITED(status));
	assert_int_equal(0, WEXITSTATUS(status));
	buf_fini(&w->seen);
}

static void a_follower_sees_what_is_written_and_ends_with_its_reader(void **state)
{
	struct logs_dir d;
	struct follower w;

	(void)state;
	make_dir(&d);
	append(d.path, "one\n");
	start_follower(&w, d.path);
	wait_seen(&w, "one\n");
	append(d.path, "two\nthr");
	wait_seen(&w, "two\n");
	append(d.path, "ee\n");
	wait_seen(&w, "three\n");
	end_follower(&w);
	remove_dir(&d);
}

static void a_follower_waits_for_a_file_that_is_not_there(void **state)
{
	struct logs_dir d;
	struct follower w;

	(void)state;
	make_dir(&d);
	start_follower(&w, d.path);
	append(d.path, "first\n");
	wait_seen(&w, "first\n");
	end_follower(&w);
	remove_dir(&d);
}

static void a_follower_waits_for_a_directory_that_is_not_there(void **state)
{
	struct logs_dir d;
	struct follower w;
	char path[160];

	(void)state;
	make_dir(&d);
	snprintf(path, sizeof(path), "%s/later/web.log", d.dir);
	start_follower(&w, path);
	*strrchr(path, '/') = '\0';
	assert_int_equal(0, mkdir(path, 0700));
	path[strlen(path)] = '/';
	append(path, "first\n");
	wait_seen(&w, "first\n");
	append(path, "second\n");
	wait_seen(&w, "second\n");
	end_follower(&w);
	remove_dir(&d);
}

static void a_follower_goes_on_after_a_truncation(void **state)
{
	struct logs_dir d;
	struct follower w;

	(void)state;
	make_dir(&d);
	append(d.path, "long enough\n");
	start_follower(&w, d.path);
	wait_seen(&w, "long enough\n");
	assert_int_equal(0, truncate(d.path, 0));
	append(d.path, "new\n");
	wait_seen(&w, "new\n");
	end_follower(&w);
	remove_dir(&d);
}

static void a_follower_loses_nothing_in_a_storm_of_rotations(void **state)
{
	struct logs_dir d;
	struct follower w;
	_cleanup_buf_ struct buf expected = {0};
	char old[192];

	(void)state;
	make_dir(&d);
	append(d.path, "was there\n");
	rotate(&d, 0);
	append_line(d.path, 0);
	start_follower(&w, d.path);
	wait_seen(&w, "line 0\n");
	for (unsigned i = 1; i < 60; i++) {
		append_line(d.path, i);
		rotate(&d, i);
		append_line(d.path, 100 + i);
		assert_int_equal(0, buf_printf(&expected, "line %u\nline %u\n", i, 100 + i));
	}
	assert_int_equal(0, buf_append(&expected, SIZE_MAX, "", 1));
	wait_seen(&w, expected.data);
	/* And the old one's last words, after the rename. */
	append(d.path, "before\n");
	rotate(&d, 60);
	append(rotated_path(&d, 60, old), "after\n");
	append(d.path, "new\n");
	wait_seen(&w, "before\nafter\nnew\n");
	end_follower(&w);
	remove_dir(&d);
}

static void a_follower_goes_through_files_that_are_compressed(void **state)
{
	struct logs_dir d;
	struct follower w;

	(void)state;
	make_dir(&d);
	append(d.path, "one\n");
	start_follower(&w, d.path);
	wait_seen(&w, "one\n");
	/* All of it happens before it looks again. */
	kill(w.pid, SIGSTOP);
	append(d.path, "two\n");
	rotate(&d, 1);
	pack(&d, 1, "gzip", ".gz");
	append(d.path, "three\n");
	rotate(&d, 2);
	pack(&d, 2, "gzip", ".gz");
	append(d.path, "four\n");
	kill(w.pid, SIGCONT);
	wait_seen(&w, "two\nthree\nfour\n");
	append(d.path, "five\n");
	wait_seen(&w, "five\n");
	end_follower(&w);
	remove_dir(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_lines_are_found_from_the_end),
		cmocka_unit_test(lines_are_found_across_blocks),
		cmocka_unit_test(reading_the_end_of_a_huge_file_reads_no_more_than_the_end),
		cmocka_unit_test(the_last_lines_reach_back_into_rotated_files),
		cmocka_unit_test(all_of_it_is_shown_once_and_in_order),
		cmocka_unit_test(a_file_that_is_not_there_yet_is_no_error),
		cmocka_unit_test(what_is_no_file_is_told),
		cmocka_unit_test(logs_that_are_not_kept_are_told),
		cmocka_unit_test(several_streams_have_aligned_prefixes),
		cmocka_unit_test(a_terminal_is_not_commanded_by_a_log),
		cmocka_unit_test(a_line_appears_when_it_is_whole),
		cmocka_unit_test(an_endless_line_takes_bounded_memory_and_loses_nothing),
		cmocka_unit_test(a_follower_sees_what_is_written_and_ends_with_its_reader),
		cmocka_unit_test(a_follower_waits_for_a_file_that_is_not_there),
		cmocka_unit_test(a_follower_waits_for_a_directory_that_is_not_there),
		cmocka_unit_test(a_follower_goes_on_after_a_truncation),
		cmocka_unit_test(a_follower_loses_nothing_in_a_storm_of_rotations),
		cmocka_unit_test(a_follower_goes_through_files_that_are_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
