/*
 * The launcher is dead: the engine becomes one itself.
 */
#pragma once

#include "engine/loop.h"

struct engine;

/*
 * The launcher died before this engine had all that it keeps: there is nothing to hand over, and
 * its program starts as after both were killed. Does not come back, unless it can't be executed.
 */
void gone_afresh(struct engine *e);
/* The link has been read to its end. May not come back. */
void gone_begin(struct engine *e);
