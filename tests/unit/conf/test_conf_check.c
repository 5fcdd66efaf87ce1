/* What is refused, by which words, and who may be whom. */
#include "fixture.h"

#include "conf/text/source.h"

static void what_this_version_lacks_is_refused_by_name(void **state)
{
	static const char *const keys[] = {
		"listen \"http\" { stream = \"127.0.0.1:80\" }",
		"on-demand = false",
		"sandbox { private-tmp = false }",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char message[128];

		snprintf(message, sizeof(message),
			"'%.*s' in service 'web' is not available in this version",
			(int)strcspn(keys[i], " "), keys[i]);
		bad_key(f, keys[i], 2, message);
	}
	bad_key(f, "limits { memory-max = 1G }", 2,
		"'limits.memory-max' in service 'web' is not available");
	bad_key(f, "limits { cpu-weight = 1 }", 2,
		"'limits.cpu-weight' in service 'web' is not available");
	bad_key(f, "limits { tasks-max = 1 }", 2,
		"'limits.tasks-max' in service 'web' is not available");
	bad(f, "defaults {\n on-demand = true }\n", 2, "'on-demand' in defaults is not available");
}

static void unknown_keys_are_refused_with_a_suggestion(void **state)
{
	struct fixture *f = *state;

	bad_key(f, "foo = 1", 2, "unknown key 'foo' in service 'web'");
	bad_key(f, "comand = 1", 2,
		"unknown key 'comand' in service 'web'; did you mean 'command'?");
	bad_key(f, "stop { signl = TERM }", 2,
		"unknown key 'stop.signl' in service 'web'; did you mean 'signal'?");
	bad(f, "log_level = info\n", 1, "unknown key 'log_level'; did you mean 'log-level'?");
	bad(f, "restart = always\n", 1, "it belongs in a service or in defaults");
	bad(f, "control { mod = 0600 }\n", 1, "unknown key 'mod' in control");
	bad(f, "queue { keys = 1 }\n", 1, "unknown key 'keys' in queue; did you mean 'key'?");
}

static void keys_of_the_wrong_shape_are_refused(void **state)
{
	struct fixture *f = *state;

	bad_key(f, "umask = {022}", 2, "'umask' in service 'web' is to be written: umask = VALUE");
	bad_key(f, "log = \"x\"", 2, "'log' in service 'web' is to be written: log { ");
	bad_key(f, "log \"x\" { }", 2, "'log' in service 'web' is to be written: log { ");
	bad_key(f, "groups { }", 2, "'groups' in service 'web' is to be written: groups = {");
	bad(f, "service { command = x }\n", 1, "'service' is to be written: service \"NAME\" {");
	bad(f, "service = web\n", 1, "'service' is to be written: service \"NAME\" {");
	bad(f, "include = \"x\"\n", 1, "'include' is to be written: include (\"VALUE\")");
	bad(f, "include()\n", 1, "takes one path");
	bad(f, "include(\"a\", \"b\")\n", 1, "takes one path");
	bad(f, "log-level info\n", 1, "after 'log-level' a '=' is missing");
	bad(f, "log-level = \n", 1, "'log-level' has no value");
	bad_key(f, "include(\"x\")", 2, "unknown key 'include' in service 'web'");
}

static void values_out_of_range_are_refused(void **state)
{
	static const char *const keys[] = {
		"type = x",
		"autostart = maybe",
		"instances = 10001",
		"instances = -1",
		"directory = relative",
		"umask = 1000",
		"umask = 9",
		"nice = -21",
		"nice = 20",
		"oom-score-adj = -1001",
		"oom-score-adj = 1001",
		"clear-environment = 1",
		"groups = {\"@front\"}",
		"groups = {a, a}",
		"restart = sometimes",
		"success-codes = {256}",
		"success-codes = {-1}",
		"restart-delay = 10",
		"restart-delay = \"1.5s\"",
		"restart-max-delay = \"\"",
		"restart-jitter = 101",
		"restart-limit = 33",
		"restart-window = 1w",
		"stable-after = -1s",
		"environment = {A}",
		"environment = {\"=A\"}",
		"environment = {\"A=1\", \"A=2\"}",
		"env-file = {a}",
		"stop { signal = FOO }",
		"stop { signal = 0 }",
		"stop { timeout = ten }",
		"stop { kill = all }",
		"log { file = \"\" }",
		"log { file = \"dir/\" }",
		"log { max-size = 1X }",
		"log { keep = 1001 }",
		"log { timestamps = utc }",
		"restart-window = 0",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		bad_key(*state, keys[i], 2, " in service 'web'");
}

static void values_at_the_ends_of_their_range_are_taken(void **state)
{
	struct fixture *f = *state;

	good(f, "max-starting = 20000 queue { key = 2147483647 }\n"
		"service web { command = x instances = 10000 nice = -20 oom-score-adj = -1000\n"
		" restart-jitter = 100 restart-limit = 32 umask = 777 log { keep = 1000 } }\n"
		"service b { command = x instances = 0 restart-limit = 0 restart-window = 0 }\n");
	assert_int_equal(f->spec->services[1].n_instances, 0);
}

static void global_values_out_of_range_are_refused(void **state)
{
	static const char *const texts[] = {
		"runtime-dir = relative",
		"state-dir = \"\"",
		"log-dir = x",
		"log-level = loud",
		"max-starting = 20001",
		"on-orphan = keep",
		"control { mode = 1000 }",
		"control { mode = rw }",
		"queue { key = 2147483648 }",
		"queue { key = 0x80000000 }",
		"queue { key = 0x }",
		"queue { key = 0x123456789 }",
		"queue { key = -1 }",
		"queue { mode = 0700 }",
	};
	char text[128];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		bad(*state, texts[i], 1, "allowed: ");
	snprintf(text, sizeof(text), "runtime-dir = \"/%090d\"\n", 0);
	bad(*state, text, 1, "too long for a socket");
}

static void an_empty_command_is_refused(void **state)
{
	static const char *const commands[] = {
		"\"\"", "\"  \"", "{}", "{\"\"}", "\"''\"", "{\"\", \"a\"}"};
	char text[128];

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		snprintf(text, sizeof(text), "service web {\n command = %s }\n", commands[i]);
		bad(*state, text, 2, "'command' in service 'web': is empty");
	}
	bad(*state, "service web { command = \"a 'b\" }", 1, "cannot be split into words");
	bad(*state, "\nservice web { }", 2, "service 'web' has no 'command'");
}

static void names_outside_of_the_alphabet_are_refused(void **state)
{
	bad(*state, "service \"a@1\" { command = x }\n", 1,
		"'a@1' cannot be the name of a service");
	bad(*state, "service \"\" { command = x }\n", 1, "cannot be the name of a service");
	bad(*state, "service \"a b\" { command = x }\n", 1, "cannot be the name of a service");
	bad(*state,
		"service \"a1234567890123456789012345678901234567890123456789012345678901234\" "
		"{ command = x }\n",
		1, "cannot be the name of a service");
}

static void a_service_given_twice_is_refused_across_files(void **state)
{
	struct fixture *f = *state;

	write_file(f, "a.inc", "\nservice web { command = x }\n");
	assert_int_equal(
		load_text(f, "service web { command = x }\ninclude(\"a.inc\")\n"), -EINVAL);
	assert_int_equal(f->errors.n, 1);
	assert_told(f, "a.inc", 2, "service 'web' is given twice; first in ");
	assert_told(f, "a.inc", 2, "main.conf:1");
}

static void a_global_key_given_twice_is_refused_across_files(void **state)
{
	struct fixture *f = *state;

	write_file(f, "a.inc", "log-level = info\n");
	assert_int_equal(load_text(f, "log-level = debug\ninclude(\"a.inc\")\n"), -EINVAL);
	assert_told(f, "a.inc", 1, "'log-level' is given twice; first in ");
}

static void two_writers_of_one_log_file_are_refused(void **state)
{
	struct fixture *f = *state;

	bad(f,
		"log-dir = /l\nservice a { command = x log { file = \"x.log\" } }\n"
		"service b { command = x\n log { file = \"/l/./y/..//x.log\" } }\n",
		4, "'log.file' in service 'b': '/l/x.log' is written by service 'a' (");
	bad(f,
		"defaults { log {\n file = \"all.log\" } }\nservice a { command = x }\n"
		"service b { command = x }\n",
		2, "all.log' is written by service 'a'");
	bad(f,
		"service a { command = x instances = 2 log { file = \"%{instance}\" } }\n"
		"service b { command = x instances = 2\n log { file = \"2\" stderr = \"%{name}\" } "
		"}\n",
		3, "several instances would write one file");
	bad(f, "service a { command = x log { file = \"b.log\" } }\nservice b { command = x }\n", 2,
		"b.log' is written by service 'a'");
	bad(f, "service a { command = x log { stderr = \"a.log\" } }\n", 1,
		"is written by this service already");
	good(f, "service a { command = x log { file = none } }\n"
		"service b { command = x log { file = none stderr = inherit } }\n"
		"service c { command = x instances = 1 log { file = \"c\" } }\n"
		"service d { command = x instances = 3 log { stderr = \"%{name}.err\" } }\n");
}

static void keys_that_contradict_each_other_are_refused(void **state)
{
	bad_key(*state, "type = oneshot\nrestart = always", 3,
		"always cannot go with type oneshot");
	bad_key(*state, "restart-max-delay = 2s\nrestart-delay = 3s", 2,
		"restart-delay (3s) is longer than restart-max-delay (2s)");
	bad_key(*state, "\nrestart-delay = 1h", 3, "is longer than restart-max-delay (30s)");
}

static void a_mistake_in_defaults_is_told_once(void **state)
{
	bad(*state,
		"defaults {\n umask = 9 }\nservice a { command = x }\nservice b { command = x }\n",
		2, "'umask' in defaults");
	bad(*state, "defaults {\n umask = 9 }\n", 2, "'umask' in defaults");
	bad(*state, "defaults {\n umask = 9 }\nservice a { command = x umask = 022 }\n", 2,
		"'umask' in defaults");
}

static void too_many_services_are_refused(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = x instances = 10000 }\n"
		"service b { command = x instances = 10000 }\n");
	bad(f,
		"service a { command = x instances = 10000 }\n"
		"service b { command = x instances = 10000 }\nservice c { command = x }\n",
		3, "more than 20000 services");
}

static void unknown_users_and_groups_are_refused(void **state)
{
	struct fixture *f = *state;

	bad_key(f, "user = \"no-such-user-here\"", 2, "unknown user 'no-such-user-here'");
	bad_key(f, "group = \"no-such-group-here\"", 2, "unknown group 'no-such-group-here'");
	bad(f, "control { operators = {\"no-such-user-here\"} }\n", 1, "unknown user");
	bad(f, "control { observers = {\"@no-such-group-here\"} }\n", 1, "unknown group");
	bad(f, "queue { group = \"no-such-group-here\" }\n", 1, "unknown group");
	bad_key(f, "user = 4294967295", 2, "unknown user");
}

static void root_gives_a_service_all_of_its_user(void **state)
{
	struct fixture *f = *state;
	const struct spec_identity *i;
	struct passwd *nobody = getpwnam("nobody");

	f->context.root = true;
	assert_non_null(nobody);
	good(f, "service a { command = x user = nobody }\n"
		"service b { command = x user = nobody group = 12345 }\n"
		"service c { command = x user = 54321 group = 12345 }\n"
		"service d { command = x group = 12345 }\n");
	i = f->spec->services[0].process->identity;
	assert_true(i->set);
	assert_int_equal(i->uid, nobody->pw_uid);
	assert_int_equal(i->gid, nobody->pw_gid);
	assert_int_equal(i->groups[0], nobody->pw_gid);
	assert_string_equal(i->user_name, "nobody");
	assert_string_equal(i->home, nobody->pw_dir);
	assert_string_equal(i->shell, nobody->pw_shell);
	i = f->spec->services[1].process->identity;
	assert_int_equal(i->gid, 12345);
	assert_int_equal(i->groups[0], 12345);
	i = f->spec->services[2].process->identity;
	assert_int_equal(i->uid, 54321);
	assert_int_equal(i->n_groups, 1);
	assert_null(i->user_name);
	i = f->spec->services[3].process->identity;
	assert_true(i->set);
	assert_int_equal(i->uid, geteuid());
	assert_int_equal(i->gid, 12345);
	bad_key(f, "user = 54321", 2,
		"uid 54321 has no passwd entry, so 'group' must be given too");
}

/* Sources of one text in which user 1000 is a member of these groups, as uid 1000. */
static int parse_as_member(struct fixture *f, const char *text, const gid_t *groups, size_t n)
{
	struct source_user *u = calloc(1, sizeof(*u));

	fixture_reset(f);
	assert_non_null(u);
	*u = (struct source_user){
		.key = strdup("ann"),
		.found = true,
		.has_entry = true,
		.uid = 1000,
		.gid = 1001,
		.groups = calloc(n, sizeof(*groups)),
		.n_groups = n,
		.name = strdup("ann"),
		.home = strdup("/a"),
		.shell = strdup("/b"),
	};
	assert_non_null(u->groups);
	memcpy(u->groups, groups, n * sizeof(*groups));
	assert_int_equal(source_from_text("x", text, strlen(text), &f->sources), 0);
	f->sources->uid = 1000;
	f->sources->gid = 1001;
	assert_int_equal(source_add_user(f->sources, u), 0);
	return conf_parse(f->sources, &f->context, &f->spec, &f->errors);
}

static void all_memberships_are_taken_and_none_twice(void **state)
{
	const gid_t groups[] = {7, 1001, 8};
	struct fixture *f = *state;
	const struct spec_identity *i;

	f->context.root = true;
	assert_int_equal(parse_as_member(f, "service a { command = x user = ann }", groups, 3), 0);
	i = f->spec->services[0].process->identity;
	assert_int_equal(i->uid, 1000);
	assert_int_equal(i->n_groups, 3);
	assert_int_equal(i->groups[0], 1001);
	assert_int_equal(i->groups[1], 7);
	assert_int_equal(i->groups[2], 8);
}

static void the_owner_and_members_of_the_socket_group_are_not_shut_out(void **state)
{
	const gid_t groups[] = {7};
	struct fixture *f = *state;

	f->context.root = true;
	assert_int_equal(
		parse_as_member(f, "control { mode = 0600 operators = {ann} }", groups, 1), 0);
	assert_int_equal(parse_as_member(f, "control { mode = 0066 operators = {ann} }", groups, 1),
		-EINVAL);
}

static void who_is_not_root_can_only_be_himself(void **state)
{
	struct fixture *f = *state;
	char keys[64];

	f->context.root = false;
	bad_key(f, "user = 54321", 2, "only root can run a service as another user");
	bad_key(f, "group = 54321", 2, "only root can run a service with another group");
	snprintf(keys, sizeof(keys), "service a { command = x user = %u group = %u }",
		(unsigned)geteuid(), (unsigned)getegid());
	good(f, keys);
	assert_false(f->spec->services[0].process->identity->set);
}

static void names_in_user_and_env_file_depend_on_instances(void **state)
{
	struct fixture *f = *state;

	f->context.root = true;
	good(f, "service nobody { command = x user = \"%{name}\" }\n");
	assert_string_equal(f->spec->services[0].process->identity->user_name, "nobody");
	bad_key(f, "instances = 1 user = \"%{name}\"", 2, "with instances, %{name}");
	bad_key(f, "instances = 1 env-file = \"%{instance}\"", 2, "with instances, %{name}");
}

static void a_mode_that_shuts_out_a_listed_role_is_refused(void **state)
{
	struct fixture *f = *state;

	bad(f, "control { mode = 0600\n operators = {54321} }\n", 2, "shuts out '54321'");
	bad(f, "control { mode = 0660 group = 12345\n observers = {\"@54321\"} }\n", 2,
		"shuts out '@54321'");
	bad(f, "control { mode = 0606 group = 12345\n observers = {\"@12345\"} }\n", 2,
		"shuts out '@12345'");
	good(f, "control { mode = 0660 group = 12345 operators = {\"@12345\", \"root\"} }\n");
	good(f, "control { mode = 0666 operators = {nobody} }\n");
	good(f, "control { mode = \"\" group = \"\" operators = {nobody} observers = {} }\n");
	assert_false(f->spec->has_control_mode);
	assert_false(f->spec->has_control_group);
	assert_int_equal(f->spec->operators.n_uids, 1);
	assert_int_equal(f->spec->observers.n_uids, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_this_version_lacks_is_refused_by_name),
		TEST(unknown_keys_are_refused_with_a_suggestion),
		TEST(keys_of_the_wrong_shape_are_refused),
		TEST(values_out_of_range_are_refused),
		TEST(values_at_the_ends_of_their_range_are_taken),
		TEST(global_values_out_of_range_are_refused),
		TEST(an_empty_command_is_refused),
		TEST(names_outside_of_the_alphabet_are_refused),
		TEST(a_service_given_twice_is_refused_across_files),
		TEST(a_global_key_given_twice_is_refused_across_files),
		TEST(two_writers_of_one_log_file_are_refused),
		TEST(keys_that_contradict_each_other_are_refused),
		TEST(a_mistake_in_defaults_is_told_once),
		TEST(too_many_services_are_refused),
		TEST(unknown_users_and_groups_are_refused),
		TEST(root_gives_a_service_all_of_its_user),
		TEST(all_memberships_are_taken_and_none_twice),
		TEST(the_owner_and_members_of_the_socket_group_are_not_shut_out),
		TEST(who_is_not_root_can_only_be_himself),
		TEST(names_in_user_and_env_file_depend_on_instances),
		TEST(a_mode_that_shuts_out_a_listed_role_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
