/*
 * The line on a terminal that shows, while a call waits, that it is alive.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/usec.h"
#include "ctl/ctl.h"

struct progress {
	struct ctl *ctl;
	usec_t start;
	size_t n_done;
	bool has_line; /* it is on the screen */
};

/* From now on the line is shown where there is a terminal; p must outlive the call. */
void progress_begin(struct progress *p, struct ctl *ctl);
/* Takes it off the screen, before anything else is written; it comes again by itself. */
void progress_clear(struct progress *p);
void progress_end(struct progress *p);
