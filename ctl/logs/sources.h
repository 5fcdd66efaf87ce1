/* The logs that are meant: files to read, and a word about what is none. */
#pragma once

#include <jansson.h>

#include "ctl/logs/lines.h"

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
