/*
 * Two copies at most for each read: what is kept is moved once, and what is too much is not
 * even looked at. No ring, since the few who read it want it in one piece.
 */
#include "engine/run/output.h"

#include <string.h>

#include "base/macro.h"

void output_add(struct output *o, const char *data, size_t n)
{
	size_t kept;

	if (n > OUTPUT_SIZE) {
		data += n - OUTPUT_SIZE;
		n = OUTPUT_SIZE;
	}
	kept = MIN_OF(o->n, OUTPUT_SIZE - n);
	memmove(o->data, o->data + o->n - kept, kept);
	memcpy(o->data + kept, data, n);
	o->n = kept + n;
}

static int is_end_of_line(char c)
{
	return c == '\n' || c == '\r' || c == '\0';
}

const char *output_last_line(const struct output *o, char ret_line[static OUTPUT_LINE_SIZE])
{
	size_t end = o->n, start, n;

	while (end > 0 && is_end_of_line(o->data[end - 1]))
		end--;
	start = end;
	while (start > 0 && !is_end_of_line(o->data[start - 1]))
		start--;
	n = MIN_OF(end - start, (size_t)OUTPUT_LINE_SIZE - 1);
	memcpy(ret_line, o->data + start, n);
	ret_line[n] = '\0';
	return ret_line;
}
