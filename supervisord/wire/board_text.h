/*
 * Times and texts of a slot of the status board, for who shows them.
 */
#pragma once

#include "base/usec.h"
#include "wire/board.h"

/* Since its process was started; -1: there is none. */
int64_t board_text_uptime_msec(const struct supervisord_board_slot *slot, usec_t now_usec);
/* Until it is started by itself; -1: it won't. */
int64_t board_text_next_start_msec(const struct supervisord_board_slot *slot, usec_t now_usec);

/*
 * A text of a slot as UTF-8. What the writer has cleaned is returned as it is; bytes from
 * elsewhere may be anything, and are cleaned to ret_clean.
 */
#define BOARD_TEXT_SIZE sizeof(((struct supervisord_board_slot *)0)->reason)
const char *board_text(const char *text, char ret_clean[static BOARD_TEXT_SIZE]);
