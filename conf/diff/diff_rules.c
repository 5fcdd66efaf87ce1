/*
 * One line a key. Most values are plain members, for which their type says how to compare
 * and how to write them; the others have functions of their own.
 */
#include "conf/diff/diff_rules.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "conf/diff/diff_values.h"
#include "conf/write.h"

/* Keys of queues are known by their hexadecimal form: ipcs(1) shows it. */
static int write_hex(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	int64_t key = *(const int64_t *)diff_member(r, owner);

	(void)other;
	return key ? buf_printf(out, "0x%" PRIx64, (uint64_t)key) : write_number(out, 0);
}

static bool same_codes(const struct diff_rule *r, const void *a, const void *b)
{
	return memcmp(diff_member(r, a), diff_member(r, b),
		       sizeof(((struct spec_policy *)NULL)->success_codes)) == 0;
}

static int write_codes(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const struct spec_service *s = owner;
	const char *comma = "";
	int result = buf_printf(out, "{");

	(void)r;
	(void)other;
	for (int code = 0; code <= UINT8_MAX && result == 0; code++) {
		if (!spec_is_success(s->policy, code))
			continue;
		result = buf_printf(out, "%s%d", comma, code);
		comma = ", ";
	}
	return result < 0 ? result : buf_printf(out, "}");
}

static int write_instances(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const struct spec_service *s = owner;
	int result;

	(void)r;
	(void)other;
	if (!s->has_instances)
		return 0;
	result = write_number(out, s->n_instances);
	if (result == 0 && spec_is_scaled(s))
		result = buf_printf(out, " # scaled from %u", s->n_configured);
	return result;
}

static const char *type_name(unsigned value)
{
	return spec_type_to_string((enum spec_type)value);
}

static const char *restart_name(unsigned value)
{
	return spec_restart_to_string((enum spec_restart)value);
}

static const char *kill_name(unsigned value)
{
	return spec_kill_to_string((enum spec_kill)value);
}

static const char *action_name(unsigned value)
{
	return spec_action_to_string((enum spec_action)value);
}

static const char *overlap_name(unsigned value)
{
	return spec_overlap_to_string((enum spec_overlap)value);
}

static const char *format_name(unsigned value)
{
	return spec_format_to_string((enum spec_format)value);
}

static const char *timestamps_name(unsigned value)
{
	return spec_timestamps_to_string((enum spec_timestamps)value);
}

static const char *every_name(unsigned value)
{
	return spec_every_to_string((enum spec_every)value);
}

static const char *overflow_name(unsigned value)
{
	return spec_overflow_to_string((enum spec_overflow)value);
}

static const char *orphan_name(unsigned value)
{
	return spec_orphan_to_string((enum spec_orphan)value);
}

static const char *level_name(unsigned value)
{
	return log_level_to_string((enum log_level)value);
}

/* What has the value. */
static const void *policy_of(const struct spec_service *s)
{
	return s->policy;
}

static const void *links_of(const struct spec_service *s)
{
	return s->links;
}

static const void *contact_of(const struct spec_service *s)
{
	return s->contact;
}

static const void *process_of(const struct spec_service *s)
{
	return s->process;
}

static const void *log_of(const struct spec_service *s)
{
	return s->log;
}

static const void *ready_of(const struct spec_service *s)
{
	return s->contact->ready_check;
}

static const void *health_of(const struct spec_service *s)
{
	return s->contact->health;
}

static const void *schedule_of(const struct spec_service *s)
{
	return s->contact->schedule;
}

static const void *hooks_of(const struct spec_service *s)
{
	return s->contact->hooks;
}

/* How to compare and write a member of a type. */
#define BOOL	 .same = diff_same_bool, .write = diff_write_bool
#define INT	 .same = diff_same_int, .write = diff_write_int
#define MODE	 .same = diff_same_int, .write = diff_write_octal
#define ENUM(f)	 .same = diff_same_int, .write = diff_write_enum, .name = f
#define SIGNAL	 .same = diff_same_int, .write = diff_write_signal
#define DURATION .same = diff_same_64, .write = diff_write_usec
#define SIZE	 .same = diff_same_64, .write = diff_write_bytes
#define STRING	 .same = diff_same_string, .write = diff_write_text
#define LIST	 .same = diff_same_list, .write = diff_write_texts
#define LIMIT	 .effect_of = diff_limit_effect, .same = diff_same_limit, .write = diff_write_limit
#define PROBE	 .same = diff_same_probe, .write = diff_write_probe
#define COMMAND	 .same = diff_same_list, .write = diff_write_words

#define IN_SERVICE(member)    .offset = offsetof(struct spec_service, member)
#define IN_POLICY(member)     .part = policy_of, .offset = offsetof(struct spec_policy, member)
#define IN_LINKS(member)      .part = links_of, .offset = offsetof(struct spec_links, member)
#define IN_CONTACT(member)    .part = contact_of, .offset = offsetof(struct spec_contact, member)
#define IN_PROCESS(member)    .part = process_of, .offset = offsetof(struct spec_process, member)
#define IN_LOG(member)	      .part = log_of, .offset = offsetof(struct spec_log, member)
#define IN_READY(member)      .part = ready_of, .offset = offsetof(struct spec_check, member)
#define IN_HEALTH(member)     .part = health_of, .offset = offsetof(struct spec_check, member)
#define IN_SCHEDULE(member)   .part = schedule_of, .offset = offsetof(struct spec_schedule, member)
#define IN_HOOKS(KIND)	      .part = hooks_of, .offset = SPEC_HOOK_##KIND * sizeof(char **)
#define IN_LIMITS(KIND)	      .offset = SPEC_LIMIT_##KIND /* in what spec_limit() says */
#define IN_SPEC(member)	      .offset = offsetof(struct spec, member)
#define SERVICE_GIVEN(member) .given = offsetof(struct spec_service, member)
#define PROCESS_GIVEN(member) .given = offsetof(struct spec_process, member)
#define LOG_GIVEN(member)     .given = offsetof(struct spec_log, member)
#define SPEC_GIVEN(member)    .given = offsetof(struct spec, member)
#define LIVE		      .effect = DIFF_LIVE
#define RESTART		      .effect = DIFF_RESTART
#define REFUSED		      .effect = DIFF_REFUSED

_Static_assert(sizeof(mode_t) == sizeof(int) && sizeof(enum spec_type) == sizeof(int),
	"diff_same_int() compares them all");
_Static_assert(sizeof(uid_t) == sizeof(unsigned) && sizeof(gid_t) == sizeof(unsigned),
	"write_ids() writes them all");

/* clang-format off */
static const struct diff_rule service_rules[] = {
	{"command", RESTART, COMMAND, IN_SERVICE(command)},
	{"type", RESTART, ENUM(type_name), IN_POLICY(type)},
	{"pid-file", RESTART, STRING, IN_CONTACT(pid_file)},
	{"autostart", LIVE, BOOL, IN_POLICY(autostart)},
	{"essential", LIVE, BOOL, IN_POLICY(essential)},
	{"instances", LIVE, .same = diff_same_int, .write = write_instances,
		IN_SERVICE(n_instances), SERVICE_GIVEN(has_instances), .is_count = true},
	{"directory", RESTART, STRING, IN_PROCESS(directory)},
	{"umask", RESTART, MODE, IN_PROCESS(umask)},
	{"user", RESTART, .same = diff_same_user, .write = diff_write_user},
	{"group", RESTART, .same = diff_same_group, .write = diff_write_group},
	{"nice", RESTART, INT, IN_PROCESS(nice), PROCESS_GIVEN(has_nice)},
	{"oom-score-adj", RESTART, INT, IN_PROCESS(oom_score_adj),
		PROCESS_GIVEN(has_oom_score_adj)},
	{"clear-environment", RESTART, BOOL, IN_PROCESS(clear_environment)},
	{"requires", LIVE, LIST, IN_LINKS(requires)},
	{"wants", LIVE, LIST, IN_LINKS(wants)},
	{"after", LIVE, LIST, IN_LINKS(after)},
	{"before", LIVE, LIST, IN_LINKS(before)},
	{"conflicts", LIVE, LIST, IN_LINKS(conflicts)},
	{"groups", LIVE, LIST, IN_LINKS(groups)},
	{"pool", LIVE, STRING, IN_LINKS(pool)},
	{"restart", LIVE, ENUM(restart_name), IN_POLICY(restart)},
	{"success-codes", LIVE, .same = same_codes, .write = write_codes,
		IN_POLICY(success_codes)},
	{"restart-delay", LIVE, DURATION, IN_POLICY(restart_delay_usec)},
	{"restart-max-delay", LIVE, DURATION, IN_POLICY(restart_max_delay_usec)},
	{"restart-jitter", LIVE, INT, IN_POLICY(restart_jitter_percent)},
	{"restart-limit", LIVE, INT, IN_POLICY(restart_limit)},
	{"restart-window", LIVE, DURATION, IN_POLICY(restart_window_usec)},
	{"stable-after", LIVE, DURATION, IN_POLICY(stable_after_usec)},
	{"ready.on", .effect_of = diff_ready_effect, .same = diff_same_ready,
		.write = diff_write_ready},
	{"ready.timeout", LIVE, .same = diff_same_ready_timeout,
		.write = diff_write_ready_timeout},
	{"ready.command", LIVE, COMMAND, IN_READY(command)},
	{"ready.interval", LIVE, DURATION, IN_READY(interval_usec)},
	{"health.command", LIVE, PROBE},
	{"health.tcp", LIVE, PROBE},
	{"health.unix", LIVE, PROBE},
	{"health.http", LIVE, PROBE},
	{"health.interval", LIVE, DURATION, IN_HEALTH(interval_usec)},
	{"health.timeout", LIVE, DURATION, IN_HEALTH(timeout_usec)},
	{"health.failures", LIVE, .same = diff_same_failures, .write = diff_write_failures},
	{"health.grace", LIVE, DURATION, IN_HEALTH(grace_usec)},
	{"health.action", LIVE, ENUM(action_name), IN_POLICY(health_action)},
	{"watchdog", .effect_of = diff_watchdog_effect, DURATION, IN_POLICY(watchdog_usec)},
	{"stop.signal", LIVE, SIGNAL, IN_POLICY(stop_signal)},
	{"stop.timeout", LIVE, DURATION, IN_POLICY(stop_timeout_usec)},
	{"stop.command", LIVE, COMMAND, IN_HOOKS(STOP)},
	{"stop.kill", LIVE, ENUM(kill_name), IN_POLICY(stop_kill)},
	{"reload.signal", LIVE, SIGNAL, IN_CONTACT(reload_signal)},
	{"reload.command", LIVE, COMMAND, IN_CONTACT(reload_command)},
	{"hooks.pre-start", LIVE, COMMAND, IN_HOOKS(PRE_START)},
	{"hooks.post-start", LIVE, COMMAND, IN_HOOKS(POST_START)},
	{"hooks.pre-stop", LIVE, COMMAND, IN_HOOKS(PRE_STOP)},
	{"hooks.post-stop", LIVE, COMMAND, IN_HOOKS(POST_STOP)},
	{"hooks.on-failed", LIVE, COMMAND, IN_HOOKS(ON_FAILED)},
	{"hooks.timeout", LIVE, DURATION, IN_POLICY(hook_timeout_usec)},
	{"stdin", RESTART, .same = diff_same_input, .write = diff_write_input},
	{"log.file", .effect_of = diff_output_effect, .same = diff_same_log_file,
		.write = diff_write_log_file},
	{"log.stderr", .effect_of = diff_log_stderr_effect, .same = diff_same_log_stderr,
		.write = diff_write_log_stderr},
	{"log.also", .effect_of = diff_output_effect, .same = diff_same_also,
		.write = diff_write_also},
	{"log.format", LIVE, ENUM(format_name), IN_LOG(format)},
	{"log.timestamps", LIVE, ENUM(timestamps_name), IN_LOG(timestamps)},
	{"log.max-size", LIVE, SIZE, IN_LOG(rotation.max_size_bytes)},
	{"log.rotate", LIVE, ENUM(every_name), IN_LOG(rotation.every)},
	{"log.keep", LIVE, INT, IN_LOG(rotation.keep)},
	{"log.keep-age", LIVE, DURATION, IN_LOG(rotation.keep_age_usec)},
	{"log.keep-size", LIVE, SIZE, IN_LOG(rotation.keep_size_bytes)},
	{"log.compress", LIVE, .same = diff_same_list, .write = diff_write_compress,
		IN_LOG(rotation.compress)},
	{"log.overflow", LIVE, ENUM(overflow_name), IN_LOG(overflow),
		LOG_GIVEN(has_overflow)},
	{"log.rate-lines", LIVE, .same = diff_same_64, .write = diff_write_count,
		IN_LOG(rate.lines)},
	{"log.rate-bytes", LIVE, SIZE, IN_LOG(rate.bytes)},
	{"log.rate-burst", LIVE, DURATION, IN_LOG(rate.burst_usec)},
	{"schedule.every", LIVE, .same = diff_same_64, .write = diff_write_every,
		IN_SCHEDULE(every_usec)},
	{"schedule.cron", LIVE, STRING, IN_SCHEDULE(cron_text)},
	{"schedule.overlap", LIVE, ENUM(overlap_name), IN_POLICY(overlap)},
	{"schedule.jitter", LIVE, DURATION, IN_SCHEDULE(jitter_usec)},
	{"limits.nofile", LIMIT, IN_LIMITS(NOFILE)},
	{"limits.core", LIMIT, IN_LIMITS(CORE)},
	{"limits.as", LIMIT, IN_LIMITS(AS)},
	{"limits.nproc", LIMIT, IN_LIMITS(NPROC)},
	{"limits.stack", LIMIT, IN_LIMITS(STACK)},
	{"limits.cpu", LIMIT, IN_LIMITS(CPU)},
	{"limits.fsize", LIMIT, IN_LIMITS(FSIZE)},
	{"limits.memlock", LIMIT, IN_LIMITS(MEMLOCK)},
	{"limits.data", LIMIT, IN_LIMITS(DATA)},
};

static const struct diff_rule global_rules[] = {
	{"runtime-dir", REFUSED, STRING, IN_SPEC(runtime_dir)},
	{"state-dir", REFUSED, STRING, IN_SPEC(state_dir)},
	{"log-dir", LIVE, STRING, IN_SPEC(log_dir)},
	{"log-level", LIVE, ENUM(level_name), IN_SPEC(log_level)},
	{"max-starting", LIVE, INT, IN_SPEC(max_starting)},
	{"on-orphan", LIVE, ENUM(orphan_name), IN_SPEC(on_orphan)},
	{"control.mode", LIVE, MODE, IN_SPEC(control_mode), SPEC_GIVEN(has_control_mode)},
	{"control.group", LIVE, .same = diff_same_named_group, .write = diff_write_named_group,
		IN_SPEC(control_group)},
	{"control.operators", LIVE, .same = diff_same_role, .write = diff_write_role, IN_SPEC(operators)},
	{"control.observers", LIVE, .same = diff_same_role, .write = diff_write_role, IN_SPEC(observers)},
	{"queue.key", REFUSED, .same = diff_same_64, .write = write_hex, IN_SPEC(queue_key)},
	{"queue.mode", LIVE, MODE, IN_SPEC(queue_mode)},
	{"queue.group", LIVE, .same = diff_same_named_group, .write = diff_write_named_group,
		IN_SPEC(queue_group)},
};
/* clang-format on */

const struct diff_rule *diff_service_rules(size_t *ret_n)
{
	*ret_n = ELEMENTSOF(service_rules);
	return service_rules;
}

const struct diff_rule *diff_global_rules(size_t *ret_n)
{
	*ret_n = ELEMENTSOF(global_rules);
	return global_rules;
}
