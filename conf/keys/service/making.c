/*
 * The value of a key is the service's own, else that of defaults; what is wrong with it is told
 * with its place and the name of the service.
 */
#include "conf/keys/service/making.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/text/errors.h"
#include "conf/text/text.h"
#include "conf/values/split.h"
#include "conf/values/strv.h"

const struct value *making_find(const struct making *m, enum service_key key)
{
	const struct value *v = m->own ? section_find(m->own, key) : NULL;

	return v || !m->defaults ? v : section_find(m->defaults, key);
}

bool making_is_own(const struct making *m, const struct value *v)
{
	return m->own && v >= m->own->values && v < m->own->values + m->own->n_values;
}

void making_tell(const struct making *m, const char *key, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conf_errors_add(
		m->b->errors, spec_place_of(m->s, key), "'%s' in %s: %s", key, m->own->where, text);
}

int making_check_text(struct making *m, const struct value *v, const char *text,
	const char *(*check)(const char *text))
{
	const unsigned instances[] = {1, m->s->n_instances};

	if (!m->own && text_has_placeholder(text))
		return 0;
	for (size_t i = 0; i < ELEMENTSOF(instances); i++) {
		_cleanup_free_
		char *expanded = spec_expand(text, m->s, MAX_OF(instances[i], 1U));
		const char *what = expanded ? check(expanded) : NULL;

		if (!expanded)
			return -ENOMEM;
		if (!what)
			continue;
		value_error(m->b->errors, v, "'%.128s' %s", expanded, what);
		return -EINVAL;
	}
	return 0;
}

int making_words(struct making *m, const struct value *v, char ***words, size_t *ret_n)
{
	const char *what;
	size_t n = 0;
	int r = 0;

	if (v->n == 1)
		r = split_words(v->strings[0], words, &n, &what);
	else
		for (size_t i = 0; i < v->n && r == 0; i++)
			r = strv_take(words, &n, strdup(v->strings[i]));
	if (r == -EINVAL) {
		value_error(m->b->errors, v, "cannot be split into words: %s", what);
		n = 1; /* told */
		r = 0;
	} else if (r == 0 && n > 0 && (*words)[0][0] == '\0') {
		value_error(m->b->errors, v, "is empty; allowed: a program and its arguments");
	}
	*ret_n = n;
	return r;
}
