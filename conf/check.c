/*
 * What can only be seen across services: names given twice, and files (logs and
 * pid-files) that several services or instances would write. The latter compares paths as they will
 * be at run time (placeholders replaced, log-dir before them, "." and ".." and doubled slashes
 * resolved on paper); links between directories are the administrator's business.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/build.h"
#include "conf/text/errors.h"
#include "conf/text/text.h"
#include "conf/values/strv.h"

static int check_names(const struct build *b)
{
	const struct spec *spec = b->spec;
	struct map names = {0};
	int r = 0;

	for (size_t i = 0; i < spec->n_services && r == 0; i++) {
		const struct spec_service *s = &spec->services[i];
		size_t first;

		r = map_put(&names, s->name, i);
		if (r == -EEXIST && map_get(&names, s->name, &first)) {
			conf_errors_add(b->errors, s->place,
				"service '%.80s' is given twice; first in %.512s:%u", s->name,
				spec->services[first].place.file, spec->services[first].place.line);
			r = 0;
		}
	}
	map_fini(&names);
	return r;
}

static bool check_count(const struct build *b)
{
	const struct spec *spec = b->spec;
	size_t n = 0;

	for (size_t i = 0; i < spec->n_services; i++) {
		n += spec->services[i].n_instances;
		if (n > SPEC_MAX_SERVICES) {
			conf_errors_add(b->errors, spec_place_of(&spec->services[i], "instances"),
				"more than %d services, instances counted", SPEC_MAX_SERVICES);
			return false;
		}
	}
	return true;
}

/* Resolves an absolute path on paper, in place. */
static void normalise(char *path)
{
	char *to = path;

	for (const char *p = path; *p;) {
		size_t n;

		while (*p == '/')
			p++;
		n = strcspn(p, "/");
		if (n == 0)
			break;
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (to > path && *--to != '/')
				;
		} else if (n != 1 || p[0] != '.') {
			*to++ = '/';
			memmove(to, p, n);
			to += n;
		}
		p += n;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

static char *path_of(
	const struct build *b, const struct spec_service *s, unsigned instance, const char *file)
{
	_cleanup_free_
	char *expanded = spec_expand(file, s, instance);
	const char *below;
	char *path;

	if (!expanded)
		return NULL;
	/* without a log-dir, which has been told, relative names still compare well */
	below = expanded[0] == '/' || !b->spec->log_dir ? "" : b->spec->log_dir;
	path = malloc(strlen(below) + strlen(expanded) + 2);
	if (!path)
		return NULL;
	stpcpy(stpcpy(stpcpy(path, below), "/"), expanded);
	normalise(path);
	return path;
}

/* The files seen so far, and which service writes each. */
struct files {
	struct map writers;
	char **paths;
	size_t n;
};

static int claim(const struct build *b, struct files *files, size_t service, unsigned instance,
	const char *key, const char *file)
{
	const struct spec_service *s = &b->spec->services[service];
	_cleanup_free_
	char *path = path_of(b, s, instance, file);
	const struct spec_service *other;
	size_t writer;
	int r = path ? map_put(&files->writers, path, service) : -ENOMEM;

	if (r == 0)
		return strv_take(&files->paths, &files->n, TAKE_PTR(path));
	if (r != -EEXIST || !map_get(&files->writers, path, &writer))
		return r;
	other = &b->spec->services[writer];
	if (other == s)
		conf_errors_add(b->errors, spec_place_of(s, key),
			"'%s' in service '%.80s': '%.256s' is written by this service already%s",
			key, s->name, path,
			strcmp(key, "log.stderr") == 0
				? "; leave log.stderr empty for both streams to share a file"
				: "");
	else
		conf_errors_add(b->errors, spec_place_of(s, key),
			"'%s' in service '%.80s': '%.256s' is written by service '%.80s' "
			"(%.256s:%u) already; allowed: a file of its own",
			key, s->name, path, other->name, other->place.file, other->place.line);
	return 0;
}

/* As each instance has it. */
static int claim_path(const struct build *b, struct files *files, size_t service, const char *key,
	const char *file)
{
	const struct spec_service *s = &b->spec->services[service];
	int r = 0;

	if (s->n_instances > 1 && !text_has_placeholder(file))
		return 0; /* told in service.c */
	for (unsigned instance = 1; instance <= s->n_instances && r == 0; instance++)
		r = claim(b, files, service, instance, key, file);
	return r;
}

static int claim_target(const struct build *b, struct files *files, size_t service, const char *key,
	const struct spec_target *t)
{
	if (t->sink != SPEC_SINK_FILE || !t->address)
		return 0; /* without an address: refused, and told */
	return claim_path(b, files, service, key, t->address);
}

static int claim_all(const struct build *b, struct files *files, size_t service)
{
	const struct spec_service *s = &b->spec->services[service];
	int r = s->contact->pid_file
			? claim_path(b, files, service, "pid-file", s->contact->pid_file)
			: 0;

	if (r == 0)
		r = claim_target(b, files, service, "log.file", &s->log->file);
	if (r == 0 && s->split_stderr)
		r = claim_target(b, files, service, "log.stderr", &s->log->error);
	for (size_t i = 0; i < s->log->n_also && r == 0; i++)
		r = claim_target(b, files, service, "log.also", &s->log->also[i]);
	return r;
}

static int check_files(const struct build *b)
{
	struct files files = {0};
	int r = 0;

	for (size_t i = 0; i < b->spec->n_services && r == 0; i++)
		r = claim_all(b, &files, i);
	map_fini(&files.writers);
	strv_free(files.paths);
	return r;
}

int check_all(struct build *b)
{
	size_t n = b->errors->n;
	int r = check_names(b);

	/* a name that stands twice would be told of again for its log file */
	if (r < 0 || b->errors->n != n || !check_count(b))
		return r;
	r = check_files(b);
	if (r == 0)
		r = pools_check(b);
	return r < 0 ? r : links_check(b);
}
