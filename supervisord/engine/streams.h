/*
 * The streams of services: their pipes and sinks, and what the log pump needs of the engine:
 * the holding pipe, room for its intent in the recovery area, and whose a stream is.
 */
#pragma once

struct engine;
struct service;
struct stream;

/* Makes those of a new service. -ENOMEM, with streams_free() to follow. */
int streams_new(struct service *s);
void streams_free(struct service *s);
/* The service goes by another definition. With another number of pipes: none is open. */
void streams_configure(struct service *s);

/* The next generation begins: of the pipes of the last one the launcher needs no copy any more. */
void streams_begin_generation(struct service *s);
/* The read end of the last generation's pipe, borrowed; -1: there is none. */
int streams_last_pipe(const struct stream *t);

/* Before there are services. Never fails: without the pipe, a kill can lose a batch. */
void streams_init(struct engine *e);
/* When services are there as the last engine left them: finishes what its pump was at. */
void streams_recover(struct engine *e);
/* The recovery area is another one: what the pump is at goes there, too. */
void streams_commit(struct engine *e);
