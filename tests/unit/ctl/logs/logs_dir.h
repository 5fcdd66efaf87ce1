/*
 * A directory with logs, made the way the writer makes them, and supctl logs on one of them.
 */
#pragma once

#include "tests/unit/ctl/fake.h"
#include "tests/unit/directory.h"

#include <sys/stat.h>

struct logs_dir {
	char dir[DIRECTORY_SIZE], path[128];
};

static inline void make_dir(struct logs_dir *d)
{
	directory_make(d->dir);
	snprintf(d->path, sizeof(d->path), "%s/web.log", d->dir);
}

static inline void remove_dir(struct logs_dir *d)
{
	directory_remove(d->dir);
}

static inline void append(const char *path, const char *text)
{
	FILE *f = fopen(path, "a");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline void append_line(const char *path, unsigned i)
{
	char line[32];

	snprintf(line, sizeof(line), "line %u\n", i);
	append(path, line);
}

/* second tells the stamps apart, and orders them. */
static inline const char *rotated_path(
	const struct logs_dir *d, unsigned second, char ret_path[192])
{
	snprintf(ret_path, 192, "%s.2026-11-23T06-36-%02u.123Z", d->path, second);
	return ret_path;
}

static inline void rotate(const struct logs_dir *d, unsigned second)
{
	char path[192];

	assert_int_equal(0, rename(d->path, rotated_path(d, second, path)));
}

/* Compresses what was rotated, as the supervisor's filter would. */
static inline void pack(
	const struct logs_dir *d, unsigned second, const char *program, const char *suffix)
{
	char path[192], command[640];

	rotated_path(d, second, path);
	snprintf(command, sizeof(command), "%s -c < %s > %s%s && rm %s", program, path, path,
		suffix, path);
	assert_int_equal(0, system(command));
}

/* supctl logs, with the server telling of the log in the directory. */
static inline void run_logs(struct fake *f, const struct logs_dir *d, const char *const *args)
{
	char reply[512];

	snprintf(reply, sizeof(reply),
		"{\"parameters\":{\"services\":[{\"name\":\"web\",\"logs\":[{\"stream\":\"output\","
		"\"sink\":\"file\",\"path\":\"%s\"}]}]}}",
		d->path);
	run_with(f, SCRIPT(ACCEPT, READ, reply), args);
}
