/*
 * What there is by name: for shells that complete a word while a person waits.
 */
#pragma once

#include "engine/engine.h"

/* The reply of Names: services with their states, and groups, each once. Owned by the caller. */
json_t *directory(const struct engine *e);
