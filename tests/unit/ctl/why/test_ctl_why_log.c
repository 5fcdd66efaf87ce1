/*
 * Points in time, and the last lines of a run.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/usec.h"
#include "ctl/output/moment.h"
#include "ctl/why/why_log.h"
#include "facts.h"
#include "tests/unit/directory.h"
#include "tests/unit/zone.h"

/* --- moments --- */

static void moments_are_read_and_told_in_local_time(void **state)
{
	static const char *const wrong[] = {"", "2026", "2026-11-25T06:36:53",
		"2026-11-25 06:36:53Z", "2026-13-25T06:36:53Z", "2026-11-32T06:36:53Z",
		"2026-11-25T24:36:53Z", "2026-11-25T06:60:53Z", "2026-11-25T06:36:61Z",
		"2026-11-25T06:36:53.Z", "2026-11-25T06:36:53.1234567Z", "2026-11-25T06:36:53Zx",
		"1960-01-01T00:00:00Z", "+026-11-25T06:36:53Z"};
	char text[MOMENT_SIZE];
	usec_t t = 0, now = 0;

	(void)state;
	assert_int_equal(0, moment_parse("2026-11-25T06:36:53.250000Z", &t));
	assert_int_equal(t % USEC_PER_SEC, 250000);
	assert_int_equal(0, moment_parse("2026-11-25T23:59:59.5Z", &now));
	assert_int_equal(now % USEC_PER_SEC, 500000);
	assert_string_equal(moment_text(t, now, text), "06:36:53");
	assert_string_equal(moment_text(now, t, text), "23:59:59");
	assert_int_equal(0, moment_parse("2026-11-24T06:36:53Z", &t));
	assert_string_equal(moment_text(t, now, text), "2026-11-24 06:36:53");
	for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
		assert_int_equal(-EINVAL, moment_parse(wrong[i], &t));
	zone_set("XXX-2");
	assert_string_equal(moment_text(now, now, text), "01:59:59");
	zone_set("UTC0");
}

/* --- the last lines --- */

struct logs {
	char dir[DIRECTORY_SIZE], path[96];
};

static void write_file(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(n, fwrite(text, 1, n, f));
	assert_int_equal(0, fclose(f));
}

static void logs_start(struct logs *l)
{
	directory_make(l->dir);
	snprintf(l->path, sizeof(l->path), "%s/web.log", l->dir);
}

static void logs_end(struct logs *l)
{
	directory_remove(l->dir);
}

/* What is read where the run began at an offset (-1: not known). */
static json_t *read_lines(const struct logs *l, int offset, uint64_t n)
{
	json_t *facts = make_facts("running", "{}"), *logs, *log;

	json_object_set_new(
		facts, "logs", json_pack("[{s:s,s:s}]", "stream", "output", "path", l->path));
	if (offset >= 0)
		json_object_set_new(facts, "chain",
			json_pack("[{s:s,s:i,s:s,s:[{s:s,s:s,s:i}]}]", "type", "start",
				"generation", 3, "time", "2026-11-25T06:36:00.000000Z", "logs",
				"stream", "output", "path", l->path, "offset", offset));
	logs = why_log_read(facts, n);
	assert_int_equal(json_array_size(logs), 1);
	log = json_incref(json_array_get(logs, 0));
	json_decref(logs);
	json_decref(facts);
	return log;
}

static void expect_lines(const struct logs *l, int offset, uint64_t n, const char *lines,
	const char *title, const char *note)
{
	json_t *log = read_lines(l, offset, n), *want = parse(lines);

	assert_true(json_equal(json_object_get(log, "lines"), want));
	if (title)
		assert_string_equal(json_string_value(json_object_get(log, "title")), title);
	assert_non_null(strstr(json_string_value(json_object_get(log, "note")), note));
	if (*note == '\0')
		assert_string_equal(json_string_value(json_object_get(log, "note")), "");
	json_decref(want);
	json_decref(log);
}

static void the_last_lines_of_this_run_are_read(void **state)
{
	struct logs l;

	(void)state;
	logs_start(&l);
	write_file(l.path, "old\na\nb\nc\n", 10);
	expect_lines(&l, 4, 10, "['a', 'b', 'c']", "Last lines of this run (web.log):", "");
	expect_lines(&l, 4, 2, "['b', 'c']", NULL, "");
	expect_lines(&l, -1, 10, "['old', 'a', 'b', 'c']", "Last lines of its log (web.log):", "");
	expect_lines(&l, 10, 10, "[]", NULL, "It has written nothing to ");
	write_file(l.path, "old\na\nb\nhalf", 12);
	expect_lines(&l, 4, 2, "['b', 'half']", NULL, "");
	write_file(l.path, "\n\n", 2);
	expect_lines(&l, 0, 10, "['', '']", NULL, "");
	write_file(l.path, "\xff\xfe\r\n", 4);
	expect_lines(&l, 0, 10, "['\xef\xbf\xbd\xef\xbf\xbd']", NULL, "");
	logs_end(&l);
}

static void a_rotated_log_is_told_of(void **state)
{
	char older[128];
	struct logs l;

	(void)state;
	logs_start(&l);
	write_file(l.path, "new\n", 4);
	expect_lines(&l, 4000, 10, "['new']", NULL, "was rotated");
	/* one that is older than the start says nothing */
	snprintf(older, sizeof(older), "%s.2026-11-25T06-35-00.000Z", l.path);
	write_file(older, "x\n", 2);
	expect_lines(&l, 0, 10, "['new']", NULL, "");
	expect_lines(&l, 2, 10, "['w']", NULL, "");
	snprintf(older, sizeof(older), "%s.2026-11-25T06-36-30.000Z", l.path);
	write_file(older, "x\n", 2);
	expect_lines(&l, 2, 10, "['new']", "Last lines of this run (web.log):", "was rotated");
	logs_end(&l);
}

static void what_cannot_be_read_is_told(void **state)
{
	struct logs l;

	(void)state;
	logs_start(&l);
	expect_lines(&l, 0, 10, "[]", NULL, "It has written nothing: there is no log file ");
	assert_int_equal(0, mkfifo(l.path, 0600));
	expect_lines(&l, 0, 10, "[]", NULL, "can't be read here: not a regular file");
	logs_end(&l);
}

static void a_huge_log_is_read_from_its_end_only(void **state)
{
	size_t n = 3 * WHY_LOG_MAX_BYTES;
	char *text = malloc(n + 8);
	json_t *log, *lines;
	struct logs l;

	(void)state;
	logs_start(&l);
	memset(text, 'x', n);
	memcpy(text + n, "\nend\n", 6);
	write_file(l.path, text, n + 5);
	log = read_lines(&l, 0, 10);
	lines = json_object_get(log, "lines");
	assert_int_equal(json_array_size(lines), 2);
	assert_string_equal(json_string_value(json_array_get(lines, 1)), "end");
	/* both ends of that line are cut */
	assert_int_equal(json_string_length(json_array_get(lines, 0)), WHY_LOG_MAX_LINE + 8);
	assert_memory_equal(json_string_value(json_array_get(lines, 0)), "... xxx", 7);
	json_decref(log);
	free(text);
	logs_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_read_and_told_in_local_time),
		cmocka_unit_test(the_last_lines_of_this_run_are_read),
		cmocka_unit_test(a_rotated_log_is_told_of),
		cmocka_unit_test(what_cannot_be_read_is_told),
		cmocka_unit_test(a_huge_log_is_read_from_its_end_only),
	};

	zone_set("UTC0");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
