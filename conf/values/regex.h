/* Regular expressions, as ready.on = "log:REGEX" has them: PCRE2, on bytes that may be no UTF-8. */
#pragma once

#include <stddef.h>

#define REGEX_MAX	1024 /* bytes */
#define REGEX_WHAT_SIZE 128

struct pcre2_real_code_8;

/*
 * Compiles. 0 with *ret_code, to be given back with regex_free(); -EINVAL with what is
 * wrong, and at which byte; -ENOMEM. Who matches with it is to set limits: see pcre2api(3).
 */
int regex_compile(const char *text, struct pcre2_real_code_8 **ret_code, size_t *reterr_offset,
	char reterr_what[static REGEX_WHAT_SIZE]);
void regex_free(struct pcre2_real_code_8 *code);
