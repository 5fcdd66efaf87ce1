/*
 * What a writer of the torture says about itself, in a file of its own (DIR/ledger/NAME) that it
 * maps: what is stored there is not lost when the writer is killed. Numbers are of the machine's
 * own order; torture_ledger.py reads the same layout.
 */
#pragma once

#include <stdint.h>

#define LEDGER_MAGIC	UINT64_C(0x31676c6572746f74)
#define LEDGER_MAX_RUNS 16384

enum ledger_end {
	LEDGER_UNKNOWN, /* it did not say: somebody has killed it, or it still runs */
	LEDGER_EXIT, /* it was about to exit with end_value */
	LEDGER_SIGNAL, /* it was about to die of the signal end_value */
	LEDGER_END_MAX
};

/* A run of the service. Between two calls of write(), written and attempted are the same. */
struct ledger_run {
	uint64_t start_usec; /* realtime */
	uint64_t written; /* at least so many bytes went into the pipe */
	uint64_t attempted; /* and at most so many */
	int32_t pid;
	uint32_t end; /* enum ledger_end */
	int32_t end_value;
	char invocation[36]; /* with a NUL */
};

struct ledger {
	uint64_t magic, seed;
	uint32_t style; /* enum stream_style */
	uint32_t n_runs;
	uint64_t duplicates; /* starts that found another instance alive */
	struct ledger_run runs[LEDGER_MAX_RUNS]; /* of which n_runs are in use */
};

_Static_assert(sizeof(struct ledger_run) == 72, "torture_ledger.py knows it so");
