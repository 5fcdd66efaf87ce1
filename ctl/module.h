/*
 * Between supctl and the module that has its verbs. The name of the function holds the version, so
 * that they never go together by halves.
 */
#pragma once

#include "base/macro.h"

#define MODULE_NAME	"supctl-verbs.so"
#define MODULE_RUN_NAME "supctl_run_" SUPERVISORD_VERSION

/* The whole command line; returns the exit status. */
typedef int module_run_fn(int argc, char **argv);
