/*
 * Keys whose value is not a single member. What tells a service in its environment how it is
 * looked after (a socket for notifications, a descriptor, a watchdog) can't be told again.
 */
#include <string.h>

#include "base/macro.h"
#include "conf/diff/diff_values.h"
#include "conf/write.h"

static const struct spec_policy *policy(const void *owner)
{
	return ((const struct spec_service *)owner)->policy;
}

bool diff_same_ready(const struct diff_rule *r _unused_, const void *a, const void *b)
{
	const struct spec_service *x = a, *y = b;

	return x->policy->ready == y->policy->ready &&
	       x->contact->ready_fd == y->contact->ready_fd &&
	       diff_same_text(x->contact->ready_regex, y->contact->ready_regex) &&
	       diff_same_text(x->contact->ready_check->address, y->contact->ready_check->address);
}

int diff_write_ready(const struct diff_rule *r _unused_, const void *owner,
	const void *other _unused_, struct buf *out)
{
	const struct spec_service *s = owner;
	const char *word = spec_ready_to_string(s->policy->ready);
	const char *rest = s->contact->ready_regex ? s->contact->ready_regex
						   : s->contact->ready_check->address;
	_cleanup_buf_ struct buf text = {0};
	int result;

	if (s->policy->ready == SPEC_READY_FD)
		result = buf_printf(&text, "%s:%d", word, s->contact->ready_fd);
	else
		result = buf_printf(&text, "%s%s%s", word, rest ? ":" : "", rest ? rest : "");
	if (result == 0)
		result = buf_append(&text, SIZE_MAX, "", 1);
	return result < 0 ? result : write_word(out, text.data);
}

static bool is_told_to_it(const void *owner)
{
	enum spec_ready ready = policy(owner)->ready;

	return ready == SPEC_READY_NOTIFY || ready == SPEC_READY_FD;
}

enum diff_effect diff_ready_effect(
	const struct diff_rule *r _unused_, const void *before, const void *after)
{
	return is_told_to_it(before) || is_told_to_it(after) ? DIFF_RESTART : DIFF_LIVE;
}

enum diff_effect diff_watchdog_effect(
	const struct diff_rule *r _unused_, const void *before, const void *after)
{
	bool had = policy(before)->watchdog_usec > 0, has = policy(after)->watchdog_usec > 0;

	return had == has ? DIFF_LIVE : DIFF_RESTART;
}

/* Each type has a default of its own: to go from one to the other is no further change. */
static bool has_default_timeout(const void *owner)
{
	const struct spec_policy *p = policy(owner);

	return p->ready_timeout_usec ==
	       (p->type == SPEC_TYPE_ONESHOT ? USEC_INFINITY : SPEC_DEFAULT_READY_TIMEOUT);
}

bool diff_same_ready_timeout(const struct diff_rule *r _unused_, const void *a, const void *b)
{
	return policy(a)->ready_timeout_usec == policy(b)->ready_timeout_usec ||
	       (has_default_timeout(a) && has_default_timeout(b));
}

/* 0 stands for no limit. */
int diff_write_ready_timeout(const struct diff_rule *r _unused_, const void *owner,
	const void *other _unused_, struct buf *out)
{
	usec_t timeout = policy(owner)->ready_timeout_usec;

	return write_duration(out, timeout == USEC_INFINITY ? 0 : timeout);
}

/* The rule's key ends with the word for one kind: "health.tcp". */
static const struct spec_check *health_by(const struct diff_rule *r, const void *owner)
{
	const struct spec_check *c = ((const struct spec_service *)owner)->contact->health;
	const char *dot = strchr(r->key, '.');

	return dot && strcmp(dot + 1, spec_probe_to_string(c->kind)) == 0 ? c : NULL;
}

bool diff_same_probe(const struct diff_rule *r, const void *a, const void *b)
{
	const struct spec_check *x = health_by(r, a), *y = health_by(r, b);

	if (!x || !y)
		return !x && !y;
	return diff_same_texts(x->command, y->command) && diff_same_text(x->address, y->address);
}

int diff_write_probe(
	const struct diff_rule *r, const void *owner, const void *other _unused_, struct buf *out)
{
	const struct spec_check *c = health_by(r, owner);

	if (!c)
		return 0;
	return c->command ? write_command(out, c->command) : write_string(out, c->address);
}

/* Where health isn't asked for, there are none; what is not given is not told as a change. */
static unsigned failures_of(const void *owner)
{
	unsigned n = policy(owner)->health_failures;

	return n > 0 ? n : SPEC_DEFAULT_FAILURES;
}

bool diff_same_failures(const struct diff_rule *r _unused_, const void *a, const void *b)
{
	return failures_of(a) == failures_of(b);
}

int diff_write_failures(const struct diff_rule *r _unused_, const void *owner,
	const void *other _unused_, struct buf *out)
{
	return write_number(out, failures_of(owner));
}

int diff_write_every(const struct diff_rule *r _unused_, const void *owner,
	const void *other _unused_, struct buf *out)
{
	usec_t every = ((const struct spec_service *)owner)->contact->schedule->every_usec;

	return every > 0 ? write_duration(out, every) : 0;
}

static const struct spec_limit *limit_of(const struct diff_rule *r, const void *owner)
{
	return spec_limit(owner, (enum spec_limit_kind)r->offset);
}

bool diff_same_limit(const struct diff_rule *r, const void *a, const void *b)
{
	const struct spec_limit *x = limit_of(r, a), *y = limit_of(r, b);

	if (!x->set || !y->set)
		return x->set == y->set;
	return x->soft == y->soft && x->hard == y->hard;
}

/* What it was before there was a limit is not known any more. */
enum diff_effect diff_limit_effect(
	const struct diff_rule *r, const void *before _unused_, const void *after)
{
	return limit_of(r, after)->set ? DIFF_LIVE : DIFF_RESTART;
}

static int write_limit_value(enum spec_limit_kind kind, uint64_t value, struct buf *out)
{
	if (value == UINT64_MAX)
		return buf_printf(out, "unlimited");
	switch (kind) {
	case SPEC_LIMIT_NOFILE:
	case SPEC_LIMIT_NPROC:
		return write_number(out, (int64_t)value);
	case SPEC_LIMIT_CPU:
		return write_duration(out, value * USEC_PER_SEC);
	case SPEC_LIMIT_CORE:
	case SPEC_LIMIT_AS:
	case SPEC_LIMIT_STACK:
	case SPEC_LIMIT_FSIZE:
	case SPEC_LIMIT_MEMLOCK:
	case SPEC_LIMIT_DATA:
	case SPEC_LIMIT_MAX:
		break;
	}
	return write_size(out, value);
}

int diff_write_limit(
	const struct diff_rule *r, const void *owner, const void *other _unused_, struct buf *out)
{
	const struct spec_limit *limit = limit_of(r, owner);
	enum spec_limit_kind kind = (enum spec_limit_kind)r->offset;
	int result;

	if (!limit->set)
		return 0;
	result = write_limit_value(kind, limit->soft, out);
	if (result < 0 || limit->soft == limit->hard)
		return result;
	result = buf_printf(out, ":");
	return result < 0 ? result : write_limit_value(kind, limit->hard, out);
}
