/* The tokens of a configuration file. Only guard.c uses it. */
#pragma once

#include "conf/load.h"

enum lexer_token {
	LEXER_END,
	LEXER_WORD, /* bare */
	LEXER_STRING, /* in quotes of either kind */
	LEXER_OPEN,
	LEXER_CLOSE,
	LEXER_PAREN_OPEN,
	LEXER_PAREN_CLOSE,
	LEXER_EQUALS,
	LEXER_COMMA,
	LEXER_FAILED /* told in errors already, or see error */
};

struct lexer {
	const char *file;
	const char *p, *end;
	unsigned line;
	struct conf_errors *errors;
	struct buf *out; /* gets the newlines between tokens, and tokens from lexer_emit() */
	int error; /* -ENOMEM; 0 otherwise */
	/* the current token */
	enum lexer_token token;
	unsigned token_line;
	const char *start; /* a word, or a string without its quotes, as written */
	size_t n;
	char quote; /* LEXER_STRING */
};

/* Reads the next token. */
void lexer_next(struct lexer *l);

/* Writes the current token to out: a key as it is, a value always in quotes. */
void lexer_emit_key(struct lexer *l);
void lexer_emit_value(struct lexer *l);
void lexer_emit_mark(struct lexer *l, const char *mark);

/* Ends the reading with an error at that line. */
void lexer_fail(struct lexer *l, unsigned line, const char *format, ...) _printf_(3, 4);
