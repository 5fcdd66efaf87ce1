/*
 * Env-files: lines of KEY=VALUE, blank ones, and comments that begin with #. A value may
 * stand in single quotes (taken as it is) or double quotes (with \" \\ \$ and \`), so
 * that files written for a shell or for systemd read the same; nothing is expanded.
 * Within one file the last value of a key wins, as it does there.
 *
 * The text is part of the sources. Each service that names the file parses it again:
 * that is cheap against keeping one more parsed form.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/build.h"
#include "conf/text/errors.h"
#include "conf/text/text.h"
#include "conf/values/strv.h"

#define MAX_VARIABLES 1000

char *path_beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	char *joined;

	if (path[0] == '/' || !slash)
		return strdup(path);
	if (asprintf(&joined, "%.*s%s", (int)(slash - file + 1), file, path) < 0)
		return NULL;
	return joined;
}

static size_t name_length(const char *assignment)
{
	return strcspn(assignment, "=");
}

static char **find(char *const *list, const char *assignment)
{
	size_t n = name_length(assignment) + 1;

	for (char *const *s = list; s && *s; s++) {
		if (strncmp(*s, assignment, n) == 0)
			return (char **)s;
	}
	return NULL;
}

bool env_has(char *const *list, const char *assignment)
{
	return find(list, assignment) != NULL;
}

int env_set(char ***list, size_t *n, char *text)
{
	char **old = text ? find(*list, text) : NULL;

	if (!old)
		return strv_take(list, n, text);
	free(*old);
	*old = text;
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_variable_name(const char *p, size_t n)
{
	if (n == 0 || (p[0] >= '0' && p[0] <= '9'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!(p[i] >= 'a' && p[i] <= 'z') && !(p[i] >= 'A' && p[i] <= 'Z') &&
			!(p[i] >= '0' && p[i] <= '9') && p[i] != '_')
			return false;
	}
	return true;
}

/* Copies a value without its quotes to `to`; its length, or -EINVAL. */
static int unquote(const char *p, size_t n, char *to)
{
	char quote = n > 0 && (p[0] == '"' || p[0] == '\'') ? p[0] : '\0';
	size_t len = 0, i = 1;

	if (!quote) {
		memcpy(to, p, n);
		return (int)n;
	}
	for (; i < n && p[i] != quote; i++) {
		if (quote == '"' && p[i] == '\\' && i + 1 < n && strchr("\"\\$`", p[i + 1]))
			i++;
		to[len++] = p[i];
	}
	return i + 1 == n ? (int)len : -EINVAL;
}

/* One line, without its newline and the blanks around it. NULL: no mistake. */
static const char *read_line(const char *p, size_t n, char ***list, size_t *n_list, int *ret_error)
{
	const char *equals = memchr(p, '=', n);
	size_t n_name = equals ? (size_t)(equals - p) : 0, skip;
	char *text;
	int len;

	if (!equals || !is_variable_name(p, n_name))
		return "no KEY=VALUE; a key has letters, digits and _";
	if (*n_list >= MAX_VARIABLES)
		return "more than 1000 variables";
	text = malloc(n + 1);
	if (!text) {
		*ret_error = -ENOMEM;
		return NULL;
	}
	skip = n_name + 1;
	memcpy(text, p, skip);
	while (skip < n && is_blank(p[skip]))
		skip++;
	len = unquote(p + skip, n - skip, text + n_name + 1);
	if (len < 0) {
		free(text);
		return "a quote is not closed, or something follows it";
	}
	text[n_name + 1 + (size_t)len] = '\0';
	*ret_error = env_set(list, n_list, text);
	return NULL;
}

static int read_text(struct build *b, const struct value *v, const struct source_env *e,
	char ***list, size_t *n_list)
{
	struct spec_place place = {.file = e->path};
	const char *what, *end = e->text + e->n;

	if (!text_check(e->text, e->n, &place.line, &what)) {
		conf_errors_add(b->errors, place, "%s, in the env-file of %s", what, v->where);
		return 0;
	}
	for (const char *p = e->text, *next; p < end; p = next) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end;
		int r = 0;

		next = newline ? newline + 1 : end;
		place.line++;
		while (p < stop && is_blank(*p))
			p++;
		while (p < stop && is_blank(stop[-1]))
			stop--;
		if (p == stop || *p == '#')
			continue;
		what = read_line(p, (size_t)(stop - p), list, n_list, &r);
		if (what)
			conf_errors_add(
				b->errors, place, "%s, in the env-file of %s", what, v->where);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Reads the file into the sources. A failure other than -ENOMEM is told: 1. */
static int fetch(struct build *b, const struct value *v, const char *path, bool may_miss)
{
	struct source_env e = {.path = strdup(path)};
	struct source_identity identity;
	int r;

	if (!e.path)
		return -ENOMEM;
	r = source_read(path, &e.text, &e.n, &identity);
	if (r < 0 && r != -ENOMEM && !(r == -ENOENT && may_miss))
		value_error(b->errors, v, "cannot read '%.512s': %s", path, source_strerror(r));
	if (r < 0 && !(r == -ENOENT && may_miss)) {
		free(e.path);
		return r == -ENOMEM ? r : 1;
	}
	r = source_add_env(b->fetch, &e);
	if (r < 0 && r != -ENOMEM) {
		value_error(b->errors, v, "cannot read '%.512s': %s", path, source_strerror(r));
		return 1;
	}
	return r;
}

int env_file(struct build *b, const struct value *v, const char *path, char ***list, size_t *n)
{
	bool may_miss = path[0] == '-';
	_cleanup_free_
	char *full = path_beside(v->place.file, path + may_miss);
	const struct source_env *e;

	if (!full)
		return -ENOMEM;
	e = source_env(b->sources, full);
	if (!e && b->fetch) {
		int r = fetch(b, v, full, may_miss);

		if (r != 0)
			return r < 0 ? r : 0;
		e = source_env(b->sources, full);
	}
	if (e && e->text)
		return read_text(b, v, e, list, n);
	if (!may_miss)
		value_error(b->errors, v, "cannot read '%.512s': %s", full, strerror(ENOENT));
	return 0;
}
