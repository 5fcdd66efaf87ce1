/*
 * Regular expressions (PCRE2) over text that a service has written: what one match may cost
 * has a limit, whatever expression and text are.
 */
#pragma once

#include <stddef.h>

struct regex;

#define REGEX_PROBLEM_SIZE 160

/*
 * Compiles a pattern, with UTF-8 on both sides. 0; -ENOMEM; -EINVAL with what is wrong, and at
 * which byte, in ret_problem.
 */
int regex_new(const char *pattern, struct regex **ret_regex,
	char ret_problem[static REGEX_PROBLEM_SIZE]);
void regex_free(struct regex *x);

/* 1: it matches somewhere in text; 0: it doesn't; -E2BIG: given up at a limit; -ENOMEM. */
int regex_match(struct regex *x, const char *text, size_t n);
