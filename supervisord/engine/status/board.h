/*
 * The status board as a file: `status` in the runtime directory, mapped, locked while this engine
 * lives, and written whenever what is to be told of a service has changed. Its layout, and
 * what readers may rely on, is wire/board.h. It is for others only: nothing is decided by it, and
 * without it (a full disk) supervision goes on, and supctl asks the engine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mapping.h"
#include "wire/board_area.h"

struct engine;
struct service;

struct board {
	struct board_area area; /* head NULL: there is no board */
	struct mapping mapping;
	int fd; /* owned; of this process only, since its lock tells that we live */
	mode_t mode;
	gid_t group;
	bool troubled; /* that it can't be made has been said */
	bool changed; /* and who waits for any change has yet to be woken */
};

/* No board yet: what is told until board_open() is not written. */
void board_init(struct engine *e);

/* Takes the board that is there, or makes one, and writes every service to it. */
void board_open(struct engine *e);

/* What is to be known of a service may have changed: writes what has. */
void board_tell(const struct service *s);
/* The same for those whose reason speaks of the state of this one. */
void board_tell_dependents(const struct service *s);
/* The same for all, also who may read it: after another configuration was put in force. */
void board_tell_all(struct engine *e);
/* The slot is nobody's any more. */
void board_forget(struct engine *e, uint32_t id);

/* At the end of a round of the loop: wakes those who wait for any change, once for all of them. */
void board_flush(struct engine *e);

/* Somebody asks who would have read the board: makes one where it is gone, cut or lacking. */
void board_check(struct engine *e);

/* The end of supervisord: tells whoever still looks, and removes it. */
void board_close(struct engine *e);

/* --- board_describe.c --- */

/* What the board and the control protocol tell of a service; seq and counters are zero. */
void board_describe(const struct service *s, struct supervisord_board_slot *ret_slot);
