/*
 * The beginning of a line whose end is yet to come, read back from a log file: what an engine
 * before this one had seen of it.
 */
#pragma once

#include <stddef.h>

#include "engine/logs/pump.h"

/*
 * What the stream has written of a line that it has not ended, before what pump_set_redo() is
 * yet to write; without what its format puts to it. At most size bytes; 0: none, or it can't be
 * told.
 */
size_t last_line_read(const struct pump *p, char *data, size_t size);
