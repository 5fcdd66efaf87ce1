/*
 * In force against new: what differs between two specs, key by key, and what follows for
 * services that run. Pure functions of their arguments; only what is meant is compared,
 * never where or how it was written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "conf/spec.h"

/* What it takes until a change is in force; a later one outweighs those before it. */
enum diff_effect {
	DIFF_NONE, /* nothing differs */
	DIFF_LIVE, /* can be taken over while the service runs */
	DIFF_RESTART, /* the service has to be started again */
	DIFF_REFUSED, /* of global keys only: needs another start of supervisord */
	DIFF_EFFECT_MAX
};

/*
 * One key that differs. key, before and after are owned. Values are written as the
 * configuration writes them, defaults too: 10s, 50M, 022, on-failure, "/srv", {"a", "b"};
 * NULL: there is none. Where the same name of a user or group means others than before,
 * a comment after the value says whom.
 */
struct diff_key {
	/* "stop.timeout", "control.mode", "environment PORT", "env-file TOKEN", "pool \"db\".slots"
	 */
	char *key;
	char *before, *after;
	enum diff_effect effect; /* never DIFF_NONE */
	bool secret; /* values of environment variables: not for everybody's eyes */
	/*
	 * Where the new value stands; else the service, or line 0 of the main file. Borrowed
	 * from `after`.
	 */
	struct spec_place place;
};

struct diff_keys {
	struct diff_key *keys; /* owned */
	size_t n;
};

#define _cleanup_diff_keys_ _cleanup_(diff_keys_fini)
void diff_keys_fini(struct diff_keys *k);

/*
 * What follows for a service from another definition, without words: cheap, allocates
 * nothing. Names and instances are not compared. Never DIFF_REFUSED.
 */
enum diff_effect diff_service_effect(
	const struct spec_service *before, const struct spec_service *after);

/*
 * The same key by key, in the order of the manual; variables by their names. `instances`
 * is among them, as DIFF_LIVE; names are not. *ret is overwritten, and the caller gives it
 * back with diff_keys_fini(). 0 or -ENOMEM.
 */
int diff_service(
	const struct spec_service *before, const struct spec_service *after, struct diff_keys *ret);

/*
 * All keys of a service but variables, as `after`, with the place of each; before is NULL,
 * effect DIFF_NONE. Where a key was not given, the place is the service's.
 */
int diff_describe(const struct spec_service *s, struct diff_keys *ret);

/* The same for what stands outside of services. */
int diff_global(const struct spec *before, const struct spec *after, struct diff_keys *ret);

/*
 * Which definition became which. before NULL: added; after NULL: removed; different names:
 * renamed, that is a removed and an added one whose definitions say the same, instances
 * (as configured) included; each is used once, in the order of the configurations.
 */
struct diff_pair {
	const struct spec_service *before, *after; /* borrowed */
};

/*
 * All pairs, in the order of `after`, then those removed in the order of `before`.
 * *ret_pairs is to be freed. 0 or -ENOMEM.
 */
int diff_match(const struct spec *before, const struct spec *after, struct diff_pair **ret_pairs,
	size_t *ret_n);

/* "none", "live", "restart", "refused" */
const char *diff_effect_to_string(enum diff_effect e);
