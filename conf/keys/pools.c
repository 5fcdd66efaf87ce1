/* Pools are few, and services are looked up in a map of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/build.h"
#include "conf/keys/convert.h"
#include "conf/text/errors.h"
#include "conf/text/text.h"
#include "conf/values/map.h"

#define SUGGESTION_DISTANCE 2

static int make_pool(struct build *b, const struct section *s, struct spec_pool *pool)
{
	const struct value *slots = section_find(s, GLOBAL_POOL_SLOTS);

	pool->place = slots ? slots->place : s->place;
	pool->slots = 1;
	pool->name = strdup(s->title);
	if (!pool->name)
		return -ENOMEM;
	if (!text_is_name(s->title))
		conf_errors_add(b->errors, s->place,
			"'%.80s' cannot be the name of a pool; allowed: 1 to %d letters, digits, "
			"'.', '_' and '-', the first a letter or digit",
			s->title, SPEC_NAME_MAX);
	if (slots)
		convert_unsigned(b->errors, slots, 1, SPEC_MAX_SLOTS, &pool->slots);
	else
		conf_errors_add(b->errors, s->place, "pool '%.80s' has no 'slots'", s->title);
	return 0;
}

int pools_build(struct build *b)
{
	struct map names = {0};
	int r = 0;

	if (b->n_pools > SPEC_MAX_POOLS) {
		conf_errors_add(b->errors, b->pools[SPEC_MAX_POOLS].place, "more than %d pools",
			SPEC_MAX_POOLS);
		return 0;
	}
	b->spec->pools = calloc(b->n_pools + 1, sizeof(*b->spec->pools));
	if (!b->spec->pools)
		return -ENOMEM;
	for (size_t i = 0; i < b->n_pools && r == 0; i++) {
		const struct section *s = &b->pools[i];
		size_t first;

		b->spec->n_pools++;
		r = make_pool(b, s, &b->spec->pools[i]);
		if (r == 0)
			r = map_put(&names, s->title, i);
		if (r == -EEXIST && map_get(&names, s->title, &first)) {
			conf_errors_add(b->errors, s->place,
				"pool '%.80s' is given twice; first in %.512s:%u", s->title,
				b->pools[first].place.file, b->pools[first].place.line);
			r = 0;
		}
	}
	map_fini(&names);
	return r;
}

static const char *suggestion(const struct spec *spec, const char *name)
{
	unsigned best = SUGGESTION_DISTANCE + 1;
	const char *found = NULL;

	for (size_t i = 0; i < spec->n_pools; i++) {
		unsigned d =
			text_distance(name, strlen(name), spec->pools[i].name, SUGGESTION_DISTANCE);

		if (d < best) {
			best = d;
			found = spec->pools[i].name;
		}
	}
	return found;
}

static void tell_unknown(const struct build *b, const struct spec_service *s)
{
	const char *near = suggestion(b->spec, s->links->pool);

	if (near)
		conf_errors_add(b->errors, spec_place_of(s, "pool"),
			"'pool' in service '%.80s': there is no pool '%.80s'; did you mean '%s'?",
			s->name, s->links->pool, near);
	else
		conf_errors_add(b->errors, spec_place_of(s, "pool"),
			"'pool' in service '%.80s': there is no pool '%.80s'; allowed: the name of "
			"a section 'pool'",
			s->name, s->links->pool);
}

int pools_check(struct build *b)
{
	const struct spec *spec = b->spec;
	struct map names = {0};
	int r = 0;

	for (size_t i = 0; i < spec->n_pools && r == 0; i++)
		r = map_put(&names, spec->pools[i].name, i);
	for (size_t i = 0; i < spec->n_services && r == 0; i++) {
		const struct spec_service *s = &spec->services[i];
		size_t pool;

		if (s->links->pool && !map_get(&names, s->links->pool, &pool))
			tell_unknown(b, s);
	}
	map_fini(&names);
	return r == -EEXIST ? 0 : r; /* told in pools_build() */
}
