/*
 * The recovery area and the status board are files, and are written far more often than read: what
 * was touched of them in a burst need not stay mapped, and count as this process's memory, until
 * the next one.
 */
#pragma once

#include <stdbool.h>

#include "engine/loop.h"

#define PAGES_LET_GO_USEC USEC_PER_SEC /* after the first of what was touched */

struct engine;

struct pages {
	struct loop_timer due; /* not armed while nothing was touched */
	bool touched;
};

/* 0 or -errno. */
int pages_init(struct engine *e);
void pages_fini(struct engine *e);

/* Some of either was; they are let go before long. Cheap, and nothing before pages_init(). */
void pages_touch(struct engine *e);
