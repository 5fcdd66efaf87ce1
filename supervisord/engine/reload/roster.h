/*
 * Which services a configuration names: its definitions unfolded into instances, in the
 * order of the configuration, and found by name.
 */
#pragma once

#include <stdint.h>

#include "conf/spec.h"

struct roster_entry {
	char name[SPEC_INSTANCE_NAME_MAX];
	const struct spec_service *spec; /* borrowed */
	unsigned instance; /* counts from 1 */
};

struct roster {
	struct roster_entry *entries; /* owned */
	uint32_t n;
	uint32_t *by_name; /* owned: indices, sorted */
};

/* 0 or -ENOMEM. */
int roster_init(struct roster *r, const struct spec *spec);
void roster_fini(struct roster *r);

#define _cleanup_roster_ _cleanup_(roster_fini)

/* NULL where the configuration names no such service. */
const struct roster_entry *roster_find(const struct roster *r, const char *name);
