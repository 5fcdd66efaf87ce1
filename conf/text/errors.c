/*
 * Messages quote what stands in the files, so they are cut to a bounded length and
 * stripped of control bytes here, once, whoever prints them. A mistake in `defaults` is
 * found again in every service that takes the value; as the message is the same each
 * time, it is kept once.
 */
#include "conf/text/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MAX_MESSAGE 4096

void conf_errors_fini(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		free(errors->messages[i]);
	free(errors->messages);
	*errors = (struct conf_errors){0};
}

/* Replaces control bytes, and cuts a character off that snprintf() has cut in two. */
static void make_printable(char *text)
{
	size_t n = strlen(text);

	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	if (n < MAX_MESSAGE - 1)
		return;
	while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
		n--;
	if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
		n--;
	text[n] = '\0';
}

static bool is_known(const struct conf_errors *errors, const char *text)
{
	for (size_t i = 0; i < errors->n; i++) {
		if (strcmp(errors->messages[i], text) == 0)
			return true;
	}
	return false;
}

/*
 * Where a message belongs: what is wrong in one file stands together and in the order of its lines,
 * whatever is looked at first. n_file: of "FILE:".
 */
static size_t place_of(
	const struct conf_errors *errors, const char *text, size_t n_file, unsigned line)
{
	bool seen = false;

	for (size_t i = 0; i < errors->n; i++) {
		const char *other = errors->messages[i];

		if (strncmp(other, text, n_file) != 0) {
			if (seen)
				return i;
			continue;
		}
		seen = true;
		if (strtoul(other + n_file, NULL, 10) > line)
			return i;
	}
	return errors->n;
}

static void keep(struct conf_errors *errors, const char *text, size_t n_file, unsigned line)
{
	_cleanup_free_
	char *copy = strdup(text);
	size_t place;
	char **bigger;

	if (is_known(errors, text))
		return;
	if (!copy || errors->n >= CONF_MAX_ERRORS) {
		errors->truncated = true;
		return;
	}
	bigger = realloc(errors->messages, (errors->n + 1) * sizeof(char *));
	if (!bigger) {
		errors->truncated = true;
		return;
	}
	errors->messages = bigger;
	place = place_of(errors, text, n_file, line);
	memmove(errors->messages + place + 1, errors->messages + place,
		(errors->n - place) * sizeof(char *));
	errors->messages[place] = TAKE_PTR(copy);
	errors->n++;
}

void conf_errors_add(struct conf_errors *errors, struct spec_place place, const char *format, ...)
{
	char text[MAX_MESSAGE];
	va_list args;
	int n, n_file;

	if (place.line > 0)
		n = snprintf(text, sizeof(text), "%.512s:%u: ", place.file, place.line);
	else
		n = snprintf(text, sizeof(text), "%.512s: ", place.file);
	if (n < 0 || (size_t)n >= sizeof(text)) {
		errors->truncated = true;
		return;
	}
	va_start(args, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
	va_end(args);
	make_printable(text);
	n_file = snprintf(NULL, 0, "%.512s:", place.file);
	keep(errors, text, n_file > 0 ? (size_t)n_file : 0, place.line);
}
