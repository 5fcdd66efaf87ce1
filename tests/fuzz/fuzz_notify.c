/*
 * A datagram of a service, as it is. Whatever comes out must be within its bounds, and the
 * text fit for a terminal and for JSON.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/notify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Only that no byte can be taken for a control character; the sequences are jansson's to judge. */
static void check_status(const char *text)
{
	size_t n = strnlen(text, NOTIFY_STATUS_SIZE);

	if (n == NOTIFY_STATUS_SIZE)
		abort();
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f || c >= 0xf5 || c == 0xc0 || c == 0xc1)
			abort();
		if (c == 0xc2 && (unsigned char)text[i + 1] < 0xa0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notify_message m;
	int r = notify_parse(data, size, &m);

	if (r < 0) {
		if ((r == -EMSGSIZE) != (size > NOTIFY_MAX_BYTES))
			abort();
		return 0;
	}
	check_status(m.status);
	if (m.status[0] != '\0' && !(m.said & NOTIFY_STATUS))
		abort();
	if (((m.said & NOTIFY_MAINPID) != 0) != (m.main_pid > 0))
		abort();
	if (m.extend_usec > NOTIFY_MAX_EXTEND_USEC)
		abort();
	return 0;
}
