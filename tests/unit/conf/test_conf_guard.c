/* A guard for each flaw of the parsing library, and bounds on what a text may be. */
#include "fixture.h"

#include "base/buf.h"
#include "base/usec.h"
#include "conf/text/parse.h"

static void lines_are_right_after_comments_and_strings(void **state)
{
	bad(*state,
		"# one\n// two\n/* three\n four */\nservice web {\n"
		"  command = \"a \\\n b\n c\" # eight\n"
		"  /* nine\n ten\n */ environment = {'x=\n',\n \"y=\"}\n"
		"  umask = 9\n}\n",
		14, "'umask' in service 'web': '9' is not allowed");
}

static void lines_are_those_of_the_file_with_crlf(void **state)
{
	struct fixture *f = *state;

	bad(f, "# one\r\nservice web {\r\n command = \"a\"\r\n nice = 99\r\n}\r\n", 4, "'nice'");
	good(f, "service web {\r\n command = \"a \\\r\nb\r\nc\"\r\n environment={\"X=1\r\n2\"} "
		"}\r\n");
	assert_string_equal(f->spec->services[0].command[1], "b");
	assert_string_equal(f->spec->services[0].environment[0], "X=1\n2");
}

static void a_missing_brace_is_told_where_it_was_opened(void **state)
{
	bad(*state, "\nservice web {\n command = \"a\"\n log {\n file = none\n", 4,
		"the '{' of 'log' is never closed");
	bad(*state, "service web {\n command = \"a\"\n", 1, "the '{' of 'service' is never closed");
	bad(*state, "service web { command = \"a\" }\n}\n", 2, "a '}' that closes nothing");
	bad(*state, "service a {\n command = \"a\"\nservice b { command = \"b\" }\n}\n", 3,
		"is a '}' missing");
}

static void an_unclosed_list_is_told(void **state)
{
	bad(*state, "service web {\n command = {\"a\",\n \"b\"\n umask = 022\n}\n", 4,
		"the list of 'command' (line 2)");
	bad(*state, "service web {\n command = {\"a\"", 2, "the list of 'command'");
	bad(*state, "include(\"a\"", 1, "the list of 'include'");
}

static void an_unclosed_comment_is_told_where_it_begins(void **state)
{
	bad(*state, "\nservice web { command = \"a\" }\n/* and\nso on\n", 3, "comment that begins");
}

static void an_unclosed_string_is_told_where_it_begins(void **state)
{
	bad(*state, "service web {\n command = \"a\n}\n", 2, "string that begins here");
	bad(*state, "service web {\n command = 'a\n}\n", 2, "string that begins here");
	bad(*state, "service web {\n command = \"a\\", 2, "string that begins here");
}

static void variables_stay_as_written(void **state)
{
	struct fixture *f = *state;

	setenv("HOME_OF_TEST", "expanded", 1);
	good(f, "service web { command = {\"${HOME_OF_TEST}\", '${HOME_OF_TEST}', \"\\${X}\","
		" \"$$x ${a:-b} $\", \"\\\\${X}\"} }\n");
	assert_string_equal(f->spec->services[0].command[0], "${HOME_OF_TEST}");
	assert_string_equal(f->spec->services[0].command[1], "${HOME_OF_TEST}");
	assert_string_equal(f->spec->services[0].command[2], "${X}");
	assert_string_equal(f->spec->services[0].command[3], "$$x ${a:-b} $");
	assert_string_equal(f->spec->services[0].command[4], "\\${X}");
}

static void an_unclosed_variable_swallows_nothing(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = {\"x\", \"${A\"} }\nservice b { command = \"y}\" }\n");
	assert_int_equal(f->spec->n_services, 2);
	assert_string_equal(f->spec->services[0].command[1], "${A");
}

static void a_variable_outside_of_quotes_is_refused(void **state)
{
	bad(*state, "service web {\n command = ${HOME}\n}\n", 2, "'${' outside of quotes");
}

static void one_string_and_a_list_of_one_are_the_same(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = \"x 'y z'\" }\nservice b { command = {\"x 'y z'\"} }\n"
		"service c { command = {\"x 'y z'\", \"v w\"} }\n");
	for (int i = 0; i < 2; i++) {
		assert_string_equal(f->spec->services[i].command[0], "x");
		assert_string_equal(f->spec->services[i].command[1], "y z");
		assert_null(f->spec->services[i].command[2]);
	}
	assert_string_equal(f->spec->services[2].command[0], "x 'y z'");
	assert_string_equal(f->spec->services[2].command[1], "v w");
}

static void a_key_given_twice_is_refused(void **state)
{
	bad(*state, "log-level = info\nlog-level = debug\n", 2, "'log-level' is given twice");
	bad_key(*state, "umask = 022\numask = 022", 3,
		"'umask' in service 'web' is given twice; first in line 2");
	bad_key(*state, "stop { }\nstop { }", 3, "'stop' in service 'web' is given twice");
	bad_key(*state, "stop { timeout = 1s\ntimeout = 1s }", 3,
		"'stop.timeout' in service 'web'");
	bad(*state, "defaults { }\ndefaults { }\n", 2, "'defaults' is given twice");
	bad(*state, "queue { }\nqueue { }\n", 2, "'queue' is given twice");
}

static void appending_to_a_list_is_refused(void **state)
{
	bad_key(*state, "groups += {\"a\"}", 2, "'+=' is not available");
}

static void characters_that_the_library_would_drop_are_refused(void **state)
{
	bad(*state, "log-level = info;\n", 1, "';' does not belong here");
	bad(*state, "\nlog-level = inf*o\n", 2, "unexpected '*'");
	bad(*state, "log-level = \x01info\n", 1, "a control character (0x01)");
	bad(*state, "log-level = inf\xc3\xa4\n", 1, "outside of ASCII");
	bad(*state, "log-level = info\rqueue { }\n", 1, "a control character (0x0d)");
}

static void what_is_an_ini_file_is_told(void **state)
{
	bad(*state, "\n[program:web]\ncommand=/bin/cat\n", 2,
		"'[': this is no INI file; a service");
	bad(*state, "[unix_http_server] \t\r\n", 1, "this is no INI file");
	bad(*state, "[x]", 1, "this is no INI file");
	bad_key(*state, "health { tcp = [::1]:80 }", 2,
		"unexpected '['; put the value into quotes");
	bad(*state, "[x\n]", 1, "unexpected '['");
}

static void mistakes_are_told_in_the_order_of_lines(void **state)
{
	struct fixture *f = *state;
	size_t first = SIZE_MAX;

	write_file(f, "b.conf", "log-level = loud\n");
	assert_int_equal(load_text(f, "service \"a\" {\nrestart = x\ntype = y\n"
				      "command = \"/bin/true\" }\n"
				      "include(\"b.conf\")\numask = 1\n"),
		-EINVAL);
	assert_int_equal(f->errors.n, 4);
	assert_told(f, "b.conf", 1, "log-level");
	for (size_t i = 0; i < f->errors.n; i++) {
		if (strstr(f->errors.messages[i], "/main.conf:2: "))
			first = i;
	}
	assert_in_range(first, 0, 1); /* those of one file stand together */
	assert_non_null(strstr(f->errors.messages[first + 1], "/main.conf:3: "));
	assert_non_null(strstr(f->errors.messages[first + 2], "/main.conf:6: "));
}

static void a_backslash_does_not_get_lost(void **state)
{
	struct fixture *f = *state;

	bad(f, "log-level = info\nlog-dir = \"/a\\d\"\n", 2,
		"\\d is no escape; allowed: \\\\ for a backslash, or the string in single quotes");
	bad(f, "log-dir = \"/a\\.b\"\n", 1, "\\. is no escape");
	bad(f, "log-dir = \"/\\u00e9\"\n", 1, "\\u is no escape");
	good(f, "log-dir = '/a\\d'\nstate-dir = \"/a\\\\d\"\nruntime-dir = \"/\\'\\$\\`\\\"\"\n");
	assert_string_equal(f->spec->log_dir, "/a\\d");
	assert_string_equal(f->spec->state_dir, "/a\\d");
	assert_string_equal(f->spec->runtime_dir, "/'$`\"");
}

static void escapes_that_would_cut_a_string_are_refused(void **state)
{
	struct fixture *f = *state;

	bad(f, "log-level = \"a\\0b\"\n", 1, "bad escape");
	bad(f, "log-level = \"a\\x00b\"\n", 1, "bad escape");
	bad(f, "log-level = \"a\\400b\"\n", 1, "bad escape");
	bad(f, "log-level = \"a\\9\"\n", 1, "bad escape");
	bad(f, "log-level = \"a\\1234\"\n", 1, "bad escape");
	bad(f, "log-level = \"a\\xg\"\n", 1, "bad escape");
	bad_key(f, "directory = \"/\\xff\"", 2, "makes it not UTF-8");
	good(f, "service a { command = {\"\\x41\\102\\t\", '\\q\\''} }\n");
	assert_string_equal(f->spec->services[0].command[0], "AB\t");
	assert_string_equal(f->spec->services[0].command[1], "\\q'");
}

static void a_failed_load_leaves_nothing_behind(void **state)
{
	static const char *const broken[] = {
		"service web { command = \"never closed\n",
		"service web { command = 'never closed\n",
		"/* never closed",
		"service web { command = {\"a\" \"b\"} }",
		"service web { command = \"a\" foo = \"${\" umask = 9 }",
		"service { }",
		"include(\"x\" \"y\")",
		"=",
		"a",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		assert_int_equal(load_text(f, broken[i]), -EINVAL);
		assert_true(f->errors.n > 0);
		good(f, "service web { command = \"a b\" }\n");
		assert_string_equal(f->spec->services[0].command[1], "b");
	}
}

/* What guard.c would never let through: the library fails in the middle of a string. */
static void a_failed_parse_leaves_the_lexer_clean(void **state)
{
	const char *text = "service web { command = \"a\" }\n";
	struct conf_errors errors = {0};
	struct fixture *f = *state;
	struct guard g = {0};
	struct section s;

	assert_int_equal(guard_scan("x", text, strlen(text), &errors, &g), 0);
	assert_true(schema_check(&g, 0, "x", &errors));
	strstr(g.text.data, "a\"")[1] = ' ';
	assert_int_equal(parse_statement(&g, 0, "x", &errors, &s), -EINVAL);
	assert_int_equal(errors.n, 1);
	guard_fini(&g);
	conf_errors_fini(&errors);
	good(f, "service web { command = \"a b\" }\n");
	assert_string_equal(f->spec->services[0].command[1], "b");
}

static void nul_and_invalid_utf8_are_refused_with_their_line(void **state)
{
	struct fixture *f = *state;

	write_bytes(f, "main.conf", "a = b\n\0\n", 8);
	assert_int_equal(load(f), -EINVAL);
	assert_told(f, "main.conf", 2, "a NUL byte");
	bad(f, "# one\n# two \xff\n", 2, "not UTF-8");
}

static void a_byte_order_mark_is_skipped(void **state)
{
	good(*state, "\xef\xbb\xbf# text\nservice web { command = \"a\" }\n");
}

static void deep_nesting_is_refused(void **state)
{
	char text[4096] = "";

	for (int i = 0; i < 1000; i++)
		strcat(text, "a {");
	bad(*state, text, 1, "nested more than 8 deep");
}

static void an_unknown_section_is_refused_whatever_is_in_it(void **state)
{
	bad(*state, "foo \"x\" { bar { baz = { 1, 2 } } f(\"x\") }\nlog-level = info\n", 1,
		"unknown key 'foo'");
}

static void words_with_slashes_are_no_comments(void **state)
{
	struct fixture *f = *state;

	good(f, "service web { command = http://x//y directory = /a/b } // a comment\n");
	assert_string_equal(f->spec->services[0].command[0], "http://x//y");
	assert_string_equal(f->spec->services[0].process->directory, "/a/b");
}

static void a_file_of_the_limit_loads_and_one_byte_more_does_not(void **state)
{
	const char *text = "service web { command = \"a\" }\n";
	size_t n = 4 << 20, len = strlen(text);
	struct fixture *f = *state;
	char *data = malloc(n + 1);

	assert_non_null(data);
	memset(data, '\n', n + 1);
	memcpy(data, text, len);
	write_bytes(f, "main.conf", data, n);
	assert_int_equal(load(f), 0);
	write_bytes(f, "main.conf", data, n + 1);
	assert_int_equal(load(f), -EINVAL);
	assert_told(f, "main.conf", 0, "too large");
	free(data);
}

static void a_string_of_the_limit_loads_and_one_byte_more_does_not(void **state)
{
	size_t n = 131071;
	struct fixture *f = *state;
	struct buf b = {0};

	for (int more = 0; more < 2; more++) {
		b.len = 0;
		assert_int_equal(buf_printf(&b, "service web { command = {\"a\", \"%*s\"} }\n",
					 (int)n + more, ""),
			0);
		write_bytes(f, "main.conf", b.data, b.len);
		assert_int_equal(load(f), more ? -EINVAL : 0);
		if (!more)
			assert_int_equal(strlen(f->spec->services[0].command[1]), n);
	}
	assert_told(f, "main.conf", 1, "a string of more than 131071 bytes");
	buf_fini(&b);
}

/* The best of three loads of n services, in µs of this process's own time. */
static usec_t time_of(struct fixture *f, unsigned n)
{
	usec_t best = USEC_INFINITY;
	struct buf b = {0};

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(buf_printf(&b,
					 "service \"s%u\" {\n command = {\"/bin/x\", \"%u\"}\n"
					 " restart = always\n log { keep = 3 }\n}\n",
					 i, i),
			0);
	write_bytes(f, "main.conf", b.data, b.len);
	for (int i = 0; i < 3; i++) {
		usec_t from = usec_now(CLOCK_PROCESS_CPUTIME_ID), used;

		assert_int_equal(load(f), 0);
		used = usec_now(CLOCK_PROCESS_CPUTIME_ID) - from;
		best = used < best ? used : best;
		assert_int_equal(f->spec->n_services, n);
	}
	buf_fini(&b);
	return best;
}

static void four_times_the_services_take_far_less_than_sixteen_times_as_long(void **state)
{
	usec_t few = 1, many = USEC_INFINITY;

	/* on a busy machine another try helps; sixteen times stay that, however often it is tried
	 */
	for (int i = 0; i < 10 && many >= 8 * few; i++) {
		few = time_of(*state, 2500);
		many = time_of(*state, 10000);
		print_message("2,500 services: %llu us; 10,000: %llu us\n", (unsigned long long)few,
			(unsigned long long)many);
	}
	assert_true(many < 8 * few);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_are_right_after_comments_and_strings),
		TEST(lines_are_those_of_the_file_with_crlf),
		TEST(a_missing_brace_is_told_where_it_was_opened),
		TEST(an_unclosed_list_is_told),
		TEST(an_unclosed_comment_is_told_where_it_begins),
		TEST(an_unclosed_string_is_told_where_it_begins),
		TEST(variables_stay_as_written),
		TEST(an_unclosed_variable_swallows_nothing),
		TEST(a_variable_outside_of_quotes_is_refused),
		TEST(one_string_and_a_list_of_one_are_the_same),
		TEST(a_key_given_twice_is_refused),
		TEST(appending_to_a_list_is_refused),
		TEST(characters_that_the_library_would_drop_are_refused),
		TEST(a_backslash_does_not_get_lost),
		TEST(what_is_an_ini_file_is_told),
		TEST(mistakes_are_told_in_the_order_of_lines),
		TEST(escapes_that_would_cut_a_string_are_refused),
		TEST(a_failed_load_leaves_nothing_behind),
		TEST(a_failed_parse_leaves_the_lexer_clean),
		TEST(nul_and_invalid_utf8_are_refused_with_their_line),
		TEST(a_byte_order_mark_is_skipped),
		TEST(deep_nesting_is_refused),
		TEST(an_unknown_section_is_refused_whatever_is_in_it),
		TEST(words_with_slashes_are_no_comments),
		TEST(a_file_of_the_limit_loads_and_one_byte_more_does_not),
		TEST(a_string_of_the_limit_loads_and_one_byte_more_does_not),
		TEST(four_times_the_services_take_far_less_than_sixteen_times_as_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
