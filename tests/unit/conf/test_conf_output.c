/* The log section and stdin: what each form means, and what is refused by which words. */
#include "fixture.h"

static const struct spec_service *service(struct fixture *f, const char *keys)
{
	char text[4096];

	snprintf(text, sizeof(text), "service web { command = x\n%s\n}\n", keys);
	return &good(f, text)->services[0];
}

static void assert_target(const struct spec_target *t, enum spec_sink sink, const char *address,
	enum spec_format format)
{
	assert_int_equal(t->sink, sink);
	assert_int_equal(t->format, format);
	if (address)
		assert_string_equal(t->address, address);
	else
		assert_null(t->address);
}

static void every_form_of_a_target_is_understood(void **state)
{
	static const struct {
		const char *text;
		enum spec_sink sink;
		const char *address;
		enum spec_format format;
	} cases[] = {
		{"a/b.log", SPEC_SINK_FILE, "a/b.log", SPEC_FORMAT_PLAIN},
		{"/x/%{name}", SPEC_SINK_FILE, "/x/%{name}", SPEC_FORMAT_PLAIN},
		{"journal.log", SPEC_SINK_FILE, "journal.log", SPEC_FORMAT_PLAIN},
		{"./journal", SPEC_SINK_FILE, "./journal", SPEC_FORMAT_PLAIN},
		{"nonesuch", SPEC_SINK_FILE, "nonesuch", SPEC_FORMAT_PLAIN},
		{"json:a.json", SPEC_SINK_FILE, "a.json", SPEC_FORMAT_JSON},
		{"json:/x/%{name}", SPEC_SINK_FILE, "/x/%{name}", SPEC_FORMAT_JSON},
		{"none", SPEC_SINK_NONE, NULL, SPEC_FORMAT_PLAIN},
		{"inherit", SPEC_SINK_INHERIT, NULL, SPEC_FORMAT_PLAIN},
		{"journal", SPEC_SINK_JOURNAL, "/run/systemd/journal/socket", SPEC_FORMAT_PLAIN},
		{"journal:/run/x", SPEC_SINK_JOURNAL, "/run/x", SPEC_FORMAT_PLAIN},
		{"syslog", SPEC_SINK_SYSLOG, "unix:/dev/log", SPEC_FORMAT_PLAIN},
		{"syslog:unix:/l/%{name}", SPEC_SINK_SYSLOG, "unix:/l/%{name}", SPEC_FORMAT_PLAIN},
		{"syslog:udp:192.0.2.1:514", SPEC_SINK_SYSLOG, "udp:192.0.2.1:514",
			SPEC_FORMAT_PLAIN},
		{"syslog:tcp:[2001:db8::1]:601", SPEC_SINK_SYSLOG, "tcp:[2001:db8::1]:601",
			SPEC_FORMAT_PLAIN},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const struct spec_service *s;
		char keys[256];

		snprintf(keys, sizeof(keys), "log { file = \"%s\" }", cases[i].text);
		s = service(f, keys);
		assert_target(&s->log->file, cases[i].sink, cases[i].address, cases[i].format);
		assert_int_equal(s->log->file.has_format, cases[i].format == SPEC_FORMAT_JSON);
		assert_false(s->split_stderr);
		snprintf(keys, sizeof(keys), "log { stderr = \"%s\" }", cases[i].text);
		s = service(f, keys);
		assert_target(&s->log->error, cases[i].sink, cases[i].address, cases[i].format);
		assert_true(s->split_stderr);
		if (cases[i].sink == SPEC_SINK_NONE)
			continue;
		snprintf(keys, sizeof(keys), "log { also = {\"%s\", \"other\"} }", cases[i].text);
		s = service(f, keys);
		assert_int_equal(s->log->n_also, 2);
		assert_target(&s->log->also[0], cases[i].sink, cases[i].address, cases[i].format);
		assert_target(&s->log->also[1], SPEC_SINK_FILE, "other", SPEC_FORMAT_PLAIN);
	}
}

static void a_target_of_no_known_form_is_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "'' names no file; allowed: a path, json:PATH, none, inherit, journal, "},
		{"a/", "'a/' names no file; allowed: "},
		{"json:", "'' names no file; allowed: "},
		{"json:a/", "'a/' names no file; allowed: "},
		{"/dev/null", "'/dev/null' is no regular file; write \"none\" instead"},
		{"/dev/stdout", "'/dev/stdout' is no regular file; write \"inherit\" instead"},
		{"json:/dev/stderr", "'/dev/stderr' is no regular file; write \"inherit\" instead"},
		{"a.log.2020-01-01T00-00-00.000Z",
			"'a.log.2020-01-01T00-00-00.000Z' is the name of a rotated file"},
		{"json:/x/a.2020-01-01T00-00-00.000Z.gz",
			"'/x/a.2020-01-01T00-00-00.000Z.gz' is the name of a rotated file"},
		{"json:none", "'json:none' is not allowed; allowed: json:PATH, or log.format"},
		{"json:inherit", "'json:inherit' is not allowed; allowed: json:PATH, or log.fo"},
		{"json:syslog:udp:[::1]:5", "is not allowed; allowed: json:PATH"},
		{"journal:", "'' is not allowed; allowed: an absolute path"},
		{"journal:run/x", "'run/x' is not allowed; allowed: an absolute path"},
		{"syslog:", "'' is not allowed; allowed: unix:PATH, udp:ADDRESS:PORT, tcp:ADDRES"},
		{"syslog:/dev/log", "'/dev/log' is not allowed; allowed: unix:PATH, udp:ADDRESS"},
		{"syslog:unix:x", "'unix:x' is not allowed; allowed: an absolute path"},
		{"syslog:udp:log.example:514", "'udp:log.example:514' is no numeric address with a "
					       "port; allowed: such as 192.0.2.1:514"},
		{"syslog:tcp:localhost:514", "is no numeric address with a port"},
		{"syslog:udp:192.0.2.1", "is no numeric address with a port"},
		{"syslog:udp:192.0.2.1:0", "is no numeric address with a port"},
		{"syslog:udp:192.0.2.1:65536", "is no numeric address with a port"},
		{"syslog:udp:::1:514", "is no numeric address with a port"},
		{"syslog:tcp:[fe80::1%eth0]:514", "is no numeric address with a port"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		char keys[256];

		snprintf(keys, sizeof(keys), "log {\nfile = \"%s\" }", cases[i].text);
		bad_key(f, keys, 3, cases[i].message);
		if (cases[i].text[0] == '\0')
			continue; /* stands for none of its own */
		snprintf(keys, sizeof(keys), "log {\n\nstderr = \"%s\" }", cases[i].text);
		bad_key(f, keys, 4, cases[i].message);
		snprintf(keys, sizeof(keys), "log { also = {\"%s\"} }", cases[i].text);
		bad_key(f, keys, 2, cases[i].message);
		snprintf(keys, sizeof(keys), "defaults { log {\nalso = {\"%s\"} } }\n",
			cases[i].text);
		bad(f, keys, 2, cases[i].message);
	}
}

/* A socket's path as long as it can be, and one byte longer, as instances have it. */
static void a_path_of_a_socket_is_bounded(void **state)
{
	struct fixture *f = *state;
	char keys[512], path[128];

	for (int n = 107; n <= 108; n++) {
		memset(path, 'x', sizeof(path));
		path[0] = '/';
		path[n - 2] = '\0'; /* "%{instance}" is "10" in the last one */
		snprintf(keys, sizeof(keys),
			"instances = 10 log { file = \"journal:%s%%{instance}\" }", path);
		if (n == 107)
			service(f, keys);
		else
			bad_key(f, keys, 2, "is too long for a socket; allowed: 107 bytes");
		snprintf(keys, sizeof(keys),
			"instances = 10 log { file = \"syslog:unix:%s%%{instance}\" }", path);
		if (n == 107)
			service(f, keys);
		else
			bad_key(f, keys, 2, "is too long for a socket; allowed: 107 bytes");
	}
	bad_key(f, "instances = 7 log { file = \"syslog:udp:192.0.2.1:6553%{instance}\" }", 2,
		"'udp:192.0.2.1:65537' is no numeric address");
}

static void a_format_is_that_of_all_files_that_have_none_of_their_own(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s;

	s = service(f, "log { format = prefix also = {\"json:a\", \"b\", inherit, journal} "
		       "stderr = \"json:c\" }");
	assert_int_equal(s->log->format, SPEC_FORMAT_PREFIX);
	assert_target(&s->log->file, SPEC_SINK_FILE, "%{name}.log", SPEC_FORMAT_PREFIX);
	assert_target(&s->log->error, SPEC_SINK_FILE, "c", SPEC_FORMAT_JSON);
	assert_target(&s->log->also[0], SPEC_SINK_FILE, "a", SPEC_FORMAT_JSON);
	assert_target(&s->log->also[1], SPEC_SINK_FILE, "b", SPEC_FORMAT_PREFIX);
	assert_target(&s->log->also[2], SPEC_SINK_INHERIT, NULL, SPEC_FORMAT_PREFIX);
	assert_int_equal(s->log->also[3].format, SPEC_FORMAT_PLAIN);
	good(f, "defaults { log { format = json } }\n"
		"service a { command = x log { file = inherit } }\n"
		"service b { command = x log { format = plain stderr = \"e\" } }\n");
	assert_int_equal(f->spec->services[0].log->file.format, SPEC_FORMAT_JSON);
	assert_int_equal(f->spec->services[1].log->file.format, SPEC_FORMAT_PLAIN);
	assert_int_equal(f->spec->services[1].log->error.format, SPEC_FORMAT_PLAIN);
	bad_key(f, "log { format = xml }", 2, "'xml' is not allowed; allowed: plain, prefix, json");
}

static void what_is_given_nowhere_is_plain_and_without_limits(void **state)
{
	const struct spec_service *s = service(*state, "");

	assert_target(&s->log->file, SPEC_SINK_FILE, "%{name}.log", SPEC_FORMAT_PLAIN);
	assert_int_equal(s->log->n_also, 0);
	assert_int_equal(s->log->format, SPEC_FORMAT_PLAIN);
	assert_int_equal(s->log->rotation.every, SPEC_EVERY_NEVER);
	assert_int_equal(s->log->rotation.keep_age_usec, 0);
	assert_int_equal(s->log->rotation.keep_size_bytes, 0);
	assert_null(s->log->rotation.compress);
	assert_null(s->log->rotation.suffix);
	assert_int_equal(s->log->overflow, SPEC_OVERFLOW_DROP);
	assert_false(s->log->has_overflow);
	assert_int_equal(s->log->rate.lines, 0);
	assert_int_equal(s->log->rate.bytes, 0);
	assert_int_equal(s->log->rate.burst_usec, USEC_PER_SEC);
	assert_int_equal(s->stdin_kind, SPEC_STDIN_NULL);
	assert_null(s->stdin_name);
	assert_false(s->feeds);
}

static void assert_settings(const struct spec_log *l)
{
	assert_int_equal(l->rotation.every, SPEC_EVERY_HOUR);
	assert_int_equal(l->rotation.keep_age_usec, 30 * USEC_PER_DAY);
	assert_int_equal(l->rotation.keep_size_bytes, UINT64_C(10) << 30);
	assert_int_equal(l->overflow, SPEC_OVERFLOW_BLOCK);
	assert_true(l->has_overflow);
	assert_int_equal(l->rate.lines, 1000000000);
	assert_int_equal(l->rate.bytes, UINT64_C(1) << 40);
	assert_int_equal(l->rate.burst_usec, USEC_PER_HOUR);
}

static void settings_are_taken_from_a_service_and_from_defaults(void **state)
{
	static const char keys[] =
		"log { rotate = hourly keep-age = 30d keep-size = 10G overflow = block\n"
		"rate-lines = 1000000000 rate-bytes = 1024G rate-burst = 1h also = {journal} }";
	struct fixture *f = *state;
	const struct spec_service *s = service(f, keys);
	char text[1024];

	assert_settings(s->log);
	snprintf(text, sizeof(text),
		"defaults {\n%s\n}\nservice a { command = x }\n"
		"service b { command = x log { also = {} overflow = drop rotate = daily } }",
		keys);
	s = good(f, text)->services;
	assert_settings(s[0].log);
	assert_int_equal(s[0].log->n_also, 1);
	assert_int_equal(s[1].log->n_also, 0);
	assert_int_equal(s[1].log->overflow, SPEC_OVERFLOW_DROP);
	assert_true(s[1].log->has_overflow);
	assert_int_equal(s[1].log->rotation.every, SPEC_EVERY_DAY);
	s = service(f, "log { rate-lines = 0 rate-bytes = 0 rate-burst = 10ms keep-age = 0 }");
	assert_int_equal(s->log->rate.burst_usec, 10 * USEC_PER_MSEC);
}

static void settings_out_of_range_are_refused(void **state)
{
	struct fixture *f = *state;

	bad_key(f, "log {\n rotate = weekly }", 3,
		"'log.rotate' in service 'web': 'weekly' is not allowed; allowed: never, hourly, "
		"daily");
	bad_key(f, "log { overflow = wait }", 2, "'wait' is not allowed; allowed: drop, block");
	bad_key(f, "log { keep-age = 30 }", 2, "'30' is not a duration; allowed: such as");
	bad_key(f, "log { keep-size = big }", 2, "'big' is not a size; allowed: such as");
	bad_key(f, "log { rate-lines = 1000000001 }", 2,
		"'1000000001' is not allowed; allowed: 0 to 1000000000");
	bad_key(f, "log { rate-lines = -1 }", 2, "'-1' is not allowed");
	bad_key(f, "log { rate-bytes = 1025G }", 2, "'1025G' is not allowed; allowed: 0 to 1024G");
	bad_key(f, "log { rate-bytes = fast }", 2, "'fast' is not a size");
	bad_key(f, "log { rate-burst = 9ms }", 2, "'9ms' is not allowed; allowed: 10ms to 1h");
	bad_key(f, "log { rate-burst = 3601s }", 2, "'3601s' is not allowed; allowed: 10ms to 1h");
	bad_key(f, "log { rate-burst = 0 }", 2, "'0' is not allowed; allowed: 10ms to 1h");
	bad(f, "defaults { log {\n rate-burst = 2d } }\n", 2, "'log.rate-burst' in defaults");
}

static void a_filter_is_known_by_its_words_and_its_suffix(void **state)
{
	static const struct {
		const char *value, *words[4], *suffix;
	} cases[] = {
		{"gzip", {"gzip", "-c"}, ".gz"},
		{"zstd", {"zstd", "-q", "-c"}, ".zst"},
		{"\"gzip -9\"", {"gzip", "-9"}, ".gz"},
		{"\"/usr/bin/gzip\"", {"/usr/bin/gzip"}, ".gz"},
		{"{\"/opt/zstd\", \"-19\", \"-q\"}", {"/opt/zstd", "-19", "-q"}, ".zst"},
		{"xz", {"xz"}, ".xz"},
		{"\"bzip2 '-9'\"", {"bzip2", "-9"}, ".bz2"},
		{"lz4", {"lz4"}, ".lz4"},
		{"pigz", {"pigz"}, ".gz"},
		{"\"/opt/my-filter_2.sh a b\"", {"/opt/my-filter_2.sh", "a", "b"}, ".myfilter2sh"},
		{"Abcdefghijklmnopq", {"Abcdefghijklmnopq"}, ".abcdefghijklmnop"},
	};
	struct fixture *f = *state;
	const struct spec_rotation *r;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		char keys[256];
		size_t n = 0;

		snprintf(keys, sizeof(keys), "log { compress = %s }", cases[i].value);
		r = &service(f, keys)->log->rotation;
		assert_non_null(r->compress);
		for (; n < 4 && cases[i].words[n]; n++)
			assert_string_equal(r->compress[n], cases[i].words[n]);
		assert_null(r->compress[n]);
		assert_string_equal(r->suffix, cases[i].suffix);
	}
	good(f, "defaults { log { compress = zstd } }\nservice a { command = x }\n"
		"service b { command = x log { compress = none } }\n"
		"service c { command = x log { compress = {} } }\n");
	assert_string_equal(f->spec->services[0].log->rotation.suffix, ".zst");
	for (size_t i = 1; i < 3; i++) {
		assert_null(f->spec->services[i].log->rotation.compress);
		assert_null(f->spec->services[i].log->rotation.suffix);
	}
}

static void a_filter_that_makes_no_name_is_refused(void **state)
{
	static const char *const programs[] = {
		"/bin/", "/bin/_-", "/bin/a b", "/bin/a:b", "/bin/%{name}", ".."};
	struct fixture *f = *state;

	for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
		char keys[256];

		snprintf(keys, sizeof(keys), "log { compress = {\"%s\", \"-x\"} }", programs[i]);
		bad_key(f, keys, 2, "makes no name for a file; allowed: none, gzip, zstd, or");
	}
	bad_key(f, "log { compress = \"gzip '\" }", 2, "cannot be split into words");
	bad_key(f, "log { compress = {\"\", \"x\"} }", 2, "is empty; allowed: a program");
}

static void the_list_of_targets_is_bounded(void **state)
{
	struct fixture *f = *state;
	char list[512] = "", keys[640];
	size_t n = 0;

	for (int i = 0; i < SPEC_MAX_ALSO; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "\"f%d\", ", i);
	snprintf(keys, sizeof(keys), "log { also = {%sjournal} }", list);
	bad_key(f, keys, 2, "more than 16 targets");
	list[n - 2] = '\0';
	snprintf(keys, sizeof(keys), "log { also = {%s} }", list);
	assert_int_equal(service(f, keys)->log->n_also, SPEC_MAX_ALSO);
}

static void a_target_that_a_service_has_already_is_refused(void **state)
{
	struct fixture *f = *state;

	bad_key(f, "log { also = {none} }", 2, "'none' adds nothing; allowed: {} for none");
	bad_key(f, "log { also = {journal, journal} }", 2,
		"'log.also' in service 'web': 'journal' stands in log.also already; allowed: each "
		"target once");
	bad_key(f, "log { also = {syslog, \"syslog:unix:/dev/log\"} }", 2,
		"'syslog' stands in log.also already");
	bad_key(f, "log { file = inherit\n also = {inherit} }", 3,
		"'inherit' stands in log.file already");
	bad_key(f, "log { stderr = \"syslog:udp:[::1]:5\"\n also = {\"syslog:udp:[::1]:5\"} }", 3,
		"'syslog:udp:[::1]:5' stands in log.stderr already");
	bad(f,
		"defaults { log {\n also = {journal} } }\n"
		"service a { command = x log { file = journal } }\n",
		2, "'log.also' in service 'a': 'journal' stands in log.file already");
	/* streams apart may go to one place, which tells them apart */
	service(f, "log { file = journal stderr = journal also = {inherit, \"json:x\"} }");
}

static void one_file_has_one_writer_in_whatever_list_and_format(void **state)
{
	struct fixture *f = *state;

	bad_key(f, "log { also = {\"json:web.log\"} }", 2,
		"web.log' is written by this service already");
	bad_key(f, "log { also = {\"a\", \"./a\"} }", 2, "a' is written by this service already");
	bad_key(f, "log { stderr = \"e\" also = {\"json:e\"} }", 2,
		"e' is written by this service already");
	bad(f,
		"service a { command = x log { also = {\"/l/x\"} } }\n"
		"service b { command = x log { file = \"json:/l/x\" } }\n",
		2, "'/l/x' is written by service 'a' (");
	bad(f,
		"service a { command = x log { also = {\"/l/x\"} } }\n"
		"service b { command = x\n log { also = {journal, \"/l/x\"} } }\n",
		3, "'log.also' in service 'b': '/l/x' is written by service 'a' (");
	bad_key(f, "instances = 2 log {\n also = {\"json:all\"} }", 3,
		"several instances would write one file");
	service(f, "instances = 2 log { also = {\"json:%{name}.json\"} }");
}

static void every_form_of_stdin_is_understood(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s;

	s = service(f, "stdin = \"fifo:/run/%{name}\"");
	assert_int_equal(s->stdin_kind, SPEC_STDIN_FIFO);
	assert_string_equal(s->stdin_name, "/run/%{name}");
	s = service(f, "stdin = \"file:/a b\"");
	assert_int_equal(s->stdin_kind, SPEC_STDIN_FILE);
	assert_string_equal(s->stdin_name, "/a b");
	s = service(f, "stdin = null");
	assert_int_equal(s->stdin_kind, SPEC_STDIN_NULL);
	s = good(f, "defaults { stdin = \"service:src\" }\nservice src { command = x }\n"
		    "service a { command = x }\nservice b { command = x stdin = null }\n")
		    ->services;
	assert_int_equal(s[0].stdin_kind, SPEC_STDIN_NULL); /* it doesn't read itself */
	assert_null(s[0].stdin_name);
	assert_true(s[0].feeds);
	assert_int_equal(s[1].stdin_kind, SPEC_STDIN_SERVICE);
	assert_string_equal(s[1].stdin_name, "src");
	assert_false(s[1].feeds);
	assert_int_equal(s[2].stdin_kind, SPEC_STDIN_NULL);
	s = good(f, "service r { command = x instances = 2 stdin = \"service:w@%{instance}\" }\n"
		    "service w { command = x instances = 3 log { file = none } }\n"
		    "service z { command = x instances = 0 }\n"
		    "service y { command = x stdin = \"service:z\" }\n")
		    ->services;
	assert_string_equal(s[0].stdin_name, "w@%{instance}");
	assert_true(s[1].feeds);
	assert_true(spec_has_output(&s[1]));
	assert_true(s[2].feeds);
}

static void a_stdin_that_cannot_be_is_refused(void **state)
{
	struct fixture *f = *state;

	bad_key(f, "\nstdin = tty", 3,
		"'stdin' in service 'web': 'tty' is not allowed; allowed: null, fifo:PATH, "
		"file:PATH, service:NAME");
	bad_key(f, "stdin = \"\"", 2, "'' is not allowed; allowed: null, fifo:PATH");
	bad_key(f, "stdin = \"file:x\"", 2, "'x' is not allowed; allowed: an absolute path");
	bad_key(f, "stdin = \"fifo:\"", 2, "'' is not allowed; allowed: an absolute path");
	bad_key(f, "stdin = \"file:%{name}/x\"", 2, "'web/x' is not allowed; allowed: an absolute");
	bad_key(f, "stdin = \"service:a b\"", 2, "'a b' is not the name of a service; allowed: ");
	bad_key(f, "stdin = \"service:web\"", 2, "'web' is this service itself");
	bad_key(f, "stdin = \"service:wob\"", 2,
		"'stdin' in service 'web': there is no service 'wob'; did you mean 'web'?");
	bad_key(f, "instances = 2 stdin = \"service:web@1\"", 2, "'web@1' is this service itself");
	bad(f,
		"defaults {\nstdin = \"service:nobody\" }\nservice a { command = x }\n"
		"service b { command = x }\n",
		2, "'stdin' in defaults: there is no service 'nobody'");
	bad(f, "defaults {\nstdin = \"service:%{name}-x\" }\nservice a { command = x }\n", 2,
		"'stdin' in defaults: there is no service 'a-x'");
	bad(f,
		"service r { command = x instances = 3\nstdin = \"service:w@%{instance}\" }\n"
		"service w { command = x instances = 2 }\n",
		2, "there is no 'w@3'; allowed: w, or w@1 to w@2");
	bad(f, "service r { command = x\nstdin = \"service:w@1\" }\nservice w { command = x }\n", 2,
		"there is no 'w@1': service 'w' has no instances; allowed: w");
}

static void output_that_nobody_takes_needs_no_pipe(void **state)
{
	static const struct {
		const char *keys;
		bool has_output;
	} cases[] = {
		{"log { file = none }", false},
		{"log { file = none also = {journal} }", true},
		{"log { file = none stderr = none }", true},
		{"log { file = none } ready { on = \"log:x\" }", true},
		{"", true},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		assert_int_equal(
			spec_has_output(service(*state, cases[i].keys)), cases[i].has_output);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_form_of_a_target_is_understood),
		TEST(a_target_of_no_known_form_is_refused),
		TEST(a_path_of_a_socket_is_bounded),
		TEST(a_format_is_that_of_all_files_that_have_none_of_their_own),
		TEST(what_is_given_nowhere_is_plain_and_without_limits),
		TEST(settings_are_taken_from_a_service_and_from_defaults),
		TEST(settings_out_of_range_are_refused),
		TEST(a_filter_is_known_by_its_words_and_its_suffix),
		TEST(a_filter_that_makes_no_name_is_refused),
		TEST(the_list_of_targets_is_bounded),
		TEST(a_target_that_a_service_has_already_is_refused),
		TEST(one_file_has_one_writer_in_whatever_list_and_format),
		TEST(every_form_of_stdin_is_understood),
		TEST(a_stdin_that_cannot_be_is_refused),
		TEST(output_that_nobody_takes_needs_no_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
