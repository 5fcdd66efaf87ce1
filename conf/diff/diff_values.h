/* How values are compared and written. Only the rules (diff_rules.c) and what they use see this. */
#pragma once

#include "conf/diff/diff_rules.h"

/* As the members of struct diff_rule. */
typedef bool diff_same_fn(const struct diff_rule *r, const void *a, const void *b);
typedef int diff_write_fn(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out);
typedef enum diff_effect diff_effect_fn(
	const struct diff_rule *r, const void *before, const void *after);

/* conf/diff/diff_values.c: plain members, by their type. */
const void *diff_member(const struct diff_rule *r, const void *owner);
bool diff_same_text(const char *a, const char *b); /* either may be NULL */
bool diff_same_texts(char *const *a, char *const *b); /* NULL is an empty list */
bool diff_same_bytes(const void *a, const void *b, size_t n);
diff_same_fn diff_same_bool, diff_same_int, diff_same_64, diff_same_string, diff_same_list;
diff_write_fn diff_write_bool, diff_write_int, diff_write_octal, diff_write_enum, diff_write_signal,
	diff_write_usec, diff_write_bytes, diff_write_text, diff_write_texts, diff_write_words;

/* conf/diff/diff_who.c: users, groups and roles, with whom they mean. */
diff_same_fn diff_same_user, diff_same_group, diff_same_role, diff_same_named_group;
diff_write_fn diff_write_user, diff_write_group, diff_write_role, diff_write_named_group;

/* conf/diff/diff_policy.c: readiness, health, schedules and limits. */
diff_same_fn diff_same_ready, diff_same_ready_timeout, diff_same_probe, diff_same_failures,
	diff_same_limit;
diff_write_fn diff_write_ready, diff_write_ready_timeout, diff_write_probe, diff_write_failures,
	diff_write_every, diff_write_limit;
diff_effect_fn diff_ready_effect, diff_watchdog_effect, diff_limit_effect;

/* conf/diff/diff_log.c: stdin, and where output goes. */
diff_same_fn diff_same_input, diff_same_log_file, diff_same_log_stderr, diff_same_also;
diff_write_fn diff_write_input, diff_write_log_file, diff_write_log_stderr, diff_write_also,
	diff_write_compress, diff_write_count;
diff_effect_fn diff_output_effect, diff_log_stderr_effect;
