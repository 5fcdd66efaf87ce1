/*
 * A look at the text of a configuration file before libconfuse sees it: what libconfuse
 * would misread is refused here, and what it would lose (lines) is written down.
 */
#pragma once

#include <stdint.h>

#include "conf/load.h"

#define GUARD_MAX_DEPTH	  8
#define GUARD_MAX_ENTRIES 500000
#define GUARD_MAX_STRING  131071 /* execve() takes no longer one: MAX_ARG_STRLEN */

struct schema_key;

enum guard_kind {
	GUARD_VALUE, /* key = value */
	GUARD_LIST, /* key = { value, value } */
	GUARD_SECTION, /* key { … }, key "title" { … } */
	GUARD_CALL /* key("argument") */
};

/* One statement. Offsets are into the guard's text. */
struct guard_entry {
	enum guard_kind kind;
	unsigned line;
	uint32_t n_below; /* so many entries after this one are inside of it */
	uint32_t start, end, key_len; /* the key stands at start */
	bool has_title;
	uint32_t title, title_len; /* as written, without quotes */
	uint32_t inner, inner_end; /* GUARD_CALL: what is between the parentheses */
	const struct schema_key *key; /* set by schema_check(); NULL: leave it out */
};

/*
 * The same text reduced to what libconfuse reads as intended: no comments, every value
 * in quotes, nothing to expand, lines as in the file.
 */
struct guard {
	struct buf text;
	struct guard_entry *entries; /* in the order of the file */
	size_t n_entries, size;
};

void guard_fini(struct guard *g);

/* 0; -EINVAL with the first mistake told in errors and nothing set; -ENOMEM. */
int guard_scan(const char *file, const char *text, size_t n, struct conf_errors *errors,
	struct guard *ret_guard);

/* Overwrites an entry with blanks; its lines stay. */
void guard_blank(struct guard *g, const struct guard_entry *e);
