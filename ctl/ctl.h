/*
 * What every verb gets: the command line, understood, and where to write. No verb looks
 * at argv, at the environment or at the terminal by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/macro.h"
#include "base/usec.h"
#include "ctl/client/client.h"
#include "ctl/events/since.h"
#include "ctl/exit.h"
#include "ctl/output/term.h"

struct verb;

struct ctl {
	FILE *out, *err; /* borrowed */
	int out_error; /* errno of the first write to out that failed */
	struct term term;
	struct client client;

	const struct verb *verb;
	bool json, help, version;
	bool follow, raw, peek, no_wait, no_restart, rolling;
	uint64_t n_lines;
	const char *states; /* of --for, borrowed; NULL: not given */
	usec_t timeout_usec; /* USEC_INFINITY: not given */
	struct since since, until; /* all zero: not given */
	uint64_t run_back; /* of --run: 0 is the last one, 1 the one before */
	const char *pattern; /* of --grep, borrowed */
	const char *config; /* borrowed; NULL: not given */
	unsigned given; /* enum verb_option: which of the verbs' own options were given */
	char **args; /* borrowed: what follows the verb */
	size_t n_args;
};

/* Runs a whole command line, flushes the output and returns the exit status. */
int ctl_run(int argc, char **argv, FILE *out, FILE *err);

/* "supctl: ..." and a newline on stderr, with every control byte made harmless. */
void ctl_error(struct ctl *ctl, const char *format, ...) _printf_(2, 3);

/* Tells that a name means no service. */
void ctl_no_such(struct ctl *ctl, const char *name);

/* The same as ctl_error() without the "supctl: ", for messages that say by themselves what they are
 * about. */
void ctl_tell(struct ctl *ctl, const char *text);

/* Writes bytes as they are to the output. */
void ctl_write(struct ctl *ctl, const struct buf *text);

/* One JSON value and a newline: compact, or indented for a person's eyes. Steals value. */
int ctl_write_json(struct ctl *ctl, json_t *value);
/* The same on one line whoever looks, for streams of objects. */
int ctl_write_json_line(struct ctl *ctl, json_t *value);

/* Flushes the output; -errno where it can't be written any more. */
int ctl_flush(struct ctl *ctl);

/*
 * A call, and what to say when it fails: 0, or the exit status after the reason was
 * told. parameters is stolen. on_reply may be NULL.
 */
int ctl_call(struct ctl *ctl, const char *method, json_t *parameters, unsigned flags,
	client_reply_fn *on_reply, void *userdata);

/* What client_call() returned, told: the exit status. error, where there is one, is stolen. */
int ctl_explain(struct ctl *ctl, const char *method, int result, json_t *error);

/* The same for methods with one reply, which is handed over (owned by the caller). */
int ctl_call_once(struct ctl *ctl, const char *method, json_t *parameters, unsigned flags,
	json_t **ret_reply);

/* The names among the arguments from the given one on, as an array; NULL after telling why. */
json_t *ctl_names(struct ctl *ctl, size_t first);
