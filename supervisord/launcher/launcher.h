/*
 * The launcher: the process that users see. Forks, reaps, keeps descriptors, and keeps
 * an engine running. See README.md for how its files divide that.
 */
#pragma once

#include "launcher/table/state.h"

/* Runs until the engine says with which status to end, and returns that. Call once. */
int launcher_run(const struct launcher_options *options);
