/*
 * The sinks of a stream: its own, which is part of it, and further ones where there are any: those
 * that log.also names, and a pipe to each service whose stdin it is.
 */
#pragma once

struct log_origin;
struct service;
struct sink;
struct stream;

/* Makes them as the definition says. -ENOMEM, with stream_sinks_free() to follow. */
int stream_sinks_init(struct stream *t);
void stream_sinks_free(struct stream *t);
/*
 * The definition is another one. Who goes where it did stays as it is, its counters included; for
 * lack of memory, which is told, also who shouldn't.
 */
void stream_sinks_configure(struct stream *t);

/*
 * Another service, of that name, takes the output on its stdin from now on, or no more: a sink of
 * kind SPEC_SINK_SERVICE, which lasts until then whatever the definition becomes. Joining again
 * does nothing. -ENOMEM.
 */
int stream_sinks_join(struct stream *t, const char *consumer);
void stream_sinks_part(struct stream *t, const char *consumer);
/* Consumers go over from a stream that is about to be given up. */
void stream_sinks_move_consumers(struct stream *from, struct stream *to);

/* Opens files anew, after somebody else has renamed them. */
void stream_sinks_reopen(struct stream *t);

/* For struct sink_set. */
void stream_sinks_describe(const struct sink *k, struct log_origin *ret);
void stream_sinks_writable(struct sink *k);
/* Where a sink goes: a path, an address, another service; NULL: there is no more to say. */
const char *stream_sinks_address(const struct sink *k);
