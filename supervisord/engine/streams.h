/*
 * What the log pump needs of the engine: the holding pipe, room for its intent in the recovery
 * area, and whose a stream is.
 */
#pragma once

struct engine;

/* Before there are services. Never fails: without the pipe, a kill can lose a batch. */
void streams_init(struct engine *e);
/* When services are there as the last engine left them: finishes what its pump was at. */
void streams_recover(struct engine *e);
/* The recovery area is another one: what the pump is at goes there, too. */
void streams_commit(struct engine *e);
