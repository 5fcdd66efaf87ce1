/*
 * The quoting of POSIX sh (2.2) and nothing else of it: a word is copied into a buffer of
 * the whole text's length, in which any word fits, as quotes only ever take bytes away.
 * Splitting comes before %{name} is replaced, so that what is put in stays one word.
 */
#include "conf/values/split.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/values/strv.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Copies what is in quotes, from after the opening one; the position after the closing. */
static const char *copy_quoted(const char *p, char quote, char *word, size_t *n)
{
	for (; *p && *p != quote; p++) {
		if (quote == '"' && *p == '\\' && p[1] && strchr("\"\\$`", p[1]))
			p++;
		word[(*n)++] = *p;
	}
	return *p ? p + 1 : NULL;
}

/* Copies one word and returns the position after it, or NULL. */
static const char *copy_word(const char *p, char *word, size_t *ret_n, const char **reterr_what)
{
	size_t n = 0;

	while (*p && !is_blank(*p)) {
		if (*p == '\'' || *p == '"') {
			*reterr_what = *p == '"' ? "a \" is not closed" : "a ' is not closed";
			p = copy_quoted(p + 1, *p, word, &n);
			if (!p)
				return NULL;
		} else if (*p == '\\') {
			*reterr_what = "a backslash stands at its end";
			if (!p[1])
				return NULL;
			word[n++] = p[1];
			p += 2;
		} else {
			word[n++] = *p++;
		}
	}
	*ret_n = n;
	return p;
}

int split_words(const char *text, char ***list, size_t *n, const char **reterr_what)
{
	_cleanup_free_
	char *word = malloc(strlen(text) + 1);
	const char *p = text, *what = NULL;

	if (!word)
		return -ENOMEM;
	for (;;) {
		size_t len;
		int r;

		while (is_blank(*p))
			p++;
		if (!*p)
			return 0;
		p = copy_word(p, word, &len, &what);
		if (!p) {
			*reterr_what = what;
			return -EINVAL;
		}
		r = strv_take(list, n, strndup(word, len));
		if (r < 0)
			return r;
	}
}
