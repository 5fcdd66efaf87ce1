/*
 * The statements of a file, checked for balance. libconfuse takes a file whose last
 * brace is missing, keeps its state after a failure, recurses without a bound and lets
 * the last one of two equal keys win; what reaches it from here is whole, shallow, and
 * cut into statements whose lines are known, so that each can be parsed on its own.
 *
 * The first mistake in a file ends its reading: what follows a missing brace or quote
 * would only yield messages that mislead.
 */
#include "conf/text/guard.h"

#include <errno.h>
#include <string.h>

#include "conf/text/errors.h"
#include "conf/text/lexer.h"
#include "conf/text/text.h"

struct scan {
	struct lexer lexer;
	struct guard guard;
	size_t open[GUARD_MAX_DEPTH]; /* entries whose section is not closed yet */
	unsigned depth;
};

void guard_fini(struct guard *g)
{
	buf_fini(&g->text);
	free(g->entries);
	*g = (struct guard){0};
}

void guard_blank(struct guard *g, const struct guard_entry *e)
{
	for (uint32_t i = e->start; i < e->end; i++) {
		if (g->text.data[i] != '\n')
			g->text.data[i] = ' ';
	}
}

static int length_of(size_t n)
{
	return (int)MIN_OF(n, (size_t)80);
}

static uint32_t here(const struct scan *s)
{
	return (uint32_t)s->guard.text.len;
}

static struct guard_entry *add_entry(struct scan *s)
{
	struct guard *g = &s->guard;

	if (g->n_entries >= GUARD_MAX_ENTRIES) {
		lexer_fail(&s->lexer, s->lexer.token_line, "more than %d keys in one file",
			GUARD_MAX_ENTRIES);
		return NULL;
	}
	if (g->n_entries == g->size) {
		size_t size = g->size ? g->size * 2 : 64;
		struct guard_entry *bigger = realloc(g->entries, size * sizeof(*bigger));

		if (!bigger) {
			s->lexer.error = -ENOMEM;
			s->lexer.token = LEXER_FAILED;
			return NULL;
		}
		g->entries = bigger;
		g->size = size;
	}
	g->entries[g->n_entries] = (struct guard_entry){
		.line = s->lexer.token_line,
		.start = here(s),
		.key_len = (uint32_t)s->lexer.n,
	};
	return &g->entries[g->n_entries++];
}

static bool is_text(enum lexer_token token)
{
	return token == LEXER_WORD || token == LEXER_STRING;
}

/* Values with commas between them, up to and with the closing mark. */
static void scan_values(struct scan *s, const struct guard_entry *e, enum lexer_token close)
{
	struct lexer *l = &s->lexer;

	while (is_text(l->token)) {
		lexer_emit_value(l);
		lexer_next(l);
		if (l->token != LEXER_COMMA)
			break;
		lexer_emit_mark(l, ",");
		lexer_next(l);
	}
	if (l->token != close && l->token != LEXER_FAILED)
		lexer_fail(l, l->token_line,
			"the list of '%.*s' (line %u) goes on with neither a "
			"comma nor a '%c'",
			length_of(e->key_len), s->guard.text.data + e->start, e->line,
			close == LEXER_CLOSE ? '}' : ')');
}

static void scan_assignment(struct scan *s, struct guard_entry *e)
{
	struct lexer *l = &s->lexer;

	lexer_emit_mark(l, "=");
	lexer_next(l);
	if (is_text(l->token)) {
		e->kind = GUARD_VALUE;
		lexer_emit_value(l);
	} else if (l->token == LEXER_OPEN) {
		e->kind = GUARD_LIST;
		lexer_emit_mark(l, "{");
		lexer_next(l);
		scan_values(s, e, LEXER_CLOSE);
		if (l->token != LEXER_FAILED)
			lexer_emit_mark(l, "}");
	} else if (l->token != LEXER_FAILED) {
		lexer_fail(l, e->line, "'%.*s' has no value after its '='", length_of(e->key_len),
			s->guard.text.data + e->start);
	}
	e->end = here(s);
	lexer_next(l);
}

static void scan_call(struct scan *s, struct guard_entry *e)
{
	struct lexer *l = &s->lexer;

	e->kind = GUARD_CALL;
	lexer_emit_mark(l, "(");
	e->inner = here(s);
	lexer_next(l);
	scan_values(s, e, LEXER_PAREN_CLOSE);
	e->inner_end = here(s);
	if (l->token != LEXER_FAILED)
		lexer_emit_mark(l, ")");
	e->end = here(s);
	lexer_next(l);
}

static void open_section(struct scan *s, struct guard_entry *e)
{
	struct lexer *l = &s->lexer;

	if (s->depth == GUARD_MAX_DEPTH) {
		lexer_fail(l, l->token_line, "sections nested more than %d deep", GUARD_MAX_DEPTH);
		return;
	}
	e->kind = GUARD_SECTION;
	lexer_emit_mark(l, "{");
	s->open[s->depth++] = (size_t)(e - s->guard.entries);
	lexer_next(l);
}

static void close_section(struct scan *s)
{
	struct guard_entry *e;

	if (s->depth == 0) {
		lexer_fail(&s->lexer, s->lexer.token_line, "a '}' that closes nothing");
		return;
	}
	lexer_emit_mark(&s->lexer, "}");
	e = &s->guard.entries[s->open[--s->depth]];
	e->end = here(s);
	e->n_below = (uint32_t)((size_t)(&s->guard.entries[s->guard.n_entries] - e) - 1);
	lexer_next(&s->lexer);
}

/* A key has been read; what follows it says what kind of statement it is. */
static void scan_statement(struct scan *s)
{
	struct lexer *l = &s->lexer;
	struct guard_entry *e = add_entry(s);

	if (!e)
		return;
	lexer_emit_key(l);
	lexer_next(l);
	if (l->token == LEXER_EQUALS) {
		scan_assignment(s, e);
		return;
	}
	if (l->token == LEXER_PAREN_OPEN) {
		scan_call(s, e);
		return;
	}
	if (is_text(l->token)) {
		e->has_title = true;
		e->title = here(s) + 1; /* after its quote */
		lexer_emit_value(l);
		e->title_len = here(s) - e->title - 2;
		lexer_next(l);
	}
	if (l->token == LEXER_OPEN)
		open_section(s, e);
	else if (l->token != LEXER_FAILED)
		lexer_fail(l, e->line,
			e->has_title ? "after '%.*s' a '=' is missing, or a '{' after its title"
				     : "after '%.*s' a '=' or a '{' is missing",
			length_of(e->key_len), s->guard.text.data + e->start);
}

static void scan_end(struct scan *s)
{
	const struct guard_entry *e;

	if (s->depth == 0)
		return;
	e = &s->guard.entries[s->open[s->depth - 1]];
	lexer_fail(&s->lexer, e->line, "the '{' of '%.*s' is never closed", length_of(e->key_len),
		s->guard.text.data + e->start);
}

static void scan_file(struct scan *s)
{
	struct lexer *l = &s->lexer;

	lexer_next(l);
	while (l->token != LEXER_END && l->token != LEXER_FAILED) {
		if (l->token == LEXER_WORD)
			scan_statement(s);
		else if (l->token == LEXER_CLOSE)
			close_section(s);
		else
			lexer_fail(l, l->token_line, "a key is expected here%s",
				l->token == LEXER_STRING ? ", without quotes" : "");
	}
	if (l->token == LEXER_END)
		scan_end(s);
}

int guard_scan(const char *file, const char *text, size_t n, struct conf_errors *errors,
	struct guard *ret_guard)
{
	struct scan s = {.lexer = {.file = file, .line = 1, .errors = errors}};
	const char *what;
	unsigned line;
	int r = 0;

	if (!text_check(text, n, &line, &what)) {
		conf_errors_add(errors, (struct spec_place){file, line},
			"%s; a configuration is UTF-8 text", what);
		return -EINVAL;
	}
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
		text += 3;
		n -= 3;
	}
	s.lexer.p = text;
	s.lexer.end = text + n;
	s.lexer.out = &s.guard.text;
	scan_file(&s);
	if (s.lexer.error < 0)
		r = s.lexer.error;
	else if (s.lexer.token == LEXER_FAILED)
		r = -EINVAL;
	else
		r = buf_append(&s.guard.text, SIZE_MAX, "", 1); /* a NUL for libconfuse */
	if (r < 0) {
		guard_fini(&s.guard);
		return r;
	}
	*ret_guard = s.guard;
	return 0;
}
