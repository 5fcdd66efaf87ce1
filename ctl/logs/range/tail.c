/*
 * The newline at the very end ends the last line and begins none; so a line begins at the start
 * and after each newline but that one. A rotated file that does not end with a newline is
 * continued by the next: its last line and the other's first one are a single line, which was
 * counted already and whose beginning is wanted too.
 */
#include "ctl/logs/range/tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "ctl/logs/range/range.h"

#define BLOCK_SIZE 65536

/* What is looked for, and how far it has come. */
struct search {
	int fd;
	off_t line_end; /* of the line whose beginning comes next */
	uint64_t n, found;
	struct matcher *matcher; /* NULL: any line */
	char *line; /* owned; with a matcher, room for what is looked at of a line */
	off_t block_begin; /* what is in memory */
	const char *block;
	size_t block_size;
};

/* Reads n bytes, or fewer where the file has become shorter. */
static ssize_t read_at(int fd, char *data, size_t n, off_t offset)
{
	struct input in = input_of(fd, offset);
	size_t got = 0;

	while (got < n) {
		ssize_t r = input_read(&in, data + got, n - got);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

/* A line begins here: 1 if that is the last one wanted, 0, -errno. */
static int take_line(struct search *s, off_t begin)
{
	const char *text = s->line;
	size_t n = (size_t)MIN_OF(s->line_end - begin, (off_t)FEED_MAX_LINE);

	if (s->matcher) {
		if (begin >= s->block_begin &&
			begin + (off_t)n <= s->block_begin + (off_t)s->block_size) {
			text = s->block + (begin - s->block_begin);
		} else {
			ssize_t got = read_at(s->fd, s->line, n, begin);

			if (got < 0)
				return (int)got;
			n = (size_t)got;
		}
		if (n > 0 && text[n - 1] == '\n')
			n--;
		s->found += matcher_match(s->matcher, text, n) > 0;
	} else {
		s->found++;
	}
	s->line_end = begin;
	return s->found == s->n;
}

/* The lines that begin in the block, the last first: as take_line(). */
static int take_block(struct search *s, off_t end, off_t *ret_begin)
{
	size_t size = s->block_size;
	const char *newline;

	while (size > 0 && (newline = memrchr(s->block, '\n', size))) {
		int r;

		size = (size_t)(newline - s->block);
		*ret_begin = s->block_begin + (off_t)size + 1;
		if (*ret_begin == end)
			continue;
		r = take_line(s, *ret_begin);
		if (r != 0)
			return r;
	}
	return 0;
}

static int find(struct search *s, char *block, off_t start, off_t end, off_t *ret_start)
{
	off_t pos = end;
	int r = 0;

	s->block = block;
	while (r == 0 && pos > start) {
		off_t begin = pos - MIN_OF(pos - start, (off_t)BLOCK_SIZE);
		ssize_t size = read_at(s->fd, block, (size_t)(pos - begin), begin);

		if (size < 0)
			return (int)size;
		s->block_begin = begin;
		s->block_size = (size_t)size;
		r = take_block(s, end, ret_start);
		pos = begin;
	}
	if (r == 0 && end > start) {
		*ret_start = start;
		r = take_line(s, start);
	}
	return r < 0 ? r : 0;
}

int tail_find(int fd, off_t start, off_t end, uint64_t n, struct matcher *matcher, off_t *ret_start,
	uint64_t *ret_found)
{
	_cleanup_free_
	char *block = malloc(BLOCK_SIZE);
	_cleanup_free_
	char *line = matcher ? malloc(FEED_MAX_LINE) : NULL;
	struct search s = {.fd = fd, .line_end = end, .n = n, .matcher = matcher, .line = line};
	off_t begin = end;
	int r;

	if (!block || (matcher && !line))
		return -ENOMEM;
	r = n > 0 ? find(&s, block, start, end, &begin) : 0;
	if (r < 0)
		return r;
	*ret_start = begin;
	*ret_found = s.found;
	return 0;
}

/* --- what a program unpacks --- */

struct count {
	uint64_t n;
	off_t begin; /* of the line that was the last to be counted */
	bool ended; /* with a newline */
};

/* Counts lines, or those that match, up to a number; the input is taken. */
static int count(
	struct input in, off_t end, uint64_t most, struct matcher *matcher, struct count *ret_count)
{
	_cleanup_(feed_fini) struct feed feed;
	struct feed_line line;
	int r = 0;

	*ret_count = (struct count){.ended = true, .begin = in.offset};
	feed_init(&feed, in, end, BLOCK_SIZE);
	while (ret_count->n < most && (r = feed_next(&feed, &line)) > 0) {
		ret_count->ended = line.ends;
		if (!line.begins ||
			(matcher && matcher_match(matcher, line.text, line.n - line.ends) <= 0))
			continue;
		ret_count->n++;
		ret_count->begin = line.offset;
	}
	return r < 0 ? r : 0;
}

/* *n is how many are wanted of this one and of what is older. */
static int tail_packed(const struct range *r, struct piece *p, struct input in, bool has_newer,
	uint64_t *n, struct matcher *matcher)
{
	struct count all, skipped;
	int result = count(in, p->end, UINT64_MAX, matcher, &all);

	if (result < 0)
		return result;
	if (has_newer && !all.ended && !matcher)
		(*n)++;
	if (*n == 0) {
		p->end = p->start;
		return 1;
	}
	if (all.n <= *n) {
		*n -= all.n;
		return 0;
	}
	result = range_open(r, p, p->start, &in);
	if (result == 0)
		result = count(in, p->end, all.n - *n + 1, matcher, &skipped);
	if (result < 0)
		return result;
	p->start = skipped.begin;
	*n = 0;
	return 1;
}

/* --- a range --- */

/* The same for a piece that can be read anywhere. */
static int tail_plain(int fd, struct piece *p, bool has_newer, uint64_t *n, struct matcher *matcher)
{
	off_t start;
	uint64_t found;
	struct stat st;
	char last;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	p->end = MIN_OF(p->end, (off_t)st.st_size);
	if (p->end <= p->start || read_at(fd, &last, 1, p->end - 1) != 1)
		return 0;
	if (has_newer && last != '\n' && !matcher)
		(*n)++;
	r = tail_find(fd, p->start, p->end, *n, matcher, &start, &found);
	if (r < 0)
		return r;
	*n -= found;
	r = start > p->start;
	p->start = start;
	return r;
}

/* 1: nothing older is wanted; 0; -ENOMEM; what else is wrong stands in the piece. */
static int tail_piece(const struct range *r, struct piece *p, bool has_newer, uint64_t *n,
	struct matcher *matcher)
{
	struct input in;
	int result;

	/* Does the last line found go on from an older file? With a pattern, it stays a piece. */
	if (*n == 0 && (!has_newer || matcher)) {
		p->end = p->start;
		return 1;
	}
	result = range_open(r, p, p->start, &in);
	if (result == 0 && in.packed)
		result = tail_packed(r, p, in, has_newer, n, matcher);
	else if (result == 0) {
		result = tail_plain(in.fd, p, has_newer, n, matcher);
		input_fini(&in);
	}
	if (result < 0 && result != -ENOMEM) {
		p->error = result;
		return 0;
	}
	return result;
}

int range_tail(struct range *r, uint64_t n, struct matcher *matcher)
{
	bool has_newer = false;
	int result = 0;
	size_t i = r->n;

	while (result == 0 && i > 0) {
		struct piece *p = &r->pieces[--i];

		result = tail_piece(r, p, has_newer, &n, matcher);
		has_newer |= p->error == 0 && p->start < p->end;
	}
	if (result < 0)
		return result;
	range_drop_older(r, i);
	return 0;
}
