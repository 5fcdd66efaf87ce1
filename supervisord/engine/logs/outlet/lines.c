/*
 * Nothing is copied but the beginning of a line whose end is yet to come. Only the first line
 * can have a head; once it has gone, partial is empty. A search for a newline ends where a line
 * would be too long, so that an endless one costs no more than others.
 */
#include "engine/logs/outlet/lines.h"

#include <string.h>

#include "base/macro.h"

#define LEVEL_SIZE 3 /* "<6>" */

size_t lines_count(const char *data, size_t n)
{
	size_t count = 0;

	for (const char *p = data, *end = data + n; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		count++;
	return count;
}

static uint8_t priority_of(const struct log_origin *origin)
{
	if (strcmp(origin->stream, "stdout") == 0)
		return PRIORITY_INFO;
	return strcmp(origin->stream, "stderr") == 0 ? PRIORITY_ERR : PRIORITY_WARNING;
}

void lines_init(struct lines *l, const struct outlet_writer *w, const struct log_origin *origin,
	const char *data, size_t n, size_t max)
{
	*l = (struct lines){
		.writer = w,
		.data = data,
		.n = n,
		.max = max,
		.priority = origin ? priority_of(origin) : PRIORITY_INFO,
		.cut = w->cut,
		.levels = origin,
	};
}

static char byte_at(const struct line *line, size_t i)
{
	return i < line->n_head ? line->head[i] : line->text[i - line->n_head];
}

static void remove_front(struct line *line, size_t n)
{
	size_t k = MIN_OF(n, line->n_head);

	line->head += k;
	line->n_head -= k;
	line->text += n - k;
	line->n_text -= n - k;
}

static void set_priority(const struct lines *l, struct line *line)
{
	line->priority = l->priority;
	if (l->cut > 0) {
		line->priority = (uint8_t)(l->cut - 1);
	} else if (l->levels && line->n_head + line->n_text >= LEVEL_SIZE &&
		   byte_at(line, 0) == '<' && byte_at(line, 2) == '>' && byte_at(line, 1) >= '0' &&
		   byte_at(line, 1) <= '0' + PRIORITY_MAX) {
		line->priority = (uint8_t)(byte_at(line, 1) - '0');
		remove_front(line, LEVEL_SIZE);
	}
}

bool lines_next(struct lines *l, struct line *ret)
{
	const struct buf *partial = &l->writer->partial;
	const char *text = l->data + l->done, *newline;
	size_t n_head = l->done == 0 ? partial->len : 0;
	size_t room = l->max > n_head ? l->max - n_head : 0, n = l->n - l->done;

	newline = n > 0 ? memchr(text, '\n', MIN_OF(n, room + 1)) : NULL;
	if (!newline && n <= room)
		return false;
	*ret = (struct line){
		.head = n_head > 0 ? partial->data : text,
		.text = text,
		.n_head = n_head,
		.n_text = newline ? (size_t)(newline - text) : room,
		.ended = newline,
		.cut = !newline,
	};
	ret->n_data = ret->n_text + ret->ended;
	ret->n_own = n_head + ret->n_data;
	set_priority(l, ret);
	l->done += ret->n_data;
	l->cut = ret->cut ? (uint8_t)(1 + ret->priority) : 0;
	return true;
}

void lines_take(struct outlet_writer *w, const struct line *line)
{
	buf_fini(&w->partial);
	w->cut = line->cut ? (uint8_t)(1 + line->priority) : 0;
}

size_t lines_keep(const struct lines *l, struct outlet_writer *w)
{
	size_t n = l->n - l->done;

	return buf_append(&w->partial, l->max, l->data + l->done, n) == 0 ? n : 0;
}

void lines_last(const struct outlet_writer *w, const struct log_origin *origin, struct line *ret)
{
	struct lines l;

	lines_init(&l, w, origin, NULL, 0, SIZE_MAX);
	*ret = (struct line){
		.head = w->partial.data,
		.text = w->partial.data,
		.n_head = w->partial.len,
		.n_own = w->partial.len,
	};
	set_priority(&l, ret);
}
