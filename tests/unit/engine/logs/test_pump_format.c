/*
 * Lines with prefixes and lines of JSON, written by pumps that are killed before each of their
 * steps: each line is whole and there once, a character that two batches share is one, and what
 * a rotation parts is a line in either file.
 */
#include "pumper.h"

#include <jansson.h>

#define DATA_SIZE (64 * 1024)
#define MAX_STEPS 20000

static void make_data(struct fixture *f)
{
	static const char *const words[] = {"plain ", "\xe2\x82\xac", "\"quoted\" ", "\\", "\x01",
		"\xf0\x9f\x98\x80", "\xc3\xa9t\xc3\xa9 ", "\t"};
	uint32_t random = 4711;

	for (unsigned i = 0; i < N_STREAMS; i++) {
		size_t n = 0, start = 0;

		f->data[i] = malloc(DATA_SIZE);
		assert_non_null(f->data[i]);
		while (n < f->scenario->n_bytes) {
			random = random * 1664525 + 1013904223;
			n += (size_t)sprintf(
				f->data[i] + n, "%s", words[(random >> 8) % ELEMENTSOF(words)]);
			if (n - start <= (random >> 16) % f->scenario->line_max)
				continue;
			f->data[i][n++] = '\n';
			start = n;
		}
		if (i != 0) /* one ends without a newline */
			f->data[i][n++] = '\n';
		f->n_data[i] = n;
	}
}

static void start(struct fixture *f)
{
	memset(f->shared, 0, sizeof(*f->shared));
	assert_int_equal(hold_init(&f->hold, -1, -1), 0);
	for (unsigned i = 0; i < N_STREAMS; i++) {
		int fds[2];

		assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
		assert_int_equal(write(fds[1], f->data[i], f->n_data[i]), (ssize_t)f->n_data[i]);
		close(fds[1]);
		f->readers[i] = fds[0];
	}
}

static void finish(struct fixture *f)
{
	for (unsigned i = 0; i < N_STREAMS; i++)
		close(f->readers[i]);
	hold_fini(&f->hold);
}

/* --- what is there --- */

struct text {
	char data[4 * DATA_SIZE];
	size_t n;
	size_t n_lines; /* those that have an end */
	uint64_t told_bytes; /* by markers */
};

static void put(struct text *t, const char *data, size_t n)
{
	assert_true(n <= sizeof(t->data) - t->n);
	memcpy(t->data + t->n, data, n);
	t->n += n;
}

/* One line of JSON. Only where its end could not be written either, that is put to it. */
static void take_json(struct fixture *f, const char *line, size_t n, bool open, struct text *t)
{
	char text[DATA_SIZE];
	const char *message;
	json_error_t error;
	json_t *object;

	assert_true(!open || f->scenario->is_lossy);
	snprintf(text, sizeof(text), "%.*s%s", (int)n, line, open ? "\"}" : "");
	object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!object) {
		printf("%s, killed at step %u: %s\n", f->scenario->name, f->step, error.text);
		fail_msg("%s", text);
	}
	assert_int_equal(strlen(json_string_value(json_object_get(object, "time"))), 27);
	if (strcmp(json_string_value(json_object_get(object, "stream")), "supervisord") == 0) {
		t->told_bytes +=
			(uint64_t)json_integer_value(json_object_get(object, "dropped_bytes"));
	} else {
		assert_true(json_integer_value(json_object_get(object, "pid")) > 0);
		message = json_string_value(json_object_get(object, "message"));
		put(t, message, strlen(message));
		t->n_lines += !open;
	}
	json_decref(object);
}

static void take_prefixed(const char *name, const char *line, size_t n, bool open, struct text *t)
{
	static const char tail[] = "] stdout: ";
	char text[DATA_SIZE], *end;

	snprintf(text, sizeof(text), "%.*s", (int)n, line);
	assert_true(text[0] == name[0] && text[1] == '[' && strlen(text) == n);
	assert_true(strtol(text + 2, &end, 10) > 0);
	if (strncmp(end, tail, strlen(tail)) != 0)
		fail_msg("%s", text);
	end += strlen(tail);
	put(t, end, strlen(end));
	put(t, "\n", open ? 0 : 1);
	t->n_lines += !open;
}

static void take_lines(struct fixture *f, const char *name, const char *data, size_t n,
	bool is_last, struct text *t)
{
	for (size_t from = 0; from < n;) {
		const char *newline = memchr(data + from, '\n', n - from);
		size_t k = newline ? (size_t)(newline - (data + from)) : n - from;

		assert_true(newline || is_last);
		if (f->scenario->format == SPEC_FORMAT_JSON)
			take_json(f, data + from, k, !newline, t);
		else
			take_prefixed(name, data + from, k, !newline, t);
		from += k + (newline != NULL);
	}
}

static void take_file(struct fixture *f, const char *name, const char *file, struct text *t)
{
	char path[256];
	size_t n;
	char *data = file_read(bench_path(&f->bench, file, path), &n);

	if (f->scenario->max_size > 0)
		assert_in_range(n, 1, f->scenario->max_size);
	take_lines(f, name, data, n, strcmp(name, file) == 0, t);
	free(data);
	remove(path);
}

static void collect(struct fixture *f, const char *name, struct text *t)
{
	struct dirent **files;
	char prefix[16];
	int n_files;

	memset(t, 0, sizeof(*t));
	snprintf(prefix, sizeof(prefix), "%s.", name);
	n_files = list_names(f->bench.dir, prefix, &files);
	assert_true((n_files > 0) == (f->scenario->max_size > 0));
	for (int k = 0; k < n_files; k++)
		take_file(f, name, files[k]->d_name, t);
	free_names(files, n_files);
	take_file(f, name, name, t);
}

/* Messages have no newlines: nor has what they are compared with. */
static void check(struct fixture *f, unsigned i, const char *name)
{
	static struct text got, source;
	size_t n_lines = 0;

	collect(f, name, &got);
	source.n = 0;
	for (size_t k = 0; k < f->n_data[i]; k++) {
		bool newline = f->data[i][k] == '\n';

		n_lines += newline;
		if (!newline || f->scenario->format != SPEC_FORMAT_JSON)
			put(&source, f->data[i] + k, 1);
	}
	/* A last line is an object as all others. */
	if (f->scenario->format == SPEC_FORMAT_JSON && f->data[i][f->n_data[i] - 1] != '\n')
		n_lines++;
	if (got.n != source.n || memcmp(got.data, source.data, got.n) != 0)
		fail_msg("%s, killed at step %u: %zu bytes of %zu in %s", f->scenario->name,
			f->step, got.n, source.n, name);
	assert_int_equal(f->shared->counters[i].bytes, f->n_data[i]);
	if (f->scenario->max_size == 0)
		assert_int_equal(got.n_lines, n_lines);
	else
		assert_true(got.n_lines >= n_lines);
}

static void check_loss(struct fixture *f, unsigned i)
{
	const struct log_counters *c = &f->shared->counters[i];
	static struct text got;

	collect(f, stream_names[i], &got);
	assert_int_equal(c->bytes + c->dropped_bytes, f->n_data[i]);
	assert_int_equal(got.told_bytes + f->shared->lost_bytes[i], c->dropped_bytes);
}

static void try_each_step(struct fixture *f, const struct scenario *x)
{
	char rules[128];
	bool killed = true;

	f->scenario = x;
	make_data(f);
	for (unsigned step = 1; killed; step += x->stride) {
		assert_true(step < MAX_STEPS);
		f->step = step;
		start(f);
		snprintf(rules, sizeof(rules), "test:any:%u:KILL%s%s", step, x->fault ? "," : "",
			x->fault ? x->fault : "");
		killed = pumper_run(f, rules);
		assert_true(killed || step > 1);
		snprintf(rules, sizeof(rules), "test:any:%u:KILL", step / 2 + 1);
		if (killed)
			pumper_run(f, rules);
		assert_false(pumper_run(f, "test:none:1:EIO"));
		for (unsigned i = 0; i < N_STREAMS; i++) {
			if (x->is_lossy)
				check_loss(f, i);
			else
				check(f, i, stream_names[i]);
			for (unsigned k = 0; k < x->n_further; k++)
				check(f, i, further_names[i][k]);
		}
		finish(f);
	}
	for (unsigned i = 0; i < N_STREAMS; i++)
		free(f->data[i]);
}

#define HALF "test:half-pwrite:1+:EIO"

static void lines_with_prefixes(void **state)
{
	const struct scenario x = {.name = "prefix",
		.n_bytes = 700,
		.line_max = 60,
		.fault = HALF,
		.stride = 7,
		.format = SPEC_FORMAT_PREFIX};

	try_each_step(*state, &x);
}

static void lines_of_json(void **state)
{
	const struct scenario x = {.name = "json",
		.n_bytes = 700,
		.line_max = 60,
		.fault = HALF,
		.stride = 5,
		.format = SPEC_FORMAT_JSON};

	try_each_step(*state, &x);
}

static void json_in_batches_that_end_anywhere(void **state)
{
	const struct scenario x = {.name = "json, in parts",
		.n_bytes = 300,
		.line_max = 60,
		.stride = 61,
		.format = SPEC_FORMAT_JSON,
		.batch = 7,
		.n_further = 1};

	try_each_step(*state, &x);
}

static void json_byte_by_byte(void **state)
{
	const struct scenario x = {.name = "json, bytes",
		.n_bytes = 150,
		.line_max = 60,
		.stride = 149,
		.format = SPEC_FORMAT_JSON,
		.batch = 1};

	try_each_step(*state, &x);
}

static void json_with_rotation(void **state)
{
	const struct scenario x = {.name = "json, rotated",
		.n_bytes = 2000,
		.line_max = 100,
		.stride = 17,
		.format = SPEC_FORMAT_JSON,
		.max_size = 1500,
		.keep = 100,
		.fault = HALF};

	try_each_step(*state, &x);
}

static void json_with_rotation_in_lines_that_are_too_long(void **state)
{
	const struct scenario x = {.name = "json, long",
		.n_bytes = 1500,
		.line_max = 1000,
		.stride = 37,
		.format = SPEC_FORMAT_JSON,
		.max_size = 400,
		.keep = 100,
		.batch = 97};

	try_each_step(*state, &x);
}

static void json_on_a_full_disk(void **state)
{
	const struct scenario x = {.name = "json, full",
		.n_bytes = 700,
		.line_max = 60,
		.stride = 11,
		.format = SPEC_FORMAT_JSON,
		.is_lossy = true,
		.batch = 50,
		.fault = HALF ",test:pwrite:9+:ENOSPC"};

	try_each_step(*state, &x);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_with_prefixes),
		TEST(lines_of_json),
		TEST(json_in_batches_that_end_anywhere),
		TEST(json_byte_by_byte),
		TEST(json_with_rotation),
		TEST(json_with_rotation_in_lines_that_are_too_long),
		TEST(json_on_a_full_disk),
	};

	return cmocka_run_group_tests_name("pump_format", tests, NULL, NULL);
}
