/* What differs between two configurations, how that is written, and what follows from it. */
#include "fixture.h"

#include "base/usec.h"
#include "conf/diff/diff.h"
#include "conf/keys/schema.h"
#include "conf/write.h"

/* Two configurations, and what lies between them. */
struct two {
	struct spec *before, *after;
	struct diff_keys keys;
};

static struct spec *take(struct fixture *f, const char *text)
{
	struct spec *spec = good(f, text);

	f->spec = NULL;
	return spec;
}

static void two_free(struct two *t)
{
	diff_keys_fini(&t->keys);
	spec_free(t->before);
	spec_free(t->after);
}

/* Of the first service, or of the global keys. */
static void compare(struct two *t, bool global)
{
	diff_keys_fini(&t->keys);
	if (global)
		assert_int_equal(diff_global(t->before, t->after, &t->keys), 0);
	else
		assert_int_equal(
			diff_service(&t->before->services[0], &t->after->services[0], &t->keys), 0);
}

static void two_texts(
	struct fixture *f, struct two *ret, bool global, const char *before, const char *after)
{
	*ret = (struct two){0};
	ret->before = take(f, before);
	ret->after = take(f, after);
	compare(ret, global);
}

/* Statements of one service, which has a command already. */
static void two_services(struct fixture *f, struct two *ret, const char *before, const char *after)
{
	char texts[2][1024];

	snprintf(texts[0], sizeof(texts[0]), "service web {\ncommand = x\n%s\n}\n", before);
	snprintf(texts[1], sizeof(texts[1]), "service web {\ncommand = x\n%s\n}\n", after);
	two_texts(f, ret, false, texts[0], texts[1]);
}

static void assert_text(const char *text, const char *expected)
{
	if (!expected)
		assert_null(text);
	else if (!text || strcmp(text, expected) != 0)
		fail_msg("'%s' is not '%s'", text ? text : "(none)", expected);
}

static void assert_key(const struct two *t, size_t i, const char *key, const char *before,
	const char *after, enum diff_effect effect)
{
	assert_true(i < t->keys.n);
	assert_text(t->keys.keys[i].key, key);
	assert_text(t->keys.keys[i].before, before);
	assert_text(t->keys.keys[i].after, after);
	assert_int_equal(t->keys.keys[i].effect, effect);
}

/* "@" stands for our own uid or gid, as others are not allowed to everybody. */
struct key_case {
	const char *key, *before, *after; /* as given; "": not given */
	const char *told_before, *told_after; /* "=": as given; NULL: none */
	enum diff_effect effect;
	const char *with; /* what else the section has to say, or the service */
};

static const struct key_case service_cases[] = {
	{"command", "{\"/bin/x\", \"a b\"}", "\"/bin/x 'a b' c\"", "=",
		"{\"/bin/x\", \"a b\", \"c\"}", DIFF_RESTART},
	{"command", "\"/bin/x  y\"", "\"'/bin/x  y'\"", "{\"/bin/x\", \"y\"}", "{\"'/bin/x  y'\"}",
		DIFF_RESTART},
	{"command", "\"a\\\\\\\\b\"", "\"\\\"it's\\\"\"", "{\"'a\\\\b'\"}", "{\"'it'\\\\''s'\"}",
		DIFF_RESTART},
	{"type", "", "oneshot", "simple", "=", DIFF_RESTART},
	{"pid-file", "\"/run/x\"", "\"/run/%{name}\"", "=", "=", DIFF_RESTART, "type = forking"},
	{"autostart", "", "false", "true", "=", DIFF_LIVE},
	{"essential", "", "true", "false", "=", DIFF_LIVE},
	{"instances", "", "3", NULL, "=", DIFF_LIVE},
	{"instances", "0", "1", "=", "=", DIFF_LIVE},
	{"directory", "", "\"/a b\\x1b\\n\\\"\\\\${HOME}\"", "\"/\"", "=", DIFF_RESTART},
	{"directory", "\"/\xc3\xa9\"", "\"/\\x7f0\\r\\t\"", "=", "=", DIFF_RESTART},
	{"umask", "", "0", "022", "=", DIFF_RESTART},
	{"user", "", "\"@\"", NULL, "=", DIFF_RESTART},
	{"group", "", "\"@\"", NULL, "=", DIFF_RESTART},
	{"nice", "", "-5", NULL, "=", DIFF_RESTART},
	{"nice", "", "0", NULL, "=", DIFF_RESTART},
	{"oom-score-adj", "100", "-100", "=", "=", DIFF_RESTART},
	{"clear-environment", "", "true", "false", "=", DIFF_RESTART},
	{"requires", "", "{\"db\", \"w@2\"}", "{}", "=", DIFF_LIVE},
	{"wants", "", "{\"db\"}", "{}", "=", DIFF_LIVE},
	{"after", "{\"db\", \"w\"}", "{\"w\", \"db\"}", "=", "=", DIFF_LIVE},
	{"before", "", "{\"db\"}", "{}", "=", DIFF_LIVE},
	{"conflicts", "", "{\"db\"}", "{}", "=", DIFF_LIVE},
	{"groups", "", "{\"a\", \"b\"}", "{}", "=", DIFF_LIVE},
	{"pool", "", "\"p\"", NULL, "=", DIFF_LIVE},
	{"pool", "\"q\"", "\"p\"", "=", "=", DIFF_LIVE},
	{"restart", "", "always", "on-failure", "=", DIFF_LIVE},
	{"success-codes", "", "{0, 3, 255}", "{0}", "=", DIFF_LIVE},
	{"success-codes", "", "{}", "{0}", "=", DIFF_LIVE},
	{"restart-delay", "", "1500us", "100ms", "=", DIFF_LIVE},
	{"restart-max-delay", "", "90s", "30s", "=", DIFF_LIVE},
	{"restart-jitter", "", "0", "10", "=", DIFF_LIVE},
	{"restart-limit", "", "0", "5", "=", DIFF_LIVE},
	{"restart-window", "", "5h", "1min", "=", DIFF_LIVE},
	{"stable-after", "", "2d", "10s", "=", DIFF_LIVE},
	{"stable-after", "", "0", "10s", "=", DIFF_LIVE},
	{"ready.on", "", "\"tcp:127.0.0.1:80\"", "exec", "tcp:127.0.0.1:80", DIFF_LIVE},
	{"ready.on", "\"tcp:[::1]:80\"", "\"tcp:localhost:81\"", "=", "tcp:localhost:81",
		DIFF_LIVE},
	{"ready.on", "\"unix:/a b\"", "\"unix:/run/%{name}\"", "=", "=", DIFF_LIVE},
	{"ready.on", "\"log:^up$\"", "\"log:^\\\\d+ up$\"", "=", "=", DIFF_LIVE},
	{"ready.on", "exec", "notify", "=", "=", DIFF_RESTART},
	{"ready.on", "notify", "\"log:x\"", "=", "log:x", DIFF_RESTART},
	{"ready.on", "\"fd:3\"", "\"fd:1023\"", "fd:3", "fd:1023", DIFF_RESTART},
	{"ready.timeout", "", "1min", "30s", "=", DIFF_LIVE},
	{"ready.timeout", "", "0", "30s", "=", DIFF_LIVE},
	{"ready.command", "{\"/bin/t\", \"a\"}", "{\"/bin/t\", \"b\"}", "=", "=", DIFF_LIVE,
		"on = command"},
	{"ready.interval", "", "1s", "500ms", "=", DIFF_LIVE, "on = \"unix:/x\""},
	{"health.command", "", "{\"/bin/t\", \"a\"}", NULL, "=", DIFF_LIVE},
	{"health.command", "{\"/bin/t\", \"a\"}", "{\"/bin/t\", \"b\"}", "=", "=", DIFF_LIVE},
	{"health.tcp", "", "\"127.0.0.1:80\"", NULL, "=", DIFF_LIVE},
	{"health.unix", "", "\"/run/%{name}\"", NULL, "=", DIFF_LIVE},
	{"health.http", "", "\"http://[::1]:80%{instance}/x\"", NULL, "=", DIFF_LIVE},
	{"health.interval", "", "1s", "10s", "=", DIFF_LIVE, "unix = \"/x\""},
	{"health.timeout", "", "1s", "2s", "=", DIFF_LIVE, "unix = \"/x\""},
	{"health.failures", "", "4", "3", "=", DIFF_LIVE, "unix = \"/x\""},
	{"health.grace", "", "1s", "0", "=", DIFF_LIVE, "unix = \"/x\""},
	{"health.action", "", "none", "restart", "=", DIFF_LIVE, "unix = \"/x\""},
	{"watchdog", "1s", "2s", "=", "=", DIFF_LIVE},
	{"watchdog", "", "1s", "0", "=", DIFF_RESTART},
	{"watchdog", "1s", "0", "=", "=", DIFF_RESTART},
	{"stop.signal", "", "\"RTMIN+3\"", "TERM", "=", DIFF_LIVE},
	{"stop.timeout", "", "5s", "10s", "=", DIFF_LIVE},
	{"stop.command", "", "{\"/bin/s\", \"-x\"}", "{}", "=", DIFF_LIVE},
	{"stop.kill", "", "group", "tree", "=", DIFF_LIVE},
	{"reload.signal", "", "USR1", "HUP", "=", DIFF_LIVE},
	{"reload.command", "", "{\"/bin/r\", \"-x\"}", "{}", "=", DIFF_LIVE},
	{"hooks.pre-start", "", "{\"/bin/h\", \"1\"}", "{}", "=", DIFF_LIVE},
	{"hooks.post-start", "", "{\"/bin/h\", \"2\"}", "{}", "=", DIFF_LIVE},
	{"hooks.pre-stop", "", "{\"/bin/h\", \"3\"}", "{}", "=", DIFF_LIVE},
	{"hooks.post-stop", "", "{\"/bin/h\", \"4\"}", "{}", "=", DIFF_LIVE},
	{"hooks.on-failed", "", "{\"/bin/h\", \"5\"}", "{}", "=", DIFF_LIVE},
	{"hooks.timeout", "", "1s", "30s", "=", DIFF_LIVE},
	{"log.file", "", "\"/x/%{name}\"", "\"%{name}.log\"", "=", DIFF_LIVE},
	{"log.file", "inherit", "none", "=", "=", DIFF_RESTART},
	{"log.stderr", "", "\"err\"", NULL, "=", DIFF_RESTART},
	{"log.stderr", "inherit", "none", "=", "=", DIFF_LIVE},
	{"log.stderr", "journal", "syslog", "=", "=", DIFF_LIVE},
	{"log.stderr", "", "none", NULL, "=", DIFF_RESTART, "file = none"},
	{"log.file", "\"json:a\"", "\"a\"", "=", "=", DIFF_LIVE},
	{"log.file", "\"journal:/run/j\"", "\"syslog:unix:/l/%{name}\"", "=", "=", DIFF_LIVE},
	{"log.file", "\"syslog:udp:192.0.2.1:514\"", "\"syslog:tcp:[::1]:601\"",
		"syslog:udp:192.0.2.1:514", "=", DIFF_LIVE},
	{"log.file", "\"journal:/run/systemd/journal/socket\"", "\"syslog:unix:/dev/log\"",
		"journal", "syslog", DIFF_LIVE},
	{"log.file", "none", "\"x\"", "=", "=", DIFF_LIVE, "also = {journal}"},
	{"log.also", "", "{\"journal\", \"json:x\", \"inherit\"}", "{}", "=", DIFF_LIVE},
	{"log.also", "{\"/x\"}", "{\"json:/x\"}", "=", "=", DIFF_LIVE},
	{"log.also", "", "{\"syslog\"}", "{}", "=", DIFF_RESTART, "file = none"},
	{"log.also", "", "{\"syslog\"}", "{}", "=", DIFF_LIVE, "file = none stderr = none"},
	{"log.format", "", "json", "plain", "=", DIFF_LIVE},
	{"log.format", "prefix", "json", "=", "=", DIFF_LIVE, "file = inherit also = {\"x\"}"},
	{"log.timestamps", "", "iso", "none", "=", DIFF_LIVE},
	{"log.timestamps", "iso", "local", "=", "=", DIFF_LIVE},
	{"log.max-size", "", "1000", "50M", "=", DIFF_LIVE},
	{"log.max-size", "1G", "64K", "=", "=", DIFF_LIVE},
	{"log.rotate", "", "daily", "never", "=", DIFF_LIVE},
	{"log.rotate", "hourly", "daily", "=", "=", DIFF_LIVE},
	{"log.keep", "", "0", "10", "=", DIFF_LIVE},
	{"log.keep-age", "", "30d", "0", "=", DIFF_LIVE},
	{"log.keep-size", "", "1G", "0", "=", DIFF_LIVE},
	{"log.compress", "", "gzip", "none", "=", DIFF_LIVE},
	{"log.compress", "\"zstd -q -c\"", "{\"gzip\", \"-c\", \"-9\"}", "zstd", "=", DIFF_LIVE},
	{"log.compress", "\"xz -T1\"", "\"/opt/squeeze\"", "{\"xz\", \"-T1\"}",
		"{\"/opt/squeeze\"}", DIFF_LIVE},
	{"log.overflow", "", "block", NULL, "=", DIFF_LIVE},
	{"log.overflow", "", "drop", NULL, "=", DIFF_LIVE},
	{"log.rate-lines", "", "1000", "0", "=", DIFF_LIVE},
	{"log.rate-bytes", "", "1M", "0", "=", DIFF_LIVE},
	{"log.rate-burst", "", "5s", "1s", "=", DIFF_LIVE},
	{"stdin", "", "\"fifo:/run/%{name}\"", "null", "=", DIFF_RESTART},
	{"stdin", "\"file:/a b\"", "\"service:db\"", "=", "service:db", DIFF_RESTART},
	{"stdin", "\"service:w@1\"", "\"service:w\"", "service:w@1", "service:w", DIFF_RESTART},
	{"schedule.every", "", "1h", NULL, "=", DIFF_LIVE},
	{"schedule.cron", "", "\"5 4 * * mon\"", NULL, "=", DIFF_LIVE},
	{"schedule.cron", "\"@daily\"", "\"0 0 * * *\"", "=", "=", DIFF_LIVE},
	{"schedule.overlap", "", "queue", "skip", "=", DIFF_LIVE, "every = 1h"},
	{"schedule.jitter", "", "1min", "0", "=", DIFF_LIVE, "every = 1h"},
	{"limits.nofile", "", "1024", NULL, "=", DIFF_LIVE},
	{"limits.nofile", "\"1024:4096\"", "4096", "1024:4096", "=", DIFF_LIVE},
	{"limits.nofile", "1024", "\"\"", "=", NULL, DIFF_RESTART},
	{"limits.core", "0", "unlimited", "=", "=", DIFF_LIVE},
	{"limits.as", "1G", "\"1G:unlimited\"", "=", "1G:unlimited", DIFF_LIVE},
	{"limits.nproc", "", "100", NULL, "=", DIFF_LIVE},
	{"limits.stack", "", "8M", NULL, "=", DIFF_LIVE},
	{"limits.cpu", "", "90s", NULL, "=", DIFF_LIVE},
	{"limits.cpu", "1h", "\"10s:1min\"", "=", "10s:1min", DIFF_LIVE},
	{"limits.fsize", "", "1000", NULL, "=", DIFF_LIVE},
	{"limits.memlock", "", "64K", NULL, "=", DIFF_LIVE},
	{"limits.data", "", "2G", NULL, "=", DIFF_LIVE},
};

static const struct key_case global_cases[] = {
	{"runtime-dir", "\"/r\"", "\"/s\"", "=", "=", DIFF_REFUSED},
	{"state-dir", "\"/r\"", "\"/s\"", "=", "=", DIFF_REFUSED},
	{"log-dir", "\"/r\"", "\"/s\"", "=", "=", DIFF_LIVE},
	{"log-level", "", "debug", "info", "=", DIFF_LIVE},
	{"max-starting", "", "7", "0", "=", DIFF_LIVE},
	{"on-orphan", "", "stop", "adopt", "=", DIFF_LIVE},
	{"control.mode", "", "0660", NULL, "=", DIFF_LIVE},
	{"control.group", "", "\"@\"", NULL, "=", DIFF_LIVE},
	{"control.operators", "", "{\"@\"}", "{}", "=", DIFF_LIVE},
	{"control.observers", "", "{\"@\"}", "{}", "=", DIFF_LIVE},
	{"queue.key", "", "0x1f", "0", "=", DIFF_REFUSED},
	{"queue.key", "10", "0", "0xa", "=", DIFF_REFUSED},
	{"queue.mode", "", "0600", "0640", "=", DIFF_LIVE},
	{"queue.group", "", "\"@\"", NULL, "=", DIFF_LIVE},
};

/* A text with our own id in place of "@" alone, in quotes. */
static const char *own_id(const struct key_case *c, const char *text, char ret_text[static 64])
{
	bool is_group = strstr(c->key, "group") != NULL;
	const char *at = strstr(text, "\"@\"");

	if (!at)
		return text;
	snprintf(ret_text, 64, "%.*s\"%u\"%s", (int)(at - text), text,
		is_group ? (unsigned)getegid() : (unsigned)geteuid(), at + 3);
	return ret_text;
}

/* A configuration in which the key has this value, or is not given. */
static struct spec *load_key(
	struct fixture *f, bool global, const struct key_case *c, const char *value)
{
	/* whom a service can speak of */
	static const char others[] = "service db { command = x }\n"
				     "service w { command = x instances = 2 }\n"
				     "pool p { slots = 1 } pool q { slots = 2 }\n";
	const char *dot = strchr(c->key, '.'), *with = c->with ? c->with : "";
	char key[512] = "", statement[640], text[2048];

	if (*value)
		snprintf(key, sizeof(key), "%s = %s", dot ? dot + 1 : c->key, value);
	if (dot && (*value || *with))
		snprintf(statement, sizeof(statement), "%.*s { %s %s }", (int)(dot - c->key),
			c->key, key, with);
	else
		snprintf(statement, sizeof(statement), "%s %s", key, with);
	snprintf(text, sizeof(text), "%s\nservice web {\n%s\n%s\n}\n%s", global ? statement : "",
		strcmp(c->key, "command") == 0 ? "" : "command = x", global ? "" : statement,
		others);
	return take(f, text);
}

static void assert_case(struct fixture *f, bool global, const struct key_case *c)
{
	char ids[2][64];
	const char *before = own_id(c, c->before, ids[0]), *after = own_id(c, c->after, ids[1]);
	const char *told = c->told_before;
	struct two t = {
		.before = load_key(f, global, c, before), .after = load_key(f, global, c, after)};
	const struct diff_key *k;

	compare(&t, global);
	if (t.keys.n != 1)
		fail_msg("%s: %zu differences", c->key, t.keys.n);
	k = &t.keys.keys[0];
	assert_text(k->key, c->key);
	assert_text(k->before, told && strcmp(told, "=") == 0 ? before : told);
	told = c->told_after;
	assert_text(k->after, told && strcmp(told, "=") == 0 ? after : told);
	assert_int_equal(k->effect, c->effect);
	assert_false(k->secret);
	if (!global && strcmp(c->key, "instances") != 0)
		assert_int_equal(diff_service_effect(&t.before->services[0], &t.after->services[0]),
			c->effect);
	/* What was told, put into a configuration, means the same. */
	spec_free(t.before);
	t.before = load_key(f, global, c, k->after ? k->after : "");
	compare(&t, global);
	assert_int_equal(t.keys.n, 0);
	two_free(&t);
}

static void every_key_is_told_as_it_is_written_and_with_its_effect(void **state)
{
	for (size_t i = 0; i < ELEMENTSOF(service_cases); i++)
		assert_case(*state, false, &service_cases[i]);
	for (size_t i = 0; i < ELEMENTSOF(global_cases); i++)
		assert_case(*state, true, &global_cases[i]);
}

static bool is_covered(bool global, const char *path)
{
	/* told by their own names */
	static const char *const others[] = {"environment", "env-file", "pool.slots"};
	const struct key_case *cases = global ? global_cases : service_cases;
	size_t n = global ? ELEMENTSOF(global_cases) : ELEMENTSOF(service_cases);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(cases[i].key, path) == 0)
			return true;
	}
	for (size_t i = 0; i < ELEMENTSOF(others); i++) {
		if (strcmp(others[i], path) == 0)
			return true;
	}
	return false;
}

static size_t assert_all_covered(bool global, const struct schema *schema)
{
	size_t n = 0;

	for (size_t i = 0; i < schema->n_keys; i++) {
		const struct schema_key *key = &schema->keys[i];

		if (strcmp(key->path, "service") == 0 || strcmp(key->path, "defaults") == 0) {
			n += assert_all_covered(false, key->below);
		} else if (key->shape == SCHEMA_SECTION || key->shape == SCHEMA_TITLED) {
			n += assert_all_covered(global, key->below);
		} else if (key->shape == SCHEMA_VALUE || key->shape == SCHEMA_LIST) {
			if (!is_covered(global, key->path))
				fail_msg("no test knows what a change of '%s' does", key->path);
			n++;
		}
	}
	return n;
}

static void no_key_of_the_schema_is_forgotten(void **state)
{
	(void)state;
	assert_true(assert_all_covered(true, schema_all()) > 140);
}

/* So that `supctl show` and plans tell keys in the order in which the manual has them. */
static void rules_stand_in_the_order_of_the_schema(void **state)
{
	const struct schema *service = NULL;
	struct diff_keys keys;
	size_t at = 0;

	good(*state, "service web { command = x }\n");
	assert_int_equal(diff_describe(&((struct fixture *)*state)->spec->services[0], &keys), 0);
	for (size_t i = 0; i < schema_all()->n_keys; i++) {
		if (strcmp(schema_all()->keys[i].name, "service") == 0)
			service = schema_all()->keys[i].below;
	}
	assert_non_null(service);
	for (size_t i = 0; i < service->n_keys; i++) {
		const struct schema *below = service->keys[i].below;

		for (size_t k = 0; k < (below ? below->n_keys : 1); k++) {
			const struct schema_key *key = below ? &below->keys[k] : &service->keys[i];

			if (key->shape == SCHEMA_LATER || strcmp(key->path, "environment") == 0 ||
				strcmp(key->path, "env-file") == 0)
				continue;
			assert_true(at < keys.n);
			assert_string_equal(keys.keys[at++].key, key->path);
		}
	}
	assert_int_equal(at, keys.n);
	diff_keys_fini(&keys);
}

static void pools_are_told_by_name(void **state)
{
	struct two t;

	two_texts(*state, &t, true,
		"pool a { slots = 1 } pool b { slots = 2 } pool c { slots = 3 }",
		"\npool d { slots = 4 }\npool c { slots = 3 }\npool b {\nslots = 5 }");
	assert_int_equal(t.keys.n, 3);
	assert_key(&t, 0, "pool \"d\".slots", NULL, "4", DIFF_LIVE);
	assert_key(&t, 1, "pool \"b\".slots", "2", "5", DIFF_LIVE);
	assert_key(&t, 2, "pool \"a\".slots", "1", NULL, DIFF_LIVE);
	assert_int_equal(t.keys.keys[0].place.line, 2);
	assert_int_equal(t.keys.keys[1].place.line, 5);
	assert_int_equal(t.keys.keys[2].place.line, 0);
	two_free(&t);
}

static void a_choice_of_another_kind_is_told_as_both_keys(void **state)
{
	struct two t;

	two_services(*state, &t, "health { tcp = \"127.0.0.1:1\" } schedule { every = 1h }",
		"health { unix = \"/x\" failures = 5 } schedule { cron = \"@daily\" }");
	assert_int_equal(t.keys.n, 5);
	assert_key(&t, 0, "health.tcp", "\"127.0.0.1:1\"", NULL, DIFF_LIVE);
	assert_key(&t, 1, "health.unix", NULL, "\"/x\"", DIFF_LIVE);
	assert_key(&t, 2, "health.failures", "3", "5", DIFF_LIVE);
	assert_key(&t, 3, "schedule.every", "1h", NULL, DIFF_LIVE);
	assert_key(&t, 4, "schedule.cron", NULL, "\"@daily\"", DIFF_LIVE);
	two_free(&t);
	two_services(*state, &t, "", "health { unix = \"/x\" }");
	assert_int_equal(t.keys.n, 1);
	two_free(&t);
	two_services(*state, &t, "", "type = oneshot");
	assert_int_equal(t.keys.n, 1);
	two_free(&t);
	two_services(*state, &t, "", "type = oneshot ready { timeout = 30s }");
	assert_int_equal(t.keys.n, 1);
	two_free(&t);
	two_services(*state, &t, "", "type = forking pid-file = \"/p\"");
	assert_int_equal(t.keys.n, 2);
	assert_key(&t, 0, "type", "simple", "forking", DIFF_RESTART);
	assert_key(&t, 1, "pid-file", NULL, "\"/p\"", DIFF_RESTART);
	two_free(&t);
	two_services(*state, &t, "type = oneshot", "type = oneshot ready { timeout = 30s }");
	assert_int_equal(t.keys.n, 1);
	assert_key(&t, 0, "ready.timeout", "0", "30s", DIFF_LIVE);
	two_free(&t);
}

/* A home directory, say: what passwd holds is under nobody's control. */
static void bytes_that_are_no_text_are_escaped(void **state)
{
	_cleanup_buf_ struct buf text = {0};

	(void)state;
	assert_int_equal(write_string(&text, "/h\xff\xc3\xa9"), 0);
	assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
	assert_string_equal(text.data, "\"/h\\xff\\xc3\\xa9\"");
}

static void what_is_written_otherwise_is_no_difference(void **state)
{
	static const char before[] =
		"log-level = info\ncontrol { operators = {root} }\n"
		"service web { command = {\"/bin/x\", \"y\"}\n environment = {\"A=1\", \"B=2\", "
		"\"C=3\"}\n stop { timeout = 1min } user = \"\" log { stderr = \"\" } }\n";
	static const char after[] =
		"/* more */\nservice \"web\" {\n\n  log { file = '%{name}.log' }\n"
		"  stop { signal = SIGTERM timeout = 60s } # less\n"
		"  environment = {\"C=3\", \"A=1\", \"B=2\"}\n  command = \"/bin/x  'y'\"\n"
		"  umask = 0022  success-codes = 0\n}\ncontrol { operators = root }\n";
	struct two t;

	two_texts(*state, &t, false, before, after);
	assert_int_equal(t.keys.n, 0);
	assert_int_equal(
		diff_service_effect(&t.before->services[0], &t.after->services[0]), DIFF_NONE);
	compare(&t, true);
	assert_int_equal(t.keys.n, 0);
	two_free(&t);
}

static void variables_are_told_by_name_and_are_secret(void **state)
{
	struct two t;

	two_services(*state, &t, "environment = {\"A=1\", \"GONE=x\", \"SAME=y\", \"B C=\"}",
		"environment = {\"SAME=y\", \"NEW=a \\\"b\\\"=c\", \"B C=2\", \"A=1%{instance}\"}");
	assert_int_equal(t.keys.n, 4);
	assert_key(&t, 0, "environment NEW", NULL, "\"a \\\"b\\\"=c\"", DIFF_RESTART);
	assert_key(&t, 1, "environment \"B C\"", "\"\"", "\"2\"", DIFF_RESTART);
	assert_key(&t, 2, "environment A", "\"1\"", "\"1%{instance}\"", DIFF_RESTART);
	assert_key(&t, 3, "environment GONE", "\"x\"", NULL, DIFF_RESTART);
	for (size_t i = 0; i < t.keys.n; i++) {
		assert_true(t.keys.keys[i].secret);
		assert_int_equal(t.keys.keys[i].place.line, 3);
	}
	assert_int_equal(
		diff_service_effect(&t.before->services[0], &t.after->services[0]), DIFF_RESTART);
	two_free(&t);
}

static void a_variable_whose_name_begins_another_is_another(void **state)
{
	struct two t;

	two_services(*state, &t, "environment = {\"AB=1\", \"A=2\"}",
		"environment = {\"A=1\", \"AB=2\"}");
	assert_int_equal(t.keys.n, 2);
	assert_key(&t, 0, "environment A", "\"2\"", "\"1\"", DIFF_RESTART);
	assert_key(&t, 1, "environment AB", "\"1\"", "\"2\"", DIFF_RESTART);
	two_free(&t);
}

static void what_an_env_file_holds_counts_and_not_its_path(void **state)
{
	struct fixture *f = *state;
	struct two t;

	write_file(f, "one.env", "# comment\nTOKEN=old\nSAME=1\n");
	write_file(f, "two.env", "SAME=\"1\"\nTOKEN=new\n");
	write_file(f, "three.env", "SAME=1\n\nTOKEN='old'\n");
	two_services(f, &t, "env-file = \"one.env\"", "env-file = \"two.env\"");
	assert_int_equal(t.keys.n, 1);
	assert_key(&t, 0, "env-file TOKEN", "\"old\"", "\"new\"", DIFF_RESTART);
	assert_true(t.keys.keys[0].secret);
	assert_int_equal(t.keys.keys[0].place.line, 3);
	two_free(&t);
	two_services(f, &t, "env-file = \"one.env\"", "env-file = \"three.env\"");
	assert_int_equal(t.keys.n, 0);
	two_free(&t);
}

static void a_log_is_live_while_the_pipes_stay(void **state)
{
	static const struct {
		const char *before, *after;
		enum diff_effect effect;
	} cases[] = {
		{"file = a", "file = b", DIFF_LIVE},
		{"file = a", "file = inherit", DIFF_LIVE},
		{"file = a", "file = none", DIFF_RESTART},
		{"file = none", "file = inherit", DIFF_RESTART},
		{"file = a stderr = e", "file = none stderr = e", DIFF_LIVE},
		{"file = none stderr = none", "file = a stderr = e", DIFF_LIVE},
		{"file = none", "file = none stderr = none", DIFF_RESTART},
		{"file = a stderr = inherit", "file = a", DIFF_RESTART},
		{"max-size = 1M", "max-size = 2M", DIFF_LIVE},
		{"stderr = e keep = 1", "stderr = e keep = 2", DIFF_LIVE},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		char before[128], after[128];
		struct two t;

		snprintf(before, sizeof(before), "log { %s }", cases[i].before);
		snprintf(after, sizeof(after), "log { %s }", cases[i].after);
		two_services(*state, &t, before, after);
		if (diff_service_effect(&t.before->services[0], &t.after->services[0]) !=
			cases[i].effect)
			fail_msg("case %zu", i);
		two_free(&t);
	}
}

/* As if a name service had answered so; each spec has its answer in memory of the test's. */
static void set_identity(struct spec *spec, const char *user, const char *group, unsigned uid)
{
	static struct answer {
		struct spec_identity identity;
		gid_t groups[2];
		char home[8];
	} answers[2];
	static unsigned n;
	struct answer *a = &answers[n++ % ELEMENTSOF(answers)];

	*a = (struct answer){.groups = {50, 60}, .home = "/home/x"};
	a->identity = (struct spec_identity){
		.set = true,
		.uid = uid,
		.gid = 50,
		.user = (char *)user,
		.group = (char *)group,
		.user_name = (char *)user,
		.home = a->home,
		.groups = a->groups,
		.n_groups = ELEMENTSOF(a->groups),
	};
	spec->services[0].process->identity = &a->identity;
}

/* Nothing of its own section says so, and yet it needs a pipe from now on. */
static void output_that_another_one_reads_from_now_on_is_told(void **state)
{
	static const char *const texts[][3] = {
		{"file = none", "none", "none # another service reads it"},
		{"", NULL, NULL},
		{"file = none also = {journal}", NULL, NULL},
	};

	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		char before[256], after[256];
		struct two t;

		snprintf(before, sizeof(before),
			"service web { command = x\nlog { %s } }\nservice b { command = x }\n",
			texts[i][0]);
		snprintf(after, sizeof(after),
			"service web { command = x\nlog { %s } }\n"
			"service b { command = x stdin = \"service:web\" }\n",
			texts[i][0]);
		two_texts(*state, &t, false, before, after);
		assert_int_equal(t.keys.n, texts[i][1] ? 1 : 0);
		if (texts[i][1])
			assert_key(&t, 0, "log.file", texts[i][1], texts[i][2], DIFF_RESTART);
		two_free(&t);
		two_texts(*state, &t, false, after, before);
		assert_int_equal(t.keys.n, texts[i][1] ? 1 : 0);
		if (texts[i][1])
			assert_key(&t, 0, "log.file", texts[i][2], texts[i][1], DIFF_RESTART);
		two_free(&t);
	}
}

static void a_name_that_means_another_user_is_a_change(void **state)
{
	struct two t;

	two_services(*state, &t, "", "");
	set_identity(t.before, "www", "web", 33);
	set_identity(t.after, "www", "web", 34);
	compare(&t, false);
	assert_int_equal(t.keys.n, 1);
	assert_key(&t, 0, "user",
		"\"www\" # uid 33, gid 50, groups 50 60, name \"www\", home \"/home/x\"",
		"\"www\" # uid 34, gid 50, groups 50 60, name \"www\", home \"/home/x\"",
		DIFF_RESTART);
	t.after->services[0].process->identity->uid = 33;
	t.after->services[0].process->identity->groups[1] = 61;
	compare(&t, false);
	assert_int_equal(t.keys.n, 1);
	assert_non_null(strstr(t.keys.keys[0].after, "groups 50 61,"));
	t.after->services[0].process->identity->groups[1] = 60;
	t.after->services[0].process->identity->home[1] = 'H';
	assert_int_equal(
		diff_service_effect(&t.before->services[0], &t.after->services[0]), DIFF_RESTART);
	t.after->services[0].process->identity->home[1] = 'h';
	compare(&t, false);
	assert_int_equal(t.keys.n, 0);
	two_free(&t);
}

static void a_group_that_means_another_is_a_change(void **state)
{
	struct two t;

	two_services(*state, &t, "", "");
	set_identity(t.before, NULL, "web", 0);
	set_identity(t.after, NULL, "web", 0);
	t.after->services[0].process->identity->gid = 51;
	compare(&t, false);
	assert_int_equal(t.keys.n, 1);
	assert_key(&t, 0, "group", "\"web\" # uid 0, gid 50, groups 50 60, home \"/home/x\"",
		"\"web\" # uid 0, gid 51, groups 50 60, home \"/home/x\"", DIFF_RESTART);
	two_free(&t);
}

static void a_role_or_group_of_the_socket_that_means_others_is_a_change(void **state)
{
	char text[160];
	struct two t;

	snprintf(text, sizeof(text), "control { operators = {\"%u\", \"@%u\"} group = \"%u\" }",
		(unsigned)geteuid(), (unsigned)getegid(), (unsigned)getegid());
	two_texts(*state, &t, true, text, text);
	assert_int_equal(t.keys.n, 0);
	t.after->operators.uids[0] = 4711;
	t.after->control_group = 4712;
	compare(&t, true);
	assert_int_equal(t.keys.n, 2);
	assert_text(t.keys.keys[0].key, "control.group");
	assert_non_null(strstr(t.keys.keys[0].after, "\" # gid 4712"));
	assert_text(t.keys.keys[1].key, "control.operators");
	assert_non_null(strstr(t.keys.keys[1].after, "} # uids 4711, gids "));
	two_free(&t);
}

static void a_directory_that_follows_from_another_is_told_too(void **state)
{
	struct fixture *f = *state;
	struct two t;

	f->context.root = false;
	two_texts(f, &t, true, "state-dir = /a", "state-dir = /b");
	assert_int_equal(t.keys.n, 2);
	assert_key(&t, 0, "state-dir", "\"/a\"", "\"/b\"", DIFF_REFUSED);
	assert_key(&t, 1, "log-dir", "\"/a/log\"", "\"/b/log\"", DIFF_LIVE);
	two_free(&t);
}

static void a_place_is_that_of_the_new_value_or_of_what_lost_it(void **state)
{
	struct fixture *f = *state;
	struct two t;

	two_services(f, &t, "nice = 1\numask = 0", "\nnice = 2");
	assert_key(&t, 0, "umask", "0", "022", DIFF_RESTART);
	assert_int_equal(t.keys.keys[0].place.line, 1);
	assert_int_equal(t.keys.keys[1].place.line, 4);
	assert_ptr_equal(t.keys.keys[1].place.file, t.after->files[0]);
	two_free(&t);
	two_texts(f, &t, true, "log-level = debug\n", "\n\nqueue {\nmode = 0600\n}\n");
	assert_int_equal(t.keys.n, 2);
	assert_int_equal(t.keys.keys[0].place.line, 0);
	assert_ptr_equal(t.keys.keys[0].place.file, t.after->files[0]);
	assert_int_equal(t.keys.keys[1].place.line, 4);
	two_free(&t);
}

static void an_effect_is_that_of_the_gravest_change(void **state)
{
	struct two t;

	two_services(
		*state, &t, "nice = 1 stop { timeout = 1s }", "nice = 2 stop { kill = group }");
	assert_int_equal(t.keys.n, 3);
	assert_int_equal(
		diff_service_effect(&t.before->services[0], &t.after->services[0]), DIFF_RESTART);
	two_free(&t);
	two_services(*state, &t, "", "instances = 2");
	assert_int_equal(
		diff_service_effect(&t.before->services[0], &t.after->services[0]), DIFF_NONE);
	two_free(&t);
}

/* "+new -old =same was>now", in order. */
static void assert_matched(const struct two *t, const char *expected)
{
	struct diff_pair *pairs;
	char text[512] = "";
	size_t n, len = 0;

	assert_int_equal(diff_match(t->before, t->after, &pairs, &n), 0);
	for (size_t i = 0; i < n; i++) {
		const char *was = pairs[i].before ? pairs[i].before->name : NULL;
		const char *now = pairs[i].after ? pairs[i].after->name : NULL;
		const char *mark = !was ? "+" : !now ? "-" : strcmp(was, now) == 0 ? "=" : ">";

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s%s",
			i > 0 ? " " : "", *mark == '>' ? was : "", mark, now ? now : was);
	}
	free(pairs);
	assert_string_equal(text, expected);
}

static void services_are_matched_by_name_and_renamed_ones_by_what_they_say(void **state)
{
	static const struct {
		const char *before, *after, *expected;
	} cases[] = {
		{"", "", ""},
		{"", "service a { command = x }", "+a"},
		{"service a { command = x }", "", "-a"},
		{"service a { command = x } service b { command = y }",
			"service b { command = z } service a { command = x }", "=b =a"},
		{"service a { command = x } service b { command = y }",
			"service c { command = y } service a { command = z }", "b>c =a"},
		{"service a { command = x }", "service b { command = y }", "+b -a"},
		{"service a { command = x instances = 2 }",
			"service b { command = x instances = 3 }", "+b -a"},
		{"service a { command = x instances = 2 }",
			"service b { command = x instances = 2 }", "a>b"},
		{"service a { command = x }", "service b { command = x instances = 1 }", "+b -a"},
		{"service a { command = x environment = {\"A=1\"} }",
			"service b { command = x environment = {\"A=2\"} }", "+b -a"},
		/* equal ones: each once, in order */
		{"service a { command = x } service b { command = x } service c { command = x }",
			"service d { command = x } service e { command = x }", "a>d b>e -c"},
		{"service a { command = x }", "service b { command = x } service c { command = x }",
			"a>b +c"},
		/* a name that stays is not given away */
		{"service a { command = x }", "service b { command = x } service a { command = x }",
			"+b =a"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct two t = {.before = take(*state, cases[i].before),
			.after = take(*state, cases[i].after)};

		assert_matched(&t, cases[i].expected);
		two_free(&t);
	}
}

static struct spec *many(struct fixture *f, const char *prefix, size_t n, bool alike)
{
	_cleanup_buf_ struct buf text = {0};

	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_printf(&text, "service %s%zu { command = {x, \"%zu\"} }\n",
					 prefix, i, alike ? 0 : i),
			0);
	assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
	return take(f, text.data);
}

static void as_many_services_as_there_can_be_are_matched(void **state)
{
	for (int alike = 0; alike <= 1; alike++) {
		struct two t = {.before = many(*state, "a", SPEC_MAX_SERVICES, alike),
			.after = many(*state, "b", SPEC_MAX_SERVICES, alike)};
		struct diff_pair *pairs;
		usec_t start = usec_now(CLOCK_MONOTONIC);
		size_t n;

		assert_int_equal(diff_match(t.before, t.after, &pairs, &n), 0);
		print_message("20,000 renamed, %s: %u us\n", alike ? "all alike" : "all different",
			(unsigned)(usec_now(CLOCK_MONOTONIC) - start));
		assert_int_equal(n, SPEC_MAX_SERVICES);
		for (size_t i = 0; i < n; i++) {
			assert_ptr_equal(pairs[i].before, &t.before->services[i]);
			assert_ptr_equal(pairs[i].after, &t.after->services[i]);
		}
		free(pairs);
		two_free(&t);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_key_is_told_as_it_is_written_and_with_its_effect),
		TEST(no_key_of_the_schema_is_forgotten),
		TEST(rules_stand_in_the_order_of_the_schema),
		TEST(pools_are_told_by_name),
		TEST(a_choice_of_another_kind_is_told_as_both_keys),
		TEST(bytes_that_are_no_text_are_escaped),
		TEST(what_is_written_otherwise_is_no_difference),
		TEST(variables_are_told_by_name_and_are_secret),
		TEST(a_variable_whose_name_begins_another_is_another),
		TEST(what_an_env_file_holds_counts_and_not_its_path),
		TEST(a_log_is_live_while_the_pipes_stay),
		TEST(output_that_another_one_reads_from_now_on_is_told),
		TEST(a_name_that_means_another_user_is_a_change),
		TEST(a_group_that_means_another_is_a_change),
		TEST(a_role_or_group_of_the_socket_that_means_others_is_a_change),
		TEST(a_directory_that_follows_from_another_is_told_too),
		TEST(a_place_is_that_of_the_new_value_or_of_what_lost_it),
		TEST(an_effect_is_that_of_the_gravest_change),
		TEST(services_are_matched_by_name_and_renamed_ones_by_what_they_say),
		TEST(as_many_services_as_there_can_be_are_matched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
