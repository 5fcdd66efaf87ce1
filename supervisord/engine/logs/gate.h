/*
 * What comes before anything is taken from a service: how much of what is in its pipe may be. Only
 * streams that somebody can keep waiting, or that have a limit of their rate, have a gate.
 *
 * Whoever waits is out of the loop, and takes no turn until there is a reason to try again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "conf/spec.h"
#include "engine/logs/rate.h"
#include "engine/loop.h"

struct pump;

enum gate_reason {
	GATE_NONE, /* it doesn't wait, or nobody knows for what */
	GATE_RATE, /* its limit */
	GATE_SINK, /* and enum spec_sink: a sink of this kind has no room */
	GATE_REASON_MAX = GATE_SINK + SPEC_SINK_MAX
};

struct gate {
	struct pump *pump;
	struct loop_timer timer; /* when to try again */
	struct rate rate;
	bool limited, blocks; /* the rate is limited; and it waits then, where others drop */
	uint8_t reason; /* enum gate_reason; while the pump waits */
};

/*
 * Gives the pump a gate if its sinks or limits ask for one, takes it away, or gives it new limits.
 * Whoever waits tries again. -ENOMEM, and it goes on without.
 */
int gate_configure(struct pump *p);
void gate_free(struct pump *p);

/*
 * How many of at most n bytes may be taken now; the last *ret_refused of them are to be dropped.
 * -EAGAIN: there are none, or the pump waits from now on. Who takes fewer drops what is left of
 * the end.
 */
ssize_t gate_admit(struct pump *p, size_t n, size_t *ret_refused);

/* What it waits for. */
enum gate_reason gate_reason(const struct pump *p);

/* There may be a reason to go on: it is in the loop again. Nothing for one that doesn't wait. */
void gate_open(struct pump *p);
