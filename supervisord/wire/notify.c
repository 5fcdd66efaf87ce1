/*
 * A table of keys. Those with a fixed value are compared as a whole, as systemd does it, so
 * that READY=0 is no word for anything. The text of STATUS ends on a terminal and in JSON: only
 * valid UTF-8 passes, and nothing that moves a cursor.
 */
#include "wire/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/macro.h"
#include "base/parse.h"

#define MAX_DIGITS 20 /* of 2^64 */

/* The length of the UTF-8 sequence at text, and its character; 0: it is none. */
static size_t decode(const uint8_t *text, size_t n, uint32_t *ret_character)
{
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

static void clean(const uint8_t *text, size_t n, char ret_text[static NOTIFY_STATUS_SIZE])
{
	size_t used = 0;

	while (n > 0) {
		uint32_t c = 0;
		size_t k = decode(text, n, &c);
		bool valid = k > 0;

		k = valid ? k : 1;
		if (used + k >= NOTIFY_STATUS_SIZE)
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

static int take_number(const uint8_t *text, size_t n, uint64_t max, uint64_t *ret_value)
{
	char copy[MAX_DIGITS + 1];

	if (n > MAX_DIGITS)
		return -ERANGE;
	memcpy(copy, text, n);
	copy[n] = '\0';
	return parse_u64(copy, max, ret_value);
}

static void take_value(
	enum notify_said key, const uint8_t *value, size_t n, struct notify_message *m)
{
	uint64_t number;

	switch (key) {
	case NOTIFY_STATUS:
		clean(value, n, m->status);
		break;
	case NOTIFY_MAINPID:
		if (take_number(value, n, INT32_MAX, &number) < 0 || number == 0)
			return;
		m->main_pid = (pid_t)number;
		break;
	case NOTIFY_EXTEND:
		if (take_number(value, n, UINT64_MAX, &number) < 0)
			return;
		m->extend_usec = MIN_OF(number, NOTIFY_MAX_EXTEND_USEC);
		break;
	case NOTIFY_READY:
	case NOTIFY_RELOADING:
	case NOTIFY_STOPPING:
	case NOTIFY_ALIVE:
	case NOTIFY_TRIGGER:
	case NOTIFY_BARRIER:
		if (n > 0)
			return; /* "READY=10" */
		break;
	}
	m->said |= key;
}

static void take_line(const uint8_t *line, size_t n, struct notify_message *m)
{
	static const struct {
		const char *text;
		enum notify_said key;
	} keys[] = {
		{"READY=1", NOTIFY_READY},
		{"RELOADING=1", NOTIFY_RELOADING},
		{"STOPPING=1", NOTIFY_STOPPING},
		{"WATCHDOG=1", NOTIFY_ALIVE},
		{"WATCHDOG=trigger", NOTIFY_TRIGGER},
		{"STATUS=", NOTIFY_STATUS},
		{"MAINPID=", NOTIFY_MAINPID},
		{"EXTEND_TIMEOUT_USEC=", NOTIFY_EXTEND},
		{"BARRIER=1", NOTIFY_BARRIER},
	};

	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		size_t k = strlen(keys[i].text);

		if (n < k || memcmp(line, keys[i].text, k) != 0)
			continue;
		if (!(m->said & keys[i].key))
			take_value(keys[i].key, line + k, n - k, m);
		return;
	}
}

int notify_parse(const void *data, size_t n, struct notify_message *ret_message)
{
	const uint8_t *text = data;
	struct notify_message m = {0};

	if (n > NOTIFY_MAX_BYTES)
		return -EMSGSIZE;
	if (n > 0 && text[n - 1] == '\0')
		n--;
	if (n == 0 || memchr(text, '\0', n))
		return -EBADMSG;
	while (n > 0) {
		const uint8_t *end = memchr(text, '\n', n);
		size_t k = end ? (size_t)(end - text) : n;

		take_line(text, k, &m);
		k += end != NULL;
		text += k;
		n -= k;
	}
	*ret_message = m;
	return 0;
}
