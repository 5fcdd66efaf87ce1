/*
 * The environment says whether a terminal speaks UTF-8 (no setlocale() for that: it
 * would read files). Where nothing says so, bytes above 0x7f are not sent to it: to an
 * 8-bit terminal some of them are control bytes.
 */
#include "ctl/output/term.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/parse.h"
#include "ctl/output/text.h"

#define DEFAULT_WIDTH 80
#define MAX_WIDTH     10000

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value != '\0';
}

static bool environment_is_utf8(void)
{
	static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);

		if (value && *value != '\0')
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

static size_t width_of(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t value;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	if (columns && parse_u64(columns, MAX_WIDTH, &value) == 0 && value > 0)
		return value;
	return DEFAULT_WIDTH;
}

void term_init(struct term *t, FILE *out, FILE *err)
{
	const char *type = getenv("TERM");
	bool dumb = type && strcmp(type, "dumb") == 0;

	/* A stream that is memory, as in tests, has no descriptor: fileno() says -1. */
	*t = (struct term){.is_terminal = isatty(fileno(out)), .is_utf8 = true};
	if (!t->is_terminal)
		return;
	t->is_utf8 = environment_is_utf8();
	t->colours = !dumb && !is_set("NO_COLOR");
	t->progress = !dumb && isatty(fileno(err));
	t->width = width_of(fileno(out));
}

unsigned term_text_flags(const struct term *t)
{
	return t->is_utf8 ? 0 : TEXT_ASCII;
}
