/*
 * Text from others, made fit for a terminal and for JSON.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The length of the sequence at data (n > 0), and its character; 0: it is none. */
size_t utf8_decode(const void *data, size_t n, uint32_t *ret_character);

/*
 * Copies n bytes to ret_text of that size, with a NUL, cut at a character: what is no UTF-8
 * becomes '?', control characters and what turns the direction of writing around go.
 */
void utf8_clean(const void *data, size_t n, char *ret_text, size_t size);
