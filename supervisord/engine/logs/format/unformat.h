/*
 * The way back, for a line that has no end yet.
 */
#pragma once

#include "engine/logs/format/format.h"

/*
 * The text of a line, less its head, from what is there of it in a log; at most size bytes.
 * Of about, neither the time nor the pid matters. A line that is of another format is taken
 * for text as it is.
 */
size_t unformat(
	const struct format_about *about, const char *line, size_t n, char *text, size_t size);
