/*
 * Two runs of one history, which have to come to the same.
 */
#pragma once

#include "world.h"

/* Runs it, and where that goes well once more, a little different. False, and w->failure. */
bool twin_run(struct world *w, const struct history *h);
