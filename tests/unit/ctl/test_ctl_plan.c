/*
 * plan, apply and check: how a plan is shown, what apply asks and tells, and what check finds
 * in a file.
 */
#include "fake.h"

#include "ctl/output/render.h"
#include "ctl/plan.h"

#define KEY(key, before, after, effect)                                                            \
	"{\"key\":\"" key "\",\"before\":" before ",\"after\":" after ",\"effect\":\"" effect "\"" \
	"}"
#define CHANGE(name, change, was, starts, stops, restarts, later, keys)                        \
	"{\"name\":\"" name "\",\"change\":\"" change "\",\"was\":" was ",\"starts\":[" starts \
	"],\"stops\":[" stops "],\"restarts\":[" restarts "],\"later\":[" later "],"           \
	"\"keys\":[" keys "]}"
#define PLAN(global, services)                                                         \
	"{\"configuration\":\"/etc/s.conf\",\"changed\":true,\"global\":[" global "]," \
	"\"services\":[" services "]}"
#define UNCHANGED \
	"{\"configuration\":\"/etc/s.conf\",\"changed\":false,\"global\":[],\"services\":[]}"

#define WEB                                                                                 \
	CHANGE("web", "changed", "null", "", "", "\"web\"", "",                             \
		KEY("command", "\"{\\\"/usr/bin/web\\\"}\"", "\"{\\\"/usr/bin/web2\\\"}\"", \
			"restart") "," KEY("stop.timeout", "\"10s\"", "\"5s\"", "live"))
#define API  CHANGE("api", "added", "null", "\"api\"", "", "", "", "")
#define OLD  CHANGE("old", "removed", "null", "", "\"old\"", "", "", "")
#define WWW  CHANGE("www", "renamed", "\"site\"", "\"www\"", "\"site\"", "", "", "")
#define FULL PLAN(KEY("log-level", "\"info\"", "\"debug\"", "live"), WEB "," API "," OLD "," WWW)

static const struct term plain = {.is_utf8 = true};

static char *render(const char *text, const struct term *term)
{
	struct buf out = {0};
	json_t *plan = json_loads(text, 0, NULL);

	assert_non_null(plan);
	assert_int_equal(0, plan_render(plan, term, &out));
	assert_int_equal(0, buf_append(&out, SIZE_MAX, "", 1));
	json_decref(plan);
	return out.data;
}

static void assert_rendered(const char *plan, const struct term *term, const char *expected)
{
	char *text = render(plan, term);

	assert_string_equal(expected, text);
	free(text);
}

static void a_plan_has_a_line_for_each_service_its_keys_and_the_sum(void **state)
{
	(void)state;
	assert_rendered(FULL, &plain,
		"~ web  restart\n"
		"    command      {\"/usr/bin/web\"} -> {\"/usr/bin/web2\"}\n"
		"    stop.timeout 10s -> 5s (live)\n"
		"+ api  start\n"
		"- old  stop and remove\n"
		"> www  renamed from site: stop site, start www\n"
		"log-level info -> debug\n"
		"1 to restart, 2 to start, 2 to stop\n");
}

static void nothing_to_do_is_one_sentence(void **state)
{
	(void)state;
	assert_rendered(
		UNCHANGED, &plain, "nothing to do: what is in force is what the files say\n");
}

static void live_changes_say_so_once(void **state)
{
	(void)state;
	assert_rendered(PLAN("", CHANGE("web", "changed", "null", "", "", "", "",
					 KEY("stop.kill", "\"tree\"", "\"group\"", "live") "," KEY(
						 "groups", "\"{}\"", "\"{\\\"a\\\"}\"", "live"))),
		&plain,
		"~ web  live\n"
		"    stop.kill tree -> group\n"
		"    groups    {} -> {\"a\"}\n"
		"no service to restart, start or stop\n");
}

static void what_is_left_stale_or_scaled_is_told(void **state)
{
	(void)state;
	assert_rendered("{\"configuration\":\"/etc/s.conf\",\"changed\":true,\"global\":[],"
			"\"services\":[{\"name\":\"web\",\"change\":\"changed\",\"stale\":"
			"[\"web@1\",\"web@2\"],\"later\":[\"web@3\"],\"keys\":[" KEY("nice",
				"\"1\"", "\"2\"",
				"restart") "]}],"
					   "\"scaled\":[{\"name\":\"w\\u001b[31m\",\"instances\":1,"
					   "\"configured\":3},null]}",
		&plain,
		"~ web  at the next start web@3; leave stale web@1 web@2\n"
		"    nice 1 -> 2\n"
		"= w?[31m  1 instance, scaled from 3\n"
		"=      0 instances, scaled from 0\n"
		"1 at the next start, 2 left stale\n");
	assert_rendered("{\"changed\":false,\"global\":[],\"services\":[],\"scaled\":"
			"[{\"name\":\"web\",\"instances\":5,\"configured\":3}]}",
		&plain,
		"nothing to do: what is in force is what the files say\n"
		"= web  5 instances, scaled from 3\n");
}

static void what_is_not_given_and_what_is_hidden_is_told_in_words(void **state)
{
	(void)state;
	assert_rendered(PLAN(KEY("control.mode", "\"0660\"", "null", "live") "," KEY(
				     "queue.key", "\"0\"", "\"0x1f\"", "restart"),
				CHANGE("web", "changed", "null", "", "", "", "\"web\"",
					KEY("nice", "null", "\"5\"", "restart") "," KEY(
						"environment TOKEN", "null", "null", "restart"))),
		&plain,
		"~ web  at the next start\n"
		"    nice              not given -> 5\n"
		"    environment TOKEN changed\n"
		"control.mode 0660 -> not given\n"
		"queue.key    0 -> 0x1f (when supervisord starts again)\n"
		"1 at the next start\n");
}

static void instances_are_named_where_there_are_several_things_to_do(void **state)
{
	(void)state;
	assert_rendered(
		PLAN("",
			CHANGE("worker", "changed", "null", "\"worker@4\"", "",
				"\"worker@1\",\"worker@2\",\"worker@3\"", "",
				KEY("instances", "\"3\"", "\"4\"", "live")) "," CHANGE("many",
				"changed", "null", "",
				"\"many@1\",\"many@2\",\"many@3\",\"many@4\",\"many@5\",\"many@6\","
				"\"many@7\",\"many@8\"",
				"", "", "") "," CHANGE("idle", "added", "null", "", "", "", "",
				"") "," CHANGE("none", "removed", "null", "", "", "", "",
				"") "," CHANGE("b", "renamed", "\"a\"", "", "", "", "", "")),
		&plain,
		"~ worker  restart worker@1 worker@2 worker@3; start worker@4\n"
		"    instances 3 -> 4 (live)\n"
		"~ many    stop and remove many@1 many@2 many@3 many@4 many@5 many@6 and 2 more\n"
		"+ idle    add\n"
		"- none    remove\n"
		"> b       renamed from a\n"
		"3 to restart, 1 to start, 8 to stop\n");
}

static void a_terminal_gets_colours_and_whole_lines(void **state)
{
	static const struct term colours = {
		.is_terminal = true, .is_utf8 = true, .colours = true, .width = 20};
	char *text = render(FULL, &colours);

	(void)state;
	assert_non_null(strstr(text, RENDER_YELLOW "~" RENDER_RESET " web  restart\n"));
	assert_non_null(strstr(text, RENDER_GREEN "+" RENDER_RESET " api"));
	assert_non_null(strstr(text, RENDER_RED "-" RENDER_RESET " old"));
	assert_non_null(strstr(text, "5s" RENDER_FAINT " (live)" RENDER_RESET "\n"));
	assert_non_null(strstr(text, "{\"/usr/bin/web\"} -> {\"/usr/bin/web2\"}\n"));
	free(text);
}

static void what_files_hold_never_reaches_a_terminal_as_it_is(void **state)
{
	static const char evil[] = PLAN("",
		CHANGE("w\\u001b[2Jeb", "renamed", "\"\\u0007x\"", "\"\\u009b1m\"", "\"q\\rq\"", "",
			"", KEY("nice\\u001b", "\"\\u001b]0;x\\u0007\"", "\"a\\nb\"", "live")));
	char *text = render(evil, &plain);

	(void)state;
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 && *p != '\n')
			fail_msg("a control byte: %s", text);
	}
	assert_null(strstr(text, "\xc2\x9b"));
	assert_non_null(strstr(text, "> w?[2Jeb  renamed from ?x: stop q?q, start ?1m\n"));
	assert_non_null(strstr(text, "    nice? ?]0;x? -> a b (live)\n"));
	free(text);
}

static void plan_only_asks_and_is_done(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f, SCRIPT(ACCEPT, READ, "{\"parameters\":{\"plan\":" FULL "}}"), ARGS("plan"));
	assert_int_equal(0, f.status);
	assert_non_null(strstr(f.out, "~ web  restart\n"));
	assert_non_null(strstr(f.requests[0], "\"method\":\"io.supctl.Control.Plan\""));
	assert_null(strstr(f.requests[0], "\"more\""));
	fake_free(&f);
	run_with(&f, SCRIPT(ACCEPT, READ, "{\"parameters\":{\"plan\":" UNCHANGED "}}"),
		ARGS("plan", "--json"));
	assert_int_equal(0, f.status);
	assert_string_equal(UNCHANGED "\n", f.out);
	fake_free(&f);
}

#define RESULT(name, ok, state)                                   \
	"{\"name\":\"" name "\",\"ok\":" ok ",\"state\":\"" state \
	"\",\"pid\":null,\"message\":\"\"}"
#define MORE_PLAN(plan)	    "{\"parameters\":{\"plan\":" plan "},\"continues\":true}"
#define MORE_RESULT(result) "{\"parameters\":{\"results\":[" result "]},\"continues\":true}"
#define END		    "{\"parameters\":{\"results\":[]}}"

static void apply_shows_the_plan_and_then_what_became_of_it(void **state)
{
	json_t *id, *wait;
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, MORE_PLAN(FULL), MORE_RESULT(RESULT("web", "true", "running")),
			MORE_RESULT(RESULT("api", "false", "failed")), END),
		ARGS("apply"));
	assert_int_equal(1, f.status);
	assert_non_null(strstr(f.out, "1 to restart, 2 to start, 2 to stop\nweb: running\n"));
	assert_string_equal("supctl: api: is failed\n", f.err);
	assert_non_null(strstr(f.requests[0], "\"method\":\"io.supctl.Control.Apply\""));
	assert_non_null(strstr(f.requests[0], "\"more\":true"));
	id = request_parameter(&f, 0, "id");
	wait = request_parameter(&f, 0, "wait");
	assert_int_equal(32, strlen(json_string_value(id)));
	assert_true(json_is_true(wait));
	json_decref(id);
	json_decref(wait);
	fake_free(&f);
}

static void an_apply_broken_in_the_middle_goes_on_and_tells_all_once(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, MORE_PLAN(PLAN("", API)),
			MORE_RESULT(RESULT("web", "true", "running")), CLOSE, ACCEPT, READ,
			MORE_RESULT(RESULT("web", "true", "running")),
			MORE_RESULT(RESULT("api", "true", "running")), CLOSE, ACCEPT, READ,
			MORE_PLAN(PLAN("", API)), MORE_RESULT(RESULT("api", "true", "running")),
			END),
		ARGS("apply"));
	assert_int_equal(0, f.status);
	assert_string_equal("+ api  start\n1 to start\nweb: running\napi: running\n", f.out);
	assert_string_equal("", f.err);
	assert_string_equal(f.requests[0], f.requests[1]);
	assert_string_equal(f.requests[0], f.requests[2]);
	fake_free(&f);
}

static void an_apply_joined_without_a_plan_tells_results(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, CLOSE, ACCEPT, READ,
			MORE_RESULT(RESULT("web", "true", "running")), END),
		ARGS("apply", "--no-wait"));
	assert_int_equal(0, f.status);
	assert_string_equal("web: running\n", f.out);
	assert_non_null(strstr(f.requests[0], "\"wait\":false"));
	fake_free(&f);
	run_with(&f,
		SCRIPT(ACCEPT, READ, CLOSE, ACCEPT, READ,
			MORE_RESULT(RESULT("web", "true", "running")), END),
		ARGS("apply", "--json"));
	assert_int_equal(0, f.status);
	assert_string_equal(
		"{\"plan\":null,\"results\":[" RESULT("web", "true", "running") "]}\n", f.out);
	fake_free(&f);
}

static void apply_as_json_is_one_object(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, MORE_PLAN(UNCHANGED),
			MORE_RESULT(RESULT("web", "false", "failed")), END),
		ARGS("--json", "apply"));
	assert_int_equal(1, f.status);
	assert_string_equal("{\"plan\":" UNCHANGED
			    ",\"results\":[" RESULT("web", "false", "failed") "]}\n",
		f.out);
	assert_string_equal("", f.err);
	fake_free(&f);
}

static void nothing_is_restarted_where_that_is_asked_for(void **state)
{
	const char *const verbs[] = {"plan", "apply"};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
		struct fake f;

		run_with(&f, SCRIPT(ACCEPT, READ, "{\"parameters\":{\"plan\":" UNCHANGED "}}"),
			ARGS(verbs[i], "--no-restart"));
		assert_int_equal(0, f.status);
		assert_non_null(strstr(f.requests[0], "\"restart\":false"));
		fake_free(&f);
		run_with(&f, SCRIPT(ACCEPT, READ, "{\"parameters\":{\"plan\":" UNCHANGED "}}"),
			ARGS(verbs[i]));
		assert_null(strstr(f.requests[0], "\"restart\""));
		fake_free(&f);
	}
}

#define MORE_SCALED(was, n)                                                              \
	"{\"parameters\":{\"scaled\":{\"name\":\"web\",\"was\":" was ",\"instances\":" n \
	"}},\"continues\":true}"

static void scale_tells_what_has_changed_and_then_what_became_of_it(void **state)
{
	json_t *instances, *name;
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, MORE_SCALED("1", "2"),
			MORE_RESULT(RESULT("web@2", "true", "running")), CLOSE, ACCEPT, READ,
			MORE_RESULT(RESULT("web@2", "true", "running")), END),
		ARGS("scale", "web", "2"));
	assert_int_equal(0, f.status);
	assert_string_equal("web: 2 instances, was 1\nweb@2: running\n", f.out);
	assert_string_equal(f.requests[0], f.requests[1]);
	assert_non_null(strstr(f.requests[0], "\"method\":\"io.supctl.Control.Scale\""));
	instances = request_parameter(&f, 0, "instances");
	name = request_parameter(&f, 0, "name");
	assert_int_equal(2, json_integer_value(instances));
	assert_string_equal("web", json_string_value(name));
	json_decref(instances);
	json_decref(name);
	fake_free(&f);
	run_with(&f, SCRIPT(ACCEPT, READ, MORE_SCALED("3", "3"), END), ARGS("scale", "web", "3"));
	assert_string_equal("web: 3 instances, as before\n", f.out);
	fake_free(&f);
}

static void scale_fails_with_an_instance_and_is_one_object_as_json(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, MORE_SCALED("1", "2"),
			MORE_RESULT(RESULT("web@2", "false", "failed")), END),
		ARGS("--json", "scale", "web", "2"));
	assert_int_equal(1, f.status);
	assert_string_equal(
		"{\"scaled\":{\"name\":\"web\",\"was\":1,\"instances\":2},\"results\":[" RESULT(
			"web@2", "false", "failed") "]}\n",
		f.out);
	fake_free(&f);
}

static void a_bad_configuration_is_told_line_by_line(void **state)
{
	static const char reply[] =
		"{\"error\":\"io.supctl.Control.BadConfiguration\",\"parameters\":{\"errors\":["
		"\"/etc/s.conf:3: unknown key 'x'\",\"/etc/s.conf:5: \\u001b[31mbad\"]}}";
	const char *const verbs[] = {"plan", "apply"};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
		struct fake f;

		run_with(&f, SCRIPT(ACCEPT, READ, reply), ARGS(verbs[i]));
		assert_int_equal(1, f.status);
		assert_string_equal("", f.out);
		assert_string_equal("/etc/s.conf:3: unknown key 'x'\n"
				    "/etc/s.conf:5: ?[31mbad\n"
				    "supctl: nothing was changed\n",
			f.err);
		fake_free(&f);
	}
}

/* check with a file of this text; the server, which must not be asked, has no script. */
static void check_text(struct fake *f, const char *text, const char *option)
{
	char path[128];
	FILE *file;

	fake_start(f, SCRIPT(NULL));
	fake_finish(f);
	snprintf(path, sizeof(path), "%s/test.conf", f->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	setenv("HOME", "/home/u", 1);
	run_supctl(f, ARGS("check", path, option));
	unlink(path);
}

static void a_good_file_is_said_to_be_good(void **state)
{
	char expected[160];
	struct fake f;

	(void)state;
	check_text(&f, "service a { command = x }\n", NULL);
	snprintf(expected, sizeof(expected), "%s/test.conf: 1 service, no errors\n", f.dir);
	assert_int_equal(0, f.status);
	assert_string_equal(expected, f.out);
	assert_string_equal("", f.err);
	fake_free(&f);
	check_text(&f, "service a { command = x instances = 3 } service b { command = y }", NULL);
	assert_non_null(strstr(f.out, ": 4 services, no errors\n"));
	fake_free(&f);
	check_text(&f, "", "--json");
	snprintf(expected, sizeof(expected),
		"{\"file\":\"%s/test.conf\",\"services\":0,\"errors\":[]}\n", f.dir);
	assert_string_equal(expected, f.out);
	fake_free(&f);
}

static void a_bad_file_is_one_and_each_mistake_has_a_line(void **state)
{
	static const char text[] = "service a {\n command = x\n umsk = 0\n}\nfoo = 1\n";
	char expected[256];
	json_t *object;
	struct fake f;

	(void)state;
	check_text(&f, text, NULL);
	snprintf(expected, sizeof(expected),
		"%s/test.conf:3: unknown key 'umsk' in service 'a'; did you mean 'umask'?\n"
		"%s/test.conf:5: unknown key 'foo'\n",
		f.dir, f.dir);
	assert_int_equal(1, f.status);
	assert_string_equal("", f.out);
	assert_string_equal(expected, f.err);
	fake_free(&f);
	check_text(&f, text, "--json");
	assert_int_equal(1, f.status);
	assert_string_equal("", f.err);
	object = json_loads(f.out, 0, NULL);
	assert_true(json_is_null(json_object_get(object, "services")));
	assert_int_equal(2, json_array_size(json_object_get(object, "errors")));
	json_decref(object);
	fake_free(&f);
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f, SCRIPT(NULL));
	fake_finish(&f);
	run_supctl(&f, ARGS("check", "/nonexistent/x.conf"));
	assert_int_equal(1, f.status);
	assert_string_equal("", f.out);
	assert_non_null(strstr(f.err, "/nonexistent/x.conf: cannot read"));
	assert_non_null(strstr(f.err, "No such file or directory"));
	fake_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_has_a_line_for_each_service_its_keys_and_the_sum),
		cmocka_unit_test(nothing_to_do_is_one_sentence),
		cmocka_unit_test(live_changes_say_so_once),
		cmocka_unit_test(what_is_left_stale_or_scaled_is_told),
		cmocka_unit_test(what_is_not_given_and_what_is_hidden_is_told_in_words),
		cmocka_unit_test(instances_are_named_where_there_are_several_things_to_do),
		cmocka_unit_test(a_terminal_gets_colours_and_whole_lines),
		cmocka_unit_test(what_files_hold_never_reaches_a_terminal_as_it_is),
		cmocka_unit_test(plan_only_asks_and_is_done),
		cmocka_unit_test(apply_shows_the_plan_and_then_what_became_of_it),
		cmocka_unit_test(an_apply_broken_in_the_middle_goes_on_and_tells_all_once),
		cmocka_unit_test(an_apply_joined_without_a_plan_tells_results),
		cmocka_unit_test(apply_as_json_is_one_object),
		cmocka_unit_test(nothing_is_restarted_where_that_is_asked_for),
		cmocka_unit_test(scale_tells_what_has_changed_and_then_what_became_of_it),
		cmocka_unit_test(scale_fails_with_an_instance_and_is_one_object_as_json),
		cmocka_unit_test(a_bad_configuration_is_told_line_by_line),
		cmocka_unit_test(a_good_file_is_said_to_be_good),
		cmocka_unit_test(a_bad_file_is_one_and_each_mistake_has_a_line),
		cmocka_unit_test(a_file_that_cannot_be_read_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
