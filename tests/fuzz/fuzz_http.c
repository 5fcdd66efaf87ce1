/*
 * What a service answers to an http probe. Input: a byte that tells the size of the pieces in
 * which it comes, then the answer. Pieces must make no difference, and what comes out must be
 * within its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ready/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct http_answer *a)
{
	size_t n = strnlen(a->reason, sizeof(a->reason));

	if (n == sizeof(a->reason))
		abort();
	for (size_t i = 0; i < n; i++) {
		if (a->reason[i] < ' ' || a->reason[i] > '~')
			abort();
	}
	if (a->outcome == HTTP_ANSWERED && (a->status < 101 || a->status > 599))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_answer whole = {0}, pieces = {0};
	size_t step;

	if (size < 1)
		return 0;
	step = data[0] % 16 + 1u;
	data++;
	size--;
	http_take(&whole, (const char *)data, size);
	for (size_t i = 0; i < size; i += step)
		http_take(&pieces, (const char *)data + i, size - i < step ? size - i : step);
	check(&whole);
	if (whole.outcome != pieces.outcome || whole.status != pieces.status ||
		strcmp(whole.reason, pieces.reason) != 0)
		abort();
	return 0;
}
