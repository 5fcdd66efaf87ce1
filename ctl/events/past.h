/*
 * What has happened, where no supervisord answers: out of the journal's file.
 */
#pragma once

#include <jansson.h>

#include "ctl/ctl.h"
#include "ctl/events/journal_file.h"

/*
 * Gives the events that names (borrowed, empty: all) and range ask for to a function, as
 * supervisord would. 0 or an exit status; what failed was told, and where the journal was found.
 */
int past_events(struct ctl *ctl, json_t *names, const struct journal_range *range,
	journal_file_fn *visit, void *userdata);
