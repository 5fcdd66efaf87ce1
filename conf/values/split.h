/* Splitting a command line into words as a shell does, without being one. */
#pragma once

#include <stddef.h>

/*
 * Appends the words of text to a list (conf/values/strv.h). 'literal', "with \" and \\",
 * and \x outside of quotes are known; nothing is expanded, and | > ; & are ordinary.
 * -EINVAL with *reterr_what (static) for a quote that isn't closed or a last backslash.
 */
int split_words(const char *text, char ***list, size_t *n, const char **reterr_what);
