#pragma once

#include "check.h"
#include "history.h"

/* Leaves out what is not needed to break this invariant; returns how many runs that took. */
unsigned shrink(struct history *h, enum invariant invariant);
