/*
 * A table of keys. Those with a fixed value are compared as a whole, as systemd does it, so
 * that READY=0 is no word for anything.
 */
#include "wire/notify.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/parse.h"
#include "base/utf8.h"

#define MAX_DIGITS 20 /* of 2^64 */

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
		utf8_clean(value, n, m->status, sizeof(m->status));
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
