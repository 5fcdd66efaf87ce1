/*
 * What is known about where the output goes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct term {
	bool is_terminal; /* of the output */
	bool is_utf8; /* false only for a terminal that is not told to be */
	bool colours;
	bool progress; /* stderr is a terminal too, which can move its cursor */
	size_t width; /* in columns; 0: no limit, as it is no terminal */
};

void term_init(struct term *t, FILE *out, FILE *err);

/* TEXT_* flags for text on the output, beside those of the occasion. */
unsigned term_text_flags(const struct term *t);
