/*
 * Room for the end is kept from the start: for the brackets of whatever may be open, and for the
 * word that something is missing.
 */
#include "wire/body.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"

#define CUT	 ",\"cut\":true"
#define RESERVE	 (strlen(CUT) + 1)
#define ELLIPSIS "\xe2\x80\xa6"

static bool has_room(const struct body *b, size_t n)
{
	return b->skipped == 0 && b->len + n + b->depth + RESERVE <= b->size;
}

static void put(struct body *b, const char *text, size_t n)
{
	memcpy(b->data + b->len, text, n);
	b->len += n;
}

/* The comma and the key of a value with so many bytes; false: there is no room for all that. */
static bool begin_value(struct body *b, const char *key, size_t n)
{
	char last = b->data[b->len - 1];
	bool comma = last != '{' && last != '[';
	size_t n_key = key ? strlen(key) : 0;

	if (!has_room(b, n + n_key + 4)) {
		b->cut = true;
		return false;
	}
	if (comma)
		put(b, ",", 1);
	if (key) {
		put(b, "\"", 1);
		put(b, key, n_key);
		put(b, "\":", 2);
	}
	return true;
}

static void put_value(struct body *b, const char *key, const char *text, size_t n)
{
	if (begin_value(b, key, n))
		put(b, text, n);
}

/* One character as it stands in a string: returns its length there. */
static size_t quote(const char *text, size_t n, uint32_t c, char ret_quoted[static 8])
{
	static const char hex[] = "0123456789abcdef";

	if (c == '"' || c == '\\') {
		ret_quoted[0] = '\\';
		ret_quoted[1] = (char)c;
		return 2;
	}
	if (c < 0x20 || c == 0x7f) {
		memcpy(ret_quoted, "\\u00", 4);
		ret_quoted[4] = hex[c >> 4];
		ret_quoted[5] = hex[c & 15];
		return 6;
	}
	memcpy(ret_quoted, text, n);
	return n;
}

/* Nearly all there is: it stands for itself. */
static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* As JSON, without quotes; what is no UTF-8 becomes '?'. Returns the length. */
static size_t quote_all(const char *value, char *ret_text, size_t size)
{
	size_t n = strnlen(value, 4 * size), used = 0, fits = 0;

	while (n > 0) {
		uint32_t c = '?';
		char quoted[8];
		size_t taken, length;

		if (is_plain(*value) && used + 1 + strlen(ELLIPSIS) <= size) {
			ret_text[used++] = *value++;
			fits = used;
			n--;
			continue;
		}
		taken = utf8_decode(value, n, &c);
		length = quote(taken ? value : "?", taken ? taken : 1, c, quoted);
		taken = taken ? taken : 1;
		if (used + length > size)
			break;
		memcpy(ret_text + used, quoted, length);
		used += length;
		/* so far that the mark would still fit */
		if (used + strlen(ELLIPSIS) <= size)
			fits = used;
		value += taken;
		n -= taken;
	}
	if (n == 0)
		return used;
	memcpy(ret_text + fits, ELLIPSIS, strlen(ELLIPSIS));
	return fits + strlen(ELLIPSIS);
}

void body_begin(struct body *b, char *data, size_t size)
{
	assert(size >= BODY_MIN_SIZE);
	*b = (struct body){.data = data, .size = size};
	put(b, "{", 1);
}

size_t body_end(struct body *b)
{
	b->skipped = 0;
	while (b->depth > 0)
		body_close(b);
	if (b->cut) {
		const char *cut = CUT;

		cut += b->data[b->len - 1] == '{'; /* nothing to separate it from */
		put(b, cut, strlen(cut));
	}
	put(b, "}", 1);
	return b->len;
}

/* How much of it stands for itself: mostly all. */
static size_t plain_length(const char *value, size_t max)
{
	size_t n = 0;

	while (n < max && is_plain(value[n]))
		n++;
	return n;
}

void body_string(struct body *b, const char *key, const char *value)
{
	char text[BODY_MAX_STRING + 2];
	size_t n;

	if (!value) {
		body_null(b, key);
		return;
	}
	n = plain_length(value, BODY_MAX_STRING);
	if (value[n] == '\0') {
		if (!begin_value(b, key, n + 2))
			return;
		put(b, "\"", 1);
		put(b, value, n);
		put(b, "\"", 1);
		return;
	}
	text[0] = '"';
	n = quote_all(value, text + 1, BODY_MAX_STRING) + 1;
	text[n++] = '"';
	put_value(b, key, text, n);
}

void body_integer(struct body *b, const char *key, int64_t value)
{
	char text[24];
	size_t at = sizeof(text);
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do
		text[--at] = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (value < 0)
		text[--at] = '-';
	put_value(b, key, text + at, sizeof(text) - at);
}

void body_boolean(struct body *b, const char *key, bool value)
{
	put_value(b, key, value ? "true" : "false", value ? 4 : 5);
}

void body_null(struct body *b, const char *key)
{
	put_value(b, key, "null", 4);
}

void body_open(struct body *b, const char *key, char kind)
{
	if (b->skipped > 0 || b->depth == BODY_MAX_DEPTH || !begin_value(b, key, 2)) {
		b->skipped++;
		b->cut = true;
		return;
	}
	put(b, &kind, 1);
	b->closing[b->depth++] = kind == '{' ? '}' : ']';
}

void body_close(struct body *b)
{
	if (b->skipped > 0) {
		b->skipped--;
		return;
	}
	assert(b->depth > 0);
	put(b, &b->closing[--b->depth], 1);
}
