/*
 * supctl upgrade: the programs on disk go on in the place of those that run. The launcher does it
 * (launcher/handover/upgrade.c); here is who asks, and what is told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct engine;
struct link_message;
struct server_call;

struct upgrade {
	struct list calls; /* that wait for its end */
	bool known; /* how the last one has ended: */
	uint32_t op;
	int error; /* errno */
};

void upgrade_init(struct engine *e);
void upgrade_fini(struct engine *e);

/* Answers the call when it is over; op 0: nobody can ask again. */
void upgrade_ask(struct engine *e, struct server_call *call, uint64_t op);
/* The launcher tells of one, maybe that an engine before us was asked for. */
void upgrade_over(struct engine *e, const struct link_message *m);
