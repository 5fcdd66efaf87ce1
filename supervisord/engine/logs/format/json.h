/*
 * Text of a service between the quotes of a JSON string: for format.c.
 */
#pragma once

#include "engine/logs/format/format.h"

/*
 * As format_lines(), for text without a newline, in the middle of a line. An end of data in the
 * middle of a character is held for what comes next.
 */
size_t json_text(struct format_state *s, const char *data, size_t n, char *out, size_t size,
	size_t *ret_taken);

/* Puts into s->held what that holds after data, all else being unknown. How much that is. */
unsigned json_held(struct format_state *s, const char *data, size_t n);

/* U+FFFD, as it is written. */
size_t json_put_replacement(char *out);
