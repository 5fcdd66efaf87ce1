/* Tells the engine what there is to tell, as far as the link takes it. */
#pragma once

#include "launcher/table/state.h"

/* A new engine said HELLO: everything known is to be told. */
void outbox_start(struct launcher *l);

/* Sends until nothing is left or the link is full; never waits. */
void outbox_flush(struct launcher *l);

/* There is a slot for the next spawn, and room to tell how the next order went. */
bool outbox_takes_orders(const struct launcher *l);

/* Closes the link, if there is one. */
void outbox_close(struct launcher *l);
