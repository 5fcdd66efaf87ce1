/*
 * What services should be, as plain data: the outcome of reading the
 * configuration. No type of the parsing library appears here.
 *
 * A struct spec owns everything that it points to. Strings are never NULL unless a
 * comment says so; lists are arrays that end with NULL. Services stand in the order of
 * the configuration. Instances are not unfolded: a definition with instances = 3 is one
 * spec_service, and spec_expand() puts %{name} and %{instance} in when a string is used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/usec.h"
#include "conf/values/cron.h"

#define SPEC_NAME_MAX	       64 /* of a service without its @instance */
#define SPEC_INSTANCE_NAME_MAX 72 /* "web@1000", with room to spare */
#define SPEC_MAX_INSTANCES     10000
#define SPEC_MAX_SERVICES      20000 /* instances counted */
#define SPEC_MAX_RESTART_LIMIT 32 /* so many times of automatic starts are remembered */

#define SPEC_MAX_LINKS	   1000 /* names in one of requires, wants, after, before, conflicts */
#define SPEC_MAX_ALL_LINKS 1000000 /* all of them together, from instance to instance */
#define SPEC_MAX_POOLS	   256
#define SPEC_MAX_SLOTS	   20000 /* of a pool */
#define SPEC_MAX_ALSO	   16 /* targets in log.also */

#define SPEC_MIN_READY_FD	   3
#define SPEC_MAX_READY_FD	   1023
#define SPEC_DEFAULT_READY_TIMEOUT (30 * USEC_PER_SEC) /* of all but a oneshot */
#define SPEC_MAX_FAILURES	   1000 /* health.failures */
#define SPEC_DEFAULT_FAILURES	   3

enum spec_type { SPEC_TYPE_SIMPLE, SPEC_TYPE_ONESHOT, SPEC_TYPE_FORKING, SPEC_TYPE_MAX };

enum spec_restart {
	SPEC_RESTART_ALWAYS,
	SPEC_RESTART_ON_FAILURE,
	SPEC_RESTART_ON_ABNORMAL,
	SPEC_RESTART_NEVER,
	SPEC_RESTART_MAX
};

/* Whom the stop signal goes to. What is left at the timeout is killed, all of the tree. */
enum spec_kill { SPEC_KILL_TREE, SPEC_KILL_GROUP, SPEC_KILL_PROCESS, SPEC_KILL_MAX };

/* What each line of a log file begins with. The log pump's intent holds these numbers. */
enum spec_timestamps {
	SPEC_TIMESTAMPS_NONE,
	SPEC_TIMESTAMPS_ISO, /* RFC 3339, UTC, microseconds */
	SPEC_TIMESTAMPS_LOCAL, /* the same in local time, with its offset */
	SPEC_TIMESTAMPS_MAX
};

/* How a line of a service is written. The log pump's intent holds these numbers. */
enum spec_format {
	SPEC_FORMAT_PLAIN, /* as it came, with its time stamp if there is to be one */
	SPEC_FORMAT_PREFIX, /* with "web[123] stdout: " before it, and behind the time stamp */
	SPEC_FORMAT_JSON, /* one JSON object */
	SPEC_FORMAT_MAX
};

enum spec_sink {
	SPEC_SINK_FILE,
	SPEC_SINK_NONE,
	SPEC_SINK_INHERIT,
	SPEC_SINK_JOURNAL,
	SPEC_SINK_SYSLOG,
	SPEC_SINK_SERVICE, /* the stdin of another one: never named in a log section */
	SPEC_SINK_MAX
};

/* What happens to output that a sink can't take now. */
enum spec_overflow {
	SPEC_OVERFLOW_DROP, /* it is dropped and counted; a line tells how much */
	SPEC_OVERFLOW_BLOCK, /* the service waits, as on a full pipe */
	SPEC_OVERFLOW_MAX
};

/* When a log file is rotated besides by its size. */
enum spec_every { SPEC_EVERY_NEVER, SPEC_EVERY_HOUR, SPEC_EVERY_DAY, SPEC_EVERY_MAX };

enum spec_orphan { SPEC_ORPHAN_ADOPT, SPEC_ORPHAN_STOP, SPEC_ORPHAN_MAX };

/* What tells that a service is ready. */
enum spec_ready {
	SPEC_READY_EXEC, /* its program has been executed */
	SPEC_READY_NOTIFY, /* READY=1 on NOTIFY_SOCKET, as sd_notify(3) sends it */
	SPEC_READY_FD, /* a newline on a descriptor, as s6 has it */
	SPEC_READY_TCP, /* its port accepts */
	SPEC_READY_UNIX, /* its socket accepts */
	SPEC_READY_COMMAND, /* a command succeeds */
	SPEC_READY_LOG, /* it writes a line that matches */
	SPEC_READY_MAX
};

/* How health is asked for. */
enum spec_probe {
	SPEC_PROBE_NONE,
	SPEC_PROBE_COMMAND,
	SPEC_PROBE_TCP,
	SPEC_PROBE_UNIX,
	SPEC_PROBE_HTTP,
	SPEC_PROBE_MAX
};

/* What follows when a service has become unhealthy. */
enum spec_action { SPEC_ACTION_RESTART, SPEC_ACTION_NONE, SPEC_ACTION_STOP, SPEC_ACTION_MAX };

/* What a run does that is due while the last one is still on. */
enum spec_overlap { SPEC_OVERLAP_SKIP, SPEC_OVERLAP_QUEUE, SPEC_OVERLAP_KILL, SPEC_OVERLAP_MAX };

/* Commands that are run at turns of a service's life. */
enum spec_hook {
	SPEC_HOOK_PRE_START, /* before its process; the start fails with it */
	SPEC_HOOK_POST_START, /* it is ready; nobody waits */
	SPEC_HOOK_PRE_STOP, /* before the stop command or signal */
	SPEC_HOOK_STOP, /* stop.command, in place of the signal */
	SPEC_HOOK_POST_STOP, /* its processes have gone; before any next start */
	SPEC_HOOK_ON_FAILED, /* it has become failed; nobody waits */
	SPEC_HOOK_MAX
};

/* Limits of the kernel, setrlimit(2), that a service can be given. */
enum spec_limit_kind {
	SPEC_LIMIT_NOFILE,
	SPEC_LIMIT_CORE,
	SPEC_LIMIT_AS,
	SPEC_LIMIT_NPROC,
	SPEC_LIMIT_STACK,
	SPEC_LIMIT_CPU, /* in seconds */
	SPEC_LIMIT_FSIZE,
	SPEC_LIMIT_MEMLOCK,
	SPEC_LIMIT_DATA,
	SPEC_LIMIT_MAX
};

/* What the core decides by. */
struct spec_policy {
	enum spec_type type;
	enum spec_restart restart;
	uint64_t success_codes[4]; /* bit c of word c / 64: exit code c is a success */
	usec_t restart_delay_usec, restart_max_delay_usec;
	unsigned restart_jitter_percent; /* 0 to 100; added on top of the delay */
	unsigned restart_limit; /* 0: never give up */
	usec_t restart_window_usec;
	usec_t stable_after_usec;
	int stop_signal;
	usec_t stop_timeout_usec;
	enum spec_kill stop_kill;
	bool autostart;
	bool essential; /* when it ends for good, all stop */
	enum spec_ready ready; /* SPEC_READY_EXEC for a oneshot, which is ready by its end */
	/* From its start until it is ready (a oneshot: until its end); USEC_INFINITY: no limit. */
	usec_t ready_timeout_usec;
	usec_t watchdog_usec; /* 0: none; longest time between two signs of life */
	unsigned health_failures; /* so many in a row make it unhealthy; 0: its health isn't asked
				     for */
	enum spec_action health_action;
	bool scheduled;
	enum spec_overlap overlap;
	unsigned hooks; /* bit of an enum spec_hook: there is such a command */
	usec_t hook_timeout_usec;
};

/* A file and line of a key. file is borrowed from the spec (spec.files). */
struct spec_place {
	const char *file;
	unsigned line;
};

/* Where each key that was given stands; key is the configuration's name, "stop.timeout". */
struct spec_origin {
	const char *key; /* static */
	struct spec_place place;
};

/* A user or group, looked up when the configuration is loaded. */
struct spec_identity {
	char *user, *group; /* as given; NULL: not given */
	bool set; /* false: stay who supervisord is */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* all supplementary groups, gid among them */
	size_t n_groups;
	char *user_name, *home, *shell; /* for USER, LOGNAME, HOME, SHELL; NULL if unknown */
};

/* One way to ask a service how it is. Strings may hold %{name} and %{instance}. */
struct spec_check {
	enum spec_probe kind;
	char **command; /* SPEC_PROBE_COMMAND; split; else NULL */
	/*
	 * TCP: "HOST:PORT", HOST numeric ("[::1]" for IPv6) or localhost; UNIX: an absolute path;
	 * HTTP: "http://HOST:PORT/PATH", HOST likewise. Else NULL.
	 */
	char *address;
	usec_t interval_usec; /* between the end of one and the start of the next */
	usec_t timeout_usec; /* of each; USEC_INFINITY: no limit but that of ready.timeout */
	usec_t grace_usec; /* health: failures so soon after it became ready don't count */
};

struct spec_schedule {
	usec_t every_usec; /* 0: not given */
	char *cron_text; /* as given; NULL: not given */
	struct cron cron;
	usec_t jitter_usec;
};

/* In the kernel's units: bytes, seconds, or a number. UINT64_MAX: unlimited. */
struct spec_limit {
	bool set; /* false: as supervisord has it */
	uint64_t soft, hard; /* soft <= hard */
};

/* A counting semaphore for services. */
struct spec_pool {
	char *name;
	struct spec_place place; /* of its slots */
	unsigned slots; /* 1 to SPEC_MAX_SLOTS */
};

/* One place where output goes. */
struct spec_target {
	enum spec_sink sink;
	enum spec_format format; /* of FILE, INHERIT and SERVICE */
	/*
	 * FILE: the path as written, may be relative to log-dir. JOURNAL: path of the socket,
	 * SYSLOG: "unix:PATH", "udp:ADDRESS:PORT" or "tcp:ADDRESS:PORT" with a numeric address,
	 * also where the configuration leaves it out. Each may hold %{}. Else NULL.
	 */
	char *address;
	bool has_format; /* its own, "json:PATH", whatever log.format says */
};

/* When a log file begins anew, and what becomes of the old ones. */
struct spec_rotation {
	uint64_t max_size_bytes; /* 0: never by size */
	enum spec_every every; /* in local time */
	unsigned keep; /* so many */
	usec_t keep_age_usec; /* 0: of any age */
	uint64_t keep_size_bytes; /* all together; 0: of any size */
	char **compress; /* a filter from stdin to stdout, already split; NULL: none */
	char *suffix; /* with compress: ".gz" */
};

/* A token bucket each; both have to have room. */
struct spec_rate {
	uint64_t lines, bytes; /* a second; 0: no limit */
	usec_t burst_usec; /* so much time's worth may come at once */
};

struct spec_log {
	struct spec_target file; /* of stdout, and stderr too unless split_stderr */
	struct spec_target error; /* of stderr, used only with split_stderr */
	struct spec_target *also; /* of both, besides */
	size_t n_also;
	enum spec_format format; /* of targets that don't have their own */
	struct spec_rotation rotation;
	enum spec_timestamps timestamps; /* of files */
	enum spec_overflow overflow;
	bool has_overflow; /* it was given: it is meant for pipes between services, too */
	struct spec_rate rate; /* of each stream */
};

enum spec_stdin {
	SPEC_STDIN_NULL,
	SPEC_STDIN_FIFO,
	SPEC_STDIN_FILE,
	SPEC_STDIN_SERVICE,
	SPEC_STDIN_MAX
};

/* Some of them, for more than one. */
struct spec_origins {
	struct spec_origin *origins; /* owned */
	size_t n;
};

/* What a service has to do with others. */
struct spec_links {
	/*
	 * Names of other services, as given: "db", which with instances means all of them, or
	 * "db@2". All exist. before is turned around into the after of the other one by those who
	 * use it. NULL: not given.
	 */
	char **requires, **wants, **after, **before, **conflicts;
	char **groups; /* without the @ */
	char *pool; /* NULL: none */
};

/* How it is asked and told things. */
struct spec_contact {
	int reload_signal;
	int ready_fd; /* SPEC_READY_FD */
	char **reload_command; /* in place of the signal; no element: none */
	char *pid_file; /* forking: an absolute path, may hold %{}; else NULL */
	char *ready_regex; /* SPEC_READY_LOG */
	struct spec_check *ready_check; /* SPEC_READY_TCP, _UNIX, _COMMAND; else kind NONE */
	struct spec_check *health; /* kind NONE: not asked for */
	char ***hooks; /* SPEC_HOOK_MAX of them: split commands; NULL or no element: none */
	struct spec_schedule *schedule; /* with policy.scheduled */
};

/* What its process begins with, but for its command and environment. */
struct spec_process {
	char *directory;
	struct spec_identity *identity;
	struct spec_limit *limits; /* SPEC_LIMIT_MAX of them; NULL: none is set, see spec_limit() */
	char **file_environment; /* "K=V" of env-file, as loaded: no %{} in it */
	mode_t umask;
	int nice;
	int oom_score_adj;
	bool has_nice;
	bool has_oom_score_adj;
	bool clear_environment;
};

/*
 * All that it points to is the spec's, and shared with services that have the same: only who makes
 * one may change it.
 */
struct spec_service {
	char *name;
	struct spec_place place;
	struct spec_origin *origins; /* of its own keys */
	const struct spec_origins *defaults; /* of the others; of the spec. NULL: there are none */
	uint32_t n_origins;

	unsigned n_instances; /* 1 without instances; 0 is allowed with them */
	unsigned n_configured; /* the same, as the files say: an operator may have scaled it */
	bool has_instances;
	bool split_stderr;
	bool feeds; /* its stdout is the stdin of another service */

	struct spec_policy *policy;
	struct spec_links *links;
	struct spec_contact *contact;
	struct spec_process *process;
	struct spec_log *log;

	char **command; /* at least one element, already split */
	char **environment; /* "K=V", merged with that of defaults */
	/*
	 * FIFO, FILE: an absolute path; SERVICE: a service or instance that exists, whose stdout it
	 * is. May hold %{}. Else NULL.
	 */
	char *stdin_name;
	enum spec_stdin stdin_kind;
};

/* Who may use the control socket beside root and the owner. */
struct spec_role {
	char **names; /* as given; NULL: nobody */
	uid_t *uids;
	size_t n_uids;
	gid_t *gids;
	size_t n_gids;
};

struct spec {
	struct spec_origin *origins; /* of the keys outside of services */
	size_t n_origins;
	struct spec_origins defaults; /* of the keys in defaults */

	char *runtime_dir, *state_dir, *log_dir; /* absolute */
	int log_level; /* enum log_level of base/log.h */
	unsigned max_starting; /* 0: no limit */
	enum spec_orphan on_orphan;

	bool has_control_mode;
	mode_t control_mode;
	bool has_control_group;
	char *control_group_name; /* as given; NULL: not given */
	gid_t control_group;
	struct spec_role operators, observers;

	int64_t queue_key; /* 0: ftok(runtime-dir, 'S') */
	mode_t queue_mode;
	bool has_queue_group;
	char *queue_group_name; /* as given; NULL: not given */
	gid_t queue_group;

	struct spec_pool *pools;
	size_t n_pools;

	struct share *share; /* owned: what services point to */
	struct spec_service *services;
	size_t n_services;

	char **files; /* every file that was read; the first is the main one */
};

void spec_free(struct spec *s);

/* The origin of a key outside of services, or line 0 of the main file. */
struct spec_place spec_global_place_of(const struct spec *s, const char *key);

/* The origin of a key of a service, or the service's own place where it was not given. */
struct spec_place spec_place_of(const struct spec_service *s, const char *key);

/* "web" or, with instances, "web@3" (instance counts from 1). Returns ret_name. */
const char *spec_instance_name(const struct spec_service *s, unsigned instance,
	char ret_name[static SPEC_INSTANCE_NAME_MAX]);

/*
 * text with %{name} and %{instance} replaced (instance is "" without instances); every
 * other % stays. NULL for lack of memory; the caller frees.
 */
char *spec_expand(const char *text, const struct spec_service *s, unsigned instance);

/* An operator has chosen another number of instances than the files give. */
static inline bool spec_is_scaled(const struct spec_service *s)
{
	return s->n_instances != s->n_configured;
}

/* Does anybody take what it writes to stdout? Else it needs no pipe for that. */
static inline bool spec_has_output(const struct spec_service *s)
{
	return s->split_stderr || s->log->file.sink != SPEC_SINK_NONE || s->log->n_also > 0 ||
	       s->feeds || s->policy->ready == SPEC_READY_LOG;
}

/* Whether it is set or not. */
const struct spec_limit *spec_limit(const struct spec_service *s, enum spec_limit_kind kind);

/* Is there such a command? */
static inline bool spec_has_hook(const struct spec_policy *p, enum spec_hook h)
{
	return p->hooks >> h & 1;
}

bool spec_is_success(const struct spec_policy *p, int exit_code);

const char *spec_type_to_string(enum spec_type t);
const char *spec_ready_to_string(enum spec_ready r); /* "exec", "notify", "fd", … */
const char *spec_probe_to_string(enum spec_probe p);
const char *spec_action_to_string(enum spec_action a);
const char *spec_overlap_to_string(enum spec_overlap o);
const char *spec_hook_to_string(enum spec_hook h); /* "pre-start", …, "stop", … */
const char *spec_limit_to_string(enum spec_limit_kind k); /* "nofile", … */
int spec_limit_resource(enum spec_limit_kind k); /* RLIMIT_NOFILE, … */
const char *spec_restart_to_string(enum spec_restart r);
const char *spec_kill_to_string(enum spec_kill k);
const char *spec_sink_to_string(enum spec_sink s);
const char *spec_format_to_string(enum spec_format f);
const char *spec_overflow_to_string(enum spec_overflow o);
const char *spec_every_to_string(enum spec_every e);
const char *spec_stdin_to_string(enum spec_stdin s);
/* "none", "iso", "local" */
const char *spec_timestamps_to_string(enum spec_timestamps t);
const char *spec_orphan_to_string(enum spec_orphan o);
