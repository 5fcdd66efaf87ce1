/*
 * Regular expressions over text that a service has written: what one match may cost has a limit,
 * whatever expression and text are.
 */
#pragma once

#include <stddef.h>

#include "conf/values/regex.h"

struct matcher;

/* 0; -ENOMEM; -EINVAL with what is wrong with the expression. */
int matcher_new(
	const char *regex, struct matcher **ret_matcher, char reterr_what[static REGEX_WHAT_SIZE]);
void matcher_free(struct matcher *x);

/* 1: it matches somewhere in text; 0: it doesn't; -E2BIG: given up at a limit; -ENOMEM. */
int matcher_match(struct matcher *x, const char *text, size_t n);
