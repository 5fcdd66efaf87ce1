/*
 * Lines in each format: their heads, what becomes of text in JSON, and that the same comes of a
 * text however it is cut into batches, whatever room there is, and whatever of the output was
 * written at last.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "engine/logs/format/format.h"
#include "engine/logs/format/unformat.h"

#define MOMENT UINT64_C(1795415813123456) /* 2026-11-23T06:36:53.123456Z */
#define TIME   "2026-11-23T06:36:53.123456Z"
#define HEAD                \
	"{\"time\":\"" TIME \
	"\",\"service\":\"web\",\"instance\":2,\"pid\":123,\"stream\":\"stdout\",\"message\":\""

static const struct log_origin web2 = {
	.name = "web@2", .service = "web", .instance = 2, .pid = 123, .stream = "stdout"};

static struct format_about about_of(enum spec_format kind, enum spec_timestamps timestamps)
{
	return (struct format_about){kind, timestamps, MOMENT, 3600, web2};
}

static struct format format_of(enum spec_format kind, enum spec_timestamps timestamps)
{
	struct format_about about = about_of(kind, timestamps);
	struct format f;

	format_make(&f, &about);
	return f;
}

static struct format json_format(void)
{
	return format_of(SPEC_FORMAT_JSON, SPEC_TIMESTAMPS_NONE);
}

static void assert_head(const struct format_about *about, const char *text)
{
	struct format f;

	format_make(&f, about);
	assert_int_equal(f.n, strlen(text));
	assert_memory_equal(f.head, text, f.n);
}

static void heads_tell_when_and_whose(void **state _unused_)
{
	struct format_about a = about_of(SPEC_FORMAT_PLAIN, SPEC_TIMESTAMPS_NONE);

	assert_head(&a, "");
	a.timestamps = SPEC_TIMESTAMPS_ISO;
	assert_head(&a, TIME " ");
	a.kind = SPEC_FORMAT_PREFIX;
	assert_head(&a, TIME " web@2[123] stdout: ");
	a.timestamps = SPEC_TIMESTAMPS_LOCAL;
	assert_head(&a, "2026-11-23T07:36:53.123456+01:00 web@2[123] stdout: ");
	a.timestamps = SPEC_TIMESTAMPS_NONE;
	a.origin.pid = 0;
	a.origin.stream = "stderr";
	assert_head(&a, "web@2 stderr: ");
	a.kind = SPEC_FORMAT_JSON;
	a.origin.instance = 0;
	assert_head(&a,
		"{\"time\":\"" TIME "\",\"service\":\"web\",\"pid\":null,\"stream\":\"stderr\","
		"\"message\":\"");
}

static void the_longest_head_has_room(void **state _unused_)
{
	char name[SPEC_INSTANCE_NAME_MAX];
	struct format_about a = about_of(SPEC_FORMAT_JSON, SPEC_TIMESTAMPS_LOCAL);
	struct format f;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	a.origin.name = a.origin.service = name;
	a.origin.instance = SPEC_MAX_INSTANCES;
	a.origin.pid = INT32_MAX;
	a.realtime = UINT64_MAX;
	format_make(&f, &a);
	assert_in_range(f.n, 100, FORMAT_HEAD_SIZE - 2);
	assert_memory_equal(f.head + f.n - 11, "\"message\":\"", 11);
}

/* --- JSON --- */

static void assert_message(const char *data, size_t n, const char *message)
{
	struct format f = json_format();
	struct format_state s = {0};
	char out[4096], expected[4096];
	size_t taken, used = format_lines(&f, &s, data, n, out, sizeof(out), &taken);
	int length = snprintf(expected, sizeof(expected), HEAD "%s\"}\n", message);

	assert_int_equal(taken, n);
	assert_int_equal(used, length);
	assert_memory_equal(out, expected, used);
	assert_int_equal(s.line, INTENT_LINE_START);
	assert_int_equal(s.decoder, 0);
}

#define assert_json(data, message) assert_message(data, sizeof(data) - 1, message)
#define R			   "\xef\xbf\xbd"

static void control_characters_are_escaped(void **state _unused_)
{
	assert_json("\n", "");
	assert_json("a \"b\" \\c\n", "a \\\"b\\\" \\\\c");
	assert_json("\t\r\b\f\n", "\\t\\r\\b\\f");
	assert_json("\0\x01\x1f\x7f\x1b[1m\n", "\\u0000\\u0001\\u001f\\u007f\\u001b[1m");
	assert_json("12345678\"12345678\x1f!~ \n", "12345678\\\"12345678\\u001f!~ ");
}

static void valid_utf8_passes(void **state _unused_)
{
	assert_json("Gr\xc3\xbc\xc3\x9f"
		    "e \xe2\x82\xac \xf0\x9f\x98\x80\n",
		"Gr\xc3\xbc\xc3\x9f"
		"e \xe2\x82\xac \xf0\x9f\x98\x80");
	/* The first and the last of each length, and around the surrogates. */
	assert_json("\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\n",
		"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
	assert_json("\xed\x9f\xbf\xee\x80\x80\n", "\xed\x9f\xbf\xee\x80\x80");
}

static void what_is_no_utf8_is_replaced(void **state _unused_)
{
	assert_json("\x80\xff\xfe\n", R R R);
	assert_json("\xc0\xaf\n", R R); /* overlong */
	assert_json("\xe0\x9f\xbf\n", R R R);
	assert_json("\xf0\x8f\xbf\xbf\n", R R R R);
	assert_json("\xed\xa0\x80\n", R R R); /* a surrogate */
	assert_json("\xf4\x90\x80\x80\n", R R R R); /* beyond the last one */
	assert_json("\xe2\x82x\n", R "x"); /* torn: one for all of it */
	assert_json("\xf0\x9f\x98\n", R);
	assert_json("\xe2\x82\xe2\x82\xac\n", R "\xe2\x82\xac");
	assert_json("\xe2\"\n", R "\\\"");
}

/* --- against a reference --- */

struct text {
	size_t n;
	char data[1 << 16];
};

static void put(struct text *t, const char *data, size_t n)
{
	assert_true(n <= sizeof(t->data) - t->n);
	memcpy(t->data + t->n, data, n);
	t->n += n;
}

/* By what a whole character is, not by how it begins. Length, or 0. */
static size_t character(const unsigned char *p, size_t n)
{
	static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = p[0] >= 0xf8   ? 0
			: p[0] >= 0xf0 ? 4
			: p[0] >= 0xe0 ? 3
			: p[0] >= 0xc0 ? 2
				       : 0;
	uint32_t c = p[0] & (0xffu >> (length + 1));

	if (length == 0 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < lowest[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : length;
}

/* How many bytes at p some valid character begins with; at least 1. */
static size_t beginning(const unsigned char *p, size_t n)
{
	for (size_t k = MIN_OF(n, (size_t)3); k > 1; k--) {
		unsigned char c[4];

		for (unsigned i = 0; i < 1u << 12; i++) {
			memcpy(c, p, k);
			c[k] = (unsigned char)(0x80 | (i & 0x3f));
			if (k == 2)
				c[3] = (unsigned char)(0x80 | i >> 6);
			if (character(c, 4) > k)
				return k;
		}
	}
	return 1;
}

static void reference_text(struct text *t, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t k = character(p + i, n - i);
		char escape[8];

		if (k > 0) {
			put(t, (const char *)p + i, k);
			i += k;
		} else if (p[i] >= 0x80) {
			put(t, R, 3);
			i += beginning(p + i, n - i);
		} else {
			const char *name = p[i] ? strchr("\bb\tt\ff\rr\"\"\\\\", p[i]) : NULL;

			if (p[i] < 0x20 || p[i] == 0x7f || p[i] == '"' || p[i] == '\\') {
				if (name)
					put(t, (char[]){'\\', name[1]}, 2);
				else
					put(t, escape,
						(size_t)snprintf(
							escape, sizeof(escape), "\\u%04x", p[i]));
			} else {
				put(t, (const char *)p + i, 1);
			}
			i++;
		}
	}
}

/* All of it at once; the last line is open if it has no newline, without what is held. */
static void reference(struct text *t, const struct format *f, const char *data, size_t n)
{
	while (n > 0) {
		const char *newline = memchr(data, '\n', n);
		size_t length = newline ? (size_t)(newline - data) : n;

		put(t, f->head, f->n);
		if (f->json)
			reference_text(t, (const unsigned char *)data, length);
		else
			put(t, data, length);
		if (newline)
			put(t, f->json ? "\"}\n" : "\n", f->json ? 3 : 1);
		length += newline != NULL;
		data += length;
		n -= length;
	}
}

static uint32_t random_below(uint32_t n)
{
	static uint32_t seed = 12345;

	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static size_t random_text(char *data, size_t n)
{
	static const char *const pieces[] = {"\n", "\n\n", "a", "words and more words ", "\"", "\\",
		"\x01", "\x7f", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf0\x9f", "\xe2",
		"\xed\xa0", "\x80", "\xff", "\t", "\xf4\x90"};
	size_t used = 0;

	while (used < n) {
		uint32_t which = random_below(ELEMENTSOF(pieces) + 1);
		const char *piece = which < ELEMENTSOF(pieces) ? pieces[which] : "";
		size_t k = which < ELEMENTSOF(pieces) ? strlen(piece) : 1; /* or a NUL */

		if (k > n - used)
			break;
		memcpy(data + used, piece, k);
		used += k;
	}
	data[used] = 'x'; /* so that nothing stays held */
	return used + 1;
}

/* Batches and room as chance has it; of each output, maybe only a part is written. */
static void write_in_parts(struct text *t, const struct format *f, const char *data, size_t n)
{
	struct format_state s = {0};
	size_t done = 0;

	while (done < n) {
		size_t batch = 1 + random_below(random_below(2) ? 8 : 200);
		size_t size = FORMAT_HEAD_SIZE + 1 + random_below(300), taken, used;
		struct format_state before = s;
		char out[1024], again[1024];

		batch = MIN_OF(batch, n - done);
		used = format_lines(f, &s, data + done, batch, out, size, &taken);
		assert_true(used <= size && taken <= batch && (used > 0 || taken > 0));
		if (random_below(3) == 0 && used > 0) {
			size_t k = random_below((uint32_t)used + 1);
			size_t whole;

			memcpy(again, out, sizeof(out));
			s = before;
			whole = format_measure(f, &s, data + done, batch, out, k, &taken);
			assert_true(whole <= k);
			assert_memory_equal(out, again, used);
			used = whole;
		}
		put(t, out, used);
		done += taken;
	}
}

static void each_way_to_cut_a_text_gives_the_same(void **state _unused_)
{
	const struct {
		enum spec_format kind;
		enum spec_timestamps timestamps;
	} formats[] = {
		{SPEC_FORMAT_PLAIN, SPEC_TIMESTAMPS_NONE},
		{SPEC_FORMAT_PLAIN, SPEC_TIMESTAMPS_LOCAL},
		{SPEC_FORMAT_PREFIX, SPEC_TIMESTAMPS_ISO},
		{SPEC_FORMAT_JSON, SPEC_TIMESTAMPS_NONE},
	};
	static struct text expected, got;
	char data[400];

	for (unsigned i = 0; i < 2000; i++) {
		struct format f = format_of(formats[i % 4].kind, formats[i % 4].timestamps);
		size_t n = random_text(data, random_below(sizeof(data) - 1));

		expected.n = got.n = 0;
		reference(&expected, &f, data, n);
		write_in_parts(&got, &f, data, n);
		assert_int_equal(got.n, expected.n);
		assert_memory_equal(got.data, expected.data, got.n);
	}
}

static json_t *parse(const char *line, size_t n)
{
	json_error_t error;
	json_t *object = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	if (!object)
		fail_msg("%s: %.*s", error.text, (int)n, line);
	return object;
}

static void json_is_what_others_take_for_it(void **state _unused_)
{
	static struct text out;
	struct format f = json_format();

	for (unsigned i = 0; i < 300; i++) {
		struct format_state s = {0};
		char data[200], end[FORMAT_END_SIZE];
		size_t n = random_text(data, sizeof(data) - 1);

		out.n = 0;
		write_in_parts(&out, &f, data, n);
		s = (struct format_state){INTENT_LINE_OPEN, FORMAT_JSON, {0}};
		put(&out, end, format_end_line(&s, end));
		for (size_t from = 0; from < out.n;) {
			const char *line = out.data + from;
			const char *newline = memchr(line, '\n', out.n - from);
			json_t *object;

			assert_non_null(newline);
			object = parse(line, (size_t)(newline - line));
			assert_string_equal(
				json_string_value(json_object_get(object, "time")), TIME);
			assert_int_equal(json_integer_value(json_object_get(object, "pid")), 123);
			assert_non_null(json_object_get(object, "message"));
			json_decref(object);
			from += (size_t)(newline + 1 - line);
		}
	}
}

/* --- where a line ends otherwise --- */

struct turn {
	const struct format *f;
	const char *text;
	void (*then)(struct format_state *s);
};

/* Each in its format, with what has to be between them. */
static void assert_turns(const struct turn *turns, size_t n, const char *expected)
{
	struct format_state s = {0};
	char out[2048], end[FORMAT_END_SIZE];
	size_t used = 0, taken, k;

	for (size_t i = 0; i < n; i++) {
		k = format_end(turns[i].f, &s, end);
		assert_true(k <= sizeof(end));
		memcpy(out + used, end, k);
		used += k;
		assert_true(format_is_ready(turns[i].f, &s));
		used += format_lines(turns[i].f, &s, turns[i].text, strlen(turns[i].text),
			out + used, sizeof(out) - used, &taken);
		assert_int_equal(taken, strlen(turns[i].text));
		if (turns[i].then)
			turns[i].then(&s);
	}
	out[used] = '\0';
	assert_string_equal(out, expected);
}

#define assert_after(expected, ...)                      \
	assert_turns((const struct turn[]){__VA_ARGS__}, \
		sizeof((const struct turn[]){__VA_ARGS__}) / sizeof(struct turn), expected)

static void a_line_that_was_cut_is_ended_before_the_next(void **state _unused_)
{
	const struct format plain = format_of(SPEC_FORMAT_PLAIN, SPEC_TIMESTAMPS_NONE);
	const struct format iso = format_of(SPEC_FORMAT_PLAIN, SPEC_TIMESTAMPS_ISO);
	const struct format json = json_format();

	assert_after("oneother\n", {&plain, "one", format_cut}, {&plain, "other\n"});
	assert_after(TIME " one\n" TIME " other\n", {&iso, "one", format_cut}, {&iso, "other\n"});
	assert_after(TIME " one\n" TIME " two", {&iso, "one\n", format_cut}, {&iso, "two"});
	assert_after(HEAD "one\"}\n" HEAD "two", {&json, "one", format_cut}, {&json, "two"});
	assert_after(HEAD "a" R "\"}\n" HEAD "\xe2\x82\xac", {&json, "a\xe2\x82", format_cut},
		{&json, "\xe2\x82\xac"});
}

static void a_line_that_is_split_keeps_its_character(void **state _unused_)
{
	const struct format json = json_format();

	assert_after(HEAD "a\"}\n" HEAD "\xe2\x82\xac", {&json, "a\xe2\x82", format_split},
		{&json, "\xac"});
	assert_after(HEAD "a\"}\n" HEAD "b", {&json, "a", format_split}, {&json, "b"});
}

static void another_format_in_the_middle_of_a_line_keeps_json_whole(void **state _unused_)
{
	const struct format plain = format_of(SPEC_FORMAT_PLAIN, SPEC_TIMESTAMPS_NONE);
	const struct format prefix = format_of(SPEC_FORMAT_PREFIX, SPEC_TIMESTAMPS_NONE);
	const struct format json = json_format();

	assert_after("one\n" HEAD "two\"}\n", {&plain, "one"}, {&json, "two\n"});
	assert_after(HEAD "one" R "\"}\ntwo\n", {&json, "one\xe2"}, {&plain, "two\n"});
	assert_after(HEAD "one\"}\nweb@2[123] stdout: two\n", {&json, "one"}, {&prefix, "two\n"});
	/* These read on as well. */
	assert_after("one two\nweb@2[123] stdout: x", {&plain, "one"}, {&prefix, " two\nx"});
	assert_after(HEAD "one two", {&json, "one"}, {&json, " two"});
}

static void a_new_file_begins_with_a_line(void **state _unused_)
{
	struct format_state s = {INTENT_LINE_OPEN, FORMAT_JSON | 1, {'\xe2'}};

	format_leave(SPEC_FORMAT_JSON, &s);
	assert_int_equal(s.line, INTENT_LINE_START);
	assert_int_equal(s.decoder, 1);
	s = (struct format_state){INTENT_LINE_CUT, FORMAT_JSON | FORMAT_TORN, {0}};
	format_leave(SPEC_FORMAT_JSON, &s);
	assert_int_equal(s.line, INTENT_LINE_START);
	assert_int_equal(s.decoder, 0);
	s = (struct format_state){INTENT_LINE_OPEN, 0, {0}};
	format_leave(SPEC_FORMAT_PLAIN, &s);
	assert_int_equal(s.line, INTENT_LINE_OPEN);
	format_leave(SPEC_FORMAT_JSON, &s);
	assert_int_equal(s.line, INTENT_LINE_START);
}

/* Whatever a damaged file tells. */
static void nonsense_in_the_state_harms_nobody(void **state _unused_)
{
	const struct format json = json_format();

	for (unsigned i = 0; i < 100000; i++) {
		struct format_state s = {(uint8_t)random_below(3), (uint8_t)random_below(256),
			{(uint8_t)random_below(256), (uint8_t)random_below(256),
				(uint8_t)random_below(256)}};
		char out[512], end[FORMAT_END_SIZE];
		size_t taken, n = format_end(&json, &s, end);

		assert_true(n <= sizeof(end));
		n = format_lines(&json, &s, "\x80\n", 2, out, sizeof(out), &taken);
		assert_true(n <= sizeof(out));
		assert_int_equal(taken, 2);
		assert_int_equal(s.line, INTENT_LINE_START);
	}
}

static void markers_are_lines_of_the_format(void **state _unused_)
{
	struct format_about a = about_of(SPEC_FORMAT_PLAIN, SPEC_TIMESTAMPS_NONE);
	char out[FORMAT_MARKER_SIZE];
	json_t *object;
	size_t n;

#define assert_marker(text)                                                      \
	do {                                                                     \
		n = format_marker(&a, 1234, 12, "No space left on device", out); \
		assert_int_equal(n, strlen(text));                               \
		assert_memory_equal(out, text, n);                               \
	} while (0)
#define LOST "1234 bytes, 12 lines dropped (No space left on device)"
	assert_marker("supervisord: " LOST "\n");
	a.timestamps = SPEC_TIMESTAMPS_ISO;
	assert_marker(TIME " supervisord: " LOST "\n");
	a.kind = SPEC_FORMAT_PREFIX;
	assert_marker(TIME " web@2[123] supervisord: " LOST "\n");
	a.kind = SPEC_FORMAT_JSON;
	assert_marker("{\"time\":\"" TIME "\",\"service\":\"web\",\"instance\":2,"
		      "\"stream\":\"supervisord\",\"dropped_bytes\":1234,\"dropped_lines\":12,"
		      "\"message\":\"supervisord: " LOST "\"}\n");
	object = parse(out, n - 1);
	json_decref(object);
	n = format_marker(&a, INT64_MAX, INT64_MAX, "say \"why\"", out);
	object = parse(out, n - 1);
	json_decref(object);
}

/* Whoever reads it back knows neither the pid nor the time. */
static void the_text_of_a_line_is_read_back(void **state _unused_)
{
	static const char text[] = "a \"b\" \\ \t\x01\x7f \xe2\x82\xac web@2[1] stdout: , {";
	const size_t n = sizeof(text) - 1;

	for (unsigned i = 0; i < 9; i++) {
		struct format_about a = about_of(i % 3, i / 3);
		struct format f;
		struct format_state s = {0};
		char line[512], back[512];
		size_t taken, used;

		format_make(&f, &a);
		used = format_lines(&f, &s, text, n, line, sizeof(line), &taken);
		a.realtime = 0;
		a.origin.pid = 0;
		assert_int_equal(unformat(&a, line, used, back, sizeof(back)), n);
		assert_memory_equal(back, text, n);
		assert_int_equal(unformat(&a, line, used, back, 5), 5);
		assert_memory_equal(back, text, 5);
		/* And of whatever there is no more comes than that. */
		for (size_t k = 0; k < used; k++)
			assert_true(unformat(&a, line, k, back, sizeof(back)) <= k);
		if (a.kind == SPEC_FORMAT_JSON)
			continue;
		assert_int_equal(unformat(&a, "other", 5, back, sizeof(back)), 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_tell_when_and_whose),
		cmocka_unit_test(the_longest_head_has_room),
		cmocka_unit_test(control_characters_are_escaped),
		cmocka_unit_test(valid_utf8_passes),
		cmocka_unit_test(what_is_no_utf8_is_replaced),
		cmocka_unit_test(each_way_to_cut_a_text_gives_the_same),
		cmocka_unit_test(json_is_what_others_take_for_it),
		cmocka_unit_test(a_line_that_was_cut_is_ended_before_the_next),
		cmocka_unit_test(a_line_that_is_split_keeps_its_character),
		cmocka_unit_test(another_format_in_the_middle_of_a_line_keeps_json_whole),
		cmocka_unit_test(a_new_file_begins_with_a_line),
		cmocka_unit_test(nonsense_in_the_state_harms_nobody),
		cmocka_unit_test(markers_are_lines_of_the_format),
		cmocka_unit_test(the_text_of_a_line_is_read_back),
	};

	return cmocka_run_group_tests_name("format_lines", tests, NULL, NULL);
}
