/*
 * Values as text that a configuration could hold: what is written here reads back as the
 * same value. Each appends to a buffer; 0 or -ENOMEM.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/usec.h"

/* In double quotes; printable, and UTF-8 whatever bytes it has. */
int write_string(struct buf *out, const char *text);

/* Without quotes where it can do without them. */
int write_word(struct buf *out, const char *text);

/* {"a", "b"}; NULL is an empty list, {}. */
int write_list(struct buf *out, char *const *list);

/* The same for the words of a command, which has only one element split into words. */
int write_command(struct buf *out, char *const *words);

int write_number(struct buf *out, int64_t number);
int write_mode(struct buf *out, mode_t mode);

/* In the largest unit that leaves no rest: 90s, 1min, 50M, 1000. */
int write_duration(struct buf *out, usec_t duration);
int write_size(struct buf *out, uint64_t bytes);
