/*
 * One slot of the status board as the control protocol shows a service: what the engine answers
 * and what is read from the board are made by the same function, so they can't differ.
 */
#pragma once

#include "base/usec.h"
#include "wire/board.h"

struct json_t; /* of <jansson.h> */

/* A new object (owned by the caller), or NULL for lack of memory. now: monotonic. */
struct json_t *board_json(const struct supervisord_board_slot *slot, usec_t now_usec);

/* Since its process was started; -1: there is none. */
int64_t board_json_uptime_msec(const struct supervisord_board_slot *slot, usec_t now_usec);
/* Until it is started by itself; -1: it won't. */
int64_t board_json_next_start_msec(const struct supervisord_board_slot *slot, usec_t now_usec);

/*
 * A text of a slot as UTF-8. What the writer has cleaned is returned as it is; bytes from
 * elsewhere may be anything, and are cleaned to ret_clean.
 */
#define BOARD_JSON_TEXT_SIZE sizeof(((struct supervisord_board_slot *)0)->reason)
const char *board_json_text(const char *text, char ret_clean[static BOARD_JSON_TEXT_SIZE]);

/* "exec", "ready"; "" for none. "healthy"; NULL for none. Numbers out of range are "unknown". */
const char *board_json_phase(unsigned phase);
const char *board_json_health(unsigned health);
