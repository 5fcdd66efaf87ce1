/*
 * include("services.d/X"): relative to the file that includes, in the order of bytes. The
 * directory of that file is no pattern, even where its name looks like one. A path
 * without wildcards must exist; a pattern may match nothing, as in an empty directory.
 */
#include "conf/text/include.h"

#include <errno.h>
#include <glob.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/values/strv.h"

static bool has_wildcard(const char *path)
{
	return strpbrk(path, "*?[") != NULL;
}

/* Puts a backslash before what glob(3) would take as a wildcard, and before a backslash. */
static int append_escaped(struct buf *b, const char *text, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (strchr("*?[\\", text[i]))
			r = buf_append(b, SIZE_MAX, "\\", 1);
		if (r == 0)
			r = buf_append(b, SIZE_MAX, &text[i], 1);
	}
	return r;
}

static int make_pattern(const char *file, const char *path, char **ret_pattern)
{
	const char *slash = strrchr(file, '/');
	_cleanup_buf_ struct buf b = {0};
	int r = 0;

	if (path[0] != '/' && slash)
		r = append_escaped(&b, file, (size_t)(slash - file) + 1);
	if (r == 0)
		r = buf_append(&b, SIZE_MAX, path, strlen(path) + 1);
	if (r < 0)
		return r;
	*ret_pattern = TAKE_PTR(b.data);
	return 0;
}

/* A directory that isn't there has no files; one that can't be read must not be ignored. */
static int stop_at_error(_unused_ const char *path, int error)
{
	return error != ENOENT && error != ENOTDIR;
}

static int match(struct build *b, const struct value *v, char ***list, size_t *n)
{
	_cleanup_free_
	char *pattern = NULL;
	glob_t found = {0};
	int r = make_pattern(v->place.file, v->strings[0], &pattern), g;

	if (r < 0)
		return r;
	errno = 0;
	g = glob(pattern, 0, stop_at_error, &found);
	if (g == GLOB_NOSPACE) {
		r = -ENOMEM;
	} else if (g == GLOB_ABORTED) {
		value_error(b->errors, v, "cannot read a directory of '%.512s': %s", pattern,
			strerror(errno));
	} else if (g == 0 && found.gl_pathc > SOURCE_MAX_INCLUDES) {
		value_error(b->errors, v, "'%.512s' matches more than %d files", pattern,
			SOURCE_MAX_INCLUDES);
	} else if (g == 0) {
		for (size_t i = 0; i < found.gl_pathc && r == 0; i++)
			r = strv_take(list, n, strdup(found.gl_pathv[i]));
	}
	globfree(&found);
	return r;
}

int include_paths(struct build *b, const struct value *v, char ***list, size_t *n)
{
	if (v->n != 1 || v->strings[0][0] == '\0') {
		value_error(b->errors, v, "takes one path or pattern in quotes");
		return 0;
	}
	if (has_wildcard(v->strings[0]))
		return match(b, v, list, n);
	return strv_take(list, n, path_beside(v->place.file, v->strings[0]));
}
