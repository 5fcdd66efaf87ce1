/*
 * The launcher is dead: the engine becomes one itself.
 */
#pragma once

#include "engine/loop.h"

struct engine;

/* The link has been read to its end. May not come back. */
void gone_begin(struct engine *e);
