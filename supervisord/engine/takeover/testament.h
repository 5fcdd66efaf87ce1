/*
 * What the dead launcher knew, written down for the next (wire/handover.h).
 */
#pragma once

#include "engine/takeover/missing.h"
#include "wire/handover.h"

struct testament {
	struct engine *e;
	struct handover h;
	uint32_t n_entries; /* so far */
	struct missing missing;
	int *opened; /* owned: what was opened for this */
	size_t n_opened;
	bool incomplete; /* a process is alive that could not be put into it */
};
#define TESTAMENT_INIT ((struct testament){.h = HANDOVER_INIT})

/* 0 or -errno; testament_fini() in any case. */
int testament_make(struct testament *t, struct engine *e);
void testament_fini(struct testament *t);
