/*
 * What others wrote must not command a terminal, and columns must be what the eye sees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ctl/output/text.h"

static void assert_safe(const char *text, size_t n, unsigned flags, const char *expected)
{
	_cleanup_buf_ struct buf out = {0};

	assert_int_equal(0, text_append_safe(&out, text, n, flags));
	assert_int_equal(0, buf_append(&out, SIZE_MAX, "", 1));
	assert_string_equal(expected, out.data);
}

#define assert_safe_literal(text, flags, expected) \
	assert_safe(text, sizeof(text) - 1, flags, expected)

static void control_characters_become_harmless(void **state)
{
	(void)state;
	assert_safe_literal("plain ~text", 0, "plain ~text");
	assert_safe_literal("a\033[2Jb", 0, "a?[2Jb");
	assert_safe_literal("a\007\0\177b", 0, "a???b");
	assert_safe_literal("a\rb\nc\td", 0, "a?b c d");
	assert_safe_literal("a\tb", TEXT_TABS, "a\tb");
}

static void c1_bytes_are_caught_encoded_and_raw(void **state)
{
	(void)state;
	assert_safe_literal("a\xc2\x9b"
			    "31mb",
		0, "a?31mb");
	assert_safe_literal("a\x9b"
			    "31mb",
		0, "a?31mb");
}

static void every_single_byte_and_every_c1_is_harmless(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		_cleanup_buf_ struct buf out = {0};
		char bytes[2] = {(char)0xc2, (char)c};

		assert_int_equal(0, text_append_safe(&out, bytes + 1, 1, TEXT_NO_SGR));
		assert_int_equal(1, out.len);
		assert_true(out.data[0] >= 0x20 && out.data[0] < 0x7f);
		out.len = 0;
		assert_int_equal(0, text_append_safe(&out, bytes, 2, TEXT_ASCII));
		for (size_t i = 0; i < out.len; i++)
			assert_true(out.data[i] >= 0x20 && out.data[i] < 0x7f);
	}
}

static void what_turns_a_line_around_is_caught(void **state)
{
	(void)state;
	assert_safe_literal("a\xe2\x80\xae"
			    "b\xe2\x81\xa6"
			    "c\xe2\x80\xa8",
		0, "a?b?c?");
}

static void invalid_utf8_is_caught_byte_by_byte(void **state)
{
	(void)state;
	assert_safe_literal("\xc3\xa9", 0, "\xc3\xa9");
	assert_safe_literal("\xc3\xa9", TEXT_ASCII, "?");
	assert_safe_literal("\xc3", 0, "?");
	assert_safe_literal("\xc0\x9b", 0, "??"); /* overlong */
	assert_safe_literal("\xe0\x82\x9b", 0, "???");
	assert_safe_literal("\xf0\x80\x80\x9b", 0, "????");
	assert_safe_literal("\xed\xa0\x80", 0, "???"); /* a surrogate */
	assert_safe_literal("\xf4\x90\x80\x80", 0, "????"); /* past the last character */
	assert_safe_literal("\xe2\x82x", 0, "??x");
}

static void colours_vanish_only_where_asked(void **state)
{
	(void)state;
	assert_safe_literal("\033[1;31mred\033[0m", TEXT_NO_SGR, "red");
	assert_safe_literal("\033[mred\033[38:5:1m!", TEXT_NO_SGR, "red!");
	assert_safe_literal("\033[31mred", 0, "?[31mred");
	assert_safe_literal("\033[2J\033[1", TEXT_NO_SGR, "?[2J?[1");
}

static void bytes_become_valid_utf8_for_json(void **state)
{
	static const char text[] = "a\xff\xc3\xa9\xc3";
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_int_equal(0, text_append_utf8(&out, text, sizeof(text) - 1));
	assert_int_equal(1 + 3 + 2 + 3, out.len);
	assert_memory_equal("a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd", out.data, out.len);
}

static void widths_are_columns_rather_than_bytes(void **state)
{
	static const char text[] = "e\xcc\x81\xe6\x97\xa5x"; /* e with accent, CJK, x */

	(void)state;
	assert_int_equal(4, text_width(text, sizeof(text) - 1));
	assert_int_equal(3, text_fit(text, sizeof(text) - 1, 1));
	assert_int_equal(3, text_fit(text, sizeof(text) - 1, 2)); /* half of a wide one is none */
	assert_int_equal(6, text_fit(text, sizeof(text) - 1, 3));
	assert_int_equal(7, text_fit(text, sizeof(text) - 1, 80));
}

static void assert_quoted(const char *word, const char *expected)
{
	_cleanup_buf_ struct buf out = {0};

	assert_int_equal(0, text_append_quoted(&out, word));
	assert_int_equal(0, buf_append(&out, SIZE_MAX, "", 1));
	assert_string_equal(expected, out.data);
}

static void words_are_quoted_where_a_shell_needs_it(void **state)
{
	(void)state;
	assert_quoted("/usr/bin/python3", "/usr/bin/python3");
	assert_quoted("", "''");
	assert_quoted("a b", "'a b'");
	assert_quoted("it's", "'it'\\''s'");
	assert_quoted("$HOME", "'$HOME'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_characters_become_harmless),
		cmocka_unit_test(c1_bytes_are_caught_encoded_and_raw),
		cmocka_unit_test(every_single_byte_and_every_c1_is_harmless),
		cmocka_unit_test(what_turns_a_line_around_is_caught),
		cmocka_unit_test(invalid_utf8_is_caught_byte_by_byte),
		cmocka_unit_test(colours_vanish_only_where_asked),
		cmocka_unit_test(bytes_become_valid_utf8_for_json),
		cmocka_unit_test(widths_are_columns_rather_than_bytes),
		cmocka_unit_test(words_are_quoted_where_a_shell_needs_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
