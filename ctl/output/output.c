/*
 * Where text leaves. JSON for a terminal is pure ASCII (jansson escapes C0 itself, and the
 * rest when told; DEL is done here), so that a service can't command a terminal through
 * a string in it either.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl/ctl.h"
#include "ctl/output/text.h"

static void tell_line(struct ctl *ctl, const char *before, const char *text, size_t n)
{
	_cleanup_buf_ struct buf safe = {0};

	if (text_append_safe(&safe, text, n, term_text_flags(&ctl->term)) < 0)
		return;
	fflush(ctl->out); /* keeps the order where both go to one place */
	fprintf(ctl->err, "%s%.*s\n", before, (int)safe.len, safe.data ? safe.data : "");
	fflush(ctl->err);
}

void ctl_error(struct ctl *ctl, const char *format, ...)
{
	_cleanup_free_
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		text = NULL;
	else
		tell_line(ctl, "supctl: ", text, (size_t)n);
}

void ctl_tell(struct ctl *ctl, const char *text)
{
	tell_line(ctl, "", text, strlen(text));
}

void ctl_no_such(struct ctl *ctl, const char *name)
{
	/* a word of Supervisor and pm2, which is a name like any other here */
	bool all = strcmp(name, "all") == 0;

	ctl_error(ctl, "%s: no such service%s", name, all ? "; all services are '*'" : "");
}

/* stdio keeps a mark of an error, but not which it was. */
static void note_error(struct ctl *ctl)
{
	if (ferror(ctl->out) && ctl->out_error == 0)
		ctl->out_error = errno ? errno : EIO;
}

void ctl_write(struct ctl *ctl, const struct buf *text)
{
	if (text->len > 0)
		fwrite(text->data, 1, text->len, ctl->out);
	note_error(ctl);
}

static int write_json(struct ctl *ctl, json_t *value, size_t flags)
{
	_cleanup_free_
	char *text = NULL;
	size_t plain;

	if (ctl->term.is_terminal)
		flags |= JSON_ENSURE_ASCII;
	text = value ? json_dumps(value, flags) : NULL;
	json_decref(value);
	if (!text) {
		ctl_error(ctl, "cannot write JSON: out of memory");
		return -ENOMEM;
	}
	/* DEL can only stand inside a string, where an escape means the same. */
	for (char *p = text; *p != '\0'; p += plain) {
		plain = strcspn(p, "\x7f");
		fwrite(p, 1, plain, ctl->out);
		if (p[plain] != '\0') {
			fputs("\\u007f", ctl->out);
			plain++;
		}
	}
	fputc('\n', ctl->out);
	note_error(ctl);
	return 0;
}

int ctl_write_json(struct ctl *ctl, json_t *value)
{
	return write_json(ctl, value, ctl->term.is_terminal ? JSON_INDENT(2) : JSON_COMPACT);
}

int ctl_write_json_line(struct ctl *ctl, json_t *value)
{
	return write_json(ctl, value, JSON_COMPACT);
}

int ctl_flush(struct ctl *ctl)
{
	fflush(ctl->out);
	note_error(ctl);
	return -ctl->out_error;
}
