/*
 * Lines show by themselves what they are: a configuration tells of today's lines only, while a
 * file holds those of other days as well. A service that writes such times itself is read as well.
 */
#include "ctl/logs/file/linetime.h"

#include <errno.h>
#include <string.h>

#include "ctl/output/moment.h"

static const char key[] = "\"time\"";

/* {"time":"… with blanks where JSON may have some: where the text begins, or 0. */
static size_t skip_to_value(const char *line, size_t n)
{
	size_t at = 1;

	while (at < n && line[at] == ' ')
		at++;
	if (n - at < sizeof(key) || memcmp(line + at, key, sizeof(key) - 1) != 0)
		return 0;
	at += sizeof(key) - 1;
	while (at < n && (line[at] == ' ' || line[at] == ':'))
		at++;
	return at < n && line[at] == '"' ? at + 1 : 0;
}

int linetime_parse(const char *line, size_t n, usec_t *ret_realtime)
{
	size_t at = 0;
	int r;

	if (n > 0 && line[0] == '{') {
		at = skip_to_value(line, n);
		if (at == 0)
			return -EINVAL;
	}
	r = moment_scan(line + at, n - at, ret_realtime);
	return r < 0 ? r : 0;
}
