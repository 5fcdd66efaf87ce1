/*
 * Merging keeps one line of each log in memory. A batch of lines has one time, so whoever has the
 * earliest line is asked for more until another one is earlier, which costs nothing per line.
 */
#include "ctl/logs/show/cursor.h"

#include <errno.h>

#include "ctl/logs/file/linetime.h"

void cursor_init(struct cursor *c, struct range *range, struct source *source, size_t chunk)
{
	*c = (struct cursor){.range = range, .source = source, .chunk = chunk, .feed.in.fd = -1};
}

static void close_piece(struct cursor *c)
{
	feed_fini(&c->feed);
	c->open = false;
	c->piece++;
}

void cursor_fini(struct cursor *c)
{
	feed_fini(&c->feed);
}

static int open_piece(struct cursor *c)
{
	const struct piece *p = &c->range->pieces[c->piece];
	struct input in;
	int r = range_open(c->range, p, p->start, &in);

	if (r < 0)
		return r;
	feed_init(&c->feed, in, p->end, c->chunk);
	c->open = true;
	return 0;
}

/* The next line into c->line: 1, 0 at the end, -ENOMEM. */
static int next(struct cursor *c, const struct cursor_context *context)
{
	while (c->piece < c->range->n) {
		int r = c->open ? 0 : open_piece(c);

		if (r == 0)
			r = feed_next(&c->feed, &c->line);
		if (r > 0 || r == -ENOMEM)
			return r;
		if (r < 0)
			context->on_error(
				c->source, &c->range->pieces[c->piece], r, context->userdata);
		close_piece(c);
	}
	c->at_end = true;
	return 0;
}

static int write_line(struct cursor *c, const struct cursor_context *context)
{
	return lines_feed(context->lines, c->source, c->line.text, c->line.n);
}

int cursor_show(struct cursor *c, const struct cursor_context *context)
{
	int r;

	while ((r = next(c, context)) > 0 && !ferror(context->lines->ctl->out)) {
		r = write_line(c, context);
		if (r < 0)
			break;
	}
	return r < 0 ? r : 0;
}

/* The next line, and its time. */
static int advance(struct cursor *c, const struct cursor_context *context)
{
	usec_t realtime;
	int r = next(c, context);

	if (r > 0 && c->line.begins && linetime_parse(c->line.text, c->line.n, &realtime) == 0)
		c->realtime = realtime;
	return r;
}

/* Whose turn it is, until when. NULL: all are at their end. */
static struct cursor *choose(struct cursor *cursors, size_t n, usec_t *ret_until)
{
	struct cursor *first = NULL, *second = NULL;

	for (size_t i = 0; i < n; i++) {
		struct cursor *c = &cursors[i];

		if (c->at_end)
			continue;
		if (!first || c->realtime < first->realtime) {
			second = first;
			first = c;
		} else if (!second || c->realtime < second->realtime) {
			second = c;
		}
	}
	/* Of the same time, whoever stands first goes first. */
	*ret_until = !second	      ? USEC_INFINITY
		     : first < second ? second->realtime
				      : usec_sub(second->realtime, 1);
	return first;
}

int cursor_merge(struct cursor *cursors, size_t n, const struct cursor_context *context)
{
	struct cursor *c;
	usec_t until;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = advance(&cursors[i], context);
	while (r >= 0 && (c = choose(cursors, n, &until))) {
		do {
			if (ferror(context->lines->ctl->out))
				return 0;
			r = write_line(c, context);
			if (r == 0)
				r = advance(c, context);
		} while (r > 0 && c->realtime <= until);
	}
	return r < 0 ? r : 0;
}
