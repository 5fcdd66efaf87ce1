/* One statement of a configuration, as libconfuse reads it. */
#pragma once

#include <stdint.h>

#include "conf/keys/schema.h"

#define PARSE_MAX_LIST 10000 /* values of one key */
#define PARSE_IDS      192 /* ids of keys are less */

struct value {
	const struct schema_key *key;
	struct spec_place place; /* file borrowed */
	const char *where; /* "service 'web'"; NULL at the top level; borrowed */
	char **strings; /* one, unless the key takes a list */
	size_t n;
};

/* A statement of the top level: a section with its values, or one value. */
struct section {
	const struct schema_key *key;
	struct spec_place place;
	char *title; /* NULL: none */
	char *where; /* NULL: not a section */
	struct value *values;
	size_t n_values;
	uint64_t ids[PARSE_IDS / 64]; /* bits: of which keys there is a value */
};

void section_fini(struct section *s);

/* The section's value for a key that it has. */
const struct value *section_get(const struct section *s, unsigned id);

/* The section's value for a key, or NULL. A service is asked for all that there are, and has few.
 */
static inline const struct value *section_find(const struct section *s, unsigned id)
{
	return s->ids[id / 64] >> id % 64 & 1 ? section_get(s, id) : NULL;
}

/*
 * Parses the statement at index i of the top level, which schema_check() has passed.
 * file must outlive the section. -EINVAL with the reason in errors; -ENOMEM.
 */
int parse_statement(struct guard *g, size_t i, const char *file, struct conf_errors *errors,
	struct section *ret_section);

/* Adds "'KEY' in WHERE: text" at the value's place. */
void value_error(struct conf_errors *errors, const struct value *v, const char *format, ...)
	_printf_(3, 4);
