/*
 * A message of the status queue as a line.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "wire/queue.h"

/* Appends "time seq type service previous -> state (pid) reason" and a newline. -ENOMEM. */
int queue_render(long type, json_t *message, unsigned text_flags, struct buf *out);
