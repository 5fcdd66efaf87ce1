/*
 * What sink.c and sink_file.c share. Nobody else includes this.
 */
#pragma once

#include "engine/logs/ledger.h"
#include "engine/logs/sink.h"

/* --- sink.c --- */

void sink_count_written(struct sink *s, const char *data, size_t n);
void sink_count_dropped(struct sink *s, const char *data, size_t n);
/* What comes next is not the rest of the present line. */
void sink_cut_line(struct sink *s);
void sink_tell_counters(const struct sink *s, struct intent *i);

/* --- sink_file.c: SPEC_SINK_FILE --- */

void sink_set_broken(struct sink *s, int error, usec_t now);
void sink_write_file(struct sink *s, const char *data, size_t n, usec_t now, struct ledger *ledger);
/* The batch of ledger->intent, which is in phase WRITE or ROTATE. */
void sink_redo_file(struct sink *s, const char *data, size_t n, usec_t now, struct ledger *ledger);
