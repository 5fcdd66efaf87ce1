/*
 * The limits are for one line: 10,000 steps of backtracking take less than a millisecond, and
 * an honest expression needs few.
 */
#include "conf/values/matcher.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

#define MAX_STEPS    10000
#define MAX_DEPTH    500
#define MAX_HEAP_KIB 256

struct matcher {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

void matcher_free(struct matcher *x)
{
	if (!x)
		return;
	pcre2_match_context_free(x->limits);
	pcre2_match_data_free(x->data);
	regex_free(x->code);
	free(x);
}

int matcher_new(
	const char *regex, struct matcher **ret_matcher, char reterr_what[static REGEX_WHAT_SIZE])
{
	struct matcher *x = calloc(1, sizeof(*x));
	size_t offset;
	int r = x ? regex_compile(regex, &x->code, &offset, reterr_what) : -ENOMEM;

	if (r == 0) {
		/* Where it matches is nobody's concern: room for the whole, and no groups. */
		x->data = pcre2_match_data_create(1, NULL);
		x->limits = pcre2_match_context_create(NULL);
		r = x->data && x->limits ? 0 : -ENOMEM;
	}
	if (r < 0) {
		matcher_free(x);
		return r;
	}
	pcre2_set_match_limit(x->limits, MAX_STEPS);
	pcre2_set_depth_limit(x->limits, MAX_DEPTH);
	pcre2_set_heap_limit(x->limits, MAX_HEAP_KIB);
	*ret_matcher = x;
	return 0;
}

int matcher_match(struct matcher *x, const char *text, size_t n)
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
