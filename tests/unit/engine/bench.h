/*
 * What the tests of the log side share: a temporary directory, the supervisor's own log caught
 * in a memfd, and the faults of the test build of base/sys.c.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/sys.h"
#include "conf/spec.h"
#include "tests/unit/directory.h"

struct bench {
	char dir[DIRECTORY_SIZE];
	int saved_stderr, caught;
};

/* Settings as a definition has them; they stay until the end. */
static inline struct spec_log *bench_log(uint64_t max_size_bytes, unsigned keep)
{
	static struct spec_log logs[256];
	static unsigned n;

	assert_in_range(n, 0, ELEMENTSOF(logs) - 1);
	logs[n].rotation.max_size_bytes = max_size_bytes;
	logs[n].rotation.keep = keep;
	return &logs[n++];
}

static inline void bench_init(struct bench *b)
{
	directory_make(b->dir);
	b->caught = memfd_create("log", MFD_CLOEXEC);
	b->saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(b->caught >= 0 && b->saved_stderr >= 0);
	assert_int_equal(dup2(b->caught, STDERR_FILENO), STDERR_FILENO);
}

/* Also after a test that failed; nothing in here may fail the test again. */
static inline void bench_fini(struct bench *b)
{
	dup2(b->saved_stderr, STDERR_FILENO);
	close(b->saved_stderr);
	close(b->caught);
	directory_remove(b->dir);
}

static inline const char *bench_path(const struct bench *b, const char *name, char ret_path[256])
{
	int n = snprintf(ret_path, 256, "%s/%s", b->dir, name);

	assert_in_range(n, 1, 255);
	return ret_path;
}

/* How often text stands in the supervisor's log. */
static inline unsigned bench_logged(const struct bench *b, const char *text)
{
	static char log[65536];
	ssize_t n = pread(b->caught, log, sizeof(log) - 1, 0);
	unsigned count = 0;

	assert_true(n >= 0);
	log[n] = '\0';
	for (const char *p = log; (p = strstr(p, text)); p++)
		count++;
	return count;
}

static inline unsigned bench_log_lines(const struct bench *b)
{
	return bench_logged(b, "\n");
}

/* Lets the next such call fail. Only eight of these in one process. */
static inline void inject(const char *rule)
{
	setenv("SUPERVISOR_FAULT", rule, 1);
	sys_faults_init("test");
	unsetenv("SUPERVISOR_FAULT");
}

static inline size_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (size_t)st.st_size : SIZE_MAX;
}

/* The whole content, NUL added; to be freed. */
static inline char *file_read(const char *path, size_t *ret_n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st = {0};
	char *data;
	size_t n;

	assert_int_equal(fstat(fd, &st), 0);
	n = (size_t)st.st_size;
	assert_in_range(n, 0, 1 << 24);
	data = malloc(n + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, n), (ssize_t)n);
	data[n] = '\0';
	close(fd);
	if (ret_n)
		*ret_n = n;
	return data;
}

static inline void file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

#define assert_file(path, text)                      \
	do {                                         \
		char *_data = file_read(path, NULL); \
		assert_string_equal(_data, text);    \
		free(_data);                         \
	} while (0)

/* Names in dir that begin with prefix, sorted; to be freed with free_names(). */
static inline int list_names(const char *dir, const char *prefix, struct dirent ***ret_names)
{
	int n = scandir(dir, ret_names, NULL, alphasort), kept = 0;

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		if (strncmp((*ret_names)[i]->d_name, prefix, strlen(prefix)) == 0)
			(*ret_names)[kept++] = (*ret_names)[i];
		else
			free((*ret_names)[i]);
	}
	return kept;
}

static inline void free_names(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static inline int count_names(const char *dir, const char *prefix)
{
	struct dirent **names;
	int n = list_names(dir, prefix, &names);

	free_names(names, n);
	return n;
}
