/*
 * Bytes as configuration. With a NUL before them: as kept sources. Otherwise as text, in
 * which lines that look like comments say what lies around the main file, so that includes,
 * env-files and names are reached as well:
 *
 *     #%file PARENT INCLUDE   what follows is a file that file PARENT includes by its
 *                             statement number INCLUDE
 *     #%env PATH              what follows is an env-file
 *     #%user NAME UID GID     the user NAME
 *     #%group NAME GID        the group NAME
 *
 * Nothing is opened or looked up: all goes the way that an engine goes which takes over.
 * What parses must parse again from its bytes.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/text/source.h"

#define MAX_MARKS 64

struct mark {
	char line[128]; /* without "#%"; "" before the first */
	const char *text;
	size_t n;
};

static const struct conf_context context = {.root = true, .home = "/root"};

static bool parse(const struct conf_sources *sources)
{
	struct conf_errors errors;
	struct spec *spec;
	int r = conf_parse(sources, &context, &spec, &errors);

	if (r == 0)
		spec_free(spec);
	else if (errors.n == 0 && !errors.truncated)
		abort(); /* refused without a word */
	conf_errors_fini(&errors);
	return r == 0;
}

static void parse_and_keep(const struct conf_sources *sources)
{
	_cleanup_buf_ struct buf bytes = {0};
	struct conf_sources *again;

	if (!parse(sources))
		return;
	if (conf_sources_write(sources, &bytes) < 0 ||
		conf_sources_read(bytes.data, bytes.len, &again) < 0)
		abort();
	if (!parse(again))
		abort();
	conf_sources_free(again);
}

/* Cuts the text at its marks. */
static size_t cut(const char *text, size_t n, struct mark *ret_marks)
{
	size_t n_marks = 1;
	const char *end = text + n, *mark;

	ret_marks[0] = (struct mark){.text = text, .n = n};
	while (n_marks < MAX_MARKS && (mark = memmem(text, (size_t)(end - text), "\n#%", 3))) {
		struct mark *m = &ret_marks[n_marks++];
		const char *line = mark + 3, *stop = memchr(line, '\n', (size_t)(end - line));
		size_t length;

		stop = stop ? stop : end;
		length = MIN_OF((size_t)(stop - line), sizeof(m->line) - 1);
		m[-1].n = (size_t)(mark - m[-1].text);
		memcpy(m->line, line, length);
		m->line[length] = '\0';
		text = m->text = stop;
		m->n = (size_t)(end - stop);
	}
	return n_marks;
}

static char *copy(const char *text, size_t n)
{
	char *c = malloc(n + 1);

	if (!c)
		abort();
	if (n > 0)
		memcpy(c, text, n);
	c[n] = '\0';
	return c;
}

static void add_user(struct conf_sources *s, const char *name, uid_t uid, gid_t gid)
{
	struct source_user *u = calloc(1, sizeof(*u));

	if (!u)
		abort();
	*u = (struct source_user){
		.key = copy(name, strlen(name)),
		.found = uid > 0,
		.has_entry = gid > 0,
		.uid = uid,
		.gid = gid,
		.name = copy(name, strlen(name)),
		.home = copy("/home", 5),
		.shell = copy("/bin/sh", 7),
	};
	source_add_user(s, u);
}

static void add(struct conf_sources *s, const struct mark *m)
{
	char name[64];
	unsigned a = 0, b = 0;

	if (sscanf(m->line, "file %9u %9u", &a, &b) == 2 && a < s->n_files) {
		struct source_file f = {.parent = a, .include = b, .n = m->n};

		snprintf(name, sizeof(name), "fuzz%zu.conf", s->n_files);
		f.path = copy(name, strlen(name));
		f.text = copy(m->text, m->n);
		source_add_file(s, &f);
	} else if (sscanf(m->line, "env %63s", name) == 1) {
		struct source_env e = {
			.path = copy(name, strlen(name)),
			.text = copy(m->text, m->n),
			.n = m->n,
		};

		source_add_env(s, &e);
	} else if (sscanf(m->line, "user %63s %9u %9u", name, &a, &b) == 3) {
		add_user(s, name, a, b);
	} else if (sscanf(m->line, "group %63s %9u", name, &a) == 2) {
		struct source_group g = {.key = copy(name, strlen(name)), .found = a > 0, .gid = a};

		source_add_group(s, &g);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct conf_sources *sources;
	static struct mark marks[MAX_MARKS];
	size_t n_marks;

	if (n > 0 && data[0] == '\0') {
		if (conf_sources_read(data + 1, n - 1, &sources) < 0)
			return 0;
		parse_and_keep(sources);
		conf_sources_free(sources);
		return 0;
	}
	n_marks = cut((const char *)data, n, marks);
	if (source_from_text("fuzz.conf", marks[0].text, marks[0].n, &sources) < 0)
		return 0;
	for (size_t i = 1; i < n_marks; i++)
		add(sources, &marks[i]);
	parse_and_keep(sources);
	conf_sources_free(sources);
	return 0;
}
