/*
 * Logs by run, and by time where lines tell none: the event journal says where runs began. It is
 * supervisord's here, or a file; and where no supervisord answers, a configuration tells the rest.
 */
#include "logs_dir.h"

#include <fcntl.h>

#include "conf/load.h"
#include "wire/journal.h"

#define MAX_RUNS 8
#define NOBODY	 ((const char *const[]){NULL})

/* What the journal would say, as the runs begin. */
struct world {
	struct logs_dir d;
	char starts[MAX_RUNS][400];
	unsigned n;
};

static void begin_run(struct world *w, unsigned second)
{
	struct stat st;

	append(w->d.path, "");
	assert_int_equal(0, stat(w->d.path, &st));
	snprintf(w->starts[w->n], sizeof(w->starts[0]),
		"{\"type\":\"start\",\"seq\":%u,\"time\":\"2026-11-23T06:36:%02u.000000Z\","
		"\"service\":\"web\",\"logs\":[{\"stream\":\"output\",\"path\":\"%s\","
		"\"offset\":%llu,\"device\":%llu,\"inode\":%llu}]}",
		w->n + 1, second, w->d.path, (unsigned long long)st.st_size,
		(unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	w->n++;
}

/* Three runs, the second of which is rotated away in its middle; the third after a rotation. */
static void make_world(struct world *w)
{
	*w = (struct world){0};
	make_dir(&w->d);
	begin_run(w, 1);
	append(w->d.path, "one\n");
	begin_run(w, 3);
	append(w->d.path, "two\n");
	rotate(&w->d, 5);
	append(w->d.path, "two again\n");
	rotate(&w->d, 7);
	begin_run(w, 8);
	append(w->d.path, "three\n");
}

/* Asks a supervisord that knows of these runs. */
static void ask(struct world *w, struct fake *f, const char *const *args)
{
	char logs[512], events[MAX_RUNS][512];
	const char *script[2 * MAX_RUNS + 8] = {ACCEPT, READ, logs, READ};
	size_t n = 4;

	snprintf(logs, sizeof(logs),
		"{\"parameters\":{\"services\":[{\"name\":\"web\",\"logs\":[{\"stream\":\"output\","
		"\"sink\":\"file\",\"path\":\"%s\"}]}]}}",
		w->d.path);
	for (unsigned i = 0; i < w->n; i++) {
		snprintf(events[i], sizeof(events[i]), "{\"parameters\":{\"event\":%s},%s}",
			w->starts[i], "\"continues\":true");
		script[n++] = events[i];
	}
	script[n++] = "{\"parameters\":{\"event\":{\"type\":\"live\"}}}";
	run_with(f, script, args);
}

static void assert_run(struct world *w, const char *expected, const char *const *args)
{
	struct fake f;

	ask(w, &f, args);
	if (f.status != 0 || strcmp(expected, f.out) != 0)
		fail_msg("status %d: %s%sexpected: %s", f.status, f.err, f.out, expected);
	fake_free(&f);
}

static void assert_all_runs(struct world *w)
{
	assert_run(w, "three\n", ARGS("logs", "web", "--run", "0"));
	assert_run(w, "two\ntwo again\n", ARGS("logs", "web", "--run", "-1"));
	assert_run(w, "two again\n", ARGS("logs", "web", "--run", "-1", "-n", "1"));
	assert_run(w, "one\n", ARGS("logs", "--run=-2", "web"));
}

static void a_run_is_what_was_written_between_two_starts(void **state)
{
	struct world w;

	(void)state;
	make_world(&w);
	assert_all_runs(&w);
	remove_dir(&w.d);
}

static void a_run_is_found_in_compressed_files(void **state)
{
	struct world w;

	(void)state;
	make_world(&w);
	pack(&w.d, 5, "gzip", ".gz");
	assert_all_runs(&w);
	pack(&w.d, 7, "gzip", ".gz");
	assert_all_runs(&w);
	remove_dir(&w.d);
}

static void a_run_that_nobody_knows_is_told(void **state)
{
	struct world w;
	struct fake f;
	char path[192];

	(void)state;
	make_world(&w);
	ask(&w, &f, ARGS("logs", "web", "--run", "-3"));
	assert_int_equal(CTL_FAILED, f.status);
	assert_string_equal("", f.out);
	assert_non_null(strstr(f.err, "web: the journal of events knows of 3 runs of it"));
	fake_free(&f);
	/* Its beginning was removed: what is left of it is shown. */
	unlink(rotated_path(&w.d, 5, path));
	ask(&w, &f, ARGS("logs", "web", "--run", "-1"));
	assert_int_equal(0, f.status);
	assert_string_equal("two again\n", f.out);
	assert_non_null(strstr(f.err, "web: where that run begins is not in its log any more"));
	fake_free(&f);
	remove_dir(&w.d);
}

static void without_times_in_lines_starts_and_rotations_bound_a_span(void **state)
{
	static const struct {
		const char *args[8];
		const char *out, *err;
	} cases[] = {
		{{"logs", "web", "--since", "2026-11-23T06:36:04Z"}, "two\ntwo again\nthree\n",
			"web: its lines tell no time; shown from the start of a run at "},
		{{"logs", "web", "--since", "2026-11-23T06:36:06Z"}, "two again\nthree\n",
			"web: its lines tell no time; shown from a rotation at "},
		{{"logs", "web", "--since", "2026-11-23T06:36:00Z"}, "one\ntwo\ntwo again\nthree\n",
			"web: its lines tell no time; shown from its beginning\n"},
		{{"logs", "web", "--until", "2026-11-23T06:36:02Z"}, "one\n",
			"web: its lines tell no time; shown up to the start of a run at "},
		{{"logs", "web", "--until", "2026-11-23T06:36:04Z"}, "one\ntwo\n",
			"web: its lines tell no time; shown up to a rotation at "},
		{{"logs", "web", "--until", "2026-11-23T06:36:06Z", "--since",
			 "2026-11-23T06:36:06Z"},
			"two again\n", "shown up to a rotation"},
	};
	struct world w;

	(void)state;
	make_world(&w);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct fake f;

		ask(&w, &f, cases[i].args);
		if (f.status != 0 || strcmp(cases[i].out, f.out) != 0 ||
			!strstr(f.err, cases[i].err))
			fail_msg("%zu: status %d: %s%s", i, f.status, f.err, f.out);
		fake_free(&f);
	}
	remove_dir(&w.d);
}

/* --- no supervisord --- */

static void write_configuration(struct world *w, char ret_path[static 192])
{
	char text[512];

	snprintf(text, sizeof(text),
		"runtime-dir = \"%s\"\nstate-dir = \"%s\"\nlog-dir = \"%s\"\n"
		"service \"web\" { command = {\"/bin/true\"} groups = {\"front\"}\n"
		"  log { file = \"%%{name}.log\" } }\n"
		"service \"app\" { command = {\"/bin/true\"} instances = 2 log { file = \"none\" } "
		"}\n",
		w->d.dir, w->d.dir, w->d.dir);
	snprintf(ret_path, 192, "%s/conf", w->d.dir);
	append(ret_path, text);
}

static void write_journal(const struct world *w)
{
	static _Alignas(8) uint8_t memory[JOURNAL_MIN_SIZE];
	const uint8_t id[16] = {1};
	struct journal j;
	char path[192];
	int fd;

	memset(memory, 0, sizeof(memory));
	journal_format(&j, memory, sizeof(memory), id, 1);
	for (unsigned i = 0; i < w->n; i++) {
		const struct journal_stamp stamp = {.kind = JOURNAL_START,
			.subject = journal_subject("web"),
			.realtime_usec = 1};

		journal_append(&j, i + 1, &stamp, w->starts[i], strlen(w->starts[i]));
	}
	snprintf(path, sizeof(path), "%s/" JOURNAL_FILE_NAME, w->d.dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(sizeof(memory), write(fd, memory, sizeof(memory)));
	close(fd);
}

static void a_configuration_tells_where_logs_are(void **state)
{
	struct world w;
	struct fake f;
	char path[192];

	(void)state;
	make_world(&w);
	write_configuration(&w, path);
	write_journal(&w);
	run_with(&f, NOBODY, ARGS("logs", "-c", path, "-n", "1", "web"));
	assert_int_equal(0, f.status);
	assert_string_equal("three\n", f.out);
	assert_string_equal("", f.err);
	fake_free(&f);
	run_with(&f, NOBODY, ARGS("logs", "-c", path, "--run", "-1", "@front"));
	assert_string_equal("two\ntwo again\n", f.out);
	fake_free(&f);
	run_with(&f, NOBODY, ARGS("logs", "-c", path, "a*", "app@2", "w?b"));
	assert_int_equal(0, f.status);
	assert_string_equal("one\ntwo\ntwo again\nthree\n", f.out);
	assert_string_equal("supctl: app@1: is not kept (log.file = none)\n"
			    "supctl: app@2: is not kept (log.file = none)\n",
		f.err);
	fake_free(&f);
	run_with(&f, NOBODY, ARGS("logs", "-c", path, "web", "nosuch"));
	assert_int_equal(CTL_NOTHING_THERE, f.status);
	assert_string_equal("supctl: nosuch: no such service\n", f.err);
	fake_free(&f);
	run_with(&f, NOBODY, ARGS("logs", "-c", "/nosuch/conf", "web"));
	assert_int_equal(CTL_NOTHING_THERE, f.status);
	fake_free(&f);
	remove_dir(&w.d);
}

/* As a supervisord that was killed leaves it. */
static void save_in_force(const char *configuration, const char *directory)
{
	_cleanup_buf_ struct buf bytes = {0};
	struct conf_context context;
	struct conf_sources *sources;
	struct conf_errors errors;
	struct spec *spec;
	char path[128];
	int fd;

	conf_context_init(&context);
	assert_int_equal(0, conf_load(configuration, &context, &sources, &spec, &errors));
	assert_int_equal(0, conf_sources_write(sources, &bytes));
	snprintf(path, sizeof(path), "%s/configuration.3", directory);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(bytes.len, write(fd, bytes.data, bytes.len));
	close(fd);
	conf_errors_fini(&errors);
	conf_sources_free(sources);
	spec_free(spec);
}

static void what_a_killed_supervisord_had_in_force_tells_it_too(void **state)
{
	struct world w;
	struct fake f;
	char path[192], saved[128];

	(void)state;
	make_world(&w);
	write_configuration(&w, path);
	write_journal(&w);
	fake_start(&f, NOBODY);
	fake_finish(&f);
	unlink(f.path);
	save_in_force(path, f.dir);
	unlink(path);
	run_supctl(&f, ARGS("logs", "--run", "0", "web"));
	assert_int_equal(0, f.status);
	assert_string_equal("three\n", f.out);
	assert_non_null(strstr(f.err, "supctl: no supervisord answers on "));
	assert_non_null(strstr(f.err, "; going by the configuration that it had\n"));
	snprintf(saved, sizeof(saved), "%s/configuration.3", f.dir);
	unlink(saved);
	fake_free(&f);
	remove_dir(&w.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_is_what_was_written_between_two_starts),
		cmocka_unit_test(a_run_is_found_in_compressed_files),
		cmocka_unit_test(a_run_that_nobody_knows_is_told),
		cmocka_unit_test(without_times_in_lines_starts_and_rotations_bound_a_span),
		cmocka_unit_test(a_configuration_tells_where_logs_are),
		cmocka_unit_test(what_a_killed_supervisord_had_in_force_tells_it_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
