/*
 * The streams of services: their pipes and sinks, and what the log pump needs of the engine:
 * the holding pipe, room for its intent in the recovery area, and whose a stream is.
 */
#pragma once

#include <stdint.h>

struct engine;
struct pump;
struct service;
struct stream;

/* Makes those of a new service. -ENOMEM, with streams_free() to follow. */
int streams_new(struct service *s);
void streams_free(struct service *s);
/* The service goes by another definition. With another number of pipes: no process has any. */
void streams_configure(struct service *s);

/* The service is removed: what waits in pipes of processes that have gone is dropped, and told. */
void streams_give_up(struct service *s);

/* A generation begins: what is in its pipes is what those before it have left there. */
void streams_begin(struct service *s);
/* So many of the next bytes that come from the pipe are of those generations. */
uint64_t stream_left(const struct stream *t);
/* The last generation whose line for log:REGEX has come by there. */
uint64_t *stream_seen_generation(const struct stream *t);

/* For pump_set_init(): a pipe has no writer any more. */
void streams_pipe_ended(struct pump *p);
/* Before there are services. Never fails: without the pipe, a kill can lose a batch. */
void streams_init(struct engine *e);
/* When services are there as the last engine left them: finishes what its pump was at. */
void streams_recover(struct engine *e);
/* The recovery area is another one: what the pump is at goes there, too. */
void streams_commit(struct engine *e);
