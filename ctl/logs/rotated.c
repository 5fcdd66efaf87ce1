/*
 * Only names of exactly the writer's form count, so that neither web.log.old nor another
 * service's file is taken for a piece of web.log.
 */
#include "ctl/logs/rotated.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static void close_directory(DIR **d)
{
	if (*d)
		closedir(*d);
}

void rotated_fini(struct rotated *r)
{
	free(r->stamps);
	*r = (struct rotated){0};
}

static bool is_stamp(const char *text)
{
	static const char form[ROTATED_STAMP_SIZE] = "0000-00-00T00-00-00.000Z";

	for (size_t i = 0; i < sizeof(form); i++) {
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	}
	return true;
}

static int add(struct rotated *r, const char *stamp)
{
	if (r->n == r->size) {
		size_t size = r->size ? r->size * 2 : 16;
		void *stamps = reallocarray(r->stamps, size, sizeof(*r->stamps));

		if (!stamps)
			return -ENOMEM;
		r->stamps = stamps;
		r->size = size;
	}
	memcpy(r->stamps[r->n++], stamp, sizeof(*r->stamps));
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
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

		if (strncmp(name, base, n) != 0 || name[n] != '.' || !is_stamp(name + n + 1))
			continue;
		if (add(&found, name + n + 1) < 0)
			return -ENOMEM;
	}
	if (found.n > 1)
		qsort(found.stamps, found.n, sizeof(*found.stamps), compare);
	*ret_rotated = found;
	found = (struct rotated){0};
	return 0;
}

int rotated_open(const char *path, const char *stamp)
{
	_cleanup_free_
	char *name = NULL;
	int fd;

	if (asprintf(&name, "%s.%s", path, stamp) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}
