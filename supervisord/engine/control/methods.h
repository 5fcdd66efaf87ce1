/*
 * The methods of io.supctl.Control, for the control server.
 */
#pragma once

#include "engine/engine.h"

/* The table that the server needs; userdata is the engine, borrowed. */
const struct server_service *methods_service(struct engine *e, struct server_service *ret_service);
