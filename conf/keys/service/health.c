/*
 * The section `health`, and the watchdog. Of the four ways to ask one counts, so they are one
 * choice: a service that chooses takes nothing of the choice in defaults.
 */
#include "conf/keys/service/health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/keys/convert.h"
#include "conf/values/address.h"
#include "conf/values/strv.h"

#define MIN_INTERVAL (10 * USEC_PER_MSEC)
#define MIN_TIMEOUT  USEC_PER_MSEC

static const struct probe {
	enum service_key key;
	enum spec_probe kind;
} probes[] = {
	{SERVICE_HEALTH_COMMAND, SPEC_PROBE_COMMAND},
	{SERVICE_HEALTH_TCP, SPEC_PROBE_TCP},
	{SERVICE_HEALTH_UNIX, SPEC_PROBE_UNIX},
	{SERVICE_HEALTH_HTTP, SPEC_PROBE_HTTP},
};

static bool is_empty(const struct value *v)
{
	return v->n == 0 || (v->n == 1 && v->strings[0][0] == '\0');
}

/* Does the service itself choose? */
static bool has_own_choice(const struct making *m)
{
	for (size_t i = 0; i < ELEMENTSOF(probes); i++) {
		const struct value *v = m->own ? section_find(m->own, probes[i].key) : NULL;

		if (v && !is_empty(v))
			return true;
	}
	return false;
}

static enum spec_probe kind_of(const struct value *v)
{
	for (size_t i = 0; i < ELEMENTSOF(probes); i++) {
		if (probes[i].key == v->key->id)
			return probes[i].kind;
	}
	return SPEC_PROBE_NONE;
}

static const char *check_tcp(const char *text)
{
	struct address a;

	return address_parse_tcp(text, &a);
}

static const char *check_http(const char *text)
{
	struct address a;

	return address_parse_http(text, &a);
}

static int set_address(struct making *m, const struct value *v, enum spec_probe kind)
{
	struct spec_check *h = m->s->contact->health;
	int r = making_check_text(m, v, v->strings[0],
		kind == SPEC_PROBE_TCP	  ? check_tcp
		: kind == SPEC_PROBE_UNIX ? address_check_unix
					  : check_http);

	if (r < 0)
		return r == -EINVAL ? 0 : r;
	h->address = strdup(v->strings[0]);
	return h->address ? 0 : -ENOMEM;
}

static int set_probe(struct making *m, const struct value *v)
{
	struct spec_check *h = m->s->contact->health;
	enum spec_probe kind = kind_of(v);
	size_t n;

	if (is_empty(v) || (!making_is_own(m, v) && has_own_choice(m)))
		return 0;
	if (h->kind != SPEC_PROBE_NONE) {
		value_error(m->b->errors, v,
			"'health.%s' is given too; allowed: one of command, tcp, unix, http",
			spec_probe_to_string(h->kind));
		return 0;
	}
	h->kind = kind;
	if (kind == SPEC_PROBE_COMMAND)
		return making_words(m, v, &h->command, &n);
	return set_address(m, v, kind);
}

static void set_action(struct making *m, const struct value *v)
{
	const char *names[SPEC_ACTION_MAX];
	size_t choice;

	for (int i = 0; i < SPEC_ACTION_MAX; i++)
		names[i] = spec_action_to_string((enum spec_action)i);
	if (convert_choice(m->b->errors, v, names, SPEC_ACTION_MAX, &choice))
		m->s->policy->health_action = (enum spec_action)choice;
}

static void set_watchdog(struct making *m, const struct value *v)
{
	if (strcmp(v->strings[0], "0") == 0)
		m->s->policy->watchdog_usec = 0;
	else
		convert_span(m->b->errors, v, MIN_INTERVAL, &m->s->policy->watchdog_usec);
}

int health_set(struct making *m, const struct value *v)
{
	struct spec_check *h = m->s->contact->health;

	switch (v->key->id) {
	case SERVICE_HEALTH_INTERVAL:
		convert_span(m->b->errors, v, MIN_INTERVAL, &h->interval_usec);
		return 0;
	case SERVICE_HEALTH_TIMEOUT:
		convert_span(m->b->errors, v, MIN_TIMEOUT, &h->timeout_usec);
		return 0;
	case SERVICE_HEALTH_FAILURES:
		convert_unsigned(
			m->b->errors, v, 1, SPEC_MAX_FAILURES, &m->s->policy->health_failures);
		return 0;
	case SERVICE_HEALTH_GRACE:
		convert_duration(m->b->errors, v, &h->grace_usec);
		return 0;
	case SERVICE_HEALTH_ACTION:
		set_action(m, v);
		return 0;
	case SERVICE_WATCHDOG:
		set_watchdog(m, v);
		return 0;
	default:
		return set_probe(m, v);
	}
}

/* Keys of the service itself that say how to ask, where nothing is asked. */
static void check_unused(const struct making *m)
{
	static const enum service_key keys[] = {SERVICE_HEALTH_INTERVAL, SERVICE_HEALTH_TIMEOUT,
		SERVICE_HEALTH_FAILURES, SERVICE_HEALTH_GRACE, SERVICE_HEALTH_ACTION};

	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		const struct value *v = section_find(m->own, keys[i]);

		if (v)
			making_tell(m, v->key->path,
				"is of no use alone; allowed: along with one of command, tcp, "
				"unix, http");
	}
}

/* The value that says how to ask. */
static const struct value *find_choice(const struct making *m)
{
	for (size_t i = 0; i < ELEMENTSOF(probes); i++) {
		if (probes[i].kind == m->s->contact->health->kind)
			return making_find(m, probes[i].key);
	}
	return NULL;
}

/* What defaults say is not meant for it. */
static void check_oneshot(struct making *m)
{
	const struct value *choice = find_choice(m), *watchdog = making_find(m, SERVICE_WATCHDOG);
	struct spec_check *h = m->s->contact->health;

	if (choice && making_is_own(m, choice))
		making_tell(m, choice->key->path,
			"a oneshot is never running, so it isn't asked; allowed: no health");
	if (m->s->policy->watchdog_usec > 0 && making_is_own(m, watchdog))
		making_tell(m, "watchdog",
			"a oneshot is never running, so nothing watches it; allowed: 0");
	m->s->policy->watchdog_usec = 0;
	h->kind = SPEC_PROBE_NONE;
	strv_free(h->command);
	h->command = NULL;
	free(h->address);
	h->address = NULL;
}

void health_check(struct making *m)
{
	if (m->s->contact->health->kind == SPEC_PROBE_NONE)
		check_unused(m);
	if (m->s->policy->type == SPEC_TYPE_ONESHOT)
		check_oneshot(m);
	if (m->s->contact->health->kind == SPEC_PROBE_NONE)
		m->s->policy->health_failures = 0;
}
