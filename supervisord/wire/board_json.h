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

/* "exec", "ready"; "" for none. "healthy"; NULL for none. Numbers out of range are "unknown". */
const char *board_json_phase(unsigned phase);
const char *board_json_health(unsigned health);
