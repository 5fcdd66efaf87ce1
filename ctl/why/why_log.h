/*
 * The last lines that a run of a service wrote, read with the rights of whoever asks.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#define WHY_LOG_MAX_BYTES 65536 /* looked at, back from the end of the file */
#define WHY_LOG_MAX_LINE  1024 /* of a longer one, the beginning */

/*
 * For each log of the facts (the reply of Why) an object: stream, path (null where it is no file),
 * lines (at most n), and title and note in words, the note "" where there is nothing to remark. An
 * array, empty where nothing has run or no line is wanted; NULL for lack of memory.
 */
json_t *why_log_read(json_t *facts, uint64_t n);
