/*
 * Which services a request means: names, definitions with all their instances, globs,
 * and groups.
 */
#pragma once

#include <jansson.h>

#include "engine/engine.h"

/* Comparisons of names that one request may cost: about 0.1 s, 0.7 s at the very worst. */
#define NAMES_MAX_STEPS 20000000u

/*
 * The services that patterns (an array of strings) name, each once, in the order of the
 * configuration; the caller frees *ret_services. 0; -ENOENT with *ret_unknown (borrowed)
 * set to the pattern that names nothing; -E2BIG too many globs, groups and definitions;
 * -ENOMEM.
 */
int names_resolve(const struct engine *e, const json_t *patterns, struct service ***ret_services,
	uint32_t *ret_n, const char **ret_unknown);

/* A pattern that does not begin with '@' and has a wildcard; and whether it means a service. */
bool names_is_glob(const char *pattern);
bool names_match_glob(const struct service *s, const char *pattern);
