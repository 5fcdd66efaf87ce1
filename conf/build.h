/*
 * What the steps from values to a spec share. Each step reports what is wrong in errors
 * and goes on; it fails with -ENOMEM only.
 */
#pragma once

#include "conf/text/parse.h"
#include "conf/text/source.h"

struct build {
	struct spec *spec;
	const struct conf_sources *sources;
	struct conf_sources *fetch; /* the same ones while loading: what they lack is added */
	const struct conf_context *context;
	struct conf_errors *errors;
	struct spec_place global_places[GLOBAL_KEY_MAX]; /* line 0: not given */
	struct section *globals; /* control and queue: looked at when all is read */
	size_t n_globals;
	struct section defaults; /* key NULL: not given */
	struct section *services;
	size_t n_services;
	struct section *pools;
	size_t n_pools;
	size_t n_links; /* names of other services so far, to be bounded */
};

/* conf/keys/global.c */
int global_apply(struct build *b, const struct section *s);
/* Directories by default, and the sections control and queue. */
int global_finish(struct build *b);

/* conf/keys/service/service.c: all services, from defaults and sections. */
int service_build_all(struct build *b);

/* conf/check.c: what can only be seen across services. */
int check_all(struct build *b);

/* conf/keys/pools.c: all pools; and whether the pool of each service is one of them. */
int pools_build(struct build *b);
int pools_check(struct build *b);

/* conf/links/links.c: what services say about each other. Names of services are unique by then. */
int links_check(struct build *b);

/*
 * conf/keys/identity.c: users and groups by name or number. 0 with *ret NULL where there is
 * no such one, which is then told in errors. Valid until the next look-up.
 */
int identity_user(struct build *b, const struct value *v, const char *text,
	const struct source_user **ret_user);
int identity_group(struct build *b, const struct value *v, const char *text,
	const struct source_group **ret_group);
/* The identity for a service's user and group; each may be NULL for not given. */
int identity_fill(struct build *b, const struct value *user_value, const char *user,
	const struct value *group_value, const char *group, struct spec_identity *ret_identity);

/* conf/keys/env.c: the variables of an env-file, into a list of "K=V". */
int env_file(struct build *b, const struct value *v, const char *path, char ***list, size_t *n);

/* Sets "K=V" in such a list, replacing an earlier K; takes text over. */
int env_set(char ***list, size_t *n, char *text);
bool env_has(char *const *list, const char *assignment);

/* The path as seen from the file that the value stands in; to be freed. */
char *path_beside(const char *file, const char *path);
