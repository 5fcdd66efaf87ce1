/*
 * supervisord's command line. The launcher hands it on unread.
 */
#pragma once

#include <stdbool.h>

struct options {
	const char *config; /* borrowed from argv; NULL: the default */
	bool check;
	bool help, version;
};

/* 0, or -EINVAL after having said on stderr what is wrong. */
int options_parse(struct options *ret_options, int argc, char **argv);

extern const char options_help[];
