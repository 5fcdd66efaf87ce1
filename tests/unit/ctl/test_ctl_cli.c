/*
 * The command line: what is wrong usage, and where the socket is looked for.
 */
#include "fake.h"

#include "ctl/verbs.h"

/* Without a server: the words of supctl itself. */
static void run_alone(struct fake *f, const char *const *args)
{
	char *argv[32] = {(char *)"supctl"};
	size_t out_size, err_size;
	int argc = 1;
	FILE *out = open_memstream(&f->out, &out_size), *err = open_memstream(&f->err, &err_size);

	while (args[argc - 1]) {
		argv[argc] = (char *)args[argc - 1];
		argc++;
	}
	f->status = ctl_run(argc, argv, out, err);
	fclose(out);
	fclose(err);
}

static void free_output(struct fake *f)
{
	free(f->out);
	free(f->err);
}

static void wrong_usage_is_two_and_tells_on_stderr(void **state)
{
	static const struct {
		const char *args[5], *text;
	} cases[] = {
		{{NULL}, "which verb?"},
		{{"nosuchverb"}, "unknown verb 'nosuchverb'; see"},
		{{"stauts"}, "did you mean 'status'?"},
		{{"shut"}, "did you mean 'shutdown'?"},
		{{"strat"}, "did you mean 'start'?"},
		{{"reread"}, "did you mean 'plan'?"},
		{{"tail", "web"}, "did you mean 'logs'?"},
		{{"--nosuch"}, "--nosuch is not known"},
		{{"-x", "status"}, "-x is not known"},
		{{"status", "-s"}, "-s needs a value"},
		{{"status", "--socket"}, "needs a value"},
		{{"--socket=", "status"}, "needs a path"},
		{{"--json=yes", "status"}, "takes no value"},
		{{"start"}, "too few arguments; usage: supctl start NAME..."},
		{{"show", "a", "b"}, "too many arguments"},
		{{"status", "--peek"}, "status does not take --peek"},
		{{"-f", "status"}, "status does not take --follow"},
		{{"logs", "-n", "many", "web"}, "-n many: not a number of lines"},
		{{"logs", "-n-1", "web"}, "-n -1: not a number"},
		{{"signal", "NOSUCH", "web"}, "'NOSUCH' is not a signal"},
		{{"signal", "HUP"}, "too few arguments"},
		{{"check"}, "too few arguments; usage: supctl check FILE"},
		{{"plan", "web"}, "too many arguments"},
		{{"plan", "--no-wait"}, "plan does not take --no-wait"},
		{{"start", "--rolling", "web"}, "start does not take --rolling"},
		{{"restart", "--no-restart", "web"}, "restart does not take --no-restart"},
		{{"scale", "web"}, "too few arguments; usage: supctl scale NAME N"},
		{{"scale", "web", "3", "db"}, "too many arguments"},
		{{"scale", "web", "three"}, "'three' is not a number of instances"},
		{{"scale", "web", "99999999999"}, "is not a number of instances"},
		{{"scale", "a\xff", "3"}, "is not a name"},
		{{"queue", "--peek", "-f"}, "do not go together"},
		{{"help", "nosuch"}, "unknown verb"},
		{{"start", "a\xff"}, "is not a name"},
		{{"start", ""}, "is not a name"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct fake f = {0};

		run_alone(&f, cases[i].args);
		if (f.status != 2 || !strstr(f.err, cases[i].text))
			fail_msg("case %zu: %d, not '%s': %s", i, f.status, cases[i].text, f.err);
		assert_string_equal("", f.out);
		assert_memory_equal("supctl: ", f.err, 8);
		free_output(&f);
	}
}

static void options_may_stand_anywhere_and_two_dashes_end_them(void **state)
{
	static const char reply[] = "{\"parameters\":{\"results\":[]}}";
	json_t *names, *wait;
	struct fake f;

	(void)state;
	run_with(&f, SCRIPT(ACCEPT, READ, reply),
		ARGS("--no-wait", "stop", "web", "--json", "--", "-f"));
	assert_int_equal(0, f.status);
	assert_string_equal("[]\n", f.out);
	names = request_parameter(&f, 0, "names");
	wait = request_parameter(&f, 0, "wait");
	assert_string_equal("web", json_string_value(json_array_get(names, 0)));
	assert_string_equal("-f", json_string_value(json_array_get(names, 1)));
	assert_true(json_is_false(wait));
	json_decref(names);
	json_decref(wait);
	fake_free(&f);
}

static void assert_looks_at(const char *path)
{
	struct fake f = {0};

	run_alone(&f, ARGS("status"));
	assert_int_equal(4, f.status);
	if (!strstr(f.err, path))
		fail_msg("not at %s: %s", path, f.err);
	free_output(&f);
}

static void the_socket_is_the_options_then_the_environments_then_the_default(void **state)
{
	struct fake f = {0};

	(void)state;
	setenv("SUPCTL_SOCKET", "/nonexistent/from-environment", 1);
	assert_looks_at("connect to /nonexistent/from-environment:");
	run_alone(&f, ARGS("-s", "/nonexistent/from-option", "status"));
	assert_non_null(strstr(f.err, "connect to /nonexistent/from-option:"));
	free_output(&f);
	setenv("SUPCTL_SOCKET", "", 1);
	setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
	if (access("/run/supervisord/control", F_OK) < 0)
		assert_looks_at("connect to /run/supervisord/control:");
	unsetenv("SUPCTL_SOCKET");
}

static void a_socket_path_too_long_for_an_address_is_reached(void **state)
{
	char path[512], deep[200] = "",
			*argv[] = {(char *)"supctl", (char *)"-s", path, (char *)"status", NULL};
	size_t out_size, err_size;
	struct fake f;
	FILE *out, *err;

	(void)state;
	fake_start(&f, SCRIPT(ACCEPT, READ, "{\"parameters\":{\"services\":[]}}"));
	for (int i = 0; i < 60; i++)
		strcat(deep, "/.");
	snprintf(path, sizeof(path), "%s%s/control", f.dir, deep);
	out = open_memstream(&f.out, &out_size);
	err = open_memstream(&f.err, &err_size);
	assert_int_equal(0, ctl_run(4, argv, out, err));
	fclose(out);
	fclose(err);
	fake_finish(&f);
	fake_free(&f);
}

static void help_is_there_for_all_and_for_each_verb(void **state)
{
	struct fake f = {0};

	(void)state;
	run_alone(&f, ARGS("--help"));
	assert_int_equal(0, f.status);
	for (size_t i = 0; i < n_verbs; i++)
		assert_non_null(strstr(f.out, verbs[i].name));
	free_output(&f);
	for (size_t i = 0; i < n_verbs; i++) {
		struct fake a = {0}, b = {0};

		run_alone(&a, ARGS(verbs[i].name, "--help"));
		run_alone(&b, ARGS("help", verbs[i].name));
		assert_int_equal(0, a.status);
		assert_string_equal(a.out, b.out);
		assert_non_null(strstr(a.out, verbs[i].summary));
		free_output(&a);
		free_output(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_usage_is_two_and_tells_on_stderr),
		cmocka_unit_test(options_may_stand_anywhere_and_two_dashes_end_them),
		cmocka_unit_test(the_socket_is_the_options_then_the_environments_then_the_default),
		cmocka_unit_test(a_socket_path_too_long_for_an_address_is_reached),
		cmocka_unit_test(help_is_there_for_all_and_for_each_verb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
