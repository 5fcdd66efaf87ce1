/*
 * libconfuse's lexer drops characters that it has no rule for, counts lines wrongly
 * after comments and lets ${VAR} swallow the rest of a file. So the text is read here
 * first, by the same rules but strictly, and written out again such that libconfuse has
 * no choice in reading it: comments are gone, words in place of values are quoted, and
 * each $ in double quotes has a backslash before it, which libconfuse takes away.
 */
#include "conf/text/lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf/text/errors.h"
#include "conf/text/guard.h"

#define NO_LIMIT SIZE_MAX

void lexer_fail(struct lexer *l, unsigned line, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conf_errors_add(l->errors, (struct spec_place){l->file, line}, "%s", text);
	l->token = LEXER_FAILED;
}

static void emit(struct lexer *l, const char *data, size_t n)
{
	int r = buf_append(l->out, NO_LIMIT, data, n);

	if (r < 0) {
		l->error = r;
		l->token = LEXER_FAILED;
	}
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_-./:@%", c));
}

static char at(const struct lexer *l, size_t i)
{
	return (size_t)(l->end - l->p) > i ? l->p[i] : '\0';
}

static void skip_line_comment(struct lexer *l)
{
	while (l->p < l->end && *l->p != '\n')
		l->p++;
}

static void skip_block_comment(struct lexer *l)
{
	unsigned line = l->line;

	for (l->p += 2; l->p < l->end; l->p++) {
		if (at(l, 0) == '*' && at(l, 1) == '/') {
			l->p += 2;
			return;
		}
		if (*l->p == '\n') {
			l->line++;
			emit(l, "\n", 1);
		}
	}
	lexer_fail(l, line, "the comment that begins here is never closed; it ends with */");
}

/* To the next token; newlines on the way go to the output. */
static void skip_blanks(struct lexer *l)
{
	while (l->p < l->end && l->token != LEXER_FAILED) {
		char c = *l->p;

		if (c == ' ' || c == '\t' || (c == '\r' && at(l, 1) == '\n')) {
			l->p++;
		} else if (c == '\n') {
			l->p++;
			l->line++;
			emit(l, "\n", 1);
		} else if (c == '#' || (c == '/' && at(l, 1) == '/')) {
			skip_line_comment(l);
		} else if (c == '/' && at(l, 1) == '*') {
			skip_block_comment(l);
		} else {
			return;
		}
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * Checks the escape at l->p: \123 and \x1f that give NUL would cut the string in silence, and of
 * one that means nothing, as in a regular expression, the backslash would get lost in silence.
 */
static void check_escape(struct lexer *l)
{
	static const char known[] = "\"\\'$`\n\rabefnrtv";
	unsigned value = 0, n = 0;
	char c = at(l, 1);

	if (c == 'x') {
		for (; n < 2 && hex_digit(at(l, 2 + n)) >= 0; n++)
			value = value * 16 + (unsigned)hex_digit(at(l, 2 + n));
	} else if (c >= '0' && c <= '9') {
		for (; at(l, 1 + n) >= '0' && at(l, 1 + n) <= '9' && n < 4; n++)
			value = at(l, 1 + n) > '7' ? 256
						   : value * 8 + (unsigned)(at(l, 1 + n) - '0');
		if (n > 3)
			value = 256;
	} else {
		if (c > ' ' && c < 0x7f && !strchr(known, c))
			lexer_fail(l, l->line,
				"\\%c is no escape; allowed: \\\\ for a backslash, or the string "
				"in "
				"single quotes",
				c);
		return;
	}
	if (value == 0 || value > 255)
		lexer_fail(l, l->line,
			"bad escape in a string; allowed: \\1 to \\377 (octal) and \\x01 to \\xff");
}

static void read_string(struct lexer *l)
{
	char quote = *l->p++;

	l->quote = quote;
	l->start = l->p;
	while (l->p < l->end && *l->p != quote) {
		if (*l->p == '\\') {
			if (quote == '"')
				check_escape(l);
			if (l->token == LEXER_FAILED)
				return;
			l->p++;
			if (at(l, 0) == '\r' && at(l, 1) == '\n')
				l->p++;
			if (l->p == l->end)
				break;
		}
		if (*l->p++ == '\n')
			l->line++;
		if (l->p - l->start > GUARD_MAX_STRING) {
			lexer_fail(l, l->token_line,
				"a string of more than %d bytes; is a %c missing?",
				GUARD_MAX_STRING, quote);
			return;
		}
	}
	if (l->p == l->end) {
		lexer_fail(l, l->token_line,
			"the string that begins here is never closed; "
			"it ends with %c",
			quote);
		return;
	}
	l->n = (size_t)(l->p - l->start);
	l->p++;
	l->token = LEXER_STRING;
}

static void read_word(struct lexer *l)
{
	l->start = l->p;
	while (l->p < l->end && is_word(*l->p))
		l->p++;
	l->n = (size_t)(l->p - l->start);
	if (l->n > GUARD_MAX_STRING)
		lexer_fail(l, l->token_line, "a word of more than %d bytes", GUARD_MAX_STRING);
	else
		l->token = LEXER_WORD;
}

/* Is it "[program:web]" on a line of its own, as in the INI files of others? */
static bool is_ini_section(const struct lexer *l)
{
	size_t n = 1;

	while (at(l, n) != ']' && at(l, n) != '\n' && at(l, n) != '\0')
		n++;
	if (at(l, n) != ']')
		return false;
	for (n++; at(l, n) == ' ' || at(l, n) == '\t' || at(l, n) == '\r';)
		n++;
	return at(l, n) == '\n' || at(l, n) == '\0';
}

static void refuse(struct lexer *l)
{
	char c = *l->p;

	if (c == '+')
		lexer_fail(l, l->line,
			"'+' outside of quotes; '+=' is not available, and a value "
			"with a + needs quotes");
	else if (c == '$' && at(l, 1) == '{')
		lexer_fail(l, l->line,
			"'${' outside of quotes; nothing is expanded here, put the "
			"value into quotes");
	else if (c == ';')
		lexer_fail(l, l->line, "';' does not belong here; a statement ends by itself");
	else if (c == '[' && is_ini_section(l))
		lexer_fail(l, l->line,
			"'[': this is no INI file; a service is to be written: "
			"service \"NAME\" { … }");
	else if ((unsigned char)c < 0x20 || c == 0x7f)
		lexer_fail(l, l->line, "a control character (0x%02x) outside of quotes",
			(unsigned char)c);
	else if ((unsigned char)c >= 0x80)
		lexer_fail(l, l->line, "a character outside of ASCII; put the value into quotes");
	else
		lexer_fail(l, l->line, "unexpected '%c'; put the value into quotes", c);
}

void lexer_next(struct lexer *l)
{
	static const struct {
		char c;
		enum lexer_token token;
	} marks[] = {
		{'{', LEXER_OPEN},
		{'}', LEXER_CLOSE},
		{'(', LEXER_PAREN_OPEN},
		{')', LEXER_PAREN_CLOSE},
		{'=', LEXER_EQUALS},
		{',', LEXER_COMMA},
	};

	skip_blanks(l);
	if (l->token == LEXER_FAILED)
		return;
	l->token_line = l->line;
	l->n = 0;
	l->quote = '\0';
	if (l->p == l->end) {
		l->token = LEXER_END;
		return;
	}
	for (size_t i = 0; i < ELEMENTSOF(marks); i++) {
		if (marks[i].c == *l->p) {
			l->token = marks[i].token;
			l->p++;
			return;
		}
	}
	if (*l->p == '"' || *l->p == '\'')
		read_string(l);
	else if (is_word(*l->p))
		read_word(l);
	else
		refuse(l);
}

void lexer_emit_mark(struct lexer *l, const char *mark)
{
	emit(l, mark, strlen(mark));
	emit(l, " ", 1);
}

void lexer_emit_key(struct lexer *l)
{
	emit(l, l->start, l->n);
	emit(l, " ", 1);
}

/* Inside of double quotes: $ gets a backslash, unless it has one, and CR LF becomes LF. */
static void emit_body(struct lexer *l)
{
	const char *from = l->start, *end = l->start + l->n;

	for (const char *p = from; p < end; p++) {
		if (*p == '\\' && p + 1 < end && p[1] != '\r') {
			p++;
		} else if (*p == '\r' && p + 1 < end && p[1] == '\n') {
			emit(l, from, (size_t)(p - from));
			from = p + 1;
		} else if (*p == '$' && l->quote == '"') {
			emit(l, from, (size_t)(p - from));
			emit(l, "\\", 1);
			from = p;
		}
	}
	emit(l, from, (size_t)(end - from));
}

void lexer_emit_value(struct lexer *l)
{
	const char *quote = l->quote == '\'' ? "'" : "\"";

	emit(l, quote, 1);
	emit_body(l);
	emit(l, quote, 1);
	emit(l, " ", 1);
}
