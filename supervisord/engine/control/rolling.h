/*
 * Rolling restarts: services are restarted one after the other, each ready before the next one
 * is stopped. Who has its turn still to come knows so in its record, so the sequence outlives
 * its caller and the engine.
 */
#pragma once

#include "engine/engine.h"

/* All services are there: finds what the last engine had begun. 0 or -ENOMEM. */
int rollings_init(struct engine *e);
void rollings_fini(struct engine *e);
/* A service's turn in one, which its record keeps. */
struct rolling_turn {
	uint64_t op; /* the request's id; 0: it has none */
	uint32_t place;
};
struct rolling_turn rolling_turn(const struct service *s);
/* As the record has it. 0 or -ENOMEM. */
int rolling_set_turn(struct service *s, const struct rolling_turn *turn);

/* The launcher has told everything: goes on with that. */
void rollings_resume(struct engine *e);

/*
 * Begins one, or joins the one with this id (0: none). Answers the call as other acting
 * requests are answered; with wait, when the sequence is over.
 */
void rolling_begin(struct engine *e, struct server_call *call, struct service **services,
	uint32_t n, bool wait, uint64_t op);

/*
 * A later request stops or restarts it: its turn is not to come any more, which its next commit
 * keeps. Where it has its turn, that goes on; a stop then ends the sequence.
 */
void rolling_leave(struct service *s);
