/*
 * Text that others wrote, made fit for a terminal: UTF-8 is decoded strictly, and what
 * a terminal could take as a command does not come through.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum text_flag {
	TEXT_ASCII = 1 << 0, /* the terminal does not speak UTF-8: no byte above 0x7e */
	TEXT_TABS = 1 << 1, /* tabs stay; else they become blanks */
	TEXT_NO_SGR = 1 << 2 /* colour sequences vanish rather than being spelled out */
};

/*
 * Decodes one character of n > 0 bytes: its length, or -EILSEQ for what is no UTF-8
 * (overlong forms and surrogates included).
 */
int text_decode(const char *text, size_t n, uint32_t *ret_char);

/*
 * Appends text as one harmless line: newlines become blanks; other control characters
 * (C0, DEL, C1), invalid bytes, and characters that turn the direction of writing become
 * '?'. -ENOMEM.
 */
int text_append_safe(struct buf *out, const char *text, size_t n, unsigned flags);

/* Appends text as valid UTF-8, each invalid byte replaced by U+FFFD. -ENOMEM. */
int text_append_utf8(struct buf *out, const char *text, size_t n);

/* Columns that harmless text takes. */
size_t text_width(const char *text, size_t n);

/* Bytes of the longest beginning of harmless text that fits into width columns. */
size_t text_fit(const char *text, size_t n, size_t width);

/* Appends a word as a shell would have to be given it. -ENOMEM. */
int text_append_quoted(struct buf *out, const char *word);
