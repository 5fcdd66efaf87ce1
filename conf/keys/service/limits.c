/*
 * The section `limits`: "VALUE" for both the soft and the hard limit, or "SOFT:HARD". Numbers
 * are in what the kernel counts in; each kind says which words it is written in.
 */
#include "conf/keys/service/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"

#define UNLIMITED     UINT64_MAX
#define MAX_FILES     2147483584 /* the most that fs.nr_open can be */
#define MAX_SECONDS   UINT32_MAX
#define MAX_PROCESSES UINT32_MAX

enum unit { UNIT_BYTES, UNIT_NUMBER, UNIT_SECONDS };

static const struct kind {
	enum service_key key;
	enum spec_limit_kind limit;
	enum unit unit;
	uint64_t min, max;
	bool can_be_unlimited; /* fs.nr_open bounds files, whoever asks */
} kinds[] = {
	{SERVICE_LIMITS_NOFILE, SPEC_LIMIT_NOFILE, UNIT_NUMBER, 0, MAX_FILES, false},
	{SERVICE_LIMITS_CORE, SPEC_LIMIT_CORE, UNIT_BYTES, 0, UINT64_MAX / 4, true},
	{SERVICE_LIMITS_AS, SPEC_LIMIT_AS, UNIT_BYTES, 0, UINT64_MAX / 4, true},
	{SERVICE_LIMITS_NPROC, SPEC_LIMIT_NPROC, UNIT_NUMBER, 0, MAX_PROCESSES, true},
	{SERVICE_LIMITS_STACK, SPEC_LIMIT_STACK, UNIT_BYTES, 0, UINT64_MAX / 4, true},
	{SERVICE_LIMITS_CPU, SPEC_LIMIT_CPU, UNIT_SECONDS, 1, MAX_SECONDS, true},
	{SERVICE_LIMITS_FSIZE, SPEC_LIMIT_FSIZE, UNIT_BYTES, 0, UINT64_MAX / 4, true},
	{SERVICE_LIMITS_MEMLOCK, SPEC_LIMIT_MEMLOCK, UNIT_BYTES, 0, UINT64_MAX / 4, true},
	{SERVICE_LIMITS_DATA, SPEC_LIMIT_DATA, UNIT_BYTES, 0, UINT64_MAX / 4, true},
};

static const char *allowed(const struct kind *k)
{
	switch (k->unit) {
	case UNIT_BYTES:
		return "such as 4096, 64K, 50M, 1G, unlimited, or SOFT:HARD";
	case UNIT_NUMBER:
		return k->can_be_unlimited ? "a number, unlimited, or SOFT:HARD"
					   : "a number (the kernel has no unlimited), or SOFT:HARD";
	case UNIT_SECONDS:
		return "whole seconds, such as 90, 90s, 1h, unlimited, or SOFT:HARD";
	}
	return "";
}

/* Seconds, bare or as a duration without a fraction of one. */
static int parse_seconds(const char *text, uint64_t *ret)
{
	usec_t duration;

	if (parse_u64(text, UINT64_MAX, ret) == 0)
		return 0;
	if (parse_duration(text, &duration) < 0 || duration % USEC_PER_SEC != 0)
		return -1;
	*ret = duration / USEC_PER_SEC;
	return 0;
}

static bool parse_one(const struct kind *k, const char *text, uint64_t *ret)
{
	uint64_t value = 0;
	int r = -1;

	if (k->can_be_unlimited && strcmp(text, "unlimited") == 0) {
		*ret = UNLIMITED;
		return true;
	}
	switch (k->unit) {
	case UNIT_BYTES:
		r = parse_size(text, &value);
		break;
	case UNIT_NUMBER:
		r = parse_u64(text, UINT64_MAX, &value);
		break;
	case UNIT_SECONDS:
		r = parse_seconds(text, &value);
		break;
	}
	if (r < 0 || value < k->min || value > k->max)
		return false;
	*ret = value;
	return true;
}

static int keep(struct spec_service *s, enum spec_limit_kind kind, const struct spec_limit *limit)
{
	if (!s->process->limits)
		s->process->limits = calloc(SPEC_LIMIT_MAX, sizeof(*s->process->limits));
	if (!s->process->limits)
		return -ENOMEM;
	s->process->limits[kind] = *limit;
	return 0;
}

static int set(struct making *m, const struct value *v, const struct kind *k)
{
	struct spec_limit limit = {.set = true};
	_cleanup_free_
	char *soft = strdup(v->strings[0]);
	char *hard = soft ? strchr(soft, ':') : NULL;

	if (!soft)
		return -ENOMEM;
	if (hard)
		*hard++ = '\0';
	if (!parse_one(k, soft, &limit.soft) || !parse_one(k, hard ? hard : soft, &limit.hard))
		value_error(m->b->errors, v, "'%.80s' is not allowed; allowed: %s", v->strings[0],
			allowed(k));
	else if (limit.soft > limit.hard)
		value_error(m->b->errors, v,
			"'%.80s' has a soft limit above the hard one; allowed: %s", v->strings[0],
			allowed(k));
	else
		return keep(m->s, k->limit, &limit);
	return 0;
}

/* An empty one takes back that of defaults. */
int limits_set(struct making *m, const struct value *v)
{
	for (size_t i = 0; i < ELEMENTSOF(kinds) && v->strings[0][0]; i++) {
		if (kinds[i].key == v->key->id)
			return set(m, v, &kinds[i]);
	}
	return 0;
}
