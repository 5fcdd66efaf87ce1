/*
 * The pump's intent as it is being filled in: what is noted before each step that can't be told
 * from the outside.
 */
#pragma once

#include "base/usec.h"
#include "wire/intent.h"

struct ledger {
	/* INTENT_ROOM_SIZE bytes that outlive the process: where they are now. NULL: nowhere. */
	void *(*room)(struct ledger *l);
	const usec_t *rotated_usec; /* borrowed: goes along with each commit */
	struct intent intent;
};

void ledger_commit(struct ledger *l, enum intent_phase phase);
