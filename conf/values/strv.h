/* Lists of owned strings, always ended by NULL once something was appended. */
#pragma once

#include <stddef.h>

void strv_free(char **list);

/* Appends text, which the list then owns (freed on failure; NULL text is -ENOMEM). */
int strv_take(char ***list, size_t *n, char *text);

/*
 * An empty list where *list is NULL, so that the spec never holds NULL. Nothing may be appended to
 * it.
 */
void strv_ensure(char ***list);

size_t strv_len(char *const *list);
