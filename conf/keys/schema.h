/*
 * Which keys there are, where, and of which shape; what is planned but not available in
 * this version; and the check of a file's statements against that.
 */
#pragma once

#include "conf/text/guard.h"

enum global_key {
	GLOBAL_RUNTIME_DIR,
	GLOBAL_STATE_DIR,
	GLOBAL_LOG_DIR,
	GLOBAL_LOG_LEVEL,
	GLOBAL_MAX_STARTING,
	GLOBAL_ON_ORPHAN,
	GLOBAL_INCLUDE,
	GLOBAL_CONTROL,
	GLOBAL_QUEUE,
	GLOBAL_POOL,
	GLOBAL_DEFAULTS,
	GLOBAL_SERVICE,
	GLOBAL_CONTROL_MODE,
	GLOBAL_CONTROL_GROUP,
	GLOBAL_CONTROL_OPERATORS,
	GLOBAL_CONTROL_OBSERVERS,
	GLOBAL_QUEUE_KEY,
	GLOBAL_QUEUE_MODE,
	GLOBAL_QUEUE_GROUP,
	GLOBAL_POOL_SLOTS,
	GLOBAL_KEY_MAX
};

enum service_key {
	SERVICE_COMMAND,
	SERVICE_TYPE,
	SERVICE_PID_FILE,
	SERVICE_AUTOSTART,
	SERVICE_ESSENTIAL,
	SERVICE_INSTANCES,
	SERVICE_DIRECTORY,
	SERVICE_UMASK,
	SERVICE_USER,
	SERVICE_GROUP,
	SERVICE_NICE,
	SERVICE_OOM_SCORE_ADJ,
	SERVICE_ENVIRONMENT,
	SERVICE_ENV_FILE,
	SERVICE_CLEAR_ENVIRONMENT,
	SERVICE_REQUIRES,
	SERVICE_WANTS,
	SERVICE_AFTER,
	SERVICE_BEFORE,
	SERVICE_CONFLICTS,
	SERVICE_GROUPS,
	SERVICE_POOL,
	SERVICE_RESTART,
	SERVICE_SUCCESS_CODES,
	SERVICE_RESTART_DELAY,
	SERVICE_RESTART_MAX_DELAY,
	SERVICE_RESTART_JITTER,
	SERVICE_RESTART_LIMIT,
	SERVICE_RESTART_WINDOW,
	SERVICE_STABLE_AFTER,
	SERVICE_READY,
	SERVICE_READY_ON,
	SERVICE_READY_TIMEOUT,
	SERVICE_READY_COMMAND,
	SERVICE_READY_INTERVAL,
	SERVICE_HEALTH,
	SERVICE_HEALTH_COMMAND,
	SERVICE_HEALTH_TCP,
	SERVICE_HEALTH_UNIX,
	SERVICE_HEALTH_HTTP,
	SERVICE_HEALTH_INTERVAL,
	SERVICE_HEALTH_TIMEOUT,
	SERVICE_HEALTH_FAILURES,
	SERVICE_HEALTH_GRACE,
	SERVICE_HEALTH_ACTION,
	SERVICE_WATCHDOG,
	SERVICE_STOP,
	SERVICE_STOP_SIGNAL,
	SERVICE_STOP_TIMEOUT,
	SERVICE_STOP_COMMAND,
	SERVICE_STOP_KILL,
	SERVICE_RELOAD,
	SERVICE_RELOAD_SIGNAL,
	SERVICE_RELOAD_COMMAND,
	SERVICE_HOOKS,
	SERVICE_HOOKS_PRE_START,
	SERVICE_HOOKS_POST_START,
	SERVICE_HOOKS_PRE_STOP,
	SERVICE_HOOKS_POST_STOP,
	SERVICE_HOOKS_ON_FAILED,
	SERVICE_HOOKS_TIMEOUT,
	SERVICE_STDIN,
	SERVICE_LOG,
	SERVICE_LOG_FILE,
	SERVICE_LOG_STDERR,
	SERVICE_LOG_ALSO,
	SERVICE_LOG_FORMAT, /* behind those that it is about */
	SERVICE_LOG_TIMESTAMPS,
	SERVICE_LOG_MAX_SIZE,
	SERVICE_LOG_ROTATE,
	SERVICE_LOG_KEEP,
	SERVICE_LOG_KEEP_AGE,
	SERVICE_LOG_KEEP_SIZE,
	SERVICE_LOG_COMPRESS,
	SERVICE_LOG_OVERFLOW,
	SERVICE_LOG_RATE_LINES,
	SERVICE_LOG_RATE_BYTES,
	SERVICE_LOG_RATE_BURST,
	SERVICE_SCHEDULE,
	SERVICE_SCHEDULE_EVERY,
	SERVICE_SCHEDULE_CRON,
	SERVICE_SCHEDULE_OVERLAP,
	SERVICE_SCHEDULE_JITTER,
	SERVICE_LIMITS,
	SERVICE_LIMITS_NOFILE,
	SERVICE_LIMITS_CORE,
	SERVICE_LIMITS_AS,
	SERVICE_LIMITS_NPROC,
	SERVICE_LIMITS_STACK,
	SERVICE_LIMITS_CPU,
	SERVICE_LIMITS_FSIZE,
	SERVICE_LIMITS_MEMLOCK,
	SERVICE_LIMITS_DATA,
	SERVICE_KEY_MAX
};

enum schema_shape {
	SCHEMA_LATER, /* not available in this version, in whatever shape */
	SCHEMA_VALUE,
	SCHEMA_LIST,
	SCHEMA_SECTION,
	SCHEMA_TITLED,
	SCHEMA_CALL
};

struct schema {
	const char *prefix; /* "stop." within a section of a service, else "" */
	const struct schema_key *keys;
	size_t n_keys;
};

#define SCHEMA_MAX_KEYS 64

struct schema_key {
	const char *name; /* as written */
	const char *path; /* in full: "stop.timeout" */
	enum schema_shape shape;
	unsigned id; /* enum global_key, or enum service_key inside of a service */
	const struct schema *below; /* keys of a section */
};

/* All keys there are; those of a service are below its `service`. */
const struct schema *schema_all(void);

/*
 * Checks the statement at index i of the top level and all inside of it: tells in errors
 * what is unknown, not available, of the wrong shape or given twice, and overwrites that
 * with blanks. Sets key of every entry that stays. false: nothing of it is left.
 */
bool schema_check(struct guard *g, size_t i, const char *file, struct conf_errors *errors);

/* "service 'web'", "defaults", "control": where the entry's keys stand; to be freed. */
char *schema_where(const struct guard *g, const struct guard_entry *e);
