/*
 * A piece of an overlong line: without prefixes it is simply written on with, so nothing
 * is added to what the service wrote; with prefixes, or as JSON, each piece is a line of
 * its own, as other streams may come between.
 */
#include "ctl/logs/show/lines.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "ctl/logs/file/feed.h"
#include "ctl/logs/file/linetime.h"
#include "ctl/output/render.h"
#include "ctl/output/text.h"

/* With the time where the line tells it. */
static json_t *pack_object(
	const struct source *s, const char *text, size_t n, const struct buf *valid)
{
	char time[USEC_RFC3339_SIZE];
	usec_t realtime;
	bool timed = !s->continued && linetime_parse(text, n, &realtime) == 0;

	if (timed)
		usec_rfc3339(realtime, time);
	return json_pack("{s:s,s:s,s:s*,s:o}", "name", s->name, "stream", s->stream, "time",
		timed ? time : NULL, "line",
		json_stringn(valid->data ? valid->data : "", valid->len));
}

static int write_object(const struct lines *l, const struct source *s, const char *text, size_t n)
{
	_cleanup_buf_ struct buf valid = {0};
	int r = text_append_utf8(&valid, text, n);

	return r < 0 ? r : ctl_write_json_line(l->ctl, pack_object(s, text, n, &valid));
}

static int append_prefix(const struct lines *l, const struct source *s, struct buf *out)
{
	size_t width = text_width(s->label, strlen(s->label));

	return buf_printf(out, "%s%s%*s |%s ", s->colour, s->label,
		(int)(l->label_width - MIN_OF(width, l->label_width)), "",
		*s->colour != '\0' ? RENDER_RESET : "");
}

/* As it is: no copy of what may be gigabytes. */
static void write_plain(const struct lines *l, const char *text, size_t n, bool is_whole)
{
	const struct buf line = {.data = (char *)text, .len = n},
			 end = {.data = (char *)"\n", .len = 1};

	ctl_write(l->ctl, &line);
	if (is_whole)
		ctl_write(l->ctl, &end);
}

static int write_text(
	const struct lines *l, struct source *s, const char *text, size_t n, bool is_whole)
{
	const struct ctl *ctl = l->ctl;
	_cleanup_buf_ struct buf out = {0};
	int r = 0;

	if (!l->prefixed && (!ctl->term.is_terminal || ctl->raw)) {
		write_plain(l, text, n, is_whole);
		return 0;
	}
	if (l->prefixed)
		r = append_prefix(l, s, &out);
	if (r == 0 && ctl->term.is_terminal && !ctl->raw) {
		if (is_whole && n > 0 && text[n - 1] == '\r')
			n--;
		r = text_append_safe(
			&out, text, n, TEXT_TABS | TEXT_NO_SGR | term_text_flags(&ctl->term));
	} else if (r == 0) {
		r = buf_append(&out, SIZE_MAX, text, n);
	}
	if (r == 0 && (is_whole || l->prefixed))
		r = buf_append(&out, SIZE_MAX, "\n", 1);
	if (r == 0)
		ctl_write(l->ctl, &out);
	return r;
}

/* Of a line in pieces the first one decides. */
static bool is_hidden(const struct lines *l, struct source *s, const char *text, size_t n)
{
	int r;

	if (!l->matcher || s->continued)
		return s->hidden;
	r = matcher_match(l->matcher, text, n);
	s->n_given_up += r < 0;
	return r <= 0;
}

static int emit(const struct lines *l, struct source *s, const char *text, size_t n, bool is_whole)
{
	int r = 0;

	s->hidden = is_hidden(l, s, text, n);
	if (s->hidden) {
		s->continued = !is_whole;
		s->hidden = s->continued;
		return 0;
	}

	/* The end of a line that came in pieces may be empty: then nothing is left to tell. */
	if (n > 0 || !s->continued || !(l->prefixed || l->ctl->json))
		r = l->ctl->json ? write_object(l, s, text, n)
				 : write_text(l, s, text, n, is_whole);
	s->continued = !is_whole;
	return r;
}

/* The line begins in s->partial and goes on in data. */
static int emit_joined(
	const struct lines *l, struct source *s, const char *data, size_t n, bool is_whole)
{
	int r;

	if (s->partial.len == 0)
		return emit(l, s, data, n, is_whole);
	r = buf_append(&s->partial, SIZE_MAX, data, n);
	if (r == 0)
		r = emit(l, s, s->partial.data, s->partial.len, is_whole);
	s->partial.len = 0;
	return r;
}

int lines_feed(const struct lines *l, struct source *s, const char *data, size_t n)
{
	int r = 0;

	while (r == 0 && n > 0) {
		size_t room = FEED_MAX_LINE - s->partial.len;
		const char *newline = memchr(data, '\n', MIN_OF(n, room + 1));
		size_t used;

		if (newline) {
			used = (size_t)(newline - data) + 1;
			r = emit_joined(l, s, data, used - 1, true);
		} else if (n > room) {
			used = room;
			r = emit_joined(l, s, data, used, false);
		} else {
			used = n;
			r = buf_append(&s->partial, SIZE_MAX, data, n);
		}
		data += used;
		n -= used;
	}
	return r;
}

int lines_end(const struct lines *l, struct source *s)
{
	if (s->partial.len == 0 && !s->continued)
		return 0;
	return emit_joined(l, s, "", 0, true);
}
