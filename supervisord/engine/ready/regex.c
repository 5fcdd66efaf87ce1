/*
 * The limits are for one line: 10,000 steps of backtracking take less than a millisecond, and
 * an honest pattern needs few. Bytes that are no UTF-8 match
 * nothing, and don't hide what stands beside them.
 */
#include "engine/ready/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_STEPS    10000
#define MAX_DEPTH    500
#define MAX_HEAP_KIB 256
#define MAX_PATTERN  (16 * 1024)

struct regex {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

void regex_free(struct regex *x)
{
	if (!x)
		return;
	pcre2_match_context_free(x->limits);
	pcre2_match_data_free(x->data);
	pcre2_code_free(x->code);
	free(x);
}

static int compile(struct regex *x, const char *pattern, char ret_problem[static REGEX_PROBLEM_SIZE])
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	PCRE2_SIZE at = 0;
	PCRE2_UCHAR text[REGEX_PROBLEM_SIZE - 32];
	int error = 0;

	if (!context)
		return -ENOMEM;
	pcre2_set_max_pattern_length(context, MAX_PATTERN);
	pcre2_set_parens_nest_limit(context, MAX_DEPTH / 4);
	x->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
		PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &at, context);
	pcre2_compile_context_free(context);
	if (x->code)
		return 0;
	if (error == PCRE2_ERROR_HEAP_FAILED)
		return -ENOMEM;
	pcre2_get_error_message(error, text, sizeof(text));
	snprintf(ret_problem, REGEX_PROBLEM_SIZE, "%s at byte %zu", (const char *)text, at);
	return -EINVAL;
}

int regex_new(const char *pattern, struct regex **ret_regex,
	char ret_problem[static REGEX_PROBLEM_SIZE])
{
	struct regex *x = calloc(1, sizeof(*x));
	int r = x ? compile(x, pattern, ret_problem) : -ENOMEM;

	if (r == 0) {
		/* Where it matches is nobody's concern: room for the whole, and no groups. */
		x->data = pcre2_match_data_create(1, NULL);
		x->limits = pcre2_match_context_create(NULL);
		r = x->data && x->limits ? 0 : -ENOMEM;
	}
	if (r < 0) {
		regex_free(x);
		return r;
	}
	pcre2_set_match_limit(x->limits, MAX_STEPS);
	pcre2_set_depth_limit(x->limits, MAX_DEPTH);
	pcre2_set_heap_limit(x->limits, MAX_HEAP_KIB);
	*ret_regex = x;
	return 0;
}

int regex_match(struct regex *x, const char *text, size_t n)
{
	int r = pcre2_match(x->code, (PCRE2_SPTR)text, n, 0, 0, x->data, x->limits);

	if (r >= 0)
		return 1;
	switch (r) {
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
		return -E2BIG;
	case PCRE2_ERROR_NOMEMORY:
		return -ENOMEM;
	default:
		return 0;
	}
}
