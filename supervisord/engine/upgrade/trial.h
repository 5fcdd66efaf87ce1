/*
 * Before an upgrade: could this program go on as the engine, with what the old one has?
 */
#pragma once

#include "conf/load.h"

/* The exit status of the trial that this process was started for, or -1: it was for none. */
int trial_run(const struct conf_context *context);
