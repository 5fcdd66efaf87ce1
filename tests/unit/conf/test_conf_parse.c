/* Every key to its value, defaults, includes, env-files, and the sources' byte form. */
#include "fixture.h"

#include <signal.h>

#include "base/buf.h"
#include "base/log.h"

static void a_service_of_one_key_has_the_defaults_of_the_manual(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s;

	good(f, "service web { command = \"/bin/x\" }\n");
	s = service_at(f, 0);
	assert_string_equal(s->name, "web");
	assert_int_equal(s->place.line, 1);
	assert_false(s->has_instances);
	assert_int_equal(s->n_instances, 1);
	assert_int_equal(s->policy->type, SPEC_TYPE_SIMPLE);
	assert_int_equal(s->policy->restart, SPEC_RESTART_ON_FAILURE);
	assert_true(spec_is_success(s->policy, 0));
	assert_false(spec_is_success(s->policy, 1));
	assert_int_equal(s->policy->restart_delay_usec, 100 * USEC_PER_MSEC);
	assert_int_equal(s->policy->restart_max_delay_usec, 30 * USEC_PER_SEC);
	assert_int_equal(s->policy->restart_jitter_percent, 10);
	assert_int_equal(s->policy->restart_limit, 5);
	assert_int_equal(s->policy->restart_window_usec, 60 * USEC_PER_SEC);
	assert_int_equal(s->policy->stable_after_usec, 10 * USEC_PER_SEC);
	assert_int_equal(s->policy->stop_signal, SIGTERM);
	assert_int_equal(s->policy->stop_timeout_usec, 10 * USEC_PER_SEC);
	assert_int_equal(s->policy->stop_kill, SPEC_KILL_TREE);
	assert_int_equal(s->contact->reload_signal, SIGHUP);
	ASSERT_LIST(s->contact->reload_command);
	assert_true(s->policy->autostart);
	assert_false(s->policy->essential);
	assert_string_equal(s->process->directory, "/");
	assert_int_equal(s->process->umask, 022);
	assert_false(s->process->identity->set);
	assert_false(s->process->has_nice);
	assert_false(s->process->has_oom_score_adj);
	assert_false(s->process->clear_environment);
	assert_false(s->split_stderr);
	assert_int_equal(s->log->file.sink, SPEC_SINK_FILE);
	assert_string_equal(s->log->file.address, "%{name}.log");
	assert_int_equal(s->log->rotation.max_size_bytes, 50 << 20);
	assert_int_equal(s->log->rotation.keep, 10);
	assert_int_equal(s->log->timestamps, SPEC_TIMESTAMPS_NONE);
	ASSERT_LIST(s->command, "/bin/x");
	ASSERT_LIST(s->environment);
	ASSERT_LIST(s->process->file_environment);
	ASSERT_LIST(s->links->groups);
}

static void every_key_of_a_service_is_taken_over(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s;

	good(f, "service \"web\" {\n"
		" command = {\"/bin/x\", \"a b\"} type = oneshot autostart = false instances = 2\n"
		" essential = true\n"
		" directory = /srv umask = 077 nice = \"-5\" oom-score-adj = 300\n"
		" environment = {\"A=1\", \"B=x=%{instance}\"} clear-environment = yes\n"
		" groups = {front, \"b.c\"} restart = on-abnormal success-codes = {0, 3, 255}\n"
		" restart-delay = 1s restart-max-delay = 2min restart-jitter = 0\n"
		" restart-limit = 32 restart-window = 1h stable-after = 2d\n"
		" stop { signal = \"SIGINT\" timeout = 500ms kill = process }\n"
		" reload { signal = USR1 command = \"/bin/r 'a b'\" }\n"
		" log { file = \"/x/%{name}\" stderr = none max-size = 64K keep = 0 timestamps = "
		"local }"
		"\n}\n");
	s = service_at(f, 0);
	ASSERT_LIST(s->command, "/bin/x", "a b");
	assert_int_equal(s->policy->type, SPEC_TYPE_ONESHOT);
	assert_false(s->policy->autostart);
	assert_true(s->policy->essential);
	assert_true(s->has_instances);
	assert_int_equal(s->n_instances, 2);
	assert_string_equal(s->process->directory, "/srv");
	assert_int_equal(s->process->umask, 077);
	assert_true(s->process->has_nice);
	assert_int_equal(s->process->nice, -5);
	assert_true(s->process->has_oom_score_adj);
	assert_int_equal(s->process->oom_score_adj, 300);
	ASSERT_LIST(s->environment, "A=1", "B=x=%{instance}");
	assert_true(s->process->clear_environment);
	ASSERT_LIST(s->links->groups, "front", "b.c");
	assert_int_equal(s->policy->restart, SPEC_RESTART_ON_ABNORMAL);
	assert_true(spec_is_success(s->policy, 3));
	assert_true(spec_is_success(s->policy, 255));
	assert_false(spec_is_success(s->policy, 4));
	assert_int_equal(s->policy->restart_delay_usec, USEC_PER_SEC);
	assert_int_equal(s->policy->restart_max_delay_usec, 2 * USEC_PER_MINUTE);
	assert_int_equal(s->policy->restart_jitter_percent, 0);
	assert_int_equal(s->policy->restart_limit, 32);
	assert_int_equal(s->policy->restart_window_usec, USEC_PER_HOUR);
	assert_int_equal(s->policy->stable_after_usec, 2 * USEC_PER_DAY);
	assert_int_equal(s->policy->stop_signal, SIGINT);
	assert_int_equal(s->policy->stop_timeout_usec, 500 * USEC_PER_MSEC);
	assert_int_equal(s->policy->stop_kill, SPEC_KILL_PROCESS);
	assert_int_equal(s->contact->reload_signal, SIGUSR1);
	ASSERT_LIST(s->contact->reload_command, "/bin/r", "a b");
	assert_string_equal(s->log->file.address, "/x/%{name}");
	assert_true(s->split_stderr);
	assert_int_equal(s->log->error.sink, SPEC_SINK_NONE);
	assert_int_equal(s->log->rotation.max_size_bytes, 65536);
	assert_int_equal(s->log->rotation.keep, 0);
	assert_int_equal(s->log->timestamps, SPEC_TIMESTAMPS_LOCAL);
}

static void reload_of_a_service_replaces_that_of_defaults_key_by_key(void **state)
{
	struct fixture *f = *state;

	good(f, "defaults { reload { signal = USR1 command = {\"/bin/r\", \"a b\"} } }\n"
		"service a { command = \"/bin/x\" reload { signal = 12 } }\n"
		"service b { command = \"/bin/x\" reload { command = {} } }\n");
	assert_int_equal(service_at(f, 0)->contact->reload_signal, SIGUSR2);
	ASSERT_LIST(service_at(f, 0)->contact->reload_command, "/bin/r", "a b");
	assert_int_equal(service_at(f, 1)->contact->reload_signal, SIGUSR1);
	ASSERT_LIST(service_at(f, 1)->contact->reload_command);
	bad_key(f, "reload { signal = NOSUCH }", 2, "'reload.signal' in service 'web': unknown");
	bad_key(f, "reload { command = {\"\", \"a\"} }", 2, "is empty");
	bad_key(f, "reload { command = \"/bin/r 'a\" }", 2, "a ' is not closed");
	bad_key(f, "reload { comand = x }", 2, "unknown key 'reload.comand' in service 'web'");
}

static void every_global_key_is_taken_over(void **state)
{
	struct fixture *f = *state;
	const struct spec *s;

	s = good(f, "runtime-dir = /r/ state-dir = \"/s\" log-dir = /l log-level = debug\n"
		    "max-starting = 7 on-orphan = stop\n"
		    "control { mode = 0660 group = 12345 }\n"
		    "queue { key = 0x7fffffff mode = 0660 group = 54321 }\n");
	assert_string_equal(s->runtime_dir, "/r");
	assert_string_equal(s->state_dir, "/s");
	assert_string_equal(s->log_dir, "/l");
	assert_int_equal(s->log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(s->max_starting, 7);
	assert_int_equal(s->on_orphan, SPEC_ORPHAN_STOP);
	assert_true(s->has_control_mode);
	assert_int_equal(s->control_mode, 0660);
	assert_true(s->has_control_group);
	assert_int_equal(s->control_group, 12345);
	assert_int_equal(s->queue_key, 0x7fffffff);
	assert_int_equal(s->queue_mode, 0660);
	assert_true(s->has_queue_group);
	assert_int_equal(s->queue_group, 54321);
}

static void an_empty_file_is_a_configuration(void **state)
{
	struct fixture *f = *state;

	good(f, "");
	assert_int_equal(f->spec->n_services, 0);
	assert_int_equal(f->spec->log_level, LOG_LEVEL_INFO);
	assert_int_equal(f->spec->on_orphan, SPEC_ORPHAN_ADOPT);
	assert_int_equal(f->spec->queue_mode, 0640);
	assert_int_equal(f->spec->queue_key, 0);
	assert_false(f->spec->has_control_mode);
}

static void directories_depend_on_who_runs(void **state)
{
	struct fixture *f = *state;

	f->context = (struct conf_context){.root = true, .home = "/root", .xdg_runtime_dir = "/x"};
	good(f, "state-dir = /elsewhere\n");
	assert_string_equal(f->spec->runtime_dir, "/run/supervisord");
	assert_string_equal(f->spec->log_dir, "/var/log/supervisord");
	f->context = (struct conf_context){.home = "/h", .xdg_runtime_dir = "/run/user/7"};
	good(f, "");
	assert_string_equal(f->spec->runtime_dir, "/run/user/7/supervisord");
	assert_string_equal(f->spec->state_dir, "/h/.local/state/supervisord");
	assert_string_equal(f->spec->log_dir, "/h/.local/state/supervisord/log");
	f->context.xdg_state_home = "/st";
	good(f, "");
	assert_string_equal(f->spec->state_dir, "/st/supervisord");
	good(f, "state-dir = /mine");
	assert_string_equal(f->spec->log_dir, "/mine/log");
}

static void a_user_without_directories_is_told_to_give_them(void **state)
{
	struct fixture *f = *state;

	f->context = (struct conf_context){.xdg_runtime_dir = "relative"};
	assert_int_equal(load_text(f, ""), -EINVAL);
	assert_told(f, "main.conf", 0, "'runtime-dir' must be given");
	assert_told(f, "main.conf", 0, "'state-dir' must be given");
	good(f, "runtime-dir = /r state-dir = /s");
}

static void the_default_path_depends_on_who_runs(void **state)
{
	struct conf_context c = {.root = true, .home = "/h", .xdg_config_home = "/c"};
	char *path = conf_default_path(&c);

	(void)state;
	assert_string_equal(path, "/etc/supervisord/supervisord.conf");
	free(path);
	c.root = false;
	path = conf_default_path(&c);
	assert_string_equal(path, "/c/supervisord/supervisord.conf");
	free(path);
	c.xdg_config_home = NULL;
	path = conf_default_path(&c);
	assert_string_equal(path, "/h/.config/supervisord/supervisord.conf");
	free(path);
	c.home = NULL;
	assert_null(conf_default_path(&c));
}

static void defaults_fill_in_wherever_they_stand(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = x groups = {one} log { keep = 3 } }\n"
		"service b { command = y nice = 1 }\n"
		"defaults {\n nice = 5 groups = {two, three}\n"
		" log { file = \"d/%{name}\" keep = 7 } }\n");
	ASSERT_LIST(service_at(f, 0)->links->groups, "one");
	ASSERT_LIST(service_at(f, 1)->links->groups, "two", "three");
	assert_int_equal(service_at(f, 0)->process->nice, 5);
	assert_int_equal(service_at(f, 1)->process->nice, 1);
	assert_int_equal(service_at(f, 0)->log->rotation.keep, 3);
	assert_int_equal(service_at(f, 1)->log->rotation.keep, 7);
	assert_string_equal(service_at(f, 0)->log->file.address, "d/%{name}");
	assert_int_equal(spec_place_of(service_at(f, 0), "nice").line, 4);
	assert_int_equal(spec_place_of(service_at(f, 1), "nice").line, 2);
	assert_int_equal(spec_place_of(service_at(f, 0), "log.keep").line, 1);
	assert_int_equal(spec_place_of(service_at(f, 1), "umask").line, 2);
}

static void what_services_have_in_common_is_there_once(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s;

	good(f, "defaults { environment = {\"A=1\", \"B=2\"} hooks { pre-start = \"/bin/x y\" } }\n"
		"service a { command = {\"/bin/x\", \"1\"} }\n"
		"service b { command = {\"/bin/x\", \"2\"} }\n"
		"service c { command = {\"/bin/x\", \"2\"} nice = 1 log { keep = 3 } }\n");
	s = f->spec->services;
	assert_ptr_equal(s[0].policy, s[1].policy);
	assert_ptr_equal(s[0].log, s[1].log);
	assert_ptr_equal(s[0].contact->hooks, s[1].contact->hooks);
	assert_ptr_equal(s[0].process->identity, s[2].process->identity);
	assert_ptr_equal(s[0].contact->health, s[2].contact->health);
	assert_ptr_equal(s[0].environment, s[2].environment);
	assert_ptr_equal(s[0].command[0], s[0].contact->hooks[SPEC_HOOK_PRE_START][0]);
	assert_ptr_equal(s[1].command, s[2].command);
	assert_ptr_not_equal(s[0].command, s[1].command);
	assert_ptr_not_equal(s[0].log, s[2].log);
	assert_ptr_equal(s[0].log->file.address, s[2].log->file.address);
	assert_int_equal(s[0].log->rotation.keep, 10);
	assert_int_equal(s[2].log->rotation.keep, 3);
	assert_string_equal(s[0].command[1], "1");
	assert_string_equal(s[2].command[1], "2");
}

static void an_empty_list_replaces_that_of_defaults(void **state)
{
	struct fixture *f = *state;

	good(f, "defaults { groups = {a} success-codes = {0, 1} }\n"
		"service b { command = y groups = {} success-codes = {} }\n");
	ASSERT_LIST(service_at(f, 0)->links->groups);
	assert_false(spec_is_success(service_at(f, 0)->policy, 0));
}

static void environment_merges_by_name_and_wins_over_files(void **state)
{
	struct fixture *f = *state;

	write_file(f, "d.env", "A=file-d\nB=file-d\nC=file-d\nD=file-d\n");
	write_file(f, "s.env", "B=file-s\nE=file-s\n");
	good(f, "defaults { env-file = \"d.env\" environment = {\"C=d\", \"F=d\", \"G=d\"} }\n"
		"service a { command = x env-file = \"s.env\" environment = {\"G=s\", \"H=s\"} }\n"
		"service b { command = x }\n"
		"service c { command = x env-file = \"\" environment = {} }\n");
	ASSERT_LIST(service_at(f, 0)->process->file_environment, "A=file-d", "B=file-s", "D=file-d",
		"E=file-s");
	ASSERT_LIST(service_at(f, 0)->environment, "C=d", "F=d", "G=s", "H=s");
	ASSERT_LIST(
		service_at(f, 1)->process->file_environment, "A=file-d", "B=file-d", "D=file-d");
	ASSERT_LIST(service_at(f, 1)->environment, "C=d", "F=d", "G=d");
	ASSERT_LIST(service_at(f, 2)->process->file_environment);
	ASSERT_LIST(service_at(f, 2)->environment, "C=d", "F=d", "G=d");
	assert_string_equal(f->spec->files[0], f->main_path);
	assert_non_null(strstr(f->spec->files[1], "/d.env"));
	assert_non_null(strstr(f->spec->files[2], "/s.env"));
	assert_null(f->spec->files[3]);
}

static void an_env_file_is_read_as_such_files_are(void **state)
{
	struct fixture *f = *state;

	write_file(f, "web.env",
		"# comment\r\n\n  A= b c  \nB='x $y \"'\nC=\"a \\\"b\\\" \\\\ \\$d "
		"\\n\"\nD=\nA2=#no\n"
		"D=last\nE='' \nF=a\"b");
	good(f, "service web { command = x env-file = \"%{name}.env\" }\n");
	ASSERT_LIST(service_at(f, 0)->process->file_environment, "A=b c", "B=x $y \"",
		"C=a \"b\" \\ $d \\n", "D=last", "A2=#no", "E=", "F=a\"b");
}

static void a_bad_env_file_is_told_by_its_own_lines(void **state)
{
	struct fixture *f = *state;

	write_file(f, "e", "A=1\nexport B=2\nC='x\nD=\"x\" y\n=x\n9=x\nnothing\n");
	assert_int_equal(load_text(f, "service web { command = x env-file = e }\n"), -EINVAL);
	assert_int_equal(f->errors.n, 6);
	assert_told(f, "e", 2,
		"no KEY=VALUE; a key has letters, digits and _, in the env-file of "
		"service 'web'");
	assert_told(f, "e", 3, "a quote is not closed");
	assert_told(f, "e", 4, "a quote is not closed");
	assert_told(f, "e", 7, "no KEY=VALUE");
	write_bytes(f, "e", "A=1\nB=\0\n", 8);
	assert_int_equal(load(f), -EINVAL);
	assert_told(f, "e", 2, "a NUL byte");
}

static void only_a_dash_lets_an_env_file_be_missing(void **state)
{
	struct fixture *f = *state;

	bad_key(f, "env-file = \"missing\"", 2, "missing': No such file or directory");
	good(f, "service web { command = x env-file = \"-missing\" }\n");
	ASSERT_LIST(service_at(f, 0)->process->file_environment);
	make_directory(f, "d");
	bad_key(f, "env-file = \"-d\"", 2, "Is a directory");
}

static void includes_are_sorted_and_stand_where_they_are_written(void **state)
{
	struct fixture *f = *state;

	make_directory(f, "services.d");
	write_file(f, "services.d/b.conf", "service b { command = x }\ninclude(\"more/c.conf\")\n");
	write_file(f, "services.d/a.conf", "service a { command = x }\n");
	write_file(f, "services.d/a.conf~", "this is no configuration\n");
	make_directory(f, "services.d/more");
	write_file(f, "services.d/more/c.conf", "service c { command = x }\n");
	good(f, "service first { command = x }\ninclude(\"services.d/*.conf\")\n"
		"include(\"none.d/*.conf\")\nservice last { command = x }\n");
	assert_int_equal(f->spec->n_services, 5);
	assert_string_equal(service_at(f, 0)->name, "first");
	assert_string_equal(service_at(f, 1)->name, "a");
	assert_string_equal(service_at(f, 2)->name, "b");
	assert_string_equal(service_at(f, 3)->name, "c");
	assert_string_equal(service_at(f, 4)->name, "last");
	assert_non_null(strstr(service_at(f, 3)->place.file, "services.d/more/c.conf"));
	assert_int_equal(service_at(f, 4)->place.line, 4);
}

static void a_directory_named_like_a_pattern_is_none(void **state)
{
	struct fixture *f = *state;

	make_directory(f, "[ab]");
	write_file(f, "[ab]/main.conf", "include(\"*.inc\")\n");
	write_file(f, "[ab]/x.inc", "service x { command = x }\n");
	good(f, "include(\"[[]ab[]]/main.conf\")\n");
	assert_int_equal(f->spec->n_services, 1);
}

static void a_path_without_wildcard_must_exist(void **state)
{
	bad(*state, "\ninclude(\"missing.conf\")\n", 2, "missing.conf': No such file");
}

static void a_file_included_twice_or_by_itself_is_refused(void **state)
{
	struct fixture *f = *state;

	bad(f, "\ninclude(\"*.conf\")\n", 2, "is included twice, or by itself");
	write_file(f, "a.inc", "include(\"b.inc\")\n");
	write_file(f, "b.inc", "\ninclude(\"a.inc\")\n");
	assert_int_equal(load_text(f, "include(\"a.inc\")\n"), -EINVAL);
	assert_int_equal(f->errors.n, 1);
	assert_told(f, "b.inc", 2, "is included twice, or by itself");
}

static void includes_nested_too_deep_are_refused(void **state)
{
	struct fixture *f = *state;

	for (int i = 1; i <= 17; i++) {
		char name[16], text[32];

		snprintf(name, sizeof(name), "%d.inc", i);
		snprintf(text, sizeof(text), "include(\"%d.inc\")\n", i + 1);
		write_file(f, name, i == 16 ? "" : text);
	}
	good(f, "include(\"1.inc\")\n");
	write_file(f, "16.inc", "include(\"17.inc\")\n");
	assert_int_equal(load(f), -EINVAL);
	assert_told(f, "16.inc", 1, "files nested more than 16 deep");
}

static void a_fifo_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/pipe.inc", f->directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	bad(f, "include(\"*.inc\")\n", 1, "not a regular file");
}

static void mistakes_of_all_files_are_told_at_once(void **state)
{
	struct fixture *f = *state;

	write_file(f, "a.inc", "service a { command = x\n umask = 8 nice = 20\n foo = 1 }\n");
	write_file(f, "b.inc", "service b {\n");
	write_file(f, "c.inc", "service c { }\n");
	assert_int_equal(load_text(f, "log-level = loud\ninclude(\"*.inc\")\n"), -EINVAL);
	assert_told(
		f, "main.conf", 1, "'log-level': 'loud' is not allowed; allowed: error, warning");
	assert_told(f, "a.inc", 2, "'umask'");
	assert_told(
		f, "a.inc", 2, "'nice' in service 'a': '20' is not allowed; allowed: -20 to 19");
	assert_told(f, "a.inc", 3, "unknown key 'foo' in service 'a'");
	assert_told(f, "b.inc", 1, "never closed");
	assert_told(f, "c.inc", 1, "service 'c' has no 'command'");
	assert_int_equal(f->errors.n, 6);
}

static void no_more_than_the_limit_of_mistakes_is_kept(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};

	for (int i = 0; i < CONF_MAX_ERRORS + 1; i++) {
		assert_int_equal(buf_printf(&b, "foo%d = 1\n", i), 0);
		if (i < CONF_MAX_ERRORS - 1)
			continue;
		write_bytes(f, "main.conf", b.data, b.len);
		assert_int_equal(load(f), -EINVAL);
		assert_int_equal(f->errors.n, CONF_MAX_ERRORS);
		assert_int_equal(f->errors.truncated, i == CONF_MAX_ERRORS);
	}
	buf_fini(&b);
}

static void messages_hold_no_control_bytes(void **state)
{
	bad(*state, "log-level = \"\\033[2J\"\n", 1, "'?[2J'");
}

static void a_missing_file_is_told(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f), -EINVAL);
	assert_told(f, "main.conf", 0, "No such file or directory");
}

/* Writes the sources, reads them back, and parses with all files gone. */
static void sources_come_back_from_their_bytes(void **state)
{
	struct fixture *f = *state;
	struct conf_sources *again;
	struct buf bytes = {0}, more = {0};
	struct conf_errors errors;
	struct spec *spec;

	make_directory(f, "d");
	write_file(f, "d/a.conf", "service a { command = x env-file = \"../a.env\" }\n");
	write_file(f, "d/b.conf", "include(\"c.inc\")\nservice b { command = y user = root }\n");
	write_file(f, "d/c.inc", "service c { command = y env-file = \"-none\" }\n");
	write_file(f, "a.env", "X=1\n");
	if (geteuid() != 0)
		write_file(f, "d/b.conf", "include(\"c.inc\")\nservice b { command = y }\n");
	good(f, "include(\"d/*.conf\")\ncontrol { observers = {\"root\", \"@root\"} }\n");
	assert_int_equal(conf_sources_write(f->sources, &bytes), 0);
	directory_remove(f->directory);
	assert_int_equal(conf_sources_read(bytes.data, bytes.len, &again), 0);
	assert_int_equal(conf_parse(again, &f->context, &spec, &errors), 0);
	assert_int_equal(spec->n_services, 3);
	assert_string_equal(spec->services[1].name, "c");
	assert_string_equal(spec->services[0].process->file_environment[0], "X=1");
	assert_int_equal(spec->services[2].process->identity->set, geteuid() == 0);
	assert_int_equal(spec->observers.n_uids, 1);
	assert_int_equal(spec->observers.n_gids, 1);
	for (size_t i = 0; f->spec->files[i]; i++)
		assert_string_equal(spec->files[i], f->spec->files[i]);
	assert_int_equal(conf_sources_write(again, &more), 0);
	assert_int_equal(more.len, bytes.len);
	assert_memory_equal(more.data, bytes.data, bytes.len);
	spec_free(spec);
	conf_sources_free(again);
	buf_fini(&bytes);
	buf_fini(&more);
}

static void cut_or_longer_sources_are_refused(void **state)
{
	struct fixture *f = *state;
	struct conf_sources *again;
	struct buf bytes = {0};

	write_file(f, "e", "X=1\n");
	good(f, "service a { command = x env-file = e }\ncontrol { observers = {\"root\", "
		"\"@root\"} }\n");
	assert_int_equal(conf_sources_write(f->sources, &bytes), 0);
	for (size_t n = 0; n < bytes.len; n++)
		assert_int_equal(conf_sources_read(bytes.data, n, &again), -EBADMSG);
	assert_int_equal(buf_append(&bytes, SIZE_MAX, "", 1), 0);
	assert_int_equal(conf_sources_read(bytes.data, bytes.len, &again), -EBADMSG);
	bytes.data[4]++; /* the version */
	assert_int_equal(conf_sources_read(bytes.data, bytes.len - 1, &again), -EBADMSG);
	buf_fini(&bytes);
}

/* Whatever byte is changed: refused, or something that can be parsed without harm. */
static void damaged_sources_do_no_harm(void **state)
{
	struct fixture *f = *state;
	struct buf bytes = {0};

	write_file(f, "e", "X=1\n");
	write_file(f, "i", "service b { command = y }\n");
	good(f, "service a { command = x env-file = e }\ninclude(\"i\")\n"
		"control { observers = {\"root\"} }\n");
	assert_int_equal(conf_sources_write(f->sources, &bytes), 0);
	for (size_t i = 0; i < bytes.len * 2; i++) {
		char old = bytes.data[i / 2];
		struct conf_sources *again;
		struct conf_errors errors;
		struct spec *spec;

		bytes.data[i / 2] = (char)(i % 2 ? 0xff : old + 1);
		if (conf_sources_read(bytes.data, bytes.len, &again) == 0) {
			if (conf_parse(again, &f->context, &spec, &errors) == 0)
				spec_free(spec);
			conf_errors_fini(&errors);
			conf_sources_free(again);
		}
		bytes.data[i / 2] = old;
	}
	buf_fini(&bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_service_of_one_key_has_the_defaults_of_the_manual),
		TEST(every_key_of_a_service_is_taken_over),
		TEST(reload_of_a_service_replaces_that_of_defaults_key_by_key),
		TEST(every_global_key_is_taken_over),
		TEST(an_empty_file_is_a_configuration),
		TEST(directories_depend_on_who_runs),
		TEST(a_user_without_directories_is_told_to_give_them),
		TEST(the_default_path_depends_on_who_runs),
		TEST(defaults_fill_in_wherever_they_stand),
		TEST(what_services_have_in_common_is_there_once),
		TEST(an_empty_list_replaces_that_of_defaults),
		TEST(environment_merges_by_name_and_wins_over_files),
		TEST(an_env_file_is_read_as_such_files_are),
		TEST(a_bad_env_file_is_told_by_its_own_lines),
		TEST(only_a_dash_lets_an_env_file_be_missing),
		TEST(includes_are_sorted_and_stand_where_they_are_written),
		TEST(a_directory_named_like_a_pattern_is_none),
		TEST(a_path_without_wildcard_must_exist),
		TEST(a_file_included_twice_or_by_itself_is_refused),
		TEST(includes_nested_too_deep_are_refused),
		TEST(a_fifo_is_not_waited_for),
		TEST(mistakes_of_all_files_are_told_at_once),
		TEST(no_more_than_the_limit_of_mistakes_is_kept),
		TEST(messages_hold_no_control_bytes),
		TEST(a_missing_file_is_told),
		TEST(sources_come_back_from_their_bytes),
		TEST(cut_or_longer_sources_are_refused),
		TEST(damaged_sources_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
