/*
 * Only names of exactly the writer's form count, so that neither web.log.old nor another
 * service's file is taken for a piece of web.log.
 */
#include "ctl/logs/file/rotated.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl/output/moment.h"

static void close_directory(DIR **d)
{
	if (*d)
		closedir(*d);
}

void rotated_fini(struct rotated *r)
{
	free(r->files);
	*r = (struct rotated){0};
}

static bool is_stamp(const char *text)
{
	static const char form[ROTATED_STAMP_SIZE] = "0000-00-00T00-00-00.000Z";

	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	}
	return true;
}

/* Nothing, or a dot and a word: what is still being written has another dot in its name. */
static bool is_suffix(const char *text)
{
	size_t n = strlen(text);

	if (n == 0)
		return true;
	if (text[0] != '.' || n < 2 || n >= ROTATED_SUFFIX_SIZE)
		return false;
	return strspn(text + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789_-+") == n - 1;
}

static int add(struct rotated *r, const char *text)
{
	struct rotated_file *f;

	if (r->n == r->size) {
		size_t size = r->size ? r->size * 2 : 16;
		void *files = reallocarray(r->files, size, sizeof(*r->files));

		if (!files)
			return -ENOMEM;
		r->files = files;
		r->size = size;
	}
	f = &r->files[r->n++];
	memcpy(f->stamp, text, ROTATED_STAMP_SIZE - 1);
	f->stamp[ROTATED_STAMP_SIZE - 1] = '\0';
	snprintf(f->suffix, sizeof(f->suffix), "%s", text + ROTATED_STAMP_SIZE - 1);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct rotated_file *x = a, *y = b;
	int r = strcmp(x->stamp, y->stamp);

	return r != 0 ? r : strcmp(x->suffix, y->suffix);
}

/* In order, and of each stamp the first: what is not compressed. */
static void arrange(struct rotated *r)
{
	size_t n = 0;

	if (r->n > 1)
		qsort(r->files, r->n, sizeof(*r->files), compare);
	for (size_t i = 0; i < r->n; i++) {
		if (n == 0 || strcmp(r->files[n - 1].stamp, r->files[i].stamp) != 0)
			r->files[n++] = r->files[i];
	}
	r->n = n;
}

int rotated_list(const char *path, struct rotated *ret_rotated)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	_cleanup_free_
	char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	_cleanup_(close_directory) DIR *d = NULL;
	_cleanup_(rotated_fini) struct rotated found = {0};
	size_t n = strlen(base);
	struct dirent *entry;

	if (!directory)
		return -ENOMEM;
	d = opendir(directory);
	if (!d && errno != ENOENT)
		return -errno;
	while (d && (entry = readdir(d))) {
		const char *name = entry->d_name;

		if (strncmp(name, base, n) != 0 || name[n] != '.' || !is_stamp(name + n + 1) ||
			!is_suffix(name + n + ROTATED_STAMP_SIZE))
			continue;
		if (add(&found, name + n + 1) < 0)
			return -ENOMEM;
	}
	arrange(&found);
	*ret_rotated = found;
	found = (struct rotated){0};
	return 0;
}

int rotated_find(const char *path, const char *stamp, struct rotated_file *ret_file)
{
	_cleanup_(rotated_fini) struct rotated list = {0};
	int r = rotated_list(path, &list);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		if (strcmp(list.files[i].stamp, stamp) != 0)
			continue;
		*ret_file = list.files[i];
		return 0;
	}
	return r < 0 ? r : -ENOENT;
}

int rotated_open(const char *path, const struct rotated_file *file)
{
	_cleanup_free_
	char *name = NULL;
	int fd;

	if (asprintf(&name, "%s.%s%s", path, file->stamp, file->suffix) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

usec_t rotated_end(const char *stamp)
{
	char text[ROTATED_STAMP_SIZE];
	usec_t realtime;

	memcpy(text, stamp, sizeof(text));
	text[13] = text[16] = ':';
	return moment_parse(text, &realtime) < 0 ? 0 : realtime + USEC_PER_MSEC - 1;
}
