/*
 * What sink.c and sink_file.c share. Nobody else includes this.
 */
#pragma once

#include "engine/logs/ledger.h"
#include "engine/logs/sink.h"

/* --- sink.c --- */

void sink_count_written(struct sink *s, const char *data, size_t n);
void sink_count_dropped(struct sink *s, const char *data, size_t n, unsigned why);
/* What was dropped has been told of there. */
void sink_forget_lost(struct sink *s);
const char *sink_lost_why(const struct sink *s);
/* What comes next is not the rest of the present line. */
void sink_cut_line(struct sink *s);
/* What an intent says of a sink; of counters only those of a stream's own one. */
void sink_tell(const struct sink *s, struct intent *i);

/* --- sink_outlet.c: all but files and SPEC_SINK_NONE --- */

int sink_join(struct sink *s, const struct spec_target *target, const char *address);
void sink_leave(struct sink *s);
bool sink_goes_to(const struct sink *s, const struct spec_target *target, const char *address);
void sink_write_outlet(struct sink *s, const char *data, size_t n, usec_t now);
/* So much of what comes it has taken in advance: that counts as written. Of any kind. */
size_t sink_pass_over(struct sink *s, const char *data, size_t n);
void sink_end_outlet(struct sink *s, usec_t now);
void sink_settle_outlet(struct sink *s, usec_t now);

/* --- sink_file.c: SPEC_SINK_FILE --- */

/* As logfile_ready(); what was begun in another file stays there. */
int sink_open_file(struct sink *s);
void sink_set_broken(struct sink *s, int error, usec_t now);
/* n 0: only what is left to tell. */
void sink_write_file(struct sink *s, const char *data, size_t n, usec_t now, struct ledger *ledger);
/*
 * For one that blocks: whether there is room for n bytes of output. 0, or why not, which has been
 * told; s->file.retry_usec says when to ask again.
 */
int sink_reserve(struct sink *s, const char *data, size_t n, usec_t now);
/* The batch of ledger->intent, which is in phase WRITE or ROTATE. */
void sink_redo_file(struct sink *s, const char *data, size_t n, usec_t now, struct ledger *ledger);
