/*
 * Most text needs no escape: that is told for sixteen bytes at once, and copied. A character of
 * UTF-8 is looked at byte by byte, those held from the last batch first, and passes once it is
 * whole. A byte that can't go on with it is the first of what comes next: so one U+FFFD stands
 * for each longest beginning of a character, wherever batches end.
 */
#include "engine/logs/format/json.h"

#include <string.h>

#include "base/macro.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

size_t json_put_replacement(char *out)
{
	memcpy(out, REPLACEMENT, 3);
	return 3;
}

/* --- bytes --- */

static bool is_simple(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#define LANES 16

typedef uint8_t lanes __attribute__((vector_size(LANES)));

/* That none of sixteen bytes needs an escape. */
static bool are_simple(const char *data)
{
	uint64_t words[LANES / sizeof(uint64_t)];
	lanes c, other;

	memcpy(&c, data, LANES);
	other = (lanes)(c < 0x20) | (lanes)(c >= 0x7f) | (lanes)(c == '"') | (lanes)(c == '\\');
	memcpy(words, &other, LANES);
	return (words[0] | words[1]) == 0;
}

static size_t count_simple(const char *data, size_t n)
{
	size_t i = 0;

	while (n - i >= LANES && are_simple(data + i))
		i += LANES;
	while (i < n && is_simple((unsigned char)data[i]))
		i++;
	return i;
}

/* Of a byte that is not simple. */
static size_t escape(unsigned char c, char out[static 6])
{
	static const char names[] = {['\b'] = 'b',
		['\t'] = 't',
		['\n'] = 'n',
		['\f'] = 'f',
		['\r'] = 'r',
		['"'] = '"',
		['\\'] = '\\'};
	static const char digits[] = "0123456789abcdef";

	out[0] = '\\';
	if (c < sizeof(names) && names[c]) {
		out[1] = names[c];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = digits[c >> 4];
	out[5] = digits[c & 15];
	return 6;
}

/* --- characters of more than one byte --- */

/* By its first byte; 0: that is none. */
static size_t length_of(unsigned char c)
{
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

/* Whether c can be byte i (from 1): no overlong form, surrogate, or beyond U+10FFFF. */
static bool goes_on(unsigned char first, size_t i, unsigned char c)
{
	unsigned char low = 0x80, high = 0xbf;

	if (i == 1) {
		low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : low;
		high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : high;
	}
	return c >= low && c <= high;
}

/* One character, or what is not one, or all of data to be held. */
static size_t put_character(
	struct format_state *s, const char *data, size_t n, char out[static 4], size_t *ret_taken)
{
	unsigned held = s->decoder & FORMAT_HELD;
	size_t k = held, taken = 0, length;

	memcpy(out, s->held, held);
	if (k == 0)
		out[k++] = data[taken++];
	length = length_of((unsigned char)out[0]);
	while (k < length && taken < n &&
		goes_on((unsigned char)out[0], k, (unsigned char)data[taken]))
		out[k++] = data[taken++];
	*ret_taken = taken;
	s->decoder = (uint8_t)(s->decoder & ~FORMAT_HELD);
	if (k < length && taken == n) {
		memcpy(s->held, out, k);
		s->decoder |= (uint8_t)k;
		return 0;
	}
	return k == length ? k : json_put_replacement(out);
}

/* What is no simple byte, or goes on with those held. */
static size_t put_other(
	struct format_state *s, const char *data, size_t n, char out[static 6], size_t *ret_taken)
{
	unsigned char c = (unsigned char)data[0];

	if ((s->decoder & FORMAT_HELD) || c >= 0x80)
		return put_character(s, data, n, out, ret_taken);
	*ret_taken = 1;
	return escape(c, out);
}

size_t json_text(struct format_state *s, const char *data, size_t n, char *out, size_t size,
	size_t *ret_taken)
{
	size_t taken = 0, used = 0;

	while (taken < n) {
		struct format_state next = *s;
		char text[6];
		size_t k, done;

		if (!(s->decoder & FORMAT_HELD)) {
			k = count_simple(data + taken, MIN_OF(n - taken, size - used));
			memcpy(out + used, data + taken, k);
			used += k;
			taken += k;
			if (taken == n || used == size)
				break;
		}
		k = put_other(&next, data + taken, n - taken, text, &done);
		if (k > size - used)
			break;
		memcpy(out + used, text, k);
		used += k;
		taken += done;
		*s = next;
	}
	*ret_taken = taken;
	return used;
}

/* The beginning of a character is told by its last three bytes at most. */
unsigned json_held(struct format_state *s, const char *data, size_t n)
{
	unsigned char tail[6];
	size_t k = s->decoder & FORMAT_HELD, new = MIN_OF(n, (size_t)3), from, i;

	memcpy(tail, s->held, k);
	memcpy(tail + k, data + (n - new), new);
	k += new;
	memset(s->held, 0, sizeof(s->held));
	for (from = k; from > 0 && k - from < 3;)
		if ((tail[--from] & 0xc0) != 0x80)
			break;
	if (from == k || length_of(tail[from]) <= k - from)
		return 0;
	for (i = 1; from + i < k; i++)
		if (!goes_on(tail[from], i, tail[from + i]))
			return 0;
	memcpy(s->held, tail + from, k - from);
	return (unsigned)(k - from);
}
