/*
 * Strict: no form that is longer than it has to be, no half of a surrogate pair, nothing
 * beyond the last character.
 */
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/macro.h"

size_t utf8_decode(const void *data, size_t n, uint32_t *ret_character)
{
	const uint8_t *text = data;
	static const struct {
		uint8_t mask, lead, bits;
		uint32_t least;
	} forms[] = {
		{0x80, 0x00, 0x7f, 0},
		{0xe0, 0xc0, 0x1f, 0x80},
		{0xf0, 0xe0, 0x0f, 0x800},
		{0xf8, 0xf0, 0x07, 0x10000},
	};

	for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
		uint32_t c = text[0] & forms[i].bits;

		if ((text[0] & forms[i].mask) != forms[i].lead)
			continue;
		if (i >= n)
			return 0;
		for (size_t k = 1; k <= i; k++) {
			if ((text[k] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (text[k] & 0x3f);
		}
		if (c < forms[i].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*ret_character = c;
		return i + 1;
	}
	return 0;
}

/* Control characters of both sets, and what turns the direction of writing around. */
static bool is_harmless(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	return !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

void utf8_clean(const void *data, size_t n, char *ret_text, size_t size)
{
	const uint8_t *text = data;
	size_t used = 0;

	while (n > 0) {
		uint32_t c = 0;
		size_t k = utf8_decode(text, n, &c);
		bool valid = k > 0;

		k = valid ? k : 1;
		if (used + k >= size)
			break;
		if (!valid)
			ret_text[used++] = '?';
		else if (is_harmless(c))
			used = (size_t)((char *)mempcpy(ret_text + used, text, k) - ret_text);
		text += k;
		n -= k;
	}
	ret_text[used] = '\0';
}
