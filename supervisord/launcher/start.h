/* What has to be there before the first turn of the loop. */
#pragma once

#include "launcher/table/state.h"

/*
 * True: l is ready, and an engine is started or due. False: it is to end with *ret_status, having
 * said why, or without a word where it was only tried.
 */
bool start(struct launcher *l, const struct launcher_options *options, int *ret_status);
