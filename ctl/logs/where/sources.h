/* The logs that are meant: files to read, and a word about what is none. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ctl/ctl.h"

/* One file that lines come from. */
struct source {
	char *name, *label, *path; /* owned; label is "web" or "web/err" */
	bool is_error;
	const char *stream; /* "output" or "error" */
	const char *colour; /* static, "" for none */
	struct buf partial; /* the beginning of a line */
	bool continued; /* the line has come in pieces so far */
	bool hidden; /* it is left out */
	uint64_t n_given_up; /* lines that it would have cost too much to match */
};

void source_fini(struct source *s);

struct sources {
	struct source *items; /* owned */
	size_t n, size;
};

void sources_fini(struct sources *s);

/*
 * Adds the logs of services, as the method Logs has them, that --stdout and --stderr let pass; what
 * can't be read as a file is told, with where to look for it. -ENOMEM.
 */
int sources_add(struct sources *s, struct ctl *ctl, json_t *services);

/* The file that a source is in by what that method says now, borrowed; NULL: none. */
const char *sources_find(json_t *services, const struct source *s);

/* Of the widest label. */
size_t sources_width(const struct sources *s);
