/* The words that the configuration has for the values of enums, and the kernel's for limits. */
#include <sys/resource.h>

#include "conf/spec.h"

const char *spec_type_to_string(enum spec_type t)
{
	static const char *const names[] = {
		[SPEC_TYPE_SIMPLE] = "simple",
		[SPEC_TYPE_ONESHOT] = "oneshot",
		[SPEC_TYPE_FORKING] = "forking",
	};

	return names[t];
}

const char *spec_ready_to_string(enum spec_ready r)
{
	static const char *const names[] = {
		[SPEC_READY_EXEC] = "exec",
		[SPEC_READY_NOTIFY] = "notify",
		[SPEC_READY_FD] = "fd",
		[SPEC_READY_TCP] = "tcp",
		[SPEC_READY_UNIX] = "unix",
		[SPEC_READY_COMMAND] = "command",
		[SPEC_READY_LOG] = "log",
	};

	return names[r];
}

const char *spec_probe_to_string(enum spec_probe p)
{
	static const char *const names[] = {
		[SPEC_PROBE_NONE] = "none",
		[SPEC_PROBE_COMMAND] = "command",
		[SPEC_PROBE_TCP] = "tcp",
		[SPEC_PROBE_UNIX] = "unix",
		[SPEC_PROBE_HTTP] = "http",
	};

	return names[p];
}

const char *spec_action_to_string(enum spec_action a)
{
	static const char *const names[] = {
		[SPEC_ACTION_RESTART] = "restart",
		[SPEC_ACTION_NONE] = "none",
		[SPEC_ACTION_STOP] = "stop",
	};

	return names[a];
}

const char *spec_overlap_to_string(enum spec_overlap o)
{
	static const char *const names[] = {
		[SPEC_OVERLAP_SKIP] = "skip",
		[SPEC_OVERLAP_QUEUE] = "queue",
		[SPEC_OVERLAP_KILL] = "kill",
	};

	return names[o];
}

const char *spec_hook_to_string(enum spec_hook h)
{
	static const char *const names[] = {
		[SPEC_HOOK_PRE_START] = "pre-start",
		[SPEC_HOOK_POST_START] = "post-start",
		[SPEC_HOOK_PRE_STOP] = "pre-stop",
		[SPEC_HOOK_STOP] = "stop",
		[SPEC_HOOK_POST_STOP] = "post-stop",
		[SPEC_HOOK_ON_FAILED] = "on-failed",
	};

	return names[h];
}

const char *spec_limit_to_string(enum spec_limit_kind k)
{
	static const char *const names[] = {
		[SPEC_LIMIT_NOFILE] = "nofile",
		[SPEC_LIMIT_CORE] = "core",
		[SPEC_LIMIT_AS] = "as",
		[SPEC_LIMIT_NPROC] = "nproc",
		[SPEC_LIMIT_STACK] = "stack",
		[SPEC_LIMIT_CPU] = "cpu",
		[SPEC_LIMIT_FSIZE] = "fsize",
		[SPEC_LIMIT_MEMLOCK] = "memlock",
		[SPEC_LIMIT_DATA] = "data",
	};

	return names[k];
}

int spec_limit_resource(enum spec_limit_kind k)
{
	static const int resources[] = {
		[SPEC_LIMIT_NOFILE] = RLIMIT_NOFILE,
		[SPEC_LIMIT_CORE] = RLIMIT_CORE,
		[SPEC_LIMIT_AS] = RLIMIT_AS,
		[SPEC_LIMIT_NPROC] = RLIMIT_NPROC,
		[SPEC_LIMIT_STACK] = RLIMIT_STACK,
		[SPEC_LIMIT_CPU] = RLIMIT_CPU,
		[SPEC_LIMIT_FSIZE] = RLIMIT_FSIZE,
		[SPEC_LIMIT_MEMLOCK] = RLIMIT_MEMLOCK,
		[SPEC_LIMIT_DATA] = RLIMIT_DATA,
	};

	return resources[k];
}

const char *spec_restart_to_string(enum spec_restart r)
{
	static const char *const names[] = {
		[SPEC_RESTART_ALWAYS] = "always",
		[SPEC_RESTART_ON_FAILURE] = "on-failure",
		[SPEC_RESTART_ON_ABNORMAL] = "on-abnormal",
		[SPEC_RESTART_NEVER] = "never",
	};

	return names[r];
}

const char *spec_kill_to_string(enum spec_kill k)
{
	static const char *const names[] = {
		[SPEC_KILL_TREE] = "tree",
		[SPEC_KILL_GROUP] = "group",
		[SPEC_KILL_PROCESS] = "process",
	};

	return names[k];
}

const char *spec_sink_to_string(enum spec_sink s)
{
	static const char *const names[] = {
		[SPEC_SINK_FILE] = "file",
		[SPEC_SINK_NONE] = "none",
		[SPEC_SINK_INHERIT] = "inherit",
		[SPEC_SINK_JOURNAL] = "journal",
		[SPEC_SINK_SYSLOG] = "syslog",
		[SPEC_SINK_SERVICE] = "service",
	};

	return names[s];
}

const char *spec_format_to_string(enum spec_format f)
{
	static const char *const names[] = {
		[SPEC_FORMAT_PLAIN] = "plain",
		[SPEC_FORMAT_PREFIX] = "prefix",
		[SPEC_FORMAT_JSON] = "json",
	};

	return names[f];
}

const char *spec_overflow_to_string(enum spec_overflow o)
{
	static const char *const names[] = {
		[SPEC_OVERFLOW_DROP] = "drop",
		[SPEC_OVERFLOW_BLOCK] = "block",
	};

	return names[o];
}

const char *spec_every_to_string(enum spec_every e)
{
	static const char *const names[] = {
		[SPEC_EVERY_NEVER] = "never",
		[SPEC_EVERY_HOUR] = "hourly",
		[SPEC_EVERY_DAY] = "daily",
	};

	return names[e];
}

const char *spec_stdin_to_string(enum spec_stdin s)
{
	static const char *const names[] = {
		[SPEC_STDIN_NULL] = "null",
		[SPEC_STDIN_FIFO] = "fifo",
		[SPEC_STDIN_FILE] = "file",
		[SPEC_STDIN_SERVICE] = "service",
	};

	return names[s];
}

const char *spec_timestamps_to_string(enum spec_timestamps t)
{
	static const char *const names[] = {
		[SPEC_TIMESTAMPS_NONE] = "none",
		[SPEC_TIMESTAMPS_ISO] = "iso",
		[SPEC_TIMESTAMPS_LOCAL] = "local",
	};

	return names[t];
}

const char *spec_orphan_to_string(enum spec_orphan o)
{
	static const char *const names[] = {
		[SPEC_ORPHAN_ADOPT] = "adopt",
		[SPEC_ORPHAN_STOP] = "stop",
	};

	return names[o];
}
