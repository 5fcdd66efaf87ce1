/*
 * Completion for shells, hidden behind a word of its own: `supctl __complete WORD...` gets the
 * words behind "supctl" up to the cursor, the last one (maybe empty) being the one to complete,
 * and prints a candidate a line, with a tab and a description. Everything that the scripts of
 * the shells would have to know comes from the tables of verbs and options and from supervisord.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "base/usec.h"

#define COMPLETE_VERB "__complete"

/* Printed instead of candidates: the shell is to offer its files. No candidate has a colon. */
#define COMPLETE_FILES ":files"

/* A person waits at the key: so long for an answer, then there are no names. */
#define COMPLETE_PATIENCE_USEC (400 * USEC_PER_MSEC)

/* Writes what may stand in place of the last word. Always silent otherwise, and always 0. */
int complete(char **words, size_t n_words, usec_t patience, FILE *out);
