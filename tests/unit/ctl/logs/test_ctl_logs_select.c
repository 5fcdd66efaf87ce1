/*
 * What of a log is shown: by time, by run, by pattern, of several logs in order, of compressed
 * files, and without a supervisord. How much is read for it is counted by the kernel.
 */
#include "logs_dir.h"

#include <fcntl.h>

#include "ctl/logs/file/linetime.h"
#include "ctl/logs/range/range.h"
#include "ctl/output/moment.h"

#define T(second) "2026-11-23T06:36:" second ".000000Z"

static void assert_logs(struct logs_dir *d, const char *expected, const char *const *args)
{
	struct fake f;

	run_logs(&f, d, args);
	if (f.status != 0 || strcmp(expected, f.out) != 0)
		fail_msg("status %d: %s%sexpected: %s", f.status, f.err, f.out, expected);
	fake_free(&f);
}

static bool is_installed(const char *program)
{
	char command[96];

	snprintf(command, sizeof(command), "command -v %s > /dev/null", program);
	return system(command) == 0;
}

/* --- times in lines --- */

static void a_line_tells_its_time(void **state)
{
	static const struct {
		const char *line;
		usec_t time;
	} cases[] = {
		{"1970-01-01T00:00:01.000002Z x", 1000002},
		{"1970-01-01T01:00:01+01:00 x", 1000000},
		{"1969-12-31T23:00:01.5-01:00", 1500000},
		{"2024-02-29T12:00:00Z", UINT64_C(1709208000000000)},
		{"{\"time\":\"2000-03-01T00:00:00Z\",\"message\":\"x\"}",
			UINT64_C(951868800000000)},
		{"{ \"time\": \"1970-01-01T00:00:01Z\"}", 1000000},
		{"1970-01-01T00:00:01 x", 0},
		{"1970-01-01 00:00:01Z", 0},
		{"1970-13-01T00:00:01Z", 0},
		{"{\"msg\":\"1970-01-01T00:00:01Z\"}", 0},
		{"{\"time\":", 0},
		{"{", 0},
		{"", 0},
		{"1970-01-01T00:00:01.", 0},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		usec_t time = 0;
		int r = linetime_parse(cases[i].line, strlen(cases[i].line), &time);

		if ((r == 0) != (cases[i].time > 0) || time != cases[i].time)
			fail_msg("%s: %d, %llu", cases[i].line, r, (unsigned long long)time);
	}
}

static void a_span_of_time_is_shown_across_files(void **state)
{
	struct logs_dir d;

	(void)state;
	make_dir(&d);
	append(d.path, T("01") " a\n" T("02") " b\n");
	rotate(&d, 3);
	append(d.path, T("04") " c\n  goes on\n" T("05") " d\n");
	rotate(&d, 6);
	append(d.path, T("07") " e\n" T("08") " f\n");
	assert_logs(&d, T("05") " d\n" T("07") " e\n",
		ARGS("logs", "web", "--since", T("05"), "--until", T("07")));
	assert_logs(&d, T("04") " c\n  goes on\n",
		ARGS("logs", "web", "--since", T("03"), "--until", "2026-11-23T06:36:04.5Z"));
	assert_logs(&d, T("08") " f\n", ARGS("logs", "web", "--since", T("08")));
	assert_logs(&d, "", ARGS("logs", "web", "--since", T("09")));
	assert_logs(&d, "", ARGS("logs", "web", "--until", T("00")));
	assert_logs(&d, T("01") " a\n", ARGS("logs", "web", "--until", T("01")));
	/* The last lines of what there is up to then. */
	assert_logs(&d, "  goes on\n" T("05") " d\n",
		ARGS("logs", "web", "--until", T("06"), "-n", "2"));
	remove_dir(&d);
}

static void any_moment_is_found_by_halves(void **state)
{
	struct logs_dir d;
	FILE *file;

	(void)state;
	make_dir(&d);
	file = fopen(d.path, "w");
	for (unsigned i = 0; i < 3600; i++)
		fprintf(file, "2026-11-23T%02u:%02u:00+01:00 line %u %0*u\n%s", i / 60 % 24, i % 60,
			i, (int)(i * 7919 % 500) + 1, 0, i % 3 == 0 ? "with no time\n" : "");
	fclose(file);
	/* The file's clock is set back twice, but up to there it goes up. */
	for (unsigned i = 0; i < 1440; i += 97) {
		struct range range;
		char line[32] = {0};
		int fd = open(d.path, O_RDONLY);
		off_t half = lseek(fd, 0, SEEK_END) * 1440 / 3600;
		usec_t base;

		char expected[32];

		moment_parse("2026-11-22T23:00:00Z", &base);
		assert_int_equal(0, range_make(&range, d.path, fd, half));
		assert_true(range_has_times(&range));
		assert_int_equal(0, range_since(&range, base + i * USEC_PER_MINUTE));
		assert_int_equal(1, range.n);
		assert_int_equal(25, pread(fd, line, 25, range.pieces[0].start));
		snprintf(expected, sizeof(expected), "2026-11-23T%02u:%02u:00+01:00", i / 60,
			i % 60);
		assert_string_equal(expected, line);
		range_fini(&range);
		close(fd);
	}
	remove_dir(&d);
}

/* --- how much is read --- */

static uint64_t bytes_read(void)
{
	FILE *f = fopen("/proc/self/io", "r");
	unsigned long long n = 0;

	if (!f || fscanf(f, "rchar: %llu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

/* Sparse: as if somebody had written NULs all day. */
static void make_huge(const struct logs_dir *d)
{
	append(d->path, T("01") " a\n");
	assert_int_equal(0, truncate(d->path, (off_t)20 << 30));
}

static void of_twenty_gigabytes_only_what_is_wanted_is_read(void **state)
{
	static const char *const wanted[][8] = {
		{"logs", "web", "-n", "2"},
		{"logs", "web", "--since", T("30"), NULL},
		{"logs", "web", "--since", T("30"), "--until", T("40")},
		{"logs", "web", "--grep", "e$", "-n", "2"},
	};
	struct logs_dir d;

	(void)state;
	if (bytes_read() == 0)
		skip(); /* this kernel does not count */
	make_dir(&d);
	make_huge(&d);
	append(d.path, "\n" T("20") " b\n" T("31") " here\n" T("32") " there\n");
	for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
		uint64_t before = bytes_read();

		assert_logs(&d, T("31") " here\n" T("32") " there\n", wanted[i]);
		assert_in_range(bytes_read() - before, 1, 4 << 20);
	}
	remove_dir(&d);
}

/* --- patterns --- */

static void lines_that_match_are_shown(void **state)
{
	static const char *const nobody[] = {NULL};
	struct logs_dir d;
	struct fake f;

	(void)state;
	make_dir(&d);
	append(d.path, "one error\ntwo\nError three\n");
	rotate(&d, 1);
	append(d.path, "four\nfive error\nsix");
	assert_logs(&d, "one error\nfive error\n", ARGS("logs", "web", "--grep", "error"));
	assert_logs(&d, "one error\nError three\nfive error\n",
		ARGS("logs", "web", "--grep", "ERROR", "-i"));
	assert_logs(&d, "Error three\nfive error\n",
		ARGS("logs", "web", "--grep", "error", "-i", "-n", "2"));
	assert_logs(&d, "six\n", ARGS("logs", "web", "--grep", "^s.x$", "-n", "1"));
	assert_logs(&d, "", ARGS("logs", "web", "--grep", "seven", "-n", "3"));
	remove_dir(&d);

	run_with(&f, nobody, ARGS("logs", "web", "--grep", "a("));
	assert_int_equal(CTL_USAGE, f.status);
	assert_non_null(strstr(f.err, "--grep a(: "));
	fake_free(&f);
}

static void a_pattern_that_explodes_is_given_up(void **state)
{
	struct logs_dir d;
	struct fake f;

	(void)state;
	make_dir(&d);
	append(d.path, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\naa\n");
	run_logs(&f, &d, ARGS("logs", "web", "--grep", "^(a|aa)+$"));
	assert_int_equal(0, f.status);
	assert_string_equal("aa\n", f.out);
	assert_non_null(strstr(f.err, "web: 1 line left out: matching would have taken too long"));
	fake_free(&f);
	remove_dir(&d);
}

/* --- compressed files --- */

static void compressed_files_are_read_where_they_are_needed(void **state)
{
	static const struct {
		const char *program, *suffix;
	} known[] = {{"gzip", ".gz"}, {"zstd", ".zst"}, {"xz", ".xz"}, {"bzip2", ".bz2"},
		{"lz4", ".lz4"}};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(known); i++) {
		struct logs_dir d;

		if (!is_installed(known[i].program))
			continue;
		make_dir(&d);
		append(d.path, T("01") " a\n" T("02") " b\n" T("03") " c\n");
		rotate(&d, 4);
		pack(&d, 4, known[i].program, known[i].suffix);
		append(d.path, T("05") " d\n");
		assert_logs(&d, T("03") " c\n" T("05") " d\n", ARGS("logs", "web", "-n", "2"));
		assert_logs(&d, T("02") " b\n" T("03") " c\n",
			ARGS("logs", "web", "--since", T("02"), "--until", T("04")));
		assert_logs(&d, T("01") " a\n" T("02") " b\n",
			ARGS("logs", "web", "--grep", "[ab]$", "-n", "9"));
		remove_dir(&d);
	}
}

static void a_line_that_a_compressed_file_begins_is_whole(void **state)
{
	struct logs_dir d;

	(void)state;
	make_dir(&d);
	append(d.path, "a\nb");
	rotate(&d, 4);
	pack(&d, 4, "gzip", ".gz");
	append(d.path, "b\nc\n");
	assert_logs(&d, "c\n", ARGS("logs", "web", "-n", "1"));
	assert_logs(&d, "bb\nc\n", ARGS("logs", "web", "-n", "2"));
	assert_logs(&d, "a\nbb\nc\n", ARGS("logs", "web", "-n", "3"));
	remove_dir(&d);
}

static void a_compressed_file_that_is_not_needed_is_not_touched(void **state)
{
	struct logs_dir d;
	char path[192];

	(void)state;
	make_dir(&d);
	rotated_path(&d, 1, path);
	strcat(path, ".gz");
	append(path, "this is no such file");
	append(d.path, T("05") " a\n" T("06") " b\n");
	assert_logs(&d, T("06") " b\n", ARGS("logs", "web", "-n", "1"));
	assert_logs(&d, T("05") " a\n" T("06") " b\n", ARGS("logs", "web", "--since", T("04")));
	remove_dir(&d);
}

static void what_cannot_be_unpacked_is_told_and_the_rest_shown(void **state)
{
	struct logs_dir d;
	struct fake f;
	char path[192];

	(void)state;
	make_dir(&d);
	append(d.path, "old\n");
	rotate(&d, 1);
	rotated_path(&d, 2, path);
	strcat(path, ".gz");
	append(path, "this is no such file");
	rotated_path(&d, 3, path);
	strcat(path, ".nosuch");
	append(path, "?");
	append(d.path, "new\n");
	run_logs(&f, &d, ARGS("logs", "web", "-n", "5"));
	assert_int_equal(1, f.status);
	assert_string_equal("old\nnew\n", f.out);
	assert_non_null(strstr(f.err, "02.123Z.gz: it can't be unpacked"));
	assert_non_null(strstr(f.err, "03.123Z.nosuch: it is not known how"));
	fake_free(&f);

	/* Without the program. */
	{
		char *before = strdup(getenv("PATH"));

		setenv("PATH", d.dir, 1);
		run_logs(&f, &d, ARGS("logs", "web", "-n", "5"));
		setenv("PATH", before, 1);
		free(before);
	}
	assert_int_equal(1, f.status);
	assert_string_equal("old\nnew\n", f.out);
	assert_non_null(strstr(f.err, "the program that unpacks such files is not installed"));
	fake_free(&f);
	remove_dir(&d);
}

static void one_that_is_being_compressed_is_shown_once(void **state)
{
	struct logs_dir d;
	char path[192];

	(void)state;
	make_dir(&d);
	append(d.path, "old\n");
	rotate(&d, 1);
	rotated_path(&d, 1, path);
	strcat(path, ".gz");
	append(path, "whole, but the other one is still there");
	strcat(path, ".partial");
	append(path, "not whole");
	append(d.path, "new\n");
	assert_logs(&d, "old\nnew\n", ARGS("logs", "web", "-n", "9"));
	remove_dir(&d);
}

/* --- several logs --- */

static void write_reply(const struct logs_dir *d, char *reply, size_t size)
{
	snprintf(reply, size,
		"{\"parameters\":{\"services\":["
		"{\"name\":\"a\",\"logs\":[{\"stream\":\"output\",\"sink\":\"file\",\"path\":\"%s/"
		"a\"}]},"
		"{\"name\":\"b\",\"logs\":[{\"stream\":\"output\",\"sink\":\"file\",\"path\":\"%s/"
		"b\"},"
		"{\"stream\":\"error\",\"sink\":\"none\",\"path\":null,\"sinks\":["
		"{\"kind\":\"none\",\"address\":null},{\"kind\":\"journal\",\"address\":null},"
		"{\"kind\":\"file\",\"address\":\"%s/c\"}]}]}]}}",
		d->dir, d->dir, d->dir);
}

static void append_to(const struct logs_dir *d, const char *name, const char *text)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", d->dir, name);
	append(path, text);
}

static void logs_with_times_are_merged_after_those_without(void **state)
{
	struct logs_dir d;
	struct fake f;
	char reply[1024];

	(void)state;
	make_dir(&d);
	append_to(&d, "a", T("01") " 1\nand more\n" T("03") " 4\n" T("05") " 6");
	append_to(&d, "b", T("01") " 2\n" T("02") " 3\n" T("04") " 5\n");
	append_to(&d, "c", "first\n");
	write_reply(&d, reply, sizeof(reply));
	run_with(&f, SCRIPT(ACCEPT, READ, reply), ARGS("logs", "a", "b"));
	assert_int_equal(0, f.status);
	assert_string_equal(
		"b/err | first\n"
		"a     | " T(
			"01") " 1\n"
			      "a     | and more\n"
			      "b     | " T(
				      "01") " 2\n"
					    "b     | " T(
						    "02") " 3\n"
							  "a     | " T(
								  "03") " 4\n"
									"b     | " T(
										"04") " 5\n"
										      "a     | " T(
											      "05") " 6\n",
		f.out);
	fake_free(&f);

	run_with(&f, SCRIPT(ACCEPT, READ, reply), ARGS("logs", "--json", "a", "b", "-n", "1"));
	assert_string_equal(
		"{\"name\":\"b\",\"stream\":\"error\",\"line\":\"first\"}\n"
		"{\"name\":\"b\",\"stream\":\"output\",\"time\":\"" T(
			"04") "\",\"line\":"
			      "\"" T("04") " 5\"}\n"
					   "{\"name\":\"a\",\"stream\":\"output\",\"time\":\"" T(
						   "05") "\",\"line\":"
							 "\"" T("05") " 6\"}\n",
		f.out);
	fake_free(&f);
	remove_dir(&d);
}

static void one_stream_can_be_chosen(void **state)
{
	struct logs_dir d;
	struct fake f;
	char reply[1024];

	(void)state;
	make_dir(&d);
	append_to(&d, "a", "a\n");
	append_to(&d, "b", "b\n");
	append_to(&d, "c", "c\n");
	write_reply(&d, reply, sizeof(reply));
	run_with(&f, SCRIPT(ACCEPT, READ, reply), ARGS("logs", "--stderr", "a", "b"));
	assert_string_equal("a     | a\nb/err | c\n", f.out);
	assert_non_null(strstr(f.err, "a: its standard output and error share one log"));
	fake_free(&f);
	run_with(&f, SCRIPT(ACCEPT, READ, reply), ARGS("logs", "--stdout", "a", "b"));
	assert_string_equal("a | a\nb | b\n", f.out);
	fake_free(&f);
	remove_dir(&d);
}

static void logs_that_are_elsewhere_say_how_they_are_read(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ,
			"{\"parameters\":{\"services\":[{\"name\":\"a@2\",\"logs\":[{\"stream\":"
			"\"output\",\"sink\":\"journal\",\"path\":null}]},{\"name\":\"b\",\"logs\":"
			"["
			"{\"stream\":\"output\",\"sink\":\"none\",\"path\":null,\"sinks\":["
			"{\"kind\":\"none\",\"address\":null},{\"kind\":\"syslog\",\"address\":"
			"\"unix:/dev/log\"}]}]}]}}"),
		ARGS("logs", "a", "b"));
	assert_int_equal(1, f.status);
	assert_non_null(strstr(f.err, "a@2: goes to the journal: journalctl SUPERVISOR_SERVICE=a "
				      "SUPERVISOR_INSTANCE=2\n"));
	assert_non_null(strstr(f.err, "b: goes to syslog at unix:/dev/log, as b\n"));
	fake_free(&f);
}

/* As run_with(), with a terminal for the output. */
static void run_on_terminal(struct fake *f, const char *const *script, const char *const *args)
{
	const char *argv[16] = {"supctl", "-s"};
	int argc = 3, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	FILE *out, *err = tmpfile();
	size_t size = 65536;
	ssize_t n;

	assert_int_equal(0, grantpt(master));
	assert_int_equal(0, unlockpt(master));
	out = fdopen(open(ptsname(master), O_RDWR | O_NOCTTY), "w");
	fake_start(f, script);
	argv[2] = f->path;
	for (size_t i = 0; args[i]; i++)
		argv[argc++] = args[i];
	f->status = ctl_run(argc, (char **)argv, out, err);
	fake_finish(f);
	f->out = calloc(1, size);
	fseek(err, 0, SEEK_SET);
	if (f->status != 0 || !fake_poll(master, POLLIN))
		fail_msg("status %d: %s", f->status, fgets(f->out, (int)size, err));
	n = read(master, f->out, size - 1); /* all of it fits into its buffer */
	assert_true(n > 0);
	fclose(out);
	fclose(err);
	close(master);
}

static void a_terminal_is_not_commanded_by_any_way_through(void **state)
{
	static const char evil[] = "\033]0;evil\007\xc2\x9b"
				   "31m\xff\x9b"
				   "2J\n";
	static const char *const ways[][8] = {{"logs", "a", "b"},
		{"logs", "a", "b", "--grep", "evil"}, {"logs", "a", "b", "--json"},
		{"logs", "a", "b", "-n", "1"}};
	struct logs_dir d;
	char reply[1024];

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("NO_COLOR", "1", 1);
	make_dir(&d);
	append_to(&d, "a", T("01"));
	append_to(&d, "a", evil);
	append_to(&d, "b", T("02"));
	append_to(&d, "b", evil);
	append_to(&d, "c", evil);
	write_reply(&d, reply, sizeof(reply));
	for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
		struct fake f;

		run_on_terminal(&f, SCRIPT(ACCEPT, READ, reply), ways[i]);
		assert_non_null(strstr(f.out, "evil"));
		for (const char *p = f.out; *p != '\0'; p++) {
			if ((*p < ' ' && *p != '\n' && *p != '\r') || *p == 0x7f || *p & 0x80)
				fail_msg("byte %02x: %s", (unsigned char)*p, f.out);
		}
		fake_free(&f);
	}
	remove_dir(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_tells_its_time),
		cmocka_unit_test(a_span_of_time_is_shown_across_files),
		cmocka_unit_test(any_moment_is_found_by_halves),
		cmocka_unit_test(of_twenty_gigabytes_only_what_is_wanted_is_read),
		cmocka_unit_test(lines_that_match_are_shown),
		cmocka_unit_test(a_pattern_that_explodes_is_given_up),
		cmocka_unit_test(compressed_files_are_read_where_they_are_needed),
		cmocka_unit_test(a_line_that_a_compressed_file_begins_is_whole),
		cmocka_unit_test(a_compressed_file_that_is_not_needed_is_not_touched),
		cmocka_unit_test(what_cannot_be_unpacked_is_told_and_the_rest_shown),
		cmocka_unit_test(one_that_is_being_compressed_is_shown_once),
		cmocka_unit_test(logs_with_times_are_merged_after_those_without),
		cmocka_unit_test(one_stream_can_be_chosen),
		cmocka_unit_test(logs_that_are_elsewhere_say_how_they_are_read),
		cmocka_unit_test(a_terminal_is_not_commanded_by_any_way_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
