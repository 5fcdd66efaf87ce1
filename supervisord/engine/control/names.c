/*
 * An exact name is found by bisection, and where a request has no others, that is all; only a
 * definition's name, a glob and a group walk over all services. A request may hold twenty thousand
 * patterns, and fnmatch() can take 65 µs for a long one with many brackets, so the steps of one
 * request are bounded.
 */
#include "engine/control/names.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/service.h"
#include "engine/services.h"

#define MAX_PATTERN 256
#define GLOB_STEPS  8 /* a character of a glob costs as much as so many comparisons of names */

bool names_is_glob(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

bool names_match_glob(const struct service *s, const char *pattern)
{
	return fnmatch(pattern, s->name, 0) == 0;
}

static bool in_group(const struct service *s, const char *group)
{
	for (char **g = service_definition(s)->links->groups; g && *g; g++) {
		if (strcmp(*g, group) == 0)
			return true;
	}
	return false;
}

static bool matches(const struct service *s, const char *pattern)
{
	if (pattern[0] == '@')
		return in_group(s, pattern + 1);
	if (strcmp(s->spec->name, pattern) == 0)
		return true;
	return names_is_glob(pattern) && names_match_glob(s, pattern);
}

static size_t steps_of(const struct engine *e, const char *pattern)
{
	return e->n_services * (strpbrk(pattern, "*?[") ? GLOB_STEPS * strlen(pattern) : 1);
}

/* 0, -ENOENT, or -E2BIG where no steps are left for it. */
static int mark(const struct engine *e, const char *pattern, bool *marks, size_t *steps)
{
	const struct service *exact = services_find(e, pattern);
	bool found = false;

	if (exact) {
		marks[exact->id] = true;
		return 0;
	}
	if (strlen(pattern) > MAX_PATTERN)
		return -ENOENT;
	if (steps_of(e, pattern) > *steps)
		return -E2BIG;
	*steps -= steps_of(e, pattern);
	for (uint32_t i = 0; i < e->n_services; i++) {
		if (matches(e->services[i], pattern))
			found = marks[e->services[i]->id] = true;
	}
	return found ? 0 : -ENOENT;
}

static int compare_places(const void *a, const void *b)
{
	const struct service *x = *(struct service *const *)a, *y = *(struct service *const *)b;

	return (x->board_place > y->board_place) - (x->board_place < y->board_place);
}

/* 1: all are names of services, and *ret_services are those; what this costs is theirs alone. */
static int find_exact(const struct engine *e, const json_t *patterns,
	struct service ***ret_services, uint32_t *ret_n)
{
	size_t k, n_patterns = json_array_size(patterns);
	_cleanup_free_
	struct service **found = calloc(n_patterns + 1, sizeof(struct service *));
	const json_t *pattern;
	uint32_t n = 0;

	if (!found)
		return -ENOMEM;
	json_array_foreach(patterns, k, pattern)
	{
		found[k] = services_find(e, json_string_value(pattern));
		if (!found[k])
			return 0;
	}
	qsort(found, n_patterns, sizeof(*found), compare_places);
	for (k = 0; k < n_patterns; k++) {
		if (n == 0 || found[k] != found[n - 1])
			found[n++] = found[k];
	}
	*ret_services = TAKE_PTR(found);
	*ret_n = n;
	return 1;
}

/* Any patterns, by a look at every service. */
static int find_all(const struct engine *e, const json_t *patterns, struct service ***ret_services,
	uint32_t *ret_n, const char **ret_unknown)
{
	_cleanup_free_
	bool *marks = calloc(e->n_ids + 1, sizeof(*marks));
	_cleanup_free_
	struct service **found = calloc(e->n_services + 1, sizeof(struct service *));
	const json_t *pattern;
	uint32_t n = 0;
	size_t k, steps = NAMES_MAX_STEPS;

	if (!marks || !found)
		return -ENOMEM;
	json_array_foreach(patterns, k, pattern)
	{
		int r = mark(e, json_string_value(pattern), marks, &steps);

		if (r == -ENOENT)
			*ret_unknown = json_string_value(pattern);
		if (r < 0)
			return r;
	}
	for (uint32_t i = 0; i < e->n_services; i++) {
		if (marks[e->services[i]->id])
			found[n++] = e->services[i];
	}
	*ret_services = TAKE_PTR(found);
	*ret_n = n;
	return 0;
}

int names_resolve(const struct engine *e, const json_t *patterns, struct service ***ret_services,
	uint32_t *ret_n, const char **ret_unknown)
{
	int r = find_exact(e, patterns, ret_services, ret_n);

	return r != 0 ? MIN_OF(r, 0) : find_all(e, patterns, ret_services, ret_n, ret_unknown);
}
