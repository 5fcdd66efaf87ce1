/*
 * The journal's file, where no supervisord answers: all of it, as it is at that moment.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/usec.h"

/* What to read; zero initialised: all. */
struct journal_range {
	uint64_t after; /* only what has a larger number */
	usec_t since_usec; /* only what is no older */
	uint64_t kinds; /* bits: 1 << enum journal_kind */
};

/* Gets an event as followers get it, borrowed. Negative ends it. */
typedef int journal_file_fn(json_t *event, void *userdata);

/* 0, -errno, -EBADMSG where it is no journal, or what the function returned. */
int journal_file_read(const char *path, const struct journal_range *range, journal_file_fn *visit,
	void *userdata);
