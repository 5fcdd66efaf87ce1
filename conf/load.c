/*
 * From files to a spec. Loading and parsing again are one walk over the files: while
 * loading, what the sources lack is fetched into them (included files, env-files, users);
 * parsing again, the same walk finds it there, in the same order, and a new engine comes
 * to the same spec whatever has become of the files.
 *
 * A mistake never ends the walk. All are collected, and the spec is thrown away at the
 * end if there were any.
 */
#include "conf/load.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "conf/build.h"
#include "conf/text/errors.h"
#include "conf/text/include.h"
#include "conf/values/strv.h"

struct walk {
	struct build build;
	size_t next_file; /* parsing again: the included file that comes next */
	struct source_identity *identities; /* loading: of the files so far */
	size_t n_services_room, n_globals_room, n_pools_room;
};

static int walk_file(struct walk *w, size_t index, unsigned depth);

/* Takes the section over into a list that doubles. */
static int keep_section(struct section **list, size_t *n, size_t *room, struct section *s)
{
	if (*n == *room) {
		size_t size = *room ? *room * 2 : 4;
		struct section *bigger = reallocarray(*list, size, sizeof(*s));

		if (!bigger)
			return -ENOMEM;
		*list = bigger;
		*room = size;
	}
	(*list)[(*n)++] = *s;
	*s = (struct section){0};
	return 0;
}

/* Has the key been given before, here or in another file? */
static bool is_repeated(struct build *b, const struct section *s)
{
	struct spec_place *first = &b->global_places[s->key->id];

	if (first->line > 0) {
		conf_errors_add(b->errors, s->place, "'%s' is given twice; first in %.512s:%u",
			s->key->path, first->file, first->line);
		return true;
	}
	*first = s->place;
	return false;
}

/* Adds a file to the sources and to the spec's list; 1 where the reason was told. */
static int read_file(
	struct walk *w, char *path, struct spec_place place, uint32_t parent, uint32_t include)
{
	struct build *b = &w->build;
	struct source_file f = {.path = path, .parent = parent, .include = include};
	struct source_identity identity, *bigger;
	int r = source_read(path, &f.text, &f.n, &identity);

	for (size_t i = 0; r == 0 && i < b->fetch->n_files; i++) {
		if (w->identities[i].dev != identity.dev || w->identities[i].ino != identity.ino)
			continue;
		conf_errors_add(b->errors, place, "'%.512s' is included twice, or by itself", path);
		free(f.text);
		free(path);
		return 1;
	}
	bigger = reallocarray(w->identities, b->fetch->n_files + 1, sizeof(identity));
	if (bigger)
		w->identities = bigger;
	else
		r = -ENOMEM;
	if (r == 0) {
		w->identities[b->fetch->n_files] = identity;
		r = source_add_file(b->fetch, &f); /* path is gone then */
		if (r == 0)
			return 0;
		path = NULL;
	} else {
		free(f.text);
	}
	if (r != -ENOMEM)
		conf_errors_add(b->errors, place, "cannot read '%.512s': %s",
			path ? path : "a file", source_strerror(r));
	free(path);
	return r == -ENOMEM ? r : 1;
}

static int fetch_includes(
	struct walk *w, size_t parent, uint32_t include, const struct value *v, unsigned depth)
{
	struct build *b = &w->build;
	char **paths = NULL;
	size_t n = 0;
	int r = include_paths(b, v, &paths, &n);

	for (size_t i = 0; i < n && r == 0; i++) {
		char *path = strdup(paths[i]);

		r = path ? read_file(w, path, v->place, (uint32_t)parent, include) : -ENOMEM;
		if (r == 0)
			r = walk_file(w, b->fetch->n_files - 1, depth + 1);
		else if (r > 0)
			r = 0;
	}
	strv_free(paths);
	return r;
}

static int repeat_includes(struct walk *w, size_t parent, uint32_t include, unsigned depth)
{
	const struct conf_sources *s = w->build.sources;
	int r = 0;

	while (r == 0 && w->next_file < s->n_files && s->files[w->next_file].parent == parent &&
		s->files[w->next_file].include == include)
		r = walk_file(w, w->next_file++, depth + 1);
	return r;
}

static int take_include(
	struct walk *w, size_t parent, uint32_t include, const struct section *s, unsigned depth)
{
	if (s->n_values == 0)
		return 0; /* its value was refused */
	if (depth >= SOURCE_MAX_DEPTH) {
		value_error(w->build.errors, &s->values[0], "files nested more than %d deep",
			SOURCE_MAX_DEPTH);
		return 0;
	}
	if (w->build.fetch)
		return fetch_includes(w, parent, include, &s->values[0], depth);
	return repeat_includes(w, parent, include, depth);
}

/* Keeps where the keys outside of services stand. */
static int note_origins(struct spec *spec, const struct section *s)
{
	struct spec_origin *bigger =
		reallocarray(spec->origins, spec->n_origins + s->n_values + 1, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	spec->origins = bigger;
	for (size_t i = 0; i < s->n_values; i++)
		bigger[spec->n_origins++] =
			(struct spec_origin){s->values[i].key->path, s->values[i].place};
	return 0;
}

/* What a statement of the top level means, apart from include. May take it over. */
static int take_statement(struct walk *w, struct section *s)
{
	struct build *b = &w->build;
	int r;

	if (s->key->id == GLOBAL_SERVICE)
		return keep_section(&b->services, &b->n_services, &w->n_services_room, s);
	if (s->key->id == GLOBAL_POOL)
		return keep_section(&b->pools, &b->n_pools, &w->n_pools_room, s);
	if (is_repeated(b, s))
		return 0;
	if (s->key->id == GLOBAL_DEFAULTS) {
		b->defaults = *s;
		*s = (struct section){0};
		return 0;
	}
	r = note_origins(b->spec, s);
	if (r < 0)
		return r;
	if (s->key->id == GLOBAL_CONTROL || s->key->id == GLOBAL_QUEUE)
		return keep_section(&b->globals, &b->n_globals, &w->n_globals_room, s);
	return global_apply(b, s);
}

static int walk_statements(struct walk *w, size_t index, struct guard *g, unsigned depth)
{
	struct build *b = &w->build;
	const char *file = b->spec->files[index];
	uint32_t n_includes = 0;
	int r = 0;

	for (size_t i = 0; i < g->n_entries && r == 0; i += g->entries[i].n_below + 1) {
		struct section s = {0};

		if (!schema_check(g, i, file, b->errors))
			continue;
		r = parse_statement(g, i, file, b->errors, &s);
		if (r == -EINVAL) {
			r = 0;
			continue;
		}
		if (r == 0 && s.key->id == GLOBAL_INCLUDE)
			r = take_include(w, index, n_includes++, &s, depth);
		else if (r == 0)
			r = take_statement(w, &s);
		section_fini(&s);
	}
	return r;
}

/* File `index` of the sources, which is also its place in the spec's list. */
static int walk_file(struct walk *w, size_t index, unsigned depth)
{
	struct build *b = &w->build;
	const struct source_file *f = &b->sources->files[index];
	struct guard g = {0};
	size_t n = index;
	int r = strv_take(&b->spec->files, &n, strdup(f->path));

	if (r < 0)
		return r;
	r = guard_scan(b->spec->files[index], f->text, f->n, b->errors, &g);
	if (r < 0)
		return r == -EINVAL ? 0 : r;
	r = walk_statements(w, index, &g, depth);
	guard_fini(&g);
	return r;
}

/* Files that no include statement of the texts accounts for: the sources are damaged. */
static void check_complete(struct walk *w)
{
	struct build *b = &w->build;

	if (!b->fetch && !conf_errors_any(b->errors) && w->next_file != b->sources->n_files)
		conf_errors_add(b->errors, (struct spec_place){b->spec->files[0], 0},
			"the files that were kept do not fit together");
}

static int list_env_files(struct build *b)
{
	size_t n = strv_len(b->spec->files);
	int r = 0;

	for (size_t i = 0; i < b->sources->n_envs && r == 0; i++) {
		if (b->sources->envs[i].text)
			r = strv_take(&b->spec->files, &n, strdup(b->sources->envs[i].path));
	}
	return r;
}

static void walk_fini(struct walk *w)
{
	struct build *b = &w->build;

	for (size_t i = 0; i < b->n_services; i++)
		section_fini(&b->services[i]);
	for (size_t i = 0; i < b->n_globals; i++)
		section_fini(&b->globals[i]);
	for (size_t i = 0; i < b->n_pools; i++)
		section_fini(&b->pools[i]);
	section_fini(&b->defaults);
	free(b->services);
	free(b->pools);
	free(b->globals);
	free(w->identities);
	spec_free(b->spec);
}

/* The first file is in the sources already. */
static int walk_all(struct walk *w)
{
	struct build *b = &w->build;
	int r;

	w->next_file = 1;
	r = walk_file(w, 0, 0);
	if (r == 0)
		check_complete(w);
	if (r == 0)
		r = global_finish(b);
	if (r == 0)
		r = pools_build(b);
	if (r == 0)
		r = service_build_all(b);
	if (r == 0)
		r = check_all(b);
	if (r == 0)
		r = list_env_files(b);
	if (r == 0 && conf_errors_any(b->errors))
		r = -EINVAL;
	return r;
}

static struct spec *new_spec(void)
{
	struct spec *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->log_level = LOG_LEVEL_INFO;
	s->on_orphan = SPEC_ORPHAN_ADOPT;
	s->queue_mode = 0640;
	return s;
}

/* Errors for -EINVAL only: after a lack of memory they would be half of the truth. */
static int finish(struct walk *w, int r, struct spec **ret_spec)
{
	if (r == 0)
		*ret_spec = TAKE_PTR(w->build.spec);
	if (r == -ENOMEM)
		conf_errors_fini(w->build.errors);
	walk_fini(w);
	return r;
}

int conf_parse(const struct conf_sources *sources, const struct conf_context *context,
	struct spec **ret_spec, struct conf_errors *errors)
{
	struct walk w = {.build = {
				 .spec = new_spec(),
				 .sources = sources,
				 .context = context,
				 .errors = errors,
			 }};

	*errors = (struct conf_errors){0};
	return finish(&w, w.build.spec ? walk_all(&w) : -ENOMEM, ret_spec);
}

int conf_load(const char *path, const struct conf_context *context,
	struct conf_sources **ret_sources, struct spec **ret_spec, struct conf_errors *errors)
{
	struct conf_sources *sources = source_new();
	struct walk w = {.build = {
				 .spec = new_spec(),
				 .sources = sources,
				 .fetch = sources,
				 .context = context,
				 .errors = errors,
			 }};
	char *copy = strdup(path);
	int r = -ENOMEM;

	*errors = (struct conf_errors){0};
	if (sources && w.build.spec && copy) {
		/* who checks a file for root need not be root */
		sources->uid = context->root ? 0 : geteuid();
		sources->gid = context->root && geteuid() != 0 ? 0 : getegid();
		r = read_file(
			&w, TAKE_PTR(copy), (struct spec_place){path, 0}, SOURCE_NO_PARENT, 0);
		r = r > 0 ? -EINVAL : r;
	}
	if (r == 0)
		r = walk_all(&w);
	free(copy);
	r = finish(&w, r, ret_spec);
	if (r == 0 && ret_sources)
		*ret_sources = TAKE_PTR(sources);
	conf_sources_free(sources);
	return r;
}
