/*
 * UTF-8 is checked strictly (no overlong form, no surrogate, nothing past U+10FFFF),
 * because strings of the configuration end up in JSON, which takes nothing else.
 */
#include "conf/text/text.h"

#include <stdint.h>
#include <string.h>

#include "base/macro.h"

/* Length of the UTF-8 character at p, 0 where there is none. */
static size_t character(const unsigned char *p, size_t n)
{
	size_t len;
	uint32_t c;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (n < len)
		return 0;
	c = p[0] & (0xffU >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (len == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff)))
		return 0;
	if (len == 4 && (c < 0x10000 || c > 0x10ffff))
		return 0;
	return len;
}

/* Eight bytes of ASCII, none of them NUL. */
static bool is_plain(const unsigned char *p)
{
	const uint64_t high = UINT64_C(0x8080808080808080), low = UINT64_C(0x0101010101010101);
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return ((word | (word - low)) & high) == 0;
}

static unsigned line_of(const char *text, size_t n)
{
	unsigned line = 1;

	for (size_t i = 0; i < n; i++)
		line += text[i] == '\n';
	return line;
}

bool text_check(const char *text, size_t n, unsigned *reterr_line, const char **reterr_what)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0; i < n;) {
		size_t len = n - i >= 8 && is_plain(p + i) ? 8 : character(p + i, n - i);

		if (len == 0 || p[i] == '\0') {
			*reterr_line = line_of(text, i);
			*reterr_what = len == 0 ? "not UTF-8" : "a NUL byte";
			return false;
		}
		i += len;
	}
	return true;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool text_is_name(const char *text)
{
	size_t n = strlen(text);

	if (n == 0 || n > SPEC_NAME_MAX || !is_alnum(text[0]))
		return false;
	for (size_t i = 1; i < n; i++) {
		if (!is_alnum(text[i]) && !strchr("._-", text[i]))
			return false;
	}
	return true;
}

bool text_has_placeholder(const char *text)
{
	return strstr(text, "%{name}") || strstr(text, "%{instance}");
}

unsigned text_distance(const char *a, size_t n_a, const char *b, unsigned max)
{
	unsigned row[64];
	size_t n_b = strlen(b);

	if (n_b >= ELEMENTSOF(row) || n_a > n_b + max || n_b > n_a + max)
		return max + 1;
	for (size_t j = 0; j <= n_b; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n_a; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n_b; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = MIN_OF(row[j], row[j - 1]) + 1;
			row[j] = MIN_OF(row[j], change);
		}
	}
	return MIN_OF(row[n_b], max + 1);
}
