/*
 * What is done at turns of a service's life: hooks and the stop command; and what turns it by
 * itself, the schedule. Of schedule.every and schedule.cron one counts, so they are one choice:
 * a service that chooses takes nothing of the choice in defaults.
 */
#include "conf/keys/service/turns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/keys/convert.h"

#define MIN_HOOK_TIMEOUT USEC_PER_MSEC
#define MIN_EVERY	 (10 * USEC_PER_MSEC)

static enum spec_hook hook_of(const struct value *v)
{
	static const struct {
		enum service_key key;
		enum spec_hook hook;
	} hooks[] = {
		{SERVICE_HOOKS_PRE_START, SPEC_HOOK_PRE_START},
		{SERVICE_HOOKS_POST_START, SPEC_HOOK_POST_START},
		{SERVICE_HOOKS_PRE_STOP, SPEC_HOOK_PRE_STOP},
		{SERVICE_STOP_COMMAND, SPEC_HOOK_STOP},
		{SERVICE_HOOKS_POST_STOP, SPEC_HOOK_POST_STOP},
	};

	for (size_t i = 0; i < ELEMENTSOF(hooks); i++) {
		if (hooks[i].key == v->key->id)
			return hooks[i].hook;
	}
	return SPEC_HOOK_ON_FAILED;
}

/* An empty one takes back that of defaults. */
int turns_set_hook(struct making *m, const struct value *v)
{
	enum spec_hook hook = hook_of(v);
	size_t n;
	int r = making_words(m, v, &m->s->contact->hooks[hook], &n);

	if (r == 0 && n > 0)
		m->s->policy->hooks |= 1U << hook;
	return r;
}

int turns_set_hook_timeout(struct making *m, const struct value *v)
{
	convert_span(m->b->errors, v, MIN_HOOK_TIMEOUT, &m->s->policy->hook_timeout_usec);
	return 0;
}

static bool is_none(const struct value *v)
{
	return v->strings[0][0] == '\0' || strcmp(v->strings[0], "0") == 0;
}

/* Is this the choice that counts? */
static bool is_chosen(const struct making *m, const struct value *v)
{
	static const enum service_key keys[] = {SERVICE_SCHEDULE_EVERY, SERVICE_SCHEDULE_CRON};

	if (is_none(v))
		return false;
	for (size_t i = 0; i < ELEMENTSOF(keys) && !making_is_own(m, v); i++) {
		const struct value *own = m->own ? section_find(m->own, keys[i]) : NULL;

		if (own && !is_none(own))
			return false;
	}
	return true;
}

static void set_every(struct making *m, const struct value *v)
{
	struct spec_schedule *s = m->s->contact->schedule;

	if (is_chosen(m, v) && convert_span(m->b->errors, v, MIN_EVERY, &s->every_usec))
		m->s->policy->scheduled = true;
}

static int set_cron(struct making *m, const struct value *v)
{
	struct spec_schedule *s = m->s->contact->schedule;
	char what[CRON_WHAT_SIZE];

	if (!is_chosen(m, v))
		return 0;
	if (s->every_usec > 0) {
		value_error(m->b->errors, v,
			"'schedule.every' is given too; allowed: one of every, cron");
		return 0;
	}
	if (cron_parse(v->strings[0], &s->cron, what) < 0) {
		value_error(m->b->errors, v, "'%.80s': %s", v->strings[0], what);
		return 0;
	}
	m->s->policy->scheduled = true;
	s->cron_text = strdup(v->strings[0]);
	return s->cron_text ? 0 : -ENOMEM;
}

static void set_overlap(struct making *m, const struct value *v)
{
	const char *names[SPEC_OVERLAP_MAX];
	size_t choice;

	for (int i = 0; i < SPEC_OVERLAP_MAX; i++)
		names[i] = spec_overlap_to_string((enum spec_overlap)i);
	if (convert_choice(m->b->errors, v, names, SPEC_OVERLAP_MAX, &choice))
		m->s->policy->overlap = (enum spec_overlap)choice;
}

int turns_set_schedule(struct making *m, const struct value *v)
{
	switch (v->key->id) {
	case SERVICE_SCHEDULE_EVERY:
		set_every(m, v);
		return 0;
	case SERVICE_SCHEDULE_CRON:
		return set_cron(m, v);
	case SERVICE_SCHEDULE_OVERLAP:
		set_overlap(m, v);
		return 0;
	default: /* SERVICE_SCHEDULE_JITTER */
		convert_duration(m->b->errors, v, &m->s->contact->schedule->jitter_usec);
		return 0;
	}
}

/* Keys of the service itself that say how, where nothing is scheduled, by mistake or not. */
static void check_unused(const struct making *m)
{
	static const enum service_key keys[] = {SERVICE_SCHEDULE_OVERLAP, SERVICE_SCHEDULE_JITTER};
	static const enum service_key whens[] = {SERVICE_SCHEDULE_EVERY, SERVICE_SCHEDULE_CRON};

	for (size_t i = 0; i < ELEMENTSOF(whens); i++) {
		const struct value *v = making_find(m, whens[i]);

		if (v && !is_none(v))
			return; /* refused, and told */
	}
	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		const struct value *v = section_find(m->own, keys[i]);

		if (v)
			making_tell(m, v->key->path,
				"is of no use alone; allowed: along with one of every, cron");
	}
}

void turns_check(struct making *m)
{
	const struct spec_schedule *s = m->s->contact->schedule;
	const char *key = s->cron_text ? "schedule.cron" : "schedule.every";

	if (!m->s->policy->scheduled) {
		check_unused(m);
		return;
	}
	if (m->s->policy->restart == SPEC_RESTART_ALWAYS)
		making_tell(m, key,
			"a schedule cannot go with restart = always, which would start it again "
			"between two runs; allowed: on-failure, on-abnormal, never");
	if (s->every_usec > 0 && s->jitter_usec > s->every_usec)
		making_tell(m, "schedule.jitter",
			"is longer than 'schedule.every'; allowed: no more than that");
}
