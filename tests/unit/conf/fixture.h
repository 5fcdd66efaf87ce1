/* What the tests of conf/ share: a temporary directory, files in it, and loading them. */
#pragma once

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/load.h"
#include "conf/spec.h"
#include "tests/unit/directory.h"

struct fixture {
	char directory[DIRECTORY_SIZE];
	char main_path[96];
	struct conf_context context;
	struct spec *spec;
	struct conf_sources *sources;
	struct conf_errors errors;
};

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	directory_make(f->directory);
	snprintf(f->main_path, sizeof(f->main_path), "%s/main.conf", f->directory);
	f->context = (struct conf_context){
		.root = geteuid() == 0, .home = "/home/u", .xdg_runtime_dir = "/run/user/7"};
	*state = f;
	return 0;
}

static inline void fixture_reset(struct fixture *f)
{
	spec_free(f->spec);
	conf_sources_free(f->sources);
	conf_errors_fini(&f->errors);
	f->spec = NULL;
	f->sources = NULL;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	fixture_reset(f);
	directory_remove(f->directory);
	free(f);
	return 0;
}

static inline void write_bytes(struct fixture *f, const char *name, const void *data, size_t n)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

static inline void write_file(struct fixture *f, const char *name, const char *text)
{
	write_bytes(f, name, text, strlen(text));
}

static inline void make_directory(struct fixture *f, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", f->directory, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static inline int load(struct fixture *f)
{
	fixture_reset(f);
	return conf_load(f->main_path, &f->context, &f->sources, &f->spec, &f->errors);
}

static inline int load_text(struct fixture *f, const char *text)
{
	write_file(f, "main.conf", text);
	return load(f);
}

static inline void print_errors(const struct fixture *f)
{
	for (size_t i = 0; i < f->errors.n; i++)
		print_message("  %s\n", f->errors.messages[i]);
}

/* The text must load. */
static inline struct spec *good(struct fixture *f, const char *text)
{
	int r = load_text(f, text);

	print_errors(f);
	assert_int_equal(r, 0);
	assert_int_equal(f->errors.n, 0);
	assert_non_null(f->spec);
	return f->spec;
}

/* Is there a message "…/FILE:LINE: …" that holds the text? line 0: no matter. */
static inline void assert_told(
	const struct fixture *f, const char *file, unsigned line, const char *text)
{
	char place[160];

	snprintf(place, sizeof(place), line > 0 ? "%s/%s:%u: " : "%s/%s", f->directory, file, line);
	for (size_t i = 0; i < f->errors.n; i++) {
		const char *m = f->errors.messages[i];

		if (strncmp(m, place, strlen(place)) == 0 && strstr(m, text))
			return;
	}
	print_message("not told: %s … %s; but:\n", place, text);
	print_errors(f);
	fail();
}

/* The text must be refused, with just this message. */
static inline void bad(struct fixture *f, const char *text, unsigned line, const char *message)
{
	int r = load_text(f, text);

	assert_int_equal(r, -EINVAL);
	assert_null(f->spec);
	assert_null(f->sources);
	assert_told(f, "main.conf", line, message);
	if (f->errors.n != 1)
		print_errors(f);
	assert_int_equal(f->errors.n, 1);
}

/* The same inside of a service that has a command; its first line is line 2. */
static inline void bad_key(struct fixture *f, const char *keys, unsigned line, const char *message)
{
	char text[4096];

	snprintf(text, sizeof(text), "service web { command = \"/bin/true\"\n%s\n}\n", keys);
	bad(f, text, line, message);
}

static inline const struct spec_service *service_at(const struct fixture *f, size_t i)
{
	assert_true(i < f->spec->n_services);
	return &f->spec->services[i];
}

/* An empty list may be NULL. */
static inline void assert_list(char *const *list, const char *const *expected)
{
	size_t i;

	for (i = 0; expected[i]; i++) {
		assert_non_null(list);
		assert_non_null(list[i]);
		assert_string_equal(list[i], expected[i]);
	}
	assert_true(!list || !list[i]);
}
#define ASSERT_LIST(list, ...) \
	assert_list(list, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
