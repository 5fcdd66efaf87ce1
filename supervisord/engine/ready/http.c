/*
 * Line by line, however the bytes are cut. Interim answers (100 Continue, 103 Early Hints) may
 * come before the one that counts, so their headers are stepped over; headers have no limit
 * here, because whoever reads has one for all bytes together.
 */
#include "engine/ready/http.h"

#include <string.h>

#include "base/macro.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void take_reason(struct http_answer *a, const char *text)
{
	size_t used = 0;

	for (; *text && used < sizeof(a->reason) - 1; text++) {
		if (*text >= ' ' && *text < 0x7f)
			a->reason[used++] = *text;
	}
	a->reason[used] = '\0';
}

/* "HTTP/1.1 200 OK", and the reason may be missing with its blank. */
static enum http_outcome judge_status(struct http_answer *a)
{
	const char *l = a->line;

	if (strncmp(l, "HTTP/1.", 7) != 0 || !is_digit(l[7]) || l[8] != ' ')
		return HTTP_MALFORMED;
	l += 9;
	if (l[0] < '1' || l[0] > '5' || !is_digit(l[1]) || !is_digit(l[2]) ||
		(l[3] != ' ' && l[3] != '\0'))
		return HTTP_MALFORMED;
	a->status = (l[0] - '0') * 100 + (l[1] - '0') * 10 + (l[2] - '0');
	/* 101 is the last answer there is: it speaks something else from here on. */
	if (a->status < 200 && a->status != 101) {
		a->in_headers = true;
		return ++a->n_interim > HTTP_MAX_INTERIM ? HTTP_MALFORMED : HTTP_MORE;
	}
	take_reason(a, l[3] ? l + 4 : "");
	return HTTP_ANSWERED;
}

static enum http_outcome judge_line(struct http_answer *a)
{
	if (a->n > 0 && a->n < sizeof(a->line) && a->line[a->n - 1] == '\r')
		a->n--;
	a->line[MIN_OF(a->n, sizeof(a->line) - 1)] = '\0';
	if (!a->in_headers)
		return judge_status(a);
	if (a->n == 0)
		a->in_headers = false;
	return HTTP_MORE;
}

enum http_outcome http_take(struct http_answer *a, const char *data, size_t n)
{
	for (size_t i = 0; i < n && a->outcome == HTTP_MORE; i++) {
		if (data[i] == '\n') {
			a->outcome = judge_line(a);
			a->n = 0;
			continue;
		}
		if (a->n < sizeof(a->line) - 1)
			a->line[a->n] = data[i];
		a->n++;
		/* Told at once, not when a line that never ends has ended. */
		if (!a->in_headers && a->n <= 5 && strncmp(a->line, "HTTP/", a->n) != 0)
			a->outcome = HTTP_MALFORMED;
	}
	return a->outcome;
}
