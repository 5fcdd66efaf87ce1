/*
 * why: the facts about a service, as sentences.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "ctl/output/term.h"

/* A user's name; NULL where it is not known. buffer is room for it. */
#define WHY_USER_SIZE 64
typedef const char *why_user_fn(int64_t uid, char buffer[static WHY_USER_SIZE]);

/*
 * What is known about a service (the reply of Why), as an array of sentences, of which the first
 * says what state it is in. Facts may be missing, or wrong in any way: then less is said. NULL for
 * lack of memory.
 */
json_t *why_sentences(json_t *facts, why_user_fn *user);

/*
 * The sentences, and below them the last lines of its log (an array of strings; NULL for none), as
 * they go to a terminal or file. -ENOMEM.
 */
int why_render(
	json_t *facts, json_t *sentences, json_t *lines, const struct term *term, struct buf *out);
