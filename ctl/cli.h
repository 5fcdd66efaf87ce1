/*
 * What the command line knows about options, for completion.
 */
#pragma once

#include <getopt.h>

#include "ctl/verbs.h"

/* All long options; val of those that also have a short form is its letter. */
const struct option *cli_options(void);

/*
 * Which verbs take a long option (without the dashes): its bit of enum verb_option, or 0 for
 * all verbs. What its value is, where it takes one, goes to *ret_value.
 */
unsigned cli_option_owner(const char *name, enum verb_takes *ret_value);
