/*
 * The only file that knows libconfuse. It gets one statement of the top level at a time:
 * its look-up of titles is quadratic in the sections of one cfg_t, and what is wrong with
 * one service must not hide what is wrong with the next. The options it is told about
 * are just those which the statement has, as guard.c has found them; that is also where
 * the line numbers come from, as libconfuse's own drift. All values are strings to it, so
 * that it has nothing to refuse; what they mean is decided by those who know the key.
 *
 * include("x") is handed over as a list with that name; libconfuse's own include and
 * functions are never used, and neither is CFGF_IGNORE_UNKNOWN.
 */
#include "conf/text/parse.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf/text/errors.h"
#include "conf/text/text.h"
#include "conf/values/strv.h"

/* flex's; libconfuse's header leaves it out. */
int cfg_yylex_destroy(void);

_Static_assert(SERVICE_KEY_MAX <= PARSE_IDS, "there is a bit for each key");

void section_fini(struct section *s)
{
	for (size_t i = 0; i < s->n_values; i++)
		strv_free(s->values[i].strings);
	free(s->values);
	free(s->title);
	free(s->where);
	*s = (struct section){0};
}

const struct value *section_get(const struct section *s, unsigned id)
{
	for (size_t i = 0; i < s->n_values; i++) {
		if (s->values[i].key->id == id)
			return &s->values[i];
	}
	return NULL;
}

void value_error(struct conf_errors *errors, const struct value *v, const char *format, ...)
{
	char text[768];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conf_errors_add(errors, v->place, "'%s'%s%s: %s", v->key->path, v->where ? " in " : "",
		v->where ? v->where : "", text);
}

static void free_options(cfg_opt_t *options)
{
	for (cfg_opt_t *o = options; o && o->name; o++)
		free_options(o->subopts);
	free(options);
}

/* The options of the entries first to end, as deep as they nest; NULL for no memory. */
static cfg_opt_t *make_options(const struct guard *g, size_t first, size_t end)
{
	cfg_opt_t *options;
	size_t n = 0;

	for (size_t i = first; i < end; i += g->entries[i].n_below + 1)
		n += g->entries[i].key != NULL;
	options = calloc(n + 1, sizeof(*options));
	if (!options)
		return NULL;
	n = 0;
	for (size_t i = first; i < end; i += g->entries[i].n_below + 1) {
		const struct guard_entry *e = &g->entries[i];
		cfg_opt_t *o = &options[n];

		if (!e->key)
			continue;
		o->type = e->kind == GUARD_SECTION ? CFGT_SEC : CFGT_STR;
		o->flags = CFGF_NODEFAULT;
		if (e->key->shape == SCHEMA_LIST || e->key->shape == SCHEMA_CALL)
			o->flags |= CFGF_LIST;
		if (e->has_title)
			o->flags |= CFGF_TITLE | CFGF_MULTI;
		if (e->kind == GUARD_SECTION) {
			o->subopts = make_options(g, i + 1, i + 1 + e->n_below);
			if (!o->subopts) {
				free_options(options);
				return NULL;
			}
		}
		o->name = e->key->name;
		n++;
	}
	return options;
}

/* Its messages add nothing: their lines are wrong, and guard.c has told what is. */
static void ignore_error(_unused_ cfg_t *cfg, _unused_ const char *format, _unused_ va_list args)
{
}

/* The statement as text of its own; include("x") becomes include = {"x"}. */
static char *statement_text(const struct guard *g, const struct guard_entry *e)
{
	const char *text = g->text.data;
	char *copy;
	int r;

	if (e->kind != GUARD_CALL)
		return strndup(text + e->start, e->end - e->start);
	r = asprintf(&copy, "%s = {%.*s}", e->key->name, (int)(e->inner_end - e->inner),
		text + e->inner);
	return r < 0 ? NULL : copy;
}

static bool check_value(struct conf_errors *errors, const struct value *v)
{
	for (size_t i = 0; i < v->n; i++) {
		const char *what;
		unsigned line;

		if (!text_check(v->strings[i], strlen(v->strings[i]), &line, &what)) {
			value_error(errors, v, "an escape in the string makes it %s", what);
			return false;
		}
	}
	return true;
}

static int copy_value(cfg_opt_t *o, struct value *v, struct conf_errors *errors)
{
	unsigned n = cfg_opt_size(o);

	if (n > PARSE_MAX_LIST) {
		value_error(errors, v, "more than %d values", PARSE_MAX_LIST);
		return -EINVAL;
	}
	for (unsigned i = 0; i < n; i++) {
		int r = strv_take(&v->strings, &v->n, strdup(cfg_opt_getnstr(o, i)));

		if (r < 0)
			return r;
	}
	strv_ensure(&v->strings);
	return check_value(errors, v) ? 0 : -EINVAL;
}

/* The values of the entries first to end, those of sections inside included. */
static int copy_values(cfg_t *cfg, const struct guard *g, size_t first, size_t end,
	struct conf_errors *errors, struct section *s)
{
	for (size_t i = first; i < end; i += g->entries[i].n_below + 1) {
		const struct guard_entry *e = &g->entries[i];
		cfg_opt_t *o = e->key ? cfg_getopt(cfg, e->key->name) : NULL;
		struct value *v;
		int r = 0;

		if (!o)
			continue;
		if (e->kind == GUARD_SECTION) {
			r = copy_values(
				cfg_opt_getnsec(o, 0), g, i + 1, i + 1 + e->n_below, errors, s);
			if (r < 0)
				return r;
			continue;
		}
		v = &s->values[s->n_values++];
		*v = (struct value){
			.key = e->key, .place = {s->place.file, e->line}, .where = s->where};
		r = copy_value(o, v, errors);
		if (r == -EINVAL) { /* told; the other values are still worth a look */
			strv_free(v->strings);
			s->n_values--;
		} else if (r < 0) {
			return r;
		} else {
			s->ids[e->key->id / 64] |= UINT64_C(1) << e->key->id % 64;
		}
	}
	return 0;
}

/* The cfg_t of the section that the statement opens, or the root for a single value. */
static cfg_t *inner_section(cfg_t *root, const struct guard_entry *e)
{
	return e->kind == GUARD_SECTION ? cfg_opt_getnsec(cfg_getopt(root, e->key->name), 0) : root;
}

static int fill(
	cfg_t *root, const struct guard *g, size_t i, struct conf_errors *errors, struct section *s)
{
	const struct guard_entry *e = &g->entries[i];
	bool is_section = e->kind == GUARD_SECTION;
	cfg_t *cfg = inner_section(root, e);

	s->values = calloc(e->n_below + 1, sizeof(*s->values));
	if (!s->values)
		return -ENOMEM;
	if (is_section) {
		s->where = schema_where(g, e);
		if (!s->where)
			return -ENOMEM;
	}
	if (e->has_title) {
		s->title = strdup(cfg_title(cfg));
		if (!s->title)
			return -ENOMEM;
	}
	return is_section ? copy_values(cfg, g, i + 1, i + 1 + e->n_below, errors, s)
			  : copy_values(cfg, g, i, i + 1, errors, s);
}

int parse_statement(struct guard *g, size_t i, const char *file, struct conf_errors *errors,
	struct section *ret_section)
{
	const struct guard_entry *e = &g->entries[i];
	struct section s = {.key = e->key, .place = {file, e->line}};
	_cleanup_free_
	char *text = statement_text(g, e);
	cfg_opt_t *options = make_options(g, i, i + 1 + e->n_below);
	cfg_t *cfg = text && options ? cfg_init(options, CFGF_NONE) : NULL;
	int r = -ENOMEM;

	if (cfg) {
		cfg_set_error_function(cfg, ignore_error);
		if (cfg_parse_buf(cfg, text) == CFG_SUCCESS) {
			r = fill(cfg, g, i, errors, &s);
		} else {
			/* guard.c lets nothing through that could come here, but for no memory */
			conf_errors_add(errors, s.place, "'%s' cannot be parsed", e->key->name);
			r = -EINVAL;
		}
		cfg_free(cfg);
	}
	free_options(options);
	/*
	 * A failed parse leaves the lexer in the middle of a string for the next one.
	 * cfg_free() mends that too in 3.3, but its manual doesn't promise it.
	 */
	cfg_yylex_destroy();
	if (r < 0) {
		section_fini(&s);
		return r;
	}
	*ret_section = s;
	return 0;
}
