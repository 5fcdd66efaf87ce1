/*
 * No locale is loaded (that would cost more than the rest of a start), so the little that
 * is needed of Unicode stands here: which characters take two columns or none, and which
 * ones are commands to a terminal or to the eye.
 *
 * The widths are ranges rather than the full table: an error costs alignment, nothing
 * else. The dangerous ones are complete: C0, DEL, C1 and the marks that reorder a line.
 */
#include "ctl/output/text.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

struct range {
	uint32_t first, last;
};

static const struct range zero_width[] = {
	{0x0300, 0x036f},
	{0x0483, 0x0489},
	{0x0591, 0x05bd},
	{0x0610, 0x061a},
	{0x064b, 0x065f},
	{0x0e34, 0x0e3a},
	{0x0e47, 0x0e4e},
	{0x1ab0, 0x1aff},
	{0x1dc0, 0x1dff},
	{0x200b, 0x200d},
	{0x20d0, 0x20ff},
	{0xfe00, 0xfe0f},
	{0xfe20, 0xfe2f},
	{0xfeff, 0xfeff},
	{0xe0100, 0xe01ef},
};

static const struct range double_width[] = {
	{0x1100, 0x115f},
	{0x2e80, 0x303e},
	{0x3041, 0xa4cf},
	{0xa960, 0xa97f},
	{0xac00, 0xd7a3},
	{0xf900, 0xfaff},
	{0xfe30, 0xfe6f},
	{0xff00, 0xff60},
	{0xffe0, 0xffe6},
	{0x1f300, 0x1f64f},
	{0x1f680, 0x1f6ff},
	{0x1f900, 0x1f9ff},
	{0x20000, 0x3fffd},
};

/* Directional marks, embeddings, overrides and isolates; line and paragraph separators. */
static const struct range dangerous[] = {
	{0x0000, 0x001f},
	{0x007f, 0x009f},
	{0x061c, 0x061c},
	{0x200e, 0x200f},
	{0x2028, 0x202e},
	{0x2066, 0x2069},
	{0xe0000, 0xe007f},
};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	}
	return false;
}

int text_decode(const char *text, size_t n, uint32_t *ret_char)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char c = (unsigned char)text[0];
	uint32_t value;
	int length;

	if (c < 0x80) {
		*ret_char = c;
		return 1;
	}
	if (c >= 0xc2 && c <= 0xdf)
		length = 2;
	else if (c >= 0xe0 && c <= 0xef)
		length = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		length = 4;
	else
		return -EILSEQ;
	if ((size_t)length > n)
		return -EILSEQ;
	value = c & (0x7fu >> length);
	for (int i = 1; i < length; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return -EILSEQ;
		value = value << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return -EILSEQ;
	*ret_char = value;
	return length;
}

/* Length of ESC [ digits and separators m, or 0 where it is anything else. */
static size_t sgr_length(const char *text, size_t n)
{
	size_t i = 2;

	if (n < 3 || text[0] != '\033' || text[1] != '[')
		return 0;
	while (i < n && ((text[i] >= '0' && text[i] <= '9') || text[i] == ';' || text[i] == ':'))
		i++;
	return i < n && text[i] == 'm' ? i + 1 : 0;
}

/* How many bytes from here on are printable ASCII: nearly always all of them. */
static size_t plain_length(const char *text, size_t n)
{
	size_t i = 0;

	while (i < n && text[i] >= 0x20 && text[i] < 0x7f)
		i++;
	return i;
}

/* What stands in the output for the one character at text; its bytes are consumed. */
static const char *replacement(uint32_t c, int length, unsigned flags)
{
	if (length < 0)
		return "?";
	if (c == '\t')
		return flags & TEXT_TABS ? NULL : " ";
	if (c == '\n')
		return " ";
	if (in_ranges(c, dangerous, ELEMENTSOF(dangerous)))
		return "?";
	return c >= 0x80 && (flags & TEXT_ASCII) ? "?" : NULL;
}

int text_append_safe(struct buf *out, const char *text, size_t n, unsigned flags)
{
	while (n > 0) {
		size_t plain = plain_length(text, n), used = plain;
		const char *instead = NULL;
		uint32_t c = 0;
		int r;

		if (plain == 0 && (flags & TEXT_NO_SGR) && (used = sgr_length(text, n)) > 0) {
			instead = "";
		} else if (plain == 0) {
			r = text_decode(text, n, &c);
			used = r < 0 ? 1 : (size_t)r;
			instead = replacement(c, r, flags);
		}
		r = instead ? buf_append(out, SIZE_MAX, instead, strlen(instead))
			    : buf_append(out, SIZE_MAX, text, used);
		if (r < 0)
			return r;
		text += used;
		n -= used;
	}
	return 0;
}

int text_append_utf8(struct buf *out, const char *text, size_t n)
{
	size_t good = 0;
	int r;

	while (good < n) {
		uint32_t c;

		r = text_decode(text + good, n - good, &c);
		if (r > 0) {
			good += (size_t)r;
			continue;
		}
		r = buf_append(out, SIZE_MAX, text, good);
		if (r == 0)
			r = buf_append(out, SIZE_MAX, "\xef\xbf\xbd", 3);
		if (r < 0)
			return r;
		text += good + 1;
		n -= good + 1;
		good = 0;
	}
	return buf_append(out, SIZE_MAX, text, good);
}

static size_t char_width(uint32_t c)
{
	if (c < 0x300)
		return 1;
	if (in_ranges(c, zero_width, ELEMENTSOF(zero_width)))
		return 0;
	return in_ranges(c, double_width, ELEMENTSOF(double_width)) ? 2 : 1;
}

size_t text_fit(const char *text, size_t n, size_t width)
{
	size_t at = 0;

	while (at < n) {
		uint32_t c = '?';
		int r = text_decode(text + at, n - at, &c);
		size_t columns = char_width(c);

		if (columns > width)
			break;
		width -= columns;
		at += r < 0 ? 1 : (size_t)r;
	}
	return at;
}

size_t text_width(const char *text, size_t n)
{
	size_t plain = plain_length(text, n), width = plain;

	for (size_t at = plain; at < n;) {
		uint32_t c = '?';
		int r = text_decode(text + at, n - at, &c);

		width += char_width(c);
		at += r < 0 ? 1 : (size_t)r;
	}
	return width;
}

int text_append_quoted(struct buf *out, const char *word)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-+=.,/:@%^";
	int r;

	if (*word != '\0' && word[strspn(word, harmless)] == '\0')
		return buf_append(out, SIZE_MAX, word, strlen(word));
	r = buf_append(out, SIZE_MAX, "'", 1);
	for (const char *p = word; r == 0 && *p != '\0'; p++)
		r = *p == '\'' ? buf_append(out, SIZE_MAX, "'\\''", 4)
			       : buf_append(out, SIZE_MAX, p, 1);
	return r < 0 ? r : buf_append(out, SIZE_MAX, "'", 1);
}
