/* Readiness, health, hooks, schedules, pools and limits: each key to its value, or refused. */
#include "fixture.h"

#include <sys/resource.h>

#include "base/buf.h"
#include "base/macro.h"
#include "conf/values/address.h"

/* A service of these keys, its first line being line 2. */
static const struct spec_service *good_keys(struct fixture *f, const char *keys)
{
	char text[4096];

	snprintf(text, sizeof(text), "service web { command = \"/bin/true\"\n%s\n}\n", keys);
	good(f, text);
	return service_at(f, 0);
}

static void a_service_of_one_key_has_the_defaults_of_the_manual(void **state)
{
	const struct spec_service *s = good_keys(*state, "");
	const struct spec_policy *p = s->policy;

	assert_int_equal(p->ready, SPEC_READY_EXEC);
	assert_int_equal(p->ready_timeout_usec, 30 * USEC_PER_SEC);
	assert_int_equal(s->contact->ready_check->kind, SPEC_PROBE_NONE);
	assert_int_equal(s->contact->health->kind, SPEC_PROBE_NONE);
	assert_int_equal(p->health_failures, 0);
	assert_int_equal(p->watchdog_usec, 0);
	assert_false(p->scheduled);
	assert_int_equal(p->overlap, SPEC_OVERLAP_SKIP);
	assert_int_equal(p->hooks, 0);
	assert_int_equal(p->hook_timeout_usec, 30 * USEC_PER_SEC);
	assert_null(s->links->pool);
	assert_null(s->contact->pid_file);
	ASSERT_LIST(s->links->requires);
	ASSERT_LIST(s->links->wants);
	ASSERT_LIST(s->links->after);
	ASSERT_LIST(s->links->before);
	ASSERT_LIST(s->links->conflicts);
	for (int k = 0; k < SPEC_LIMIT_MAX; k++)
		assert_false(spec_limit(s, k)->set);
}

static void each_form_of_ready_on_is_understood(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s;

	s = good_keys(f, "ready { on = exec timeout = 1s }");
	assert_int_equal(s->policy->ready, SPEC_READY_EXEC);
	assert_int_equal(s->policy->ready_timeout_usec, USEC_PER_SEC);
	s = good_keys(f, "ready { on = notify timeout = 0 }");
	assert_int_equal(s->policy->ready, SPEC_READY_NOTIFY);
	assert_int_equal(s->policy->ready_timeout_usec, USEC_INFINITY);
	s = good_keys(f, "ready { on = fd:3 }");
	assert_int_equal(s->policy->ready, SPEC_READY_FD);
	assert_int_equal(s->contact->ready_fd, 3);
	s = good_keys(f, "ready { on = fd:1023 }");
	assert_int_equal(s->contact->ready_fd, 1023);
	s = good_keys(f, "ready { on = tcp:localhost:65535 interval = 10ms }");
	assert_int_equal(s->policy->ready, SPEC_READY_TCP);
	assert_int_equal(s->contact->ready_check->kind, SPEC_PROBE_TCP);
	assert_string_equal(s->contact->ready_check->address, "localhost:65535");
	assert_int_equal(s->contact->ready_check->interval_usec, 10 * USEC_PER_MSEC);
	assert_int_equal(s->contact->ready_check->timeout_usec, 2 * USEC_PER_SEC);
	s = good_keys(f, "ready { on = \"unix:/run/%{name}\" }");
	assert_int_equal(s->policy->ready, SPEC_READY_UNIX);
	assert_int_equal(s->contact->ready_check->kind, SPEC_PROBE_UNIX);
	assert_string_equal(s->contact->ready_check->address, "/run/%{name}");
	assert_int_equal(s->contact->ready_check->interval_usec, 500 * USEC_PER_MSEC);
	s = good_keys(f, "ready { on = command command = \"/bin/t 'a b'\" }");
	assert_int_equal(s->policy->ready, SPEC_READY_COMMAND);
	assert_int_equal(s->contact->ready_check->kind, SPEC_PROBE_COMMAND);
	ASSERT_LIST(s->contact->ready_check->command, "/bin/t", "a b");
	assert_int_equal(s->contact->ready_check->timeout_usec, USEC_INFINITY);
	s = good_keys(f, "ready { on = \"log:^%{name}: (ready|up) in \\\\d+ms$\" }");
	assert_int_equal(s->policy->ready, SPEC_READY_LOG);
	assert_string_equal(s->contact->ready_regex, "^%{name}: (ready|up) in \\d+ms$");
	assert_int_equal(s->contact->ready_check->kind, SPEC_PROBE_NONE);
}

static void ready_values_that_cannot_be_are_refused(void **state)
{
	static const char *const cases[][2] = {
		{"on = started",
			"'ready.on' in service 'web': 'started' is not allowed; allowed: exec"},
		{"on = \"\"", "is not allowed; allowed: exec, notify, fd:N"},
		{"on = tcp", "is not allowed; allowed: exec"},
		{"on = \"exec:\"", "is not allowed; allowed: exec"},
		{"on = fd:2", "'fd:2' is not allowed; allowed: fd:3 to fd:1023"},
		{"on = fd:1024", "allowed: fd:3 to fd:1023"},
		{"on = \"fd:\"", "allowed: fd:3 to fd:1023"},
		{"on = fd:3x", "allowed: fd:3 to fd:1023"},
		{"on = tcp:example.org:80",
			"'example.org:80' has no numeric host; allowed: 127.0.0.1"},
		{"on = \"unix:run/x\"", "'run/x' is not allowed; allowed: an absolute path"},
		{"on = \"unix:\"", "allowed: an absolute path"},
		{"on = \"log:\"", "is empty behind 'log:'"},
		{"on = \"log:a(b\"",
			"'a(b' is no regular expression: missing closing parenthesis, at "
			"byte 3"},
		{"on = \"log:[z-a]\"", "range out of order in character class, at byte 3"},
		{"on = \"log:\\\\C\"", "is no regular expression: "},
		{"on = command", "command needs 'ready.command'"},
		{"on = command command = {}", "command needs 'ready.command'"},
		{"command = x", "'ready.command' in service 'web': is of use only with"},
		{"on = notify interval = 1s",
			"'ready.interval' in service 'web': is of use only with"},
		{"on = tcp:localhost:1 interval = 9ms", "is too short; allowed: 10ms or more"},
		{"timeout = soon", "is not a duration"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		char keys[256];

		snprintf(keys, sizeof(keys), "ready { %s }", cases[i][0]);
		bad_key(*state, keys, 2, cases[i][1]);
	}
}

static void an_expression_may_be_as_long_as_the_limit(void **state)
{
	char keys[1200];

	snprintf(keys, sizeof(keys), "ready { on = \"log:%01024d\" }", 0);
	good_keys(*state, keys);
	snprintf(keys, sizeof(keys), "ready { on = \"log:%01025d\" }", 0);
	bad_key(*state, keys, 2, "more than 1024 bytes, at byte 1024");
}

static void a_oneshot_is_ready_by_its_end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(good_keys(f, "type = oneshot")->policy->ready_timeout_usec, USEC_INFINITY);
	assert_int_equal(
		good_keys(f, "type = oneshot ready { timeout = 30s }")->policy->ready_timeout_usec,
		30 * USEC_PER_SEC);
	bad_key(f, "type = oneshot ready { on = notify }", 2,
		"'ready.on' in service 'web': a oneshot is ready when it has ended well");
	bad_key(f, "type = oneshot health { unix = \"/x\" }", 2,
		"'health.unix' in service 'web': a oneshot is never running");
	bad_key(f, "type = oneshot watchdog = 1s", 2, "a oneshot is never running");
	good_keys(f, "type = oneshot watchdog = 0");
	/* what defaults say is meant for others */
	good(f, "defaults { ready { on = \"log:x\" timeout = 1s } watchdog = 1s\n"
		" health { unix = \"/x\" } }\nservice job { command = x type = oneshot }\n");
	assert_int_equal(service_at(f, 0)->policy->ready, SPEC_READY_EXEC);
	assert_null(service_at(f, 0)->contact->ready_regex);
	assert_int_equal(service_at(f, 0)->policy->ready_timeout_usec, USEC_INFINITY);
	assert_int_equal(service_at(f, 0)->policy->watchdog_usec, 0);
	assert_int_equal(service_at(f, 0)->policy->health_failures, 0);
	assert_int_equal(service_at(f, 0)->contact->health->kind, SPEC_PROBE_NONE);
	assert_null(service_at(f, 0)->contact->health->address);
}

static void addresses_are_numeric_or_localhost(void **state)
{
	static const struct {
		const char *text, *what; /* NULL: good */
		int family;
	} cases[] = {
		{"127.0.0.1:1", NULL, AF_INET},
		{"0.0.0.0:65535", NULL, AF_INET},
		{"localhost:80", NULL, AF_UNSPEC},
		{"[::1]:80", NULL, AF_INET6},
		{"[0123:4567:89ab:cdef:0123:4567:127.127.127.127]:80", NULL, AF_INET6},
		{"", "has no numeric host"},
		{":80", "has no numeric host"},
		{"127.1:80", "has no numeric host"},
		{"0177.0.0.1:80", "has no numeric host"},
		{"::1:80", "has no numeric host"},
		{"[::1:80", "has no numeric host"},
		{"[127.0.0.1]:80", "has no numeric host"},
		{"[]:80", "has no numeric host"},
		{"[fe80::1%eth0]:80", "has no numeric host"},
		{"LOCALHOST:80", "has no numeric host"},
		{"host:80", "has no numeric host"},
		{"127.0.0.1", "has no port"},
		{"[::1]80", "has no port"},
		{"127.0.0.1:", "has no such port"},
		{"127.0.0.1:0", "has no such port"},
		{"127.0.0.1:65536", "has no such port"},
		{"127.0.0.1:000001", "has no such port"},
		{"127.0.0.1:+1", "has no such port"},
		{"127.0.0.1:80 ", "has something behind its port"},
		{"127.0.0.1:80/", "has something behind its port"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct address a = {.family = -1};
		const char *what = address_parse_tcp(cases[i].text, &a);

		if (!what != !cases[i].what || (what && !strstr(what, cases[i].what)))
			fail_msg("%s: %s", cases[i].text, what ? what : "taken");
		assert_int_equal(a.family, what ? -1 : cases[i].family);
	}
}

static void an_address_gives_its_parts(void **state)
{
	const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
	struct address a;

	(void)state;
	assert_null(address_parse_http("http://[::1]:8080/a?b=c", &a));
	assert_int_equal(a.port, 8080);
	assert_string_equal(a.host, "[::1]");
	assert_string_equal(a.path, "/a?b=c");
	assert_memory_equal(&a.ipv6, &loopback, sizeof(loopback));
	assert_null(address_parse_tcp("127.0.0.2:99", &a));
	assert_int_equal(a.port, 99);
	assert_int_equal(a.ipv4.s_addr, htonl(0x7f000002));
	assert_null(a.path);
}

static void a_url_has_a_scheme_a_host_a_port_and_a_path(void **state)
{
	static const char *const cases[][2] = {
		{"", "allowed: http://HOST:PORT/PATH"},
		{"127.0.0.1:80/x", "allowed: http://HOST:PORT/PATH"},
		{"https://127.0.0.1:443/", "allowed: http://HOST:PORT/PATH"},
		{"HTTP://127.0.0.1:80/", "allowed: http://HOST:PORT/PATH"},
		{"http://127.0.0.1/", "has no port"},
		{"http://u@127.0.0.1:80/", "has no numeric host"},
		{"http://127.0.0.1:80", "has no path"},
		{"http://127.0.0.1:80?x", "has no path"},
		{"http://127.0.0.1:80/a b", "has no path"},
		{"http://127.0.0.1:80/a\r\nHost: x", "has no path"},
		{"http://127.0.0.1:80/\xc3\xa9", "has no path"},
		{"http://127.0.0.1:80/#x", "has no path"},
	};
	char text[1100] = "http://127.0.0.1:80/";
	struct address a;

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const char *what = address_parse_http(cases[i][0], &a);

		if (!what || !strstr(what, cases[i][1]))
			fail_msg("%s: %s", cases[i][0], what ? what : "taken");
	}
	for (size_t n = strlen(text); n < 1024; n++)
		text[n] = 'x';
	assert_null(address_parse_http(text, &a));
	text[1024] = 'x';
	assert_string_equal(address_parse_http(text, &a), "is longer than 1024 bytes");
}

static void a_socket_path_is_bounded_as_the_kernel_has_it(void **state)
{
	char path[128] = "/";

	(void)state;
	memset(path + 1, 'x', 106);
	assert_null(address_check_unix(path));
	path[107] = 'x';
	assert_non_null(address_check_unix(path));
}

static void placeholders_are_checked_as_instances_have_them(void **state)
{
	struct fixture *f = *state;

	good_keys(f, "instances = 3 ready { on = \"tcp:127.0.0.1:80%{instance}\" }\n"
		     "health { http = \"http://127.0.0.1:80%{instance}/%{name}\" }");
	assert_string_equal(
		service_at(f, 0)->contact->ready_check->address, "127.0.0.1:80%{instance}");
	/* not those in the middle, but the last one */
	good_keys(f, "instances = 65 ready { on = \"tcp:127.0.0.1:10%{instance}\" }");
	bad_key(f, "instances = 1000 ready { on = \"tcp:127.0.0.1:66%{instance}\" }", 2,
		"'127.0.0.1:661000' has no such port");
	bad_key(f, "instances = 2 ready { on = \"tcp:127.0.%{instance}:80\" }", 2,
		"'127.0.1:80' has no numeric host");
	bad_key(f, "health { tcp = \"127.0.0.1:%{instance}\" }", 2,
		"'127.0.0.1:' has no such port");
	/* in defaults it depends on who takes it */
	good(f, "defaults { health { tcp = \"127.0.0.1:%{instance}\" } }\n"
		"service web { command = x instances = 2 }\n");
	bad(f,
		"defaults {\nhealth { tcp = \"127.0.0.1:%{instance}\" } }\n"
		"service web { command = x }\n",
		2, "'health.tcp' in defaults: '127.0.0.1:' has no such port");
	good_keys(f, "instances = 0 ready { on = \"tcp:127.0.0.1:8%{instance}\" }");
}

static void each_way_to_ask_for_health_is_understood(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s;

	s = good_keys(f, "health { command = {\"/bin/t\", \"a b\"} interval = 10ms timeout = 1ms\n"
			 " failures = 1000 grace = 1min action = none }");
	assert_int_equal(s->contact->health->kind, SPEC_PROBE_COMMAND);
	ASSERT_LIST(s->contact->health->command, "/bin/t", "a b");
	assert_null(s->contact->health->address);
	assert_int_equal(s->contact->health->interval_usec, 10 * USEC_PER_MSEC);
	assert_int_equal(s->contact->health->timeout_usec, USEC_PER_MSEC);
	assert_int_equal(s->policy->health_failures, 1000);
	assert_int_equal(s->contact->health->grace_usec, USEC_PER_MINUTE);
	assert_int_equal(s->policy->health_action, SPEC_ACTION_NONE);
	s = good_keys(f, "health { tcp = localhost:80 action = stop failures = 1 }");
	assert_int_equal(s->contact->health->kind, SPEC_PROBE_TCP);
	assert_string_equal(s->contact->health->address, "localhost:80");
	assert_null(s->contact->health->command);
	assert_int_equal(s->policy->health_action, SPEC_ACTION_STOP);
	assert_int_equal(s->policy->health_failures, 1);
	s = good_keys(f, "health { unix = \"/run/x\" }");
	assert_int_equal(s->contact->health->kind, SPEC_PROBE_UNIX);
	assert_string_equal(s->contact->health->address, "/run/x");
	assert_int_equal(s->contact->health->interval_usec, 10 * USEC_PER_SEC);
	assert_int_equal(s->contact->health->timeout_usec, 2 * USEC_PER_SEC);
	assert_int_equal(s->policy->health_failures, 3);
	assert_int_equal(s->contact->health->grace_usec, 0);
	assert_int_equal(s->policy->health_action, SPEC_ACTION_RESTART);
	s = good_keys(f, "health { http = \"http://127.0.0.1:80/\" }");
	assert_int_equal(s->contact->health->kind, SPEC_PROBE_HTTP);
	assert_string_equal(s->contact->health->address, "http://127.0.0.1:80/");
}

static void health_values_that_cannot_be_are_refused(void **state)
{
	static const char *const cases[][2] = {
		{"interval = 1s", "'health.interval' in service 'web': is of no use alone"},
		{"action = stop tcp = \"\"",
			"'health.action' in service 'web': is of no use alone"},
		{"tcp = localhost:1 unix = \"/x\"", "'health.unix' in service 'web': 'health.tcp' "
						    "is given too; allowed: one of"},
		{"command = x http = \"http://127.0.0.1:80/\"", "'health.command' is given too"},
		{"tcp = localhost:0", "has no such port"},
		{"unix = x", "allowed: an absolute path"},
		{"http = \"ftp://127.0.0.1:80/\"", "allowed: http://HOST:PORT/PATH"},
		{"command = \"a 'b\"", "cannot be split into words"},
		{"tcp = localhost:1 interval = 9ms", "is too short; allowed: 10ms or more"},
		{"tcp = localhost:1 timeout = 0", "is too short; allowed: 1ms or more"},
		{"tcp = localhost:1 failures = 0", "allowed: 1 to 1000"},
		{"tcp = localhost:1 failures = 1001", "allowed: 1 to 1000"},
		{"tcp = localhost:1 grace = x", "is not a duration"},
		{"tcp = localhost:1 action = kill", "allowed: restart, none, stop"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		char keys[256];

		snprintf(keys, sizeof(keys), "health { %s }", cases[i][0]);
		bad_key(*state, keys, 2, cases[i][1]);
	}
	bad_key(*state, "watchdog = 9ms", 2, "is too short; allowed: 10ms or more");
	assert_int_equal(
		good_keys(*state, "watchdog = 10ms")->policy->watchdog_usec, 10 * USEC_PER_MSEC);
}

static void an_empty_value_takes_back_that_of_defaults(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s;

	good(f, "defaults { health { tcp = localhost:1 interval = 5s failures = 7 }\n"
		" ready { on = command command = \"/bin/t\" interval = 7s }\n"
		" schedule { every = 1h overlap = kill }\n"
		" hooks { pre-start = \"/bin/h\" on-failed = \"/bin/f\" } stop { command = "
		"\"/bin/s\" }\n"
		" pid-file = \"/p\" pool = p limits { core = 0 cpu = 1h } requires = {a, d} }\n"
		"pool p { slots = 1 }\n"
		"service a { command = x }\n"
		"service b { command = x health { command = \"/bin/c\" } ready { on = fd:3 }\n"
		" schedule { cron = \"@daily\" } hooks { pre-start = {} }\n"
		" stop { command = \"/bin/other\" } limits { cpu = 2 } requires = {d} }\n"
		"service c { command = x health { tcp = \"\" } ready { on = \"unix:/%{name}\" }\n"
		" schedule { every = \"\" } hooks { pre-start = \"\" on-failed = \"\" }\n"
		" stop { command = \"\" } pool = \"\" limits { core = \"\" } requires = {} }\n"
		"service d { command = x schedule { every = 0 } requires = {} }\n");
	s = service_at(f, 0);
	assert_int_equal(s->contact->health->kind, SPEC_PROBE_TCP);
	assert_int_equal(s->policy->health_failures, 7);
	assert_int_equal(s->policy->ready, SPEC_READY_COMMAND);
	assert_int_equal(s->contact->schedule->every_usec, USEC_PER_HOUR);
	assert_int_equal(s->policy->hooks,
		1U << SPEC_HOOK_PRE_START | 1U << SPEC_HOOK_ON_FAILED | 1U << SPEC_HOOK_STOP);
	assert_string_equal(s->links->pool, "p");
	assert_null(s->contact->pid_file); /* not forking */
	ASSERT_LIST(s->links->requires, "d");
	s = service_at(f, 1);
	assert_int_equal(s->contact->health->kind, SPEC_PROBE_COMMAND);
	assert_null(s->contact->health->address);
	assert_int_equal(s->contact->health->interval_usec, 5 * USEC_PER_SEC);
	assert_int_equal(s->policy->ready, SPEC_READY_FD);
	assert_int_equal(s->contact->ready_check->kind, SPEC_PROBE_NONE);
	assert_null(s->contact->ready_check->command);
	assert_int_equal(s->contact->schedule->every_usec, 0);
	assert_string_equal(s->contact->schedule->cron_text, "@daily");
	assert_true(s->policy->scheduled);
	assert_int_equal(s->policy->overlap, SPEC_OVERLAP_KILL);
	assert_false(spec_has_hook(s->policy, SPEC_HOOK_PRE_START));
	assert_true(spec_has_hook(s->policy, SPEC_HOOK_ON_FAILED));
	ASSERT_LIST(s->contact->hooks[SPEC_HOOK_STOP], "/bin/other");
	assert_int_equal(spec_limit(s, SPEC_LIMIT_CPU)->soft, 2);
	assert_true(spec_limit(s, SPEC_LIMIT_CORE)->set);
	ASSERT_LIST(s->links->requires, "d");
	s = service_at(f, 2);
	assert_int_equal(s->contact->health->kind, SPEC_PROBE_NONE);
	assert_int_equal(s->policy->health_failures, 0);
	assert_int_equal(s->contact->ready_check->kind, SPEC_PROBE_UNIX);
	assert_int_equal(s->contact->ready_check->interval_usec, 7 * USEC_PER_SEC);
	assert_false(s->policy->scheduled);
	assert_int_equal(s->policy->hooks, 0);
	assert_null(s->links->pool);
	assert_false(spec_limit(s, SPEC_LIMIT_CORE)->set);
	assert_int_equal(spec_limit(s, SPEC_LIMIT_CPU)->hard, 3600);
	ASSERT_LIST(s->links->requires);
	assert_false(service_at(f, 3)->policy->scheduled);
}

static void two_choices_in_defaults_are_told_once(void **state)
{
	bad(*state,
		"defaults { health { tcp = localhost:1\n unix = \"/x\" } }\n"
		"service a { command = x }\nservice b { command = x }\n",
		2, "'health.unix' in defaults: 'health.tcp' is given too");
}

static void forking_goes_with_a_pid_file(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s =
		good_keys(f, "type = forking pid-file = \"/run/%{name}.pid\"");

	assert_int_equal(s->policy->type, SPEC_TYPE_FORKING);
	assert_string_equal(s->contact->pid_file, "/run/%{name}.pid");
	bad_key(f, "type = forking", 2, "'type' in service 'web': forking needs 'pid-file'");
	bad_key(f, "type = forking pid-file = \"\"", 2, "forking needs 'pid-file'");
	bad_key(f, "pid-file = \"/x\"", 2, "'pid-file' in service 'web': is of use only with type");
	bad_key(f, "type = forking pid-file = x", 2, "allowed: an absolute path");
	bad_key(f, "instances = 2 type = forking pid-file = \"/x\"", 2,
		"several instances would write one file");
	good_keys(f, "instances = 1 type = forking pid-file = \"/x\"");
	bad(f,
		"service a { command = x type = forking pid-file = \"/run//x\" }\n"
		"service b { command = x type = forking\n pid-file = \"/run/x\" }\n",
		3, "'pid-file' in service 'b': '/run/x' is written by service 'a'");
	good(f, "service a { command = x type = forking pid-file = \"/run/x\" }\n"
		"service b { command = x type = forking pid-file = \"/run/y\" }\n");
}

static void each_hook_goes_where_it_belongs(void **state)
{
	static const char *const keys[SPEC_HOOK_MAX] = {
		[SPEC_HOOK_PRE_START] = "hooks { pre-start = \"/bin/h 'a b'\" }",
		[SPEC_HOOK_POST_START] = "hooks { post-start = \"/bin/h 'a b'\" }",
		[SPEC_HOOK_PRE_STOP] = "hooks { pre-stop = \"/bin/h 'a b'\" }",
		[SPEC_HOOK_STOP] = "stop { command = \"/bin/h 'a b'\" }",
		[SPEC_HOOK_POST_STOP] = "hooks { post-stop = \"/bin/h 'a b'\" }",
		[SPEC_HOOK_ON_FAILED] = "hooks { on-failed = {\"/bin/h\", \"a b\"} }",
	};

	for (int h = 0; h < SPEC_HOOK_MAX; h++) {
		const struct spec_service *s = good_keys(*state, keys[h]);

		assert_int_equal(s->policy->hooks, 1U << h);
		assert_non_null(strstr(keys[h],
			h == SPEC_HOOK_STOP ? "command" : spec_hook_to_string((enum spec_hook)h)));
		for (int other = 0; other < SPEC_HOOK_MAX; other++) {
			if (other == h)
				ASSERT_LIST(s->contact->hooks[other], "/bin/h", "a b");
			else
				ASSERT_LIST(s->contact->hooks[other]);
		}
	}
	assert_int_equal(good_keys(*state, "hooks { timeout = 1ms }")->policy->hook_timeout_usec,
		USEC_PER_MSEC);
	bad_key(*state, "hooks { timeout = 999us }", 2, "is too short; allowed: 1ms or more");
	bad_key(*state, "hooks { pre-stop = {\"\", \"a\"} }", 2,
		"'hooks.pre-stop' in service 'web': is empty");
	bad_key(*state, "hooks { post-stop = \"a \\\\\" }", 2, "cannot be split into words");
	bad_key(*state, "hooks { prestart = x }", 2, "did you mean 'pre-start'?");
}

static void schedules_come_by_time_or_by_calendar(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s;

	s = good_keys(f, "schedule { every = 10ms overlap = queue jitter = 10ms }");
	assert_true(s->policy->scheduled);
	assert_int_equal(s->contact->schedule->every_usec, 10 * USEC_PER_MSEC);
	assert_null(s->contact->schedule->cron_text);
	assert_int_equal(s->policy->overlap, SPEC_OVERLAP_QUEUE);
	assert_int_equal(s->contact->schedule->jitter_usec, 10 * USEC_PER_MSEC);
	s = good_keys(f, "schedule { cron = \"30 4 * * mon-fri\" overlap = kill jitter = 1d }");
	assert_true(s->policy->scheduled);
	assert_int_equal(s->contact->schedule->every_usec, 0);
	assert_string_equal(s->contact->schedule->cron_text, "30 4 * * mon-fri");
	assert_int_equal(s->contact->schedule->cron.minutes, UINT64_C(1) << 30);
	assert_int_equal(s->contact->schedule->cron.hours, 1 << 4);
	assert_int_equal(s->policy->overlap, SPEC_OVERLAP_KILL);
}

static void schedules_that_cannot_be_are_refused(void **state)
{
	static const char *const cases[][3] = {
		{"every = 9ms", "", "is too short; allowed: 10ms or more"},
		{"every = daily", "", "is not a duration"},
		{"every = 1h cron = \"@daily\"", "",
			"'schedule.cron' in service 'web': 'schedule.every' is given too"},
		{"cron = \"60 * * * *\"", "", "'60 * * * *': field 1 (minute): 60 is not in 0-59"},
		{"cron = \"@often\"", "", "'schedule.cron' in service 'web': '@often': "},
		{"every = 1s jitter = 1001ms", "", "'schedule.jitter' in service 'web': is longer"},
		{"overlap = skip", "", "'schedule.overlap' in service 'web': is of no use alone"},
		{"jitter = 1s every = 0", "",
			"'schedule.jitter' in service 'web': is of no use alone"},
		{"every = 1s overlap = wait", "", "allowed: skip, queue, kill"},
		{"every = 1s", "restart = always",
			"'schedule.every' in service 'web': a schedule cannot go with restart = "
			"always"},
		{"cron = \"@daily\"", "restart = always",
			"'schedule.cron' in service 'web': a schedule"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		char keys[256];

		snprintf(keys, sizeof(keys), "schedule { %s } %s", cases[i][0], cases[i][1]);
		bad_key(*state, keys, 2, cases[i][2]);
	}
}

static void limits_are_numbers_sizes_seconds_or_pairs(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s = good_keys(f,
		"limits { nofile = \"1024:2147483584\" core = 0 as = unlimited nproc = 4294967295\n"
		" stack = \"8M:unlimited\" cpu = \"90:5min\" fsize = 1G memlock = 64K data = 4096 "
		"}");
	static const struct spec_limit expected[SPEC_LIMIT_MAX] = {
		[SPEC_LIMIT_NOFILE] = {true, 1024, 2147483584},
		[SPEC_LIMIT_CORE] = {true, 0, 0},
		[SPEC_LIMIT_AS] = {true, UINT64_MAX, UINT64_MAX},
		[SPEC_LIMIT_NPROC] = {true, UINT32_MAX, UINT32_MAX},
		[SPEC_LIMIT_STACK] = {true, 8 << 20, UINT64_MAX},
		[SPEC_LIMIT_CPU] = {true, 90, 300},
		[SPEC_LIMIT_FSIZE] = {true, 1 << 30, 1 << 30},
		[SPEC_LIMIT_MEMLOCK] = {true, 65536, 65536},
		[SPEC_LIMIT_DATA] = {true, 4096, 4096},
	};

	for (int k = 0; k < SPEC_LIMIT_MAX; k++) {
		assert_true(spec_limit(s, k)->set);
		assert_int_equal(spec_limit(s, k)->soft, expected[k].soft);
		assert_int_equal(spec_limit(s, k)->hard, expected[k].hard);
	}
	assert_int_equal(spec_limit_resource(SPEC_LIMIT_NOFILE), RLIMIT_NOFILE);
	assert_int_equal(spec_limit_resource(SPEC_LIMIT_DATA), RLIMIT_DATA);
	assert_string_equal(spec_limit_to_string(SPEC_LIMIT_MEMLOCK), "memlock");
}

static void limits_that_cannot_be_are_refused(void **state)
{
	static const char *const cases[][2] = {
		{"nofile = 2147483585",
			"'limits.nofile' in service 'web': '2147483585' is not allowed"},
		{"nofile = 1K", "allowed: a number (the kernel has no unlimited), or SOFT:HARD"},
		{"nofile = unlimited", "allowed: a number (the kernel has no unlimited)"},
		{"nofile = \"2:1\"", "has a soft limit above the hard one"},
		{"nofile = \"1:2:3\"", "is not allowed"},
		{"nofile = \"1:\"", "is not allowed"},
		{"nofile = \":1\"", "is not allowed"},
		{"nproc = 4294967296", "allowed: a number, unlimited, or SOFT:HARD"},
		{"nproc = -1", "allowed: a number, unlimited"},
		{"core = 1T", "allowed: such as 4096, 64K, 50M, 1G, unlimited, or SOFT:HARD"},
		{"core = \"unlimited:0\"", "has a soft limit above the hard one"},
		{"core = infinity", "is not allowed"},
		{"cpu = 0", "allowed: whole seconds, such as 90, 90s, 1h"},
		{"cpu = 1500ms", "allowed: whole seconds"},
		{"cpu = 4294967296", "allowed: whole seconds"},
		{"rss = 1G", "unknown key 'limits.rss'"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		char keys[256];

		snprintf(keys, sizeof(keys), "limits { %s }", cases[i][0]);
		bad_key(*state, keys, 2, cases[i][1]);
	}
}

static void pools_have_names_and_slots(void **state)
{
	struct fixture *f = *state;

	good(f, "service web { command = x pool = db }\npool db { slots = 20000 }\n"
		"pool \"unused\" {\n slots = 1 }\n");
	assert_int_equal(f->spec->n_pools, 2);
	assert_string_equal(f->spec->pools[0].name, "db");
	assert_int_equal(f->spec->pools[0].slots, 20000);
	assert_int_equal(f->spec->pools[1].place.line, 4);
	assert_string_equal(service_at(f, 0)->links->pool, "db");
	bad(f, "pool db { }", 1, "pool 'db' has no 'slots'");
	bad(f, "pool db { slots = 0 }", 1, "'pool.slots' in pool 'db': '0' is not allowed");
	bad(f, "pool db { slots = 20001 }", 1, "allowed: 1 to 20000");
	bad(f, "pool \"a b\" { slots = 1 }", 1, "'a b' cannot be the name of a pool");
	bad(f, "pool db { slots = 1 }\npool db { slots = 1 }", 2,
		"pool 'db' is given twice; first in ");
	bad(f, "pool { slots = 1 }", 1, "'pool' is to be written: pool \"NAME\" {");
	bad(f, "pool db { slots = 1 slot = 1 }", 1,
		"unknown key 'slot' in pool 'db'; did you mean 'slots'?");
	bad(f, "pool database { slots = 1 }\nservice a { command = x\npool = databases }", 3,
		"'pool' in service 'a': there is no pool 'databases'; did you mean 'database'?");
	bad(f, "service a { command = x\npool = db }", 2,
		"there is no pool 'db'; allowed: the name");
	bad_key(f, "pool db { slots = 1 }", 2,
		"'pool' cannot stand in service 'web'; is a '}' missing before it?");
	bad_key(f, "pool { slots = 1 }", 2,
		"'pool' in service 'web' is to be written: pool = VALUE");
}

static void there_are_as_many_pools_as_the_limit_says(void **state)
{
	_cleanup_buf_ struct buf text = {0};

	for (int i = 0; i < SPEC_MAX_POOLS; i++)
		assert_int_equal(buf_printf(&text, "pool p%d { slots = 1 }\n", i), 0);
	assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
	good(*state, text.data);
	text.len--;
	assert_int_equal(buf_printf(&text, "pool more { slots = 1 }\n"), 0);
	assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
	bad(*state, text.data, SPEC_MAX_POOLS + 1, "more than 256 pools");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_service_of_one_key_has_the_defaults_of_the_manual),
		TEST(each_form_of_ready_on_is_understood),
		TEST(ready_values_that_cannot_be_are_refused),
		TEST(an_expression_may_be_as_long_as_the_limit),
		TEST(a_oneshot_is_ready_by_its_end),
		TEST(addresses_are_numeric_or_localhost),
		TEST(an_address_gives_its_parts),
		TEST(a_url_has_a_scheme_a_host_a_port_and_a_path),
		TEST(a_socket_path_is_bounded_as_the_kernel_has_it),
		TEST(placeholders_are_checked_as_instances_have_them),
		TEST(each_way_to_ask_for_health_is_understood),
		TEST(health_values_that_cannot_be_are_refused),
		TEST(an_empty_value_takes_back_that_of_defaults),
		TEST(two_choices_in_defaults_are_told_once),
		TEST(forking_goes_with_a_pid_file),
		TEST(each_hook_goes_where_it_belongs),
		TEST(schedules_come_by_time_or_by_calendar),
		TEST(schedules_that_cannot_be_are_refused),
		TEST(limits_are_numbers_sizes_seconds_or_pairs),
		TEST(limits_that_cannot_be_are_refused),
		TEST(pools_have_names_and_slots),
		TEST(there_are_as_many_pools_as_the_limit_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
