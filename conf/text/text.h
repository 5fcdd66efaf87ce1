/* Checks on text that came from outside. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/spec.h"

/*
 * Is this text without NUL, in UTF-8? If not: the line (counted from 1) of the first
 * bad byte, and what is wrong with it (static).
 */
bool text_check(const char *text, size_t n, unsigned *reterr_line, const char **reterr_what);

/* Is it a name as services and groups of services have it? */
bool text_is_name(const char *text);

/* Does it hold %{name} or %{instance}? */
bool text_has_placeholder(const char *text);

/* The number of single changes that make one of the other, or max + 1 for more. */
unsigned text_distance(const char *a, size_t n_a, const char *b, unsigned max);
