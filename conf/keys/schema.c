/*
 * The one table of keys. What DESIGN promises but this version does not do is listed as
 * such, so that it is refused by that reason and never accepted in silence.
 *
 * Statements that are wrong are blanked out of the text, and the rest of their section
 * is still parsed: so one load shows the mistakes of all keys and services at once.
 */
#include "conf/keys/schema.h"

#include <stdlib.h>
#include <string.h>

#include "conf/text/errors.h"
#include "conf/text/text.h"

#define SUGGESTION_DISTANCE 2

#define VALUE(section, key, number)                          \
	{                                                    \
		key, section key, SCHEMA_VALUE, number, NULL \
	}
#define LIST(section, key, number)                          \
	{                                                   \
		key, section key, SCHEMA_LIST, number, NULL \
	}
#define SECTION(key, number, keys_below)                     \
	{                                                    \
		key, key, SCHEMA_SECTION, number, keys_below \
	}
#define LATER(section, key)                             \
	{                                               \
		key, section key, SCHEMA_LATER, 0, NULL \
	}
#define SCHEMA_OF(prefix, table)                 \
	{                                        \
		prefix, table, ELEMENTSOF(table) \
	}

static const struct schema_key ready_keys[] = {
	VALUE("ready.", "on", SERVICE_READY_ON),
	VALUE("ready.", "timeout", SERVICE_READY_TIMEOUT),
	LIST("ready.", "command", SERVICE_READY_COMMAND),
	VALUE("ready.", "interval", SERVICE_READY_INTERVAL),
};
static const struct schema ready_schema = SCHEMA_OF("ready.", ready_keys);

static const struct schema_key health_keys[] = {
	LIST("health.", "command", SERVICE_HEALTH_COMMAND),
	VALUE("health.", "tcp", SERVICE_HEALTH_TCP),
	VALUE("health.", "unix", SERVICE_HEALTH_UNIX),
	VALUE("health.", "http", SERVICE_HEALTH_HTTP),
	VALUE("health.", "interval", SERVICE_HEALTH_INTERVAL),
	VALUE("health.", "timeout", SERVICE_HEALTH_TIMEOUT),
	VALUE("health.", "failures", SERVICE_HEALTH_FAILURES),
	VALUE("health.", "grace", SERVICE_HEALTH_GRACE),
	VALUE("health.", "action", SERVICE_HEALTH_ACTION),
};
static const struct schema health_schema = SCHEMA_OF("health.", health_keys);

static const struct schema_key stop_keys[] = {
	VALUE("stop.", "signal", SERVICE_STOP_SIGNAL),
	VALUE("stop.", "timeout", SERVICE_STOP_TIMEOUT),
	LIST("stop.", "command", SERVICE_STOP_COMMAND),
	VALUE("stop.", "kill", SERVICE_STOP_KILL),
};
static const struct schema stop_schema = SCHEMA_OF("stop.", stop_keys);

static const struct schema_key reload_keys[] = {
	VALUE("reload.", "signal", SERVICE_RELOAD_SIGNAL),
	LIST("reload.", "command", SERVICE_RELOAD_COMMAND),
};
static const struct schema reload_schema = SCHEMA_OF("reload.", reload_keys);

static const struct schema_key hooks_keys[] = {
	LIST("hooks.", "pre-start", SERVICE_HOOKS_PRE_START),
	LIST("hooks.", "post-start", SERVICE_HOOKS_POST_START),
	LIST("hooks.", "pre-stop", SERVICE_HOOKS_PRE_STOP),
	LIST("hooks.", "post-stop", SERVICE_HOOKS_POST_STOP),
	LIST("hooks.", "on-failed", SERVICE_HOOKS_ON_FAILED),
	VALUE("hooks.", "timeout", SERVICE_HOOKS_TIMEOUT),
};
static const struct schema hooks_schema = SCHEMA_OF("hooks.", hooks_keys);

static const struct schema_key log_keys[] = {
	VALUE("log.", "file", SERVICE_LOG_FILE),
	VALUE("log.", "stderr", SERVICE_LOG_STDERR),
	LIST("log.", "also", SERVICE_LOG_ALSO),
	VALUE("log.", "format", SERVICE_LOG_FORMAT),
	VALUE("log.", "timestamps", SERVICE_LOG_TIMESTAMPS),
	VALUE("log.", "max-size", SERVICE_LOG_MAX_SIZE),
	VALUE("log.", "rotate", SERVICE_LOG_ROTATE),
	VALUE("log.", "keep", SERVICE_LOG_KEEP),
	VALUE("log.", "keep-age", SERVICE_LOG_KEEP_AGE),
	VALUE("log.", "keep-size", SERVICE_LOG_KEEP_SIZE),
	LIST("log.", "compress", SERVICE_LOG_COMPRESS),
	VALUE("log.", "overflow", SERVICE_LOG_OVERFLOW),
	VALUE("log.", "rate-lines", SERVICE_LOG_RATE_LINES),
	VALUE("log.", "rate-bytes", SERVICE_LOG_RATE_BYTES),
	VALUE("log.", "rate-burst", SERVICE_LOG_RATE_BURST),
};
static const struct schema log_schema = SCHEMA_OF("log.", log_keys);

static const struct schema_key schedule_keys[] = {
	VALUE("schedule.", "every", SERVICE_SCHEDULE_EVERY),
	VALUE("schedule.", "cron", SERVICE_SCHEDULE_CRON),
	VALUE("schedule.", "overlap", SERVICE_SCHEDULE_OVERLAP),
	VALUE("schedule.", "jitter", SERVICE_SCHEDULE_JITTER),
};
static const struct schema schedule_schema = SCHEMA_OF("schedule.", schedule_keys);

static const struct schema_key limits_keys[] = {
	VALUE("limits.", "nofile", SERVICE_LIMITS_NOFILE),
	VALUE("limits.", "core", SERVICE_LIMITS_CORE),
	VALUE("limits.", "as", SERVICE_LIMITS_AS),
	VALUE("limits.", "nproc", SERVICE_LIMITS_NPROC),
	VALUE("limits.", "stack", SERVICE_LIMITS_STACK),
	VALUE("limits.", "cpu", SERVICE_LIMITS_CPU),
	VALUE("limits.", "fsize", SERVICE_LIMITS_FSIZE),
	VALUE("limits.", "memlock", SERVICE_LIMITS_MEMLOCK),
	VALUE("limits.", "data", SERVICE_LIMITS_DATA),
	LATER("limits.", "memory-max"),
	LATER("limits.", "cpu-weight"),
	LATER("limits.", "tasks-max"),
};
static const struct schema limits_schema = SCHEMA_OF("limits.", limits_keys);

static const struct schema_key service_keys[] = {
	LIST("", "command", SERVICE_COMMAND),
	VALUE("", "type", SERVICE_TYPE),
	VALUE("", "pid-file", SERVICE_PID_FILE),
	VALUE("", "autostart", SERVICE_AUTOSTART),
	VALUE("", "essential", SERVICE_ESSENTIAL),
	VALUE("", "instances", SERVICE_INSTANCES),
	VALUE("", "directory", SERVICE_DIRECTORY),
	VALUE("", "umask", SERVICE_UMASK),
	VALUE("", "user", SERVICE_USER),
	VALUE("", "group", SERVICE_GROUP),
	VALUE("", "nice", SERVICE_NICE),
	VALUE("", "oom-score-adj", SERVICE_OOM_SCORE_ADJ),
	LIST("", "environment", SERVICE_ENVIRONMENT),
	VALUE("", "env-file", SERVICE_ENV_FILE),
	VALUE("", "clear-environment", SERVICE_CLEAR_ENVIRONMENT),
	LIST("", "requires", SERVICE_REQUIRES),
	LIST("", "wants", SERVICE_WANTS),
	LIST("", "after", SERVICE_AFTER),
	LIST("", "before", SERVICE_BEFORE),
	LIST("", "conflicts", SERVICE_CONFLICTS),
	LIST("", "groups", SERVICE_GROUPS),
	VALUE("", "pool", SERVICE_POOL),
	VALUE("", "restart", SERVICE_RESTART),
	LIST("", "success-codes", SERVICE_SUCCESS_CODES),
	VALUE("", "restart-delay", SERVICE_RESTART_DELAY),
	VALUE("", "restart-max-delay", SERVICE_RESTART_MAX_DELAY),
	VALUE("", "restart-jitter", SERVICE_RESTART_JITTER),
	VALUE("", "restart-limit", SERVICE_RESTART_LIMIT),
	VALUE("", "restart-window", SERVICE_RESTART_WINDOW),
	VALUE("", "stable-after", SERVICE_STABLE_AFTER),
	SECTION("ready", SERVICE_READY, &ready_schema),
	SECTION("health", SERVICE_HEALTH, &health_schema),
	VALUE("", "watchdog", SERVICE_WATCHDOG),
	SECTION("stop", SERVICE_STOP, &stop_schema),
	SECTION("reload", SERVICE_RELOAD, &reload_schema),
	SECTION("hooks", SERVICE_HOOKS, &hooks_schema),
	VALUE("", "stdin", SERVICE_STDIN),
	SECTION("log", SERVICE_LOG, &log_schema),
	SECTION("schedule", SERVICE_SCHEDULE, &schedule_schema),
	SECTION("limits", SERVICE_LIMITS, &limits_schema),
	LATER("", "listen"),
	LATER("", "on-demand"),
	LATER("", "sandbox"),
};
static const struct schema service_schema = SCHEMA_OF("", service_keys);

static const struct schema_key control_keys[] = {
	VALUE("control.", "mode", GLOBAL_CONTROL_MODE),
	VALUE("control.", "group", GLOBAL_CONTROL_GROUP),
	LIST("control.", "operators", GLOBAL_CONTROL_OPERATORS),
	LIST("control.", "observers", GLOBAL_CONTROL_OBSERVERS),
};
static const struct schema control_schema = SCHEMA_OF("", control_keys);

static const struct schema_key queue_keys[] = {
	VALUE("queue.", "key", GLOBAL_QUEUE_KEY),
	VALUE("queue.", "mode", GLOBAL_QUEUE_MODE),
	VALUE("queue.", "group", GLOBAL_QUEUE_GROUP),
};
static const struct schema queue_schema = SCHEMA_OF("", queue_keys);

static const struct schema_key pool_keys[] = {
	VALUE("pool.", "slots", GLOBAL_POOL_SLOTS),
};
static const struct schema pool_schema = SCHEMA_OF("", pool_keys);

static const struct schema_key global_keys[] = {
	VALUE("", "runtime-dir", GLOBAL_RUNTIME_DIR),
	VALUE("", "state-dir", GLOBAL_STATE_DIR),
	VALUE("", "log-dir", GLOBAL_LOG_DIR),
	VALUE("", "log-level", GLOBAL_LOG_LEVEL),
	VALUE("", "max-starting", GLOBAL_MAX_STARTING),
	VALUE("", "on-orphan", GLOBAL_ON_ORPHAN),
	{"include", "include", SCHEMA_CALL, GLOBAL_INCLUDE, NULL},
	SECTION("control", GLOBAL_CONTROL, &control_schema),
	SECTION("queue", GLOBAL_QUEUE, &queue_schema),
	{"pool", "pool", SCHEMA_TITLED, GLOBAL_POOL, &pool_schema},
	SECTION("defaults", GLOBAL_DEFAULTS, &service_schema),
	{"service", "service", SCHEMA_TITLED, GLOBAL_SERVICE, &service_schema},
};
static const struct schema global_schema = SCHEMA_OF("", global_keys);

const struct schema *schema_all(void)
{
	return &global_schema;
}

_Static_assert(ELEMENTSOF(service_keys) <= SCHEMA_MAX_KEYS, "fits struct check");

/* What is being checked. */
struct check {
	struct guard *g;
	const char *file;
	struct conf_errors *errors;
	const char *where; /* "service 'web'", NULL at the top level */
	const char *prefix; /* "stop." within stop, else "" */
};

static int length_of(size_t n)
{
	return (int)MIN_OF(n, (size_t)80);
}

static const char *key_of(const struct check *c, const struct guard_entry *e)
{
	return c->g->text.data + e->start;
}

static const struct schema_key *find(const struct schema *schema, const char *name, size_t n)
{
	for (size_t i = 0; i < schema->n_keys; i++) {
		const char *candidate = schema->keys[i].name;

		if (strncmp(candidate, name, n) == 0 && candidate[n] == '\0')
			return &schema->keys[i];
	}
	return NULL;
}

static const char *suggestion(const struct schema *schema, const char *name, size_t n)
{
	unsigned best = SUGGESTION_DISTANCE + 1;
	const char *found = NULL;

	for (size_t i = 0; i < schema->n_keys; i++) {
		unsigned d = text_distance(name, n, schema->keys[i].name, SUGGESTION_DISTANCE);

		/* a word of three letters is near to too many others */
		if (d < best && 2 * d < n && schema->keys[i].shape != SCHEMA_LATER) {
			best = d;
			found = schema->keys[i].name;
		}
	}
	return found;
}

static void tell_misplaced(const struct check *c, const struct guard_entry *e)
{
	conf_errors_add(c->errors, (struct spec_place){c->file, e->line},
		"'%.*s' cannot stand in %s; is a '}' missing before it?", length_of(e->key_len),
		key_of(c, e), c->where ? c->where : "");
}

static void tell_unknown(
	const struct check *c, const struct schema *schema, const struct guard_entry *e)
{
	struct spec_place place = {c->file, e->line};
	const char *name = key_of(c, e), *in = c->where ? " in " : "", *near;
	const char *where = c->where ? c->where : "";
	int n = length_of(e->key_len);

	if (schema != &global_schema && e->kind == GUARD_SECTION &&
		find(&global_schema, name, e->key_len)) {
		tell_misplaced(c, e);
		return;
	}
	near = suggestion(schema, name, e->key_len);
	if (near)
		conf_errors_add(c->errors, place, "unknown key '%s%.*s'%s%s; did you mean '%s'?",
			c->prefix, n, name, in, where, near);
	else
		conf_errors_add(c->errors, place, "unknown key '%s%.*s'%s%s%s", c->prefix, n, name,
			in, where,
			find(&service_schema, name, e->key_len)
				? "; it belongs in a service or in defaults"
				: "");
}

/* NULL where the entry has the key's shape, else what that looks like. */
static const char *wrong_shape(const struct schema_key *key, const struct guard_entry *e)
{
	switch (key->shape) {
	case SCHEMA_LATER:
		return NULL;
	case SCHEMA_VALUE:
		return e->kind == GUARD_VALUE ? NULL : "= VALUE";
	case SCHEMA_LIST: /* as in libconfuse, one value needs no braces */
		return e->kind == GUARD_LIST || e->kind == GUARD_VALUE ? NULL : "= {VALUE, …}";
	case SCHEMA_SECTION:
		return e->kind == GUARD_SECTION && !e->has_title ? NULL : "{ … }";
	case SCHEMA_TITLED:
		return e->kind == GUARD_SECTION && e->has_title ? NULL : "\"NAME\" { … }";
	case SCHEMA_CALL:
		return e->kind == GUARD_CALL ? NULL : "(\"VALUE\")";
	}
	return "";
}

/* The key of an entry, or NULL with the reason told. */
static const struct schema_key *check_entry(
	const struct check *c, const struct schema *schema, const struct guard_entry *e)
{
	const struct schema_key *key = find(schema, key_of(c, e), e->key_len);
	const char *in = c->where ? " in " : "", *where = c->where ? c->where : "", *shape;
	struct spec_place place = {c->file, e->line};

	if (!key) {
		tell_unknown(c, schema, e);
		return NULL;
	}
	if (key->shape == SCHEMA_LATER) {
		conf_errors_add(c->errors, place, "'%s'%s%s is not available in this version",
			key->path, in, where);
		return NULL;
	}
	shape = wrong_shape(key, e);
	if (shape && schema != &global_schema && e->has_title &&
		find(&global_schema, key_of(c, e), e->key_len)) {
		tell_misplaced(c, e); /* pool "db" { … }, where `pool` is a value */
		return NULL;
	}
	if (shape) {
		conf_errors_add(c->errors, place, "'%s'%s%s is to be written: %s %s", key->path, in,
			where, key->name, shape);
		return NULL;
	}
	return key;
}

/* All entries of one section, first to end. Sections nest as deep as the tables do. */
static void check_section(
	const struct check *c, const struct schema *schema, size_t first, size_t end)
{
	unsigned lines[SCHEMA_MAX_KEYS] = {0};

	for (size_t i = first; i < end; i += c->g->entries[i].n_below + 1) {
		struct guard_entry *e = &c->g->entries[i];
		const struct schema_key *key = check_entry(c, schema, e);
		struct check below = *c;

		if (key && lines[key - schema->keys] > 0) {
			conf_errors_add(c->errors, (struct spec_place){c->file, e->line},
				"'%s'%s%s is given twice; first in line %u", key->path,
				c->where ? " in " : "", c->where ? c->where : "",
				lines[key - schema->keys]);
			key = NULL;
		}
		if (!key) {
			guard_blank(c->g, e);
			continue;
		}
		lines[key - schema->keys] = e->line;
		e->key = key;
		if (!key->below)
			continue;
		below.prefix = key->below->prefix;
		check_section(&below, key->below, i + 1, i + 1 + e->n_below);
	}
}

char *schema_where(const struct guard *g, const struct guard_entry *e)
{
	size_t n = (size_t)length_of(e->title_len);
	char *where, *end;

	if (!e->has_title)
		return strdup(e->key->name);
	where = malloc(strlen(e->key->name) + n + sizeof(" ''"));
	if (!where)
		return NULL;
	end = mempcpy(stpcpy(stpcpy(where, e->key->name), " '"), g->text.data + e->title, n);
	memcpy(end, "'", sizeof("'"));
	return where;
}

bool schema_check(struct guard *g, size_t i, const char *file, struct conf_errors *errors)
{
	struct check c = {.g = g, .file = file, .errors = errors, .prefix = ""};
	struct guard_entry *e = &g->entries[i];
	_cleanup_free_
	char *where = NULL;

	e->key = check_entry(&c, &global_schema, e);
	if (!e->key)
		return false;
	if (!e->key->below)
		return true;
	where = schema_where(g, e);
	if (!where) {
		errors->truncated = true;
		return false;
	}
	c.where = where;
	check_section(&c, e->key->below, i + 1, i + 1 + e->n_below);
	return true;
}
