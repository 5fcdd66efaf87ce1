/*
 * One line a key. Most values are plain members, for which their type says how to compare
 * and how to write them; the others have functions of their own.
 *
 * Names of users and groups are compared as written and by what they meant when each
 * configuration was loaded: an account that got another uid is a change, too.
 */
#include "conf/diff_rules.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/parse.h"
#include "conf/write.h"

#define MAX_IDS 32 /* so many are shown */

static const void *member(const struct diff_rule *r, const void *owner)
{
	return (const char *)owner + r->offset;
}

/* A value that is not given says nothing, whatever the member holds. */
static bool is_given(const struct diff_rule *r, const void *owner)
{
	return r->given == 0 || *(const bool *)((const char *)owner + r->given);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_texts(char *const *a, char *const *b)
{
	for (; a && b && *a && *b; a++, b++) {
		if (strcmp(*a, *b) != 0)
			return false;
	}
	return !(a && *a) && !(b && *b);
}

static bool same_bytes(const void *a, const void *b, size_t n)
{
	return n == 0 || memcmp(a, b, n) == 0;
}

/* Plain members, by their size. */
static bool same_plain(const struct diff_rule *r, const void *a, const void *b, size_t n)
{
	bool given = is_given(r, a);

	if (given != is_given(r, b))
		return false;
	return !given || memcmp(member(r, a), member(r, b), n) == 0;
}

static bool same_bool(const struct diff_rule *r, const void *a, const void *b)
{
	return *(const bool *)member(r, a) == *(const bool *)member(r, b);
}

static int write_bool(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_word(out, *(const bool *)member(r, owner) ? "true" : "false");
}

/* int, unsigned, mode_t and enums. */
static bool same_int(const struct diff_rule *r, const void *a, const void *b)
{
	return same_plain(r, a, b, sizeof(int));
}

static int write_int(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return is_given(r, owner) ? write_number(out, *(const int *)member(r, owner)) : 0;
}

static int write_octal(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return is_given(r, owner) ? write_mode(out, *(const mode_t *)member(r, owner)) : 0;
}

static int write_enum(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_word(out, r->name(*(const unsigned *)member(r, owner)));
}

static int write_signal(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	char name[SIGNAL_NAME_SIZE];

	(void)other;
	return write_word(out, signal_name(*(const int *)member(r, owner), name));
}

static bool same_64(const struct diff_rule *r, const void *a, const void *b)
{
	return same_plain(r, a, b, sizeof(uint64_t));
}

static int write_usec(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_duration(out, *(const usec_t *)member(r, owner));
}

static int write_bytes(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_size(out, *(const uint64_t *)member(r, owner));
}

/* Keys of queues are known by their hexadecimal form: ipcs(1) shows it. */
static int write_hex(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	int64_t key = *(const int64_t *)member(r, owner);

	(void)other;
	return key ? buf_printf(out, "0x%" PRIx64, (uint64_t)key) : write_number(out, 0);
}

static bool same_string(const struct diff_rule *r, const void *a, const void *b)
{
	return same_text(*(char *const *)member(r, a), *(char *const *)member(r, b));
}

static int write_text(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const char *text = *(char *const *)member(r, owner);

	(void)other;
	return text ? write_string(out, text) : 0;
}

static bool same_list(const struct diff_rule *r, const void *a, const void *b)
{
	return same_texts(*(char **const *)member(r, a), *(char **const *)member(r, b));
}

static int write_texts(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_list(out, *(char **const *)member(r, owner));
}

static int write_words(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_command(out, *(char **const *)member(r, owner));
}

static bool same_codes(const struct diff_rule *r, const void *a, const void *b)
{
	return memcmp(member(r, a), member(r, b),
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
		if (!spec_is_success(&s->policy, code))
			continue;
		result = buf_printf(out, "%s%d", comma, code);
		comma = ", ";
	}
	return result < 0 ? result : buf_printf(out, "}");
}

/* " 1 2 3", with an ellipsis for those that are too many to show. */
static int write_ids(struct buf *out, const unsigned *ids, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < MIN_OF(n, (size_t)MAX_IDS) && r == 0; i++)
		r = buf_printf(out, " %u", ids[i]);
	if (r == 0 && n > MAX_IDS)
		r = buf_printf(out, " and %zu more", n - MAX_IDS);
	return r;
}

static const struct spec_identity *identity_of(const void *owner)
{
	return &((const struct spec_service *)owner)->identity;
}

/* Do both run as the same one? Without ids to set, both stay who supervisord is. */
static bool same_ids(const struct spec_identity *a, const struct spec_identity *b)
{
	if (!a->set || !b->set)
		return a->set == b->set;
	return a->uid == b->uid && a->gid == b->gid && a->n_groups == b->n_groups &&
	       same_bytes(a->groups, b->groups, a->n_groups * sizeof(gid_t)) &&
	       same_text(a->user_name, b->user_name) && same_text(a->home, b->home) &&
	       same_text(a->shell, b->shell);
}

/* The names are the same, but mean others: told once, at the key that is given. */
static bool means_others(const struct spec_identity *a, const struct spec_identity *b)
{
	return same_text(a->user, b->user) && same_text(a->group, b->group) && !same_ids(a, b);
}

static bool same_user(const struct diff_rule *r, const void *a, const void *b)
{
	const struct spec_identity *x = identity_of(a), *y = identity_of(b);

	(void)r;
	return same_text(x->user, y->user) && !(x->user && means_others(x, y));
}

static bool same_group(const struct diff_rule *r, const void *a, const void *b)
{
	const struct spec_identity *x = identity_of(a), *y = identity_of(b);

	(void)r;
	return same_text(x->group, y->group) && !(!x->user && means_others(x, y));
}

static int write_home(const char *what, const char *text, struct buf *out)
{
	int r = text ? buf_printf(out, ", %s ", what) : 0;

	return r == 0 && text ? write_string(out, text) : r;
}

static int write_identity(const struct spec_identity *i, struct buf *out)
{
	int r = 0;

	if (!i->set)
		return buf_printf(out, " # as supervisord");
	r = buf_printf(out, " # uid %u, gid %u, groups", (unsigned)i->uid, (unsigned)i->gid);
	if (r == 0)
		r = write_ids(out, i->groups, i->n_groups);
	if (r == 0)
		r = write_home("name", i->user_name, out);
	if (r == 0)
		r = write_home("home", i->home, out);
	return r < 0 ? r : write_home("shell", i->shell, out);
}

static int write_user(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const struct spec_identity *i = identity_of(owner);
	int result = i->user ? write_string(out, i->user) : 0;

	(void)r;
	if (result == 0 && i->user && same_text(i->user, identity_of(other)->user))
		result = write_identity(i, out);
	return result;
}

static int write_group(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const struct spec_identity *i = identity_of(owner);
	int result = i->group ? write_string(out, i->group) : 0;

	(void)r;
	if (result == 0 && i->group && !i->user && same_text(i->group, identity_of(other)->group))
		result = write_identity(i, out);
	return result;
}

static bool same_sink(const struct spec_log *a, const struct spec_log *b)
{
	return a->sink == b->sink && (a->sink != SPEC_SINK_FILE || same_text(a->file, b->file));
}

static int write_sink(const struct spec_log *log, struct buf *out)
{
	if (log->sink == SPEC_SINK_FILE && log->file)
		return write_string(out, log->file);
	return write_word(out, spec_sink_to_string(log->sink));
}

static bool same_log_file(const struct diff_rule *r, const void *a, const void *b)
{
	return same_sink(member(r, a), member(r, b));
}

static int write_log_file(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_sink(member(r, owner), out);
}

static bool same_log_stderr(const struct diff_rule *r, const void *a, const void *b)
{
	const struct spec_service *x = a, *y = b;

	(void)r;
	return x->split_stderr == y->split_stderr &&
	       (!x->split_stderr || same_sink(&x->log_stderr, &y->log_stderr));
}

static int write_log_stderr(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const struct spec_service *s = owner;

	(void)r;
	(void)other;
	return s->split_stderr ? write_sink(&s->log_stderr, out) : 0;
}

/* Where output goes changes while a service runs; which pipes it has does not. */
static enum diff_effect log_file_effect(const void *before, const void *after)
{
	const struct spec_service *x = before, *y = after;
	bool had = x->split_stderr || x->log.sink != SPEC_SINK_NONE;
	bool has = y->split_stderr || y->log.sink != SPEC_SINK_NONE;

	return had == has ? DIFF_LIVE : DIFF_RESTART;
}

static enum diff_effect log_stderr_effect(const void *before, const void *after)
{
	const struct spec_service *x = before, *y = after;

	return x->split_stderr == y->split_stderr ? DIFF_LIVE : DIFF_RESTART;
}

static bool same_role(const struct diff_rule *r, const void *a, const void *b)
{
	const struct spec_role *x = member(r, a), *y = member(r, b);

	return same_texts(x->names, y->names) && x->n_uids == y->n_uids && x->n_gids == y->n_gids &&
	       same_bytes(x->uids, y->uids, x->n_uids * sizeof(uid_t)) &&
	       same_bytes(x->gids, y->gids, x->n_gids * sizeof(gid_t));
}

static int write_role(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const struct spec_role *role = member(r, owner), *against = member(r, other);
	int result = write_list(out, role->names);

	if (result < 0 || !same_texts(role->names, against->names) || !role->names)
		return result;
	result = buf_printf(out, " # uids");
	if (result == 0)
		result = write_ids(out, role->uids, role->n_uids);
	if (result == 0)
		result = buf_printf(out, ", gids");
	return result < 0 ? result : write_ids(out, role->gids, role->n_gids);
}

/* The socket's group, or the queue's. */
struct named_group {
	const char *name;
	gid_t gid;
};

static struct named_group group_of(const struct diff_rule *r, const void *owner)
{
	const struct spec *s = owner;

	if (r->offset == offsetof(struct spec, control_group))
		return (struct named_group){s->control_group_name, s->control_group};
	return (struct named_group){s->queue_group_name, s->queue_group};
}

static bool same_named_group(const struct diff_rule *r, const void *a, const void *b)
{
	struct named_group x = group_of(r, a), y = group_of(r, b);

	return same_text(x.name, y.name) && (!x.name || x.gid == y.gid);
}

static int write_named_group(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	struct named_group g = group_of(r, owner), against = group_of(r, other);
	int result = g.name ? write_string(out, g.name) : 0;

	if (result == 0 && g.name && same_text(g.name, against.name))
		result = buf_printf(out, " # gid %u", (unsigned)g.gid);
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

static const char *orphan_name(unsigned value)
{
	return spec_orphan_to_string((enum spec_orphan)value);
}

static const char *level_name(unsigned value)
{
	return log_level_to_string((enum log_level)value);
}

/* How to compare and write a member of a type. */
#define BOOL	 .same = same_bool, .write = write_bool
#define INT	 .same = same_int, .write = write_int
#define MODE	 .same = same_int, .write = write_octal
#define ENUM(f)	 .same = same_int, .write = write_enum, .name = f
#define SIGNAL	 .same = same_int, .write = write_signal
#define DURATION .same = same_64, .write = write_usec
#define SIZE	 .same = same_64, .write = write_bytes
#define STRING	 .same = same_string, .write = write_text
#define LIST	 .same = same_list, .write = write_texts
#define COMMAND	 .same = same_list, .write = write_words

#define IN_SERVICE(member)    .offset = offsetof(struct spec_service, member)
#define IN_POLICY(member)     IN_SERVICE(policy.member)
#define IN_SPEC(member)	      .offset = offsetof(struct spec, member)
#define SERVICE_GIVEN(member) .given = offsetof(struct spec_service, member)
#define SPEC_GIVEN(member)    .given = offsetof(struct spec, member)
#define LIVE		      .effect = DIFF_LIVE
#define RESTART		      .effect = DIFF_RESTART
#define REFUSED		      .effect = DIFF_REFUSED

_Static_assert(sizeof(mode_t) == sizeof(int) && sizeof(enum spec_type) == sizeof(int),
	"same_int() compares them all");
_Static_assert(sizeof(uid_t) == sizeof(unsigned) && sizeof(gid_t) == sizeof(unsigned),
	"write_ids() writes them all");

/* clang-format off */
static const struct diff_rule service_rules[] = {
	{"command", RESTART, COMMAND, IN_SERVICE(command)},
	{"type", RESTART, ENUM(type_name), IN_POLICY(type)},
	{"autostart", LIVE, BOOL, IN_POLICY(autostart)},
	{"essential", LIVE, BOOL, IN_POLICY(essential)},
	{"instances", LIVE, INT, IN_SERVICE(n_instances), SERVICE_GIVEN(has_instances),
		.is_count = true},
	{"directory", RESTART, STRING, IN_SERVICE(directory)},
	{"umask", RESTART, MODE, IN_SERVICE(umask)},
	{"user", RESTART, .same = same_user, .write = write_user},
	{"group", RESTART, .same = same_group, .write = write_group},
	{"nice", RESTART, INT, IN_SERVICE(nice), SERVICE_GIVEN(has_nice)},
	{"oom-score-adj", RESTART, INT, IN_SERVICE(oom_score_adj),
		SERVICE_GIVEN(has_oom_score_adj)},
	{"clear-environment", RESTART, BOOL, IN_SERVICE(clear_environment)},
	{"groups", LIVE, LIST, IN_SERVICE(groups)},
	{"restart", LIVE, ENUM(restart_name), IN_POLICY(restart)},
	{"success-codes", LIVE, .same = same_codes, .write = write_codes,
		IN_POLICY(success_codes)},
	{"restart-delay", LIVE, DURATION, IN_POLICY(restart_delay_usec)},
	{"restart-max-delay", LIVE, DURATION, IN_POLICY(restart_max_delay_usec)},
	{"restart-jitter", LIVE, INT, IN_POLICY(restart_jitter_percent)},
	{"restart-limit", LIVE, INT, IN_POLICY(restart_limit)},
	{"restart-window", LIVE, DURATION, IN_POLICY(restart_window_usec)},
	{"stable-after", LIVE, DURATION, IN_POLICY(stable_after_usec)},
	{"stop.signal", LIVE, SIGNAL, IN_POLICY(stop_signal)},
	{"stop.timeout", LIVE, DURATION, IN_POLICY(stop_timeout_usec)},
	{"stop.kill", LIVE, ENUM(kill_name), IN_POLICY(stop_kill)},
	{"reload.signal", LIVE, SIGNAL, IN_SERVICE(reload_signal)},
	{"reload.command", LIVE, COMMAND, IN_SERVICE(reload_command)},
	{"log.file", .effect_of = log_file_effect, .same = same_log_file,
		.write = write_log_file, IN_SERVICE(log)},
	{"log.stderr", .effect_of = log_stderr_effect, .same = same_log_stderr,
		.write = write_log_stderr},
	{"log.max-size", LIVE, SIZE, IN_SERVICE(log.max_size_bytes)},
	{"log.keep", LIVE, INT, IN_SERVICE(log.keep)},
};

static const struct diff_rule global_rules[] = {
	{"runtime-dir", REFUSED, STRING, IN_SPEC(runtime_dir)},
	{"state-dir", REFUSED, STRING, IN_SPEC(state_dir)},
	{"log-dir", LIVE, STRING, IN_SPEC(log_dir)},
	{"log-level", LIVE, ENUM(level_name), IN_SPEC(log_level)},
	{"max-starting", LIVE, INT, IN_SPEC(max_starting)},
	{"on-orphan", LIVE, ENUM(orphan_name), IN_SPEC(on_orphan)},
	{"control.mode", LIVE, MODE, IN_SPEC(control_mode), SPEC_GIVEN(has_control_mode)},
	{"control.group", LIVE, .same = same_named_group, .write = write_named_group,
		IN_SPEC(control_group)},
	{"control.operators", LIVE, .same = same_role, .write = write_role, IN_SPEC(operators)},
	{"control.observers", LIVE, .same = same_role, .write = write_role, IN_SPEC(observers)},
	{"queue.key", REFUSED, .same = same_64, .write = write_hex, IN_SPEC(queue_key)},
	{"queue.mode", LIVE, MODE, IN_SPEC(queue_mode)},
	{"queue.group", LIVE, .same = same_named_group, .write = write_named_group,
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
