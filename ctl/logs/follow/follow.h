/*
 * Reading several logs as they grow, wherever they go.
 */
#pragma once

#include "ctl/logs/follow/reader.h"
#include "ctl/logs/where/moved.h"

/* Goes on with each reader until the output is closed. m is borrowed. Returns the exit status. */
int follow(const struct lines *l, struct reader *readers, size_t n_readers, struct moved *m);
