/*
 * Where a service's stdin comes from. Whether there is the one whose output it is to read is seen
 * in links_input.c, when all services are known.
 */
#include "conf/keys/service/input.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "conf/keys/service/depend.h"
#include "conf/text/text.h"

static const char *check_path(const char *text)
{
	if (text[0] != '/')
		return "is not allowed; allowed: an absolute path";
	return strlen(text) < PATH_MAX ? NULL : "is too long for a path";
}

static const char *check_link(const char *text)
{
	return depend_is_link(text)
		       ? NULL
		       : "is not the name of a service; allowed: such as web, or web@2";
}

int input_set(struct making *m, const struct value *v)
{
	static const struct {
		const char *prefix;
		enum spec_stdin kind;
		const char *(*check)(const char *text);
	} kinds[] = {
		{"fifo:", SPEC_STDIN_FIFO, check_path},
		{"file:", SPEC_STDIN_FILE, check_path},
		{"service:", SPEC_STDIN_SERVICE, check_link},
	};
	const char *text = v->strings[0];

	if (strcmp(text, "null") == 0)
		return 0;
	for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
		size_t n = strlen(kinds[i].prefix);
		int r;

		if (strncmp(text, kinds[i].prefix, n) != 0)
			continue;
		r = making_check_text(m, v, text + n, kinds[i].check);
		if (r < 0)
			return r == -EINVAL ? 0 : r;
		m->s->stdin_name = strdup(text + n);
		if (!m->s->stdin_name)
			return -ENOMEM;
		m->s->stdin_kind = kinds[i].kind;
		return 0;
	}
	value_error(m->b->errors, v,
		"'%.80s' is not allowed; allowed: null, fifo:PATH, file:PATH, service:NAME", text);
	return 0;
}
