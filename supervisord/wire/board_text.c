/*
 * What is read from a slot by whoever shows it, with JSON or without: so here is none.
 */
#include "wire/board_text.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

int64_t board_text_uptime_msec(const struct supervisord_board_slot *slot, usec_t now_usec)
{
	if (slot->pid <= 0)
		return -1;
	return (int64_t)(usec_sub(now_usec, slot->started_usec) / USEC_PER_MSEC);
}

int64_t board_text_next_start_msec(const struct supervisord_board_slot *slot, usec_t now_usec)
{
	if (slot->next_start_usec == SUPERVISORD_BOARD_NEVER)
		return -1;
	return (int64_t)(usec_sub(slot->next_start_usec, now_usec) / USEC_PER_MSEC);
}

static bool is_utf8(const char *text)
{
	size_t k = 1, n;
	uint32_t c;

	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++; /* nearly always that is all */
	for (n = strlen(text); n > 0 && k > 0; n -= k, text += k)
		k = utf8_decode(text, n, &c);
	return k > 0;
}

const char *board_text(const char *text, char ret_clean[static BOARD_TEXT_SIZE])
{
	if (is_utf8(text))
		return text;
	utf8_clean(text, strlen(text), ret_clean, BOARD_TEXT_SIZE);
	return ret_clean;
}
