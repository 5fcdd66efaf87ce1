/* What each key is about: where it stands in the data, how it is compared and written. */
#pragma once

#include "base/buf.h"
#include "conf/diff/diff.h"

/* "Owner" is a struct spec_service, or a struct spec for keys outside of services. */
struct diff_rule {
	const char *key;
	enum diff_effect effect; /* where effect_of is NULL */
	enum diff_effect (*effect_of)(
		const struct diff_rule *r, const void *before, const void *after);
	bool (*same)(const struct diff_rule *r, const void *a, const void *b);
	/*
	 * Appends the owner's value, nothing where there is none. `other` is the owner that it
	 * is held against: where names are the same as there, whom they mean is added as a
	 * comment. 0 or -ENOMEM.
	 */
	int (*write)(
		const struct diff_rule *r, const void *owner, const void *other, struct buf *out);
	const char *(*name)(unsigned value); /* of an enum */
	const void *(*part)(const struct spec_service *); /* that has the value; NULL: the owner */
	size_t offset; /* of the member that holds the value */
	size_t given; /* of a bool beside it which tells that it is given; 0: it always is */
	bool is_count; /* `instances`: says nothing about a single one of them */
};

/* All keys of a service but those with variables, in the order of the schema. */
const struct diff_rule *diff_service_rules(size_t *ret_n);
const struct diff_rule *diff_global_rules(size_t *ret_n);
