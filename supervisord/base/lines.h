/*
 * How many lines there are in what passes through.
 */
#pragma once

#include <stddef.h>

/* The number of newlines. */
size_t lines_count(const char *data, size_t n);
