/*
 * The buffer grows to what the longest line needs, and its rest moves to the front only when it
 * has to be filled again.
 */
#include "ctl/logs/file/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

void feed_init(struct feed *f, struct input in, off_t limit, size_t chunk)
{
	*f = (struct feed){.in = in, .limit = limit, .chunk = chunk};
}

void feed_fini(struct feed *f)
{
	input_fini(&f->in);
	free(f->data);
	*f = (struct feed){.in.fd = -1};
}

static int make_room(struct feed *f)
{
	size_t n = f->end - f->begin;
	char *data;

	if (f->begin > 0) {
		memmove(f->data, f->data + f->begin, n);
		f->begin = 0;
		f->end = n;
	}
	if (f->size - n >= f->chunk)
		return 0;
	data = realloc(f->data, n + 2 * f->chunk);
	if (!data)
		return -ENOMEM;
	f->data = data;
	f->size = n + 2 * f->chunk;
	return 0;
}

/* More bytes: how many, 0 at the end, -errno. */
static ssize_t fill(struct feed *f)
{
	off_t left = MAX_OF(f->limit - f->in.offset, (off_t)0);
	size_t wanted = (size_t)MIN_OF((off_t)f->chunk, left);
	ssize_t n;
	int r;

	if (wanted == 0 || f->in.fd < 0)
		return 0;
	r = make_room(f);
	if (r < 0)
		return r;
	n = input_read(&f->in, f->data + f->end, wanted);
	if (n > 0)
		f->end += (size_t)n;
	return n;
}

static int hand_out(struct feed *f, size_t n, bool ends, struct feed_line *ret_line)
{
	*ret_line = (struct feed_line){
		.text = f->data + f->begin,
		.n = n,
		.offset = f->in.offset - (off_t)(f->end - f->begin),
		.begins = !f->within,
		.ends = ends,
	};
	f->begin += n;
	f->within = !ends;
	return 1;
}

int feed_next(struct feed *f, struct feed_line *ret_line)
{
	size_t seen = 0;

	for (;;) {
		size_t n = MIN_OF(f->end - f->begin, (size_t)FEED_MAX_LINE);
		const char *newline =
			n > seen ? memchr(f->data + f->begin + seen, '\n', n - seen) : NULL;
		ssize_t got;

		if (newline)
			return hand_out(
				f, (size_t)(newline - (f->data + f->begin)) + 1, true, ret_line);
		if (n == FEED_MAX_LINE)
			return hand_out(f, n, false, ret_line);
		seen = n;
		got = fill(f);
		if (got < 0)
			return (int)got;
		if (got == 0)
			return n > 0 ? hand_out(f, n, false, ret_line) : 0;
	}
}
