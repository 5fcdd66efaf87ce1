/*
 * From a stream to all of its sinks. Files come first, one after the other, each committed as it
 * is written: what goes to them is there once, whoever is killed when. What is no file comes after
 * them, and gets a batch again that somebody was killed with.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pump;

/* More is of no use: an intent counts them in a byte. */
#define FANOUT_MAX_SINKS 64

/* Is there one that writes anywhere? */
bool fanout_is_kept(const struct pump *p);
/*
 * Writes n bytes to each, but for the last n_refused, which a limit of the rate keeps from there;
 * noted: the pump set's ledger is told of each step. again: whoever was killed may have given
 * it to outlets, see sink_write_again().
 */
void fanout_write(
	struct pump *p, const char *data, size_t n, size_t n_refused, bool noted, bool again);
/* Goes on with the batch that the ledger tells of, data being all of it. n may be 0. */
void fanout_redo(struct pump *p, const char *data, size_t n);
/* The batch was done: only what is counted, and where in a line all are, is taken from there. */
void fanout_resume(struct pump *p);
/* Fills in what the ledger's intent tells of a batch that is done. */
void fanout_tell(const struct pump *p);
/* Drops what comes next, all of it; what a sink has taken in advance is none of that. */
void fanout_refuse(struct pump *p, const char *data, size_t n, unsigned why);
/* The stream has ended. noted: as a batch of no bytes. */
void fanout_end(struct pump *p, bool noted);
