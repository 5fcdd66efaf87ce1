/*
 * The writer's side of the status board, whose layout is wire/board.h: memory only, no file.
 * There is one writer at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/board.h"

#define BOARD_AREA_HEAD_SIZE 4096

struct board_area {
	struct supervisord_board_head *head; /* the mapping; borrowed */
	size_t size;
};

/* Bytes of a board with so many slots. */
size_t board_area_size(uint32_t capacity);

/* Makes an empty board in zeroed memory of board_area_size(capacity) bytes. */
void board_area_format(
	struct board_area *a, void *memory, uint32_t capacity, const uint8_t boot_id[16]);

/*
 * Takes the board of another writer, who is gone; what that was writing stays locked until it
 * is written again. -EBADMSG: malformed; -EPROTONOSUPPORT: another version or other sizes;
 * -ESTALE: of another boot, or retired.
 */
int board_area_take(struct board_area *a, void *memory, size_t size, const uint8_t boot_id[16]);

/* Takes the room that the file and the mapping (moved or not) have grown by. */
void board_area_grow(struct board_area *a, void *memory, uint32_t capacity);

enum board_area_change {
	BOARD_AREA_WRITTEN = 1 << 0, /* somebody may wait for the head's changes */
	BOARD_AREA_TRANSITION = 1 << 1 /* and for the slot's transitions */
};

/*
 * Writes what differs, if anything does: bits of enum board_area_change. Of the new content,
 * seq, transitions and entered are counted on here. index < head->capacity.
 */
unsigned board_area_put(
	struct board_area *a, uint32_t index, const struct supervisord_board_slot *content);

/* Frees a slot; likewise. */
unsigned board_area_clear(struct board_area *a, uint32_t index);

/* Sets and clears bits of enum supervisord_board_flags. True: they have changed. */
bool board_area_flag(struct board_area *a, uint32_t set, uint32_t clear);

/* Notes the time of what was written, before readers are woken. */
void board_area_stamp(struct board_area *a, uint64_t now_usec, uint64_t now_realtime_usec);
