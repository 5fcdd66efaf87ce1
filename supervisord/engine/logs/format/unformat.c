/*
 * Heads are told by their form: whoever wrote them had another time, and maybe another pid. What
 * was no UTF-8 stays U+FFFD.
 */
#include "engine/logs/format/unformat.h"

#include <string.h>

#include "base/macro.h"
#include "engine/logs/format/stamp.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* As stamp_make() writes them, of whatever time. */
static size_t skip_stamp(enum spec_timestamps kind, const char *text, size_t n)
{
	struct stamp stamp;

	stamp_make(&stamp, kind, 0, 0);
	if (n < stamp.n)
		return 0;
	for (size_t i = 0; i < stamp.n; i++) {
		bool sign = stamp.text[i] == '+' && text[i] == '-';

		if (is_digit(stamp.text[i]) ? !is_digit(text[i])
					    : text[i] != stamp.text[i] && !sign)
			return 0;
	}
	return stamp.n;
}

static bool skip(const char *what, const char *text, size_t n, size_t *at)
{
	size_t k = strlen(what);

	if (n - *at < k || memcmp(text + *at, what, k) != 0)
		return false;
	*at += k;
	return true;
}

/* "web[123] stdout: " */
static size_t skip_prefix(const struct log_origin *o, const char *text, size_t n)
{
	size_t at = 0;

	if (!skip(o->name, text, n, &at))
		return 0;
	if (skip("[", text, n, &at)) {
		while (at < n && is_digit(text[at]))
			at++;
		if (!skip("]", text, n, &at))
			return 0;
	}
	return skip(" ", text, n, &at) && skip(o->stream, text, n, &at) && skip(": ", text, n, &at)
		       ? at
		       : 0;
}

static unsigned from_hex(char c)
{
	return is_digit(c) ? (unsigned)(c - '0') : ((unsigned)c | 0x20) - 'a' + 10;
}

/* One escape; how many bytes it has, 0 where it is none of ours. */
static size_t unescape(const char *text, size_t n, char *ret)
{
	static const char names[] = {['b'] = '\b',
		['t'] = '\t',
		['n'] = '\n',
		['f'] = '\f',
		['r'] = '\r',
		['"'] = '"',
		['\\'] = '\\'};
	unsigned char c = n > 1 ? (unsigned char)text[1] : 0;

	if (c < sizeof(names) && names[c]) {
		*ret = names[c];
		return 2;
	}
	if (n < 6 || memcmp(text, "\\u00", 4) != 0)
		return 0;
	*ret = (char)(from_hex(text[4]) << 4 | from_hex(text[5]));
	return 6;
}

static size_t unformat_json(const char *line, size_t n, char *text, size_t size)
{
	static const char head[] = ",\"message\":\"";
	const char *at = memmem(line, n, head, sizeof(head) - 1), *end = line + n;
	size_t used = 0;

	for (at = at ? at + sizeof(head) - 1 : end; at < end && used < size; used++) {
		size_t k = *at == '\\' ? unescape(at, (size_t)(end - at), text + used) : 0;

		if (k == 0)
			text[used] = *at;
		at += k > 0 ? k : 1;
	}
	return used;
}

size_t unformat(
	const struct format_about *about, const char *line, size_t n, char *text, size_t size)
{
	size_t head;

	if (about->kind == SPEC_FORMAT_JSON && n > 0 && line[0] == '{')
		return unformat_json(line, n, text, size);
	head = skip_stamp(about->timestamps, line, n);
	if (about->kind == SPEC_FORMAT_PREFIX)
		head += skip_prefix(&about->origin, line + head, n - head);
	n = MIN_OF(n - head, size);
	memcpy(text, line + head, n);
	return n;
}
