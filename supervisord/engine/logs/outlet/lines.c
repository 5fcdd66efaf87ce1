/*
 * Nothing is copied but the beginning of a line whose end is yet to come. Only the first line
 * can have a head; once it has gone, partial is empty, but for the few bytes of a character
 * that a cut would have torn. A search for a newline ends where a line
 * would be too long, so that an endless one costs no more than others.
 */
#include "engine/logs/outlet/lines.h"

#include <string.h>

#include "base/macro.h"

#define LEVEL_SIZE 3 /* "<6>" */

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
		.n_head = w->partial.len,
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

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* How many bytes before the place where a line is to be cut begin a character beyond it. */
static size_t count_torn(const struct line *line, size_t at)
{
	size_t k = 0;

	while (k < 4 && k < at && is_continuation(byte_at(line, at - k)))
		k++;
	return k < 4 && ((unsigned char)byte_at(line, at - k) & 0xc0) == 0xc0 ? k : 0;
}

static void cut(struct line *line, size_t room)
{
	size_t torn = count_torn(line, line->n_head + room);

	line->cut = true;
	line->n_kept = torn > room ? torn - room : 0;
	line->n_head -= line->n_kept;
	line->n_text = torn > room ? 0 : room - torn;
}

bool lines_next(struct lines *l, struct line *ret)
{
	const struct buf *partial = &l->writer->partial;
	const char *text = l->data + l->done, *newline;
	size_t room = l->max > l->n_head ? l->max - l->n_head : 0, n = l->n - l->done;

	newline = n > 0 ? memchr(text, '\n', MIN_OF(n, room + 1)) : NULL;
	if (!newline && n <= room)
		return false;
	*ret = (struct line){
		.head = l->n_head > 0 ? partial->data + partial->len - l->n_head : text,
		.text = text,
		.n_head = l->n_head,
		.ended = newline,
	};
	if (newline)
		ret->n_text = (size_t)(newline - text);
	else
		cut(ret, room);
	ret->n_data = ret->n_text + ret->ended;
	ret->n_own = ret->n_head + ret->n_data;
	set_priority(l, ret);
	l->done += ret->n_data;
	l->n_head = ret->n_kept;
	l->cut = ret->cut ? (uint8_t)(1 + ret->priority) : 0;
	return true;
}

void lines_take(struct lines *l, struct outlet_writer *w, const struct line *line)
{
	buf_consume(&w->partial, w->partial.len - line->n_kept);
	if (w->partial.len == 0)
		buf_fini(&w->partial);
	w->cut = line->cut ? (uint8_t)(1 + line->priority) : 0;
	l->n_head = w->partial.len;
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
