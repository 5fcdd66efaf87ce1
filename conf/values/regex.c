/*
 * Compiling is bounded by the length of the text and by PCRE2's own limit on what comes of it
 * (64 KiB), so that a mistake can be told while loading. \C is refused: it can match half of a
 * character. Lines that are no UTF-8 match where they are.
 */
#include "conf/values/regex.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

int regex_compile(const char *text, struct pcre2_real_code_8 **ret_code, size_t *reterr_offset,
	char reterr_what[static REGEX_WHAT_SIZE])
{
	size_t n = strlen(text), offset = 0;
	pcre2_code *code;
	int error = 0;

	if (n > REGEX_MAX) {
		*reterr_offset = REGEX_MAX;
		snprintf(reterr_what, REGEX_WHAT_SIZE, "more than %d bytes", REGEX_MAX);
		return -EINVAL;
	}
	code = pcre2_compile((PCRE2_SPTR)text, n,
		PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
		NULL);
	if (code) {
		*ret_code = code;
		return 0;
	}
	if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED)
		return -ENOMEM;
	*reterr_offset = offset;
	if (pcre2_get_error_message(error, (PCRE2_UCHAR *)reterr_what, REGEX_WHAT_SIZE) < 0)
		snprintf(reterr_what, REGEX_WHAT_SIZE, "error %d", error);
	return -EINVAL;
}

void regex_free(struct pcre2_real_code_8 *code)
{
	pcre2_code_free(code);
}
