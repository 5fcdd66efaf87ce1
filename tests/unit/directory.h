/*
 * A directory of a test's own: below TMPDIR where that is short, so that a socket's path fits.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY_SIZE 64

static inline void directory_make(char ret_path[static DIRECTORY_SIZE])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(
		ret_path, DIRECTORY_SIZE, "%s/test-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	assert_non_null(mkdtemp(ret_path));
}

static inline int directory_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* With all that is in it. Also after a test that failed: this does not fail it again. */
static inline void directory_remove(const char *path)
{
	nftw(path, directory_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
