/*
 * Files in other formats than plain: what others do to a file in the middle of a line, settings
 * that change, losses, and files that several streams share. JSON has to be JSON, line by line.
 */
#include "sinks.h"

#include <jansson.h>

struct fixture {
	struct bench bench;
	struct loop loop;
	struct sink_set set;
	struct sink sinks[2];
	char path[256];
};

static void describe(const struct sink *s _unused_, struct log_origin *ret)
{
	*ret = (struct log_origin){
		.name = "web@2", .service = "web", .instance = 2, .pid = 12, .stream = "stdout"};
}

static struct spec_target target_of(enum spec_format format)
{
	return (struct spec_target){.sink = SPEC_SINK_FILE, .format = format};
}

static void add(struct fixture *f, unsigned i, enum spec_format format)
{
	struct spec_target target = target_of(format);

	assert_int_equal(
		sink_init(&f->sinks[i], &f->set, "web@2", bench_log(0, 1), &target, f->path), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	bench_init(&f->bench);
	assert_int_equal(loop_init(&f->loop), 0);
	bench_path(&f->bench, "web.log", f->path);
	sink_set_init(&f->set, &f->loop, f->bench.dir, 16, STDOUT_FILENO);
	f->set.describe = describe;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ELEMENTSOF(f->sinks); i++)
		sink_fini(&f->sinks[i]);
	sink_set_fini(&f->set);
	loop_fini(&f->loop);
	bench_fini(&f->bench);
	free(f);
	return 0;
}

static void configure(struct fixture *f, enum spec_format format)
{
	struct spec_target target = target_of(format);

	assert_int_equal(sink_configure(&f->sinks[0], f->sinks[0].log, &target, f->path, 1), 0);
}

/*
 * What the lines of a file say, one after the other, each with a newline: the messages of JSON,
 * the text of others. The last one may be open.
 */
static void assert_messages(const char *path, const char *expected)
{
	char text[4096] = "", *data = file_read(path, NULL);

	for (char *line = data, *next; *line; line = next) {
		char *newline = strchr(line, '\n'), buffer[1024];
		json_error_t error;
		json_t *object;

		next = newline ? newline + 1 : line + strlen(line);
		snprintf(buffer, sizeof(buffer), "%.*s%s", (int)(next - line - (newline != NULL)),
			line, newline || line[0] != '{' ? "" : "\"}");
		object = line[0] == '{' ? json_loads(buffer, 0, &error) : json_string(buffer);
		if (!object)
			fail_msg("%s: %s", error.text, buffer);
		assert_true(strlen(text) + strlen(buffer) < sizeof(text));
		strcat(text, json_string_value(
				     line[0] == '{' ? json_object_get(object, "message") : object));
		strcat(text, newline ? "\n" : "");
		json_decref(object);
	}
	assert_string_equal(text, expected);
	free(data);
}

static void each_line_tells_whose_it_is(void **state)
{
	struct fixture *f = *state;

	add(f, 0, SPEC_FORMAT_PREFIX);
	put(&f->sinks[0], "one\ntw", 1);
	put(&f->sinks[0], "o\n", 1);
	assert_file(f->path, "web@2[12] stdout: one\nweb@2[12] stdout: two\n");
	assert_int_equal(f->sinks[0].counters.bytes, 8);
}

static void a_format_that_changes_in_a_line_keeps_json_whole(void **state)
{
	struct fixture *f = *state;

	add(f, 0, SPEC_FORMAT_PLAIN);
	put(&f->sinks[0], "plain", 1);
	configure(f, SPEC_FORMAT_JSON);
	put(&f->sinks[0], "json \xe2", 1);
	configure(f, SPEC_FORMAT_PREFIX);
	put(&f->sinks[0], "prefix", 1);
	configure(f, SPEC_FORMAT_PLAIN);
	put(&f->sinks[0], "ed\n", 1);
	assert_messages(f->path, "plain\njson \xef\xbf\xbd\nweb@2[12] stdout: prefixed\n");
	assert_int_equal(f->sinks[0].counters.bytes, 5 + 6 + 6 + 3);
}

static void the_end_of_a_stream_is_the_end_of_its_line(void **state)
{
	struct fixture *f = *state;

	add(f, 0, SPEC_FORMAT_JSON);
	put(&f->sinks[0], "one", 1);
	sink_end(&f->sinks[0], 1);
	put(&f->sinks[0], "two", 1);
	assert_messages(f->path, "one\ntwo");
}

static void a_new_file_begins_with_a_whole_line(void **state)
{
	struct fixture *f = *state;
	char moved[300];

	add(f, 0, SPEC_FORMAT_JSON);
	put(&f->sinks[0], "one t", 1);
	snprintf(moved, sizeof(moved), "%s.1", f->path);
	assert_int_equal(rename(f->path, moved), 0);
	sink_reopen(&f->sinks[0], 1); /* as logrotate has it */
	put(&f->sinks[0], "wo", 1);
	assert_messages(moved, "one t");
	assert_messages(f->path, "wo");
	assert_int_equal(truncate(f->path, 0), 0); /* copytruncate */
	put(&f->sinks[0], " three\n", 1);
	assert_messages(f->path, " three\n");
}

static void an_open_line_of_before_is_ended(void **state)
{
	struct fixture *f = *state;

	add(f, 0, SPEC_FORMAT_JSON);
	put(&f->sinks[0], "one", 1);
	sink_fini(&f->sinks[0]);
	add(f, 0, SPEC_FORMAT_JSON); /* that knows nothing of it */
	put(&f->sinks[0], "two\n", 1);
	assert_messages(f->path, "one\ntwo\n");
}

static void a_line_that_somebody_has_ended_is_begun_anew(void **state)
{
	struct fixture *f = *state;

	file_write(f->path, "{\"message\":\"of somebody\"}\n");
	add(f, 0, SPEC_FORMAT_JSON);
	f->sinks[0].at = (struct format_state){INTENT_LINE_OPEN, FORMAT_JSON, {0}};
	put(&f->sinks[0], "rest\n", 1); /* the file in which it began is gone */
	assert_messages(f->path, "of somebody\nrest\n");
}

static void a_loss_is_told_in_json(void **state)
{
	struct fixture *f = *state;

	add(f, 0, SPEC_FORMAT_JSON);
	put(&f->sinks[0], "one\nhal", 1);
	inject("test:pwrite:1:ENOSPC");
	put(&f->sinks[0], "f\nlost\n", 1);
	put(&f->sinks[0], "lost\xe2", 1);
	put(&f->sinks[0], "next\n", 1 + SEC);
	assert_messages(f->path, "one\nhal\nsupervisord: 12 bytes, 2 lines dropped "
				 "(No space left on device)\nnext\n");
}

/* Its beginning was written, up to the middle of a character's escape or of a head. */
static void what_was_written_in_part_is_taken_back_to_a_whole(void **state)
{
	static const char bytes[] = {'\x01', '"', '\xff'};
	struct fixture *f = *state;
	unsigned n = 0;
	char *data;

	add(f, 0, SPEC_FORMAT_JSON);
	for (unsigned i = 0; i < ELEMENTSOF(bytes); i++) {
		char text[102];

		memset(text, bytes[i], sizeof(text) - 1);
		text[sizeof(text) - 1] = '\n';
		inject("test:half-pwrite:1:EIO,test:pwrite:2:EIO");
		sink_write(&f->sinks[0], text, sizeof(text), 1 + 2 * i * SEC);
		put(&f->sinks[0], "next\n", 1 + (2 * i + 1) * SEC);
	}
	data = file_read(f->path, NULL);
	for (char *line = strtok(data, "\n"); line; line = strtok(NULL, "\n"), n++) {
		json_t *object = json_loads(line, 0, NULL);

		if (!object)
			fail_msg("%s", line);
		json_decref(object);
	}
	/* Of each: what was there of it, a marker, and the next. */
	assert_int_equal(n, 3 * 3);
	free(data);
}

static void streams_that_share_a_file_leave_no_line_open(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		add(f, i, SPEC_FORMAT_JSON);
		f->sinks[i].shared = true;
	}
	put(&f->sinks[0], "one\ntwo \xe2\x82", 1);
	put(&f->sinks[1], "other", 1);
	put(&f->sinks[0], "\xac\n", 1);
	put(&f->sinks[1], "\n", 1);
	assert_messages(f->path, "one\ntwo \nother\n\xe2\x82\xac\n\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_line_tells_whose_it_is),
		TEST(a_format_that_changes_in_a_line_keeps_json_whole),
		TEST(the_end_of_a_stream_is_the_end_of_its_line),
		TEST(a_new_file_begins_with_a_whole_line),
		TEST(an_open_line_of_before_is_ended),
		TEST(a_line_that_somebody_has_ended_is_begun_anew),
		TEST(a_loss_is_told_in_json),
		TEST(what_was_written_in_part_is_taken_back_to_a_whole),
		TEST(streams_that_share_a_file_leave_no_line_open),
	};

	return cmocka_run_group_tests_name("sink_format", tests, NULL, NULL);
}
