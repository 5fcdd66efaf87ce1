/*
 * A growable byte buffer with a limit. Zero initialised is empty and valid.
 * buf_fini() gives the memory back and leaves an empty buffer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/macro.h"

struct buf {
	char *data; /* owned; not NUL terminated */
	size_t len, size;
};

#define _cleanup_buf_ _cleanup_(buf_fini)

void buf_fini(struct buf *b);

/* Makes room for at least n further bytes; -ENOMEM. */
int buf_reserve(struct buf *b, size_t n);

/* Appends; -ENOBUFS if that would make it longer than limit, -ENOMEM. */
int buf_append(struct buf *b, size_t limit, const void *data, size_t n);

/* Appends formatted text without a NUL; -ENOMEM. */
int buf_printf(struct buf *b, const char *format, ...) _printf_(2, 3);

/* Removes the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);
