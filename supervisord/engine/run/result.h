/*
 * How a command ended, in figures and in words.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"
#include "engine/run/output.h"
#include "wire/link.h"

#define RESULT_TEXT_SIZE 256

struct command_result {
	bool ok; /* exited with code 0 */
	bool timed_out; /* it was killed because it took too long */
	bool cancelled; /* it was killed by request, or was not begun at all */
	bool unknown; /* nobody was there to see how it ended */
	int code; /* exit code, -1 where it did not exit */
	int signo; /* that ended it, else 0 */
	int error; /* errno of a start that failed, else 0 */
	uint64_t serial; /* tells its run from others of this kind: its generation on the link */
	uint64_t generation; /* of the service when it began; 0: one before the present one */
	usec_t ran_usec;
	char text[RESULT_TEXT_SIZE]; /* "exited with code 1: last line" */
	size_t n_how; /* bytes of that which are ours: "exited with code 1" */
	char output[OUTPUT_SIZE]; /* the end of it, n_output bytes */
	size_t n_output;
};

/*
 * Fills in what follows from its end: all but serial and generation, which stay, as do
 * timed_out, cancelled and ran_usec, which the caller has set.
 */
void result_describe(
	struct command_result *r, const struct link_exit *end, const struct output *output);
