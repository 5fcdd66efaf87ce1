/*
 * The other direction of lexer.c, convert.c and split.c. Strings can hold any byte but NUL,
 * by way of escapes; those that would be no UTF-8, or would control a terminal, are escaped
 * here in turn, so that the text can be shown and sent as JSON.
 */
#include "conf/write.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "conf/text/text.h"

struct unit {
	uint64_t size;
	const char *name;
};

static int append(struct buf *out, const char *text)
{
	return buf_append(out, SIZE_MAX, text, strlen(text));
}

static int append_byte(struct buf *out, unsigned char c, bool is_utf8)
{
	switch (c) {
	case '\n':
		return append(out, "\\n");
	case '\t':
		return append(out, "\\t");
	case '\r':
		return append(out, "\\r");
	case '"':
	case '\\':
		return buf_printf(out, "\\%c", c);
	default:
		/* two digits always, so that what follows is not taken for one */
		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
			return buf_printf(out, "\\x%02x", c);
		return buf_append(out, SIZE_MAX, &c, 1);
	}
}

int write_string(struct buf *out, const char *text)
{
	const char *what;
	unsigned line;
	bool is_utf8 = text_check(text, strlen(text), &line, &what);
	int r = append(out, "\"");

	for (; r == 0 && *text; text++)
		r = append_byte(out, (unsigned char)*text, is_utf8);
	return r < 0 ? r : append(out, "\"");
}

int write_word(struct buf *out, const char *text)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-.:@%";

	if (*text && text[strspn(text, harmless)] == '\0')
		return append(out, text);
	return write_string(out, text);
}

int write_list(struct buf *out, char *const *list)
{
	int r = append(out, "{");

	for (size_t i = 0; list && list[i] && r == 0; i++) {
		if (i > 0)
			r = append(out, ", ");
		if (r == 0)
			r = write_string(out, list[i]);
	}
	return r < 0 ? r : append(out, "}");
}

/* A word in the quotes of sh, so that splitting gives it back. */
static int quote_word(struct buf *out, const char *word)
{
	int r = append(out, "'");

	for (; r == 0 && *word; word++)
		r = *word == '\'' ? append(out, "'\\''") : buf_append(out, SIZE_MAX, word, 1);
	return r < 0 ? r : buf_append(out, SIZE_MAX, "'", 2); /* with its NUL */
}

int write_command(struct buf *out, char *const *words)
{
	_cleanup_buf_ struct buf quoted = {0};
	char *one[] = {NULL, NULL};
	int r;

	if (!words || !words[0] || words[1] || words[0][strcspn(words[0], " \t\n\r'\"\\")] == '\0')
		return write_list(out, words);
	r = quote_word(&quoted, words[0]);
	one[0] = quoted.data;
	return r < 0 ? r : write_list(out, one);
}

int write_number(struct buf *out, int64_t number)
{
	return buf_printf(out, "%" PRId64, number);
}

int write_mode(struct buf *out, mode_t mode)
{
	return buf_printf(out, "%#o", (unsigned)mode);
}

static int write_in_units(struct buf *out, uint64_t value, const struct unit *units, size_t n_units)
{
	size_t i = 0;

	if (value == 0)
		return append(out, "0");
	while (i + 1 < n_units && value % units[i].size != 0)
		i++;
	return buf_printf(out, "%" PRIu64 "%s", value / units[i].size, units[i].name);
}

int write_duration(struct buf *out, usec_t duration)
{
	static const struct unit units[] = {{USEC_PER_DAY, "d"}, {USEC_PER_HOUR, "h"},
		{USEC_PER_MINUTE, "min"}, {USEC_PER_SEC, "s"}, {USEC_PER_MSEC, "ms"}, {1, "us"}};

	return write_in_units(out, duration, units, ELEMENTSOF(units));
}

int write_size(struct buf *out, uint64_t bytes)
{
	static const struct unit units[] = {
		{UINT64_C(1) << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}, {1, ""}};

	return write_in_units(out, bytes, units, ELEMENTSOF(units));
}
